//! A Redis of one's own, on a free port, that can be killed and started again; and gateways that are joined by it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use suara_gateway::Settings;
use suara_gateway::nodes::{NodesSettings, RedisAddress};
use tempfile::TempDir;

use super::TestGateway;

pub(crate) struct Redis {
    port: u16,
    directory: TempDir,
    child: Option<Child>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        loop {
            // The listener is gone before Redis wants its port.
            let address =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
            let port = address.expect("there is a free port").port();
            let mut redis = Self { port, directory: TempDir::new().expect("there is room"), child: None };
            redis.run();
            // Another test's may have been faster, and would end with that test.
            std::thread::sleep(Duration::from_millis(50));
            let ended = redis.child.as_mut().map(Child::try_wait);
            if matches!(ended, Some(Ok(None))) {
                return redis;
            }
        }
    }

    /// Starts it, with nothing in it.
    pub(crate) fn run(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port]);
        command.current_dir(&self.directory).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("Debian's redis-server is installed"));
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is a child of ours");
            child.wait().expect("it is a child of ours");
        }
    }

    /// A gateway that shares its channels with the others here.
    pub(crate) async fn node(&self) -> TestGateway {
        self.node_with(|_| {}).await
    }

    /// The same with other settings than the usual.
    pub(crate) async fn node_with(&self, change: impl FnOnce(&mut Settings)) -> TestGateway {
        let gateway = self.begin(change);
        joined(&gateway).await;
        gateway
    }

    /// One that is another user of Redis than the usual, by `user:password`.
    pub(crate) async fn node_as(&self, who: &str) -> TestGateway {
        let nodes = NodesSettings::new(self.address(&format!("{who}@")));
        self.node_with(|settings| settings.nodes = Some(nodes)).await
    }

    /// Says something to Redis as who runs it.
    pub(crate) fn order(&self, words: &[&str]) {
        let said = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output();
        assert!(said.expect("it comes with the server").status.success());
    }

    fn address(&self, who: &str) -> RedisAddress {
        RedisAddress::parse(&format!("redis://{who}127.0.0.1:{}", self.port)).expect("an address")
    }

    pub(super) fn begin(&self, change: impl FnOnce(&mut Settings)) -> TestGateway {
        let address = self.address("");
        TestGateway::with(|settings| {
            settings.nodes = Some(NodesSettings::new(address));
            change(settings);
        })
    }
}

/// Waits until a gateway has found its Redis: who comes before that is served alone at first.
pub(super) async fn joined(gateway: &TestGateway) {
    let degraded = gateway.gateway.degraded();
    let deadline = tokio::time::Instant::now() + super::PATIENCE;
    while let Some(trouble) = degraded() {
        assert!(tokio::time::Instant::now() < deadline, "Redis isn't found: {trouble}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
