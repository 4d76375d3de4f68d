//! A Redis of the test's own, bridges without a gateway, and a client that knows Engine.IO's bytes.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use reqwest::{Response, StatusCode};
use suara_bridge::{Bridge, Settings};
use suara_redis::RedisAddress;
use suara_tcp::StallAwareListener;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// At most, for what takes moments on a machine that isn't busy.
const LONG: Duration = Duration::from_secs(30);

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

pub(crate) struct Redis {
    port: u16,
    server: Option<Child>,
    directory: TempDir,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut redis = Self { port, server: None, directory: tempfile::tempdir().unwrap() };
        redis.begin().await;
        redis
    }

    pub(crate) async fn begin(&mut self) {
        let port = self.port.to_string();
        let server = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("Debian's redis-server is there");
        self.server = Some(server);
        until("Redis", async || self.try_ask::<()>(redis::cmd("PING")).await.ok()).await;
    }

    /// Ends it without a word; what it had is lost.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, command: &mut redis::Cmd) -> T {
        self.try_ask(std::mem::take(command)).await.unwrap()
    }

    async fn try_ask<T: redis::FromRedisValue>(&self, command: redis::Cmd) -> redis::RedisResult<T> {
        let mut link = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        command.query_async(&mut link).await
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
    registry: Registry,
    stop: CancellationToken,
    _directory: TempDir,
}

impl Node {
    pub(crate) async fn start(redis: &Redis, secret: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token = directory.path().join("trunk.token");
        std::fs::write(&token, "none").unwrap();
        let mut settings = Settings::new("http://127.0.0.1:1", token);
        settings.redis = Some(RedisAddress::parse(&redis.url()).unwrap());
        settings.peers.secret = secret.map(|secret| secret.as_bytes().to_vec());
        let (mut registry, stop) = (Registry::default(), CancellationToken::new());
        let bridge = suara_bridge::start(settings, &mut registry, stop.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(suara_tcp::serve(StallAwareListener::new(listener), bridge.router(), stop.clone()));
        Self { bridge, address, registry, stop, _directory: directory }
    }

    /// Several that know each other.
    pub(crate) async fn several<const N: usize>(redis: &Redis, secret: Option<&str>) -> [Self; N] {
        let mut nodes = Vec::new();
        for _ in 0..N {
            nodes.push(Self::start(redis, secret).await);
        }
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
        let answer = get(self.url(None)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let open = answer.text().await.unwrap();
        let open: serde_json::Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn poll(&self, sid: &str) -> Response {
        get(self.url(Some(sid))).await
    }

    pub(crate) async fn say(&self, sid: &str, packets: &'static str) -> Response {
        post(self.url(Some(sid)), packets).await
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
