//! A Redis of the test's own, bridges without a gateway, and a client that knows Engine.IO's bytes.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use reqwest::{Response, StatusCode};
use suara_bridge::{Bridge, Settings};
use suara_redis::{Prefix, RedisAddress};
use suara_tcp::StallAwareListener;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// At most, for what takes moments on a machine that isn't busy.
const LONG: Duration = Duration::from_secs(30);

/// What a session takes and makes nothing of.
pub(crate) const ANYTHING: &str = r#"42["anything"]"#;

/// Asks until the answer is there.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < LONG, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A session takes these packets at that node, sooner or later, and isn't said to be gone until then.
pub(crate) async fn is_found(at: &Node, sid: &str, packets: &'static str) {
    until("the session to be found", async || match at.say(sid, packets).await.status() {
        StatusCode::OK => Some(()),
        status => {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            None
        }
    })
    .await;
}

/// What nodes are told of Redis.
pub(crate) trait Address {
    fn url(&self) -> String;
}

pub(crate) struct Redis {
    port: u16,
    flags: Vec<&'static str>,
    server: Option<Child>,
    directory: TempDir,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        Self::with(Vec::new()).await
    }

    pub(crate) async fn with(flags: Vec<&'static str>) -> Self {
        let port = free_port().await;
        let mut redis = Self { port, flags, server: None, directory: tempfile::tempdir().unwrap() };
        redis.begin().await;
        redis
    }

    pub(crate) async fn begin(&mut self) {
        let port = self.port.to_string();
        let server = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(&self.flags)
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("Debian's redis-server is there");
        self.server = Some(server);
        until("Redis", async || self.try_ask::<()>(redis::cmd("PING")).await.ok()).await;
    }

    /// Stops it where it is, connections and all, or lets it go on.
    pub(crate) fn pause(&self, is_paused: bool) {
        let id = self.server.as_ref().unwrap().id().to_string();
        let signal = if is_paused { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it without a word; what it had is lost.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, command: &mut redis::Cmd) -> T {
        self.try_ask(std::mem::take(command)).await.unwrap()
    }

    /// The same, of a machine that may be busy.
    pub(crate) async fn try_ask<T: redis::FromRedisValue>(
        &self,
        command: redis::Cmd,
    ) -> redis::RedisResult<T> {
        let mut link = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        command.query_async(&mut link).await
    }
}

impl Address for Redis {
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Address for String {
    fn url(&self) -> String {
        self.clone()
    }
}

/// One that a Redis Cluster's second port, 10 000 above, fits over too.
async fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let Some(second) = port.checked_add(10_000) else { continue };
        if TcpListener::bind(("127.0.0.1", second)).await.is_ok() {
            return port;
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A bridge that clients can open sessions at; its gateway is away.
pub(crate) struct Node {
    pub(crate) bridge: Bridge,
    pub(crate) address: SocketAddr,
    client: reqwest::Client,
    registry: Registry,
    stop: CancellationToken,
    _directory: TempDir,
}

impl Node {
    pub(crate) async fn start(redis: &impl Address, secret: Option<&str>) -> Self {
        Self::of(redis, secret, Prefix::default(), false).await
    }

    /// One of a deployment of its own; who comes without a token stays where it `is_open`.
    pub(crate) async fn of(
        redis: &impl Address,
        secret: Option<&str>,
        prefix: Prefix,
        is_open: bool,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token = directory.path().join("trunk.token");
        std::fs::write(&token, "none").unwrap();
        let mut settings = Settings::new("http://127.0.0.1:1", token);
        settings.redis = Some(RedisAddress::parse(&redis.url()).unwrap());
        settings.redis_prefix = prefix;
        // Sessions last: who has no token is admitted to something, and nobody here answers a ping.
        settings.anonymous_signaling = is_open;
        (settings.ping_interval, settings.ping_timeout) = (2 * LONG, 2 * LONG);
        settings.peers.secret = secret.map(|secret| secret.as_bytes().to_vec());
        let (mut registry, stop) = (Registry::default(), CancellationToken::new());
        let bridge = suara_bridge::start(settings, &mut registry, stop.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(suara_tcp::serve(StallAwareListener::new(listener), bridge.router(), stop.clone()));
        let client = reqwest::Client::new();
        Self { bridge, address, client, registry, stop, _directory: directory }
    }

    /// Several that know each other.
    pub(crate) async fn several<const N: usize>(redis: &impl Address, secret: Option<&str>) -> [Self; N] {
        let mut nodes = Vec::new();
        for _ in 0..N {
            nodes.push(Self::start(redis, secret).await);
        }
        Self::acquaint(nodes).await
    }

    /// Two of them where sessions last.
    pub(crate) async fn pair(redis: &impl Address) -> [Self; 2] {
        let mut nodes = Vec::new();
        for _ in 0..2 {
            nodes.push(Self::of(redis, None, Prefix::default(), true).await);
        }
        Self::acquaint(nodes).await
    }

    async fn acquaint<const N: usize>(nodes: Vec<Self>) -> [Self; N] {
        for node in &nodes {
            until("the nodes to see each other", async || (node.metric("nodes") == N as f64).then_some(()))
                .await;
        }
        nodes.try_into().unwrap_or_else(|_| unreachable!())
    }

    /// It is gone without a word.
    pub(crate) fn crash(&self) {
        self.stop.cancel();
    }

    /// Instruments of that name, added up; a label's value may be part of it.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let name = format!("suara_bridge_{name}");
        let values =
            text.lines().filter(|line| line.starts_with(&name)).filter_map(|line| line.split(' ').nth(1));
        values.map(|value| value.parse::<f64>().unwrap()).sum()
    }

    pub(crate) fn url(&self, sid: Option<&str>) -> String {
        url(self.address, sid)
    }

    /// Opens a session by polling, and gives its sid.
    pub(crate) async fn open(&self) -> String {
        let answer = self.client.get(self.url(None)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let open = answer.text().await.unwrap();
        let open: serde_json::Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    }

    /// A session that lasts.
    pub(crate) async fn open_for_long(&self) -> String {
        let sid = self.open().await;
        assert_eq!(self.say(&sid, "40").await.status(), StatusCode::OK);
        sid
    }

    pub(crate) async fn poll(&self, sid: &str) -> Response {
        self.client.get(self.url(Some(sid))).send().await.unwrap()
    }

    pub(crate) async fn say(&self, sid: &str, packets: &'static str) -> Response {
        self.client.post(self.url(Some(sid))).body(packets).send().await.unwrap()
    }

    /// What the node answers to a request for a WebSocket.
    pub(crate) async fn ask_upgrade(&self, sid: &str) -> StatusCode {
        let request = reqwest::Client::new().get(self.url(Some(sid)).replace("polling", "websocket"));
        let upgrade = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        upgrade
            .into_iter()
            .fold(request, |request, (name, value)| request.header(name, value))
            .send()
            .await
            .unwrap()
            .status()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn url(address: SocketAddr, sid: Option<&str>) -> String {
    let sid = sid.map(|sid| format!("&sid={sid}")).unwrap_or_default();
    format!("http://{address}/socket.io/?EIO=4&transport=polling{sid}")
}

pub(crate) async fn get(url: String) -> Response {
    reqwest::Client::new().get(url).send().await.unwrap()
}

pub(crate) async fn post(url: String, body: &'static str) -> Response {
    reqwest::Client::new().post(url).body(body).send().await.unwrap()
}
