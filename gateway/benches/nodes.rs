//! How long a frame takes from one node's queue to another's sink, through a real Redis on this machine:
//! `cargo bench -p suara-gateway --bench nodes [-- FRAMES]`.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use suara_engine::Frame;
use suara_gateway::metrics::Metrics;
use suara_gateway::nodes::{Heard, Mooring, NodeId, Nodes, NodesSettings, RedisAddress};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Of a channel's talkers, and the bytes of one at 24 kbit/s with its header.
const PACE: Duration = Duration::from_millis(20);
const BYTES: usize = 80;
const FRAMES: u64 = 500;

struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).ok();
    }
}

fn redis() -> (Redis, String) {
    let port =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port").port();
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
    let child = command.stdout(Stdio::null()).spawn().expect("redis-server is installed");
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    (Redis(child), format!("redis://127.0.0.1:{port}"))
}

async fn reachable(mooring: &mut Mooring) {
    while mooring.next().await != Heard::Reachable(true) {}
}

/// Latencies in microseconds, sorted, of `channels` in each of which one talks.
async fn measure(url: &str, channels: usize, frames: u64) -> Vec<u64> {
    let start = || {
        let redis = RedisAddress::parse(url).expect("it is a URL");
        Nodes::start(NodesSettings::new(redis), &Metrics::default())
    };
    let (here, there) = (start(), start());
    let origin = Instant::now();
    let (latencies, mut taken) = mpsc::unbounded_channel();
    let mut listeners = Vec::new();
    let mut talkers = Vec::new();
    for number in 0..channels {
        let channel = format!("channel {number}");
        let latencies = latencies.clone();
        let sink = move |_: NodeId, datagram: &[u8], now: Instant| {
            let sent = datagram.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            let took = now.duration_since(origin).as_nanos() - u128::from(sent);
            latencies.send(u64::try_from(took / 1000).unwrap_or(u64::MAX)).ok();
        };
        let mut listener = there.enter(&channel, Arc::new(sink));
        let mut talker = here.enter(&channel, Arc::new(|_: NodeId, _: &[u8], _: Instant| {}));
        reachable(&mut listener).await;
        reachable(&mut talker).await;
        listeners.push(listener);
        talkers.push(talker);
    }
    // The line of voice that goes has nothing to subscribe: it is there when nothing is wrong.
    while here.trouble().is_some() {
        tokio::time::sleep(PACE).await;
    }
    let talking = talkers.iter().enumerate().map(|(number, talker)| async move {
        tokio::time::sleep(PACE.mul_f64(number as f64 / channels as f64)).await;
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..frames {
            ticks.tick().await;
            let now = Instant::now();
            let mut payload = [0; BYTES];
            let since = u64::try_from(now.duration_since(origin).as_nanos()).unwrap_or(u64::MAX);
            payload[..8].copy_from_slice(&since.to_be_bytes());
            talker.voice.push(now, Frame::new(&payload));
        }
    });
    futures_util::future::join_all(talking).await;
    let mut all = Vec::new();
    while let Ok(Some(latency)) = timeout(Duration::from_millis(200), taken.recv()).await {
        all.push(latency);
    }
    drop((listeners, talkers));
    here.stop().await;
    there.stop().await;
    all.sort_unstable();
    all
}

#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn main() {
    let frames = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(FRAMES);
    let (_redis, url) = redis();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{:>8} {:>9} {:>9} {:>8} {:>8} {:>8}",
        "channels", "sent", "heard", "p50 µs", "p99 µs", "max µs"
    );
    for channels in [1, 10, 100] {
        let all = runtime.block_on(measure(&url, channels, frames));
        let at =
            |share: usize| all.get((all.len() * share / 100).min(all.len().saturating_sub(1))).unwrap_or(&0);
        let sent = channels as u64 * frames;
        println!("{channels:>8} {sent:>9} {:>9} {:>8} {:>8} {:>8}", all.len(), at(50), at(99), at(100));
    }
}
