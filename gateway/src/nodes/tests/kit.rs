//! A Redis of one's own, on a free port, that can be killed and started again; and a room's end.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::*;

/// Far beyond what anything takes: who waits longer has failed.
pub(super) const LONG: Duration = Duration::from_secs(30);

pub(super) struct Redis {
    pub(super) port: u16,
    directory: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    pub(super) fn start() -> Self {
        Self::with(&[])
    }

    pub(super) fn with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut redis =
            Self { port: free_port(), directory: TempDir::new().unwrap(), arguments, child: None };
        redis.run();
        redis
    }

    pub(super) fn run(&mut self) {
        let mut command = Command::new("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--port",
            &self.port.to_string(),
        ]);
        command
            .args(&self.arguments)
            .current_dir(&self.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(super) fn settings(&self) -> NodesSettings {
        settings(&format!("redis://127.0.0.1:{}", self.port))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(super) fn settings(url: &str) -> NodesSettings {
    NodesSettings::new(RedisAddress::parse(url).unwrap())
}

/// One that a Redis Cluster's second port, 10 000 above, fits over too.
pub(super) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let second = port.checked_add(10_000);
        if second.is_some_and(|second| TcpListener::bind((Ipv4Addr::LOCALHOST, second)).is_ok()) {
            return port;
        }
    }
}

pub(super) fn node(settings: NodesSettings) -> (Nodes, Metrics) {
    let metrics = Metrics::default();
    (Nodes::start(settings, &metrics), metrics)
}

pub(super) type Voice = mpsc::UnboundedReceiver<(NodeId, Vec<u8>)>;

/// A room's end of a channel, and the voice that comes.
pub(super) fn enter(nodes: &Nodes, channel: &str) -> (Mooring, Voice) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let sink = move |from: NodeId, datagram: &[u8], _: Instant| drop(sender.send((from, datagram.to_vec())));
    (nodes.enter(channel, Arc::new(sink)), receiver)
}

/// The next thing that is heard and that `wanted` takes.
pub(super) async fn hear<T>(mooring: &mut Mooring, mut wanted: impl FnMut(&Heard) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(&mooring.next().await) {
                return found;
            }
        }
    };
    timeout(LONG, search).await.expect("it is heard")
}

pub(super) async fn reachable(mooring: &mut Mooring, is_reachable: bool) {
    hear(mooring, |heard| (*heard == Heard::Reachable(is_reachable)).then_some(())).await;
}

pub(super) async fn packet(mooring: &mut Mooring) -> Packet {
    hear(mooring, |heard| if let Heard::Packet(packet) = heard { Some(packet.clone()) } else { None }).await
}

pub(super) async fn asks(mooring: &mut Mooring, ask: LeaseAsk) -> LeaseAnswer {
    let question = rand::random();
    mooring.lease(question, ask);
    hear(mooring, |heard| match heard {
        Heard::Lease { number, answer } if *number == question => Some(*answer),
        _ => None,
    })
    .await
}

pub(super) async fn news(words: &mut NewsFeed, wanted: impl Fn(&News) -> bool) -> News {
    let search = async {
        loop {
            let news = words.recv().await.unwrap();
            if wanted(&news) {
                return news;
            }
        }
    };
    timeout(LONG, search).await.expect("there are such news")
}

/// Tries until it is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, waiting).await.expect(what);
}
