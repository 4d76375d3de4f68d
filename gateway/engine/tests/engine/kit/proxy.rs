//! A path between one client and a server: with delay, loss, a bottleneck, holes, and another server behind it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// What the path does to packets.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    /// Where packets of the client go.
    pub(crate) server: SocketAddr,
    /// One way.
    pub(crate) delay: Duration,
    /// Of 100 packets, in both directions.
    pub(crate) loss: u64,
    /// Towards the client, in bits a second; what would wait longer than 300 ms is lost.
    pub(crate) rate: Option<u64>,
    /// Nothing passes.
    pub(crate) hole: bool,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) path: Arc<Mutex<Path>>,
    /// First bytes of the packets that the server sent.
    pub(crate) seen: Arc<Mutex<Vec<u8>>>,
    tasks: [AbortHandle; 2],
}

/// Bytes of IP and UDP on a bottleneck, for each packet.
const HEADERS: usize = 28;
const BOTTLENECK_QUEUE: Duration = Duration::from_millis(300);

impl Proxy {
    pub(crate) async fn start(path: Path) -> Self {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let (outer, inner) = (Arc::new(bind().await.unwrap()), Arc::new(bind().await.unwrap()));
        let address = outer.local_addr().unwrap();
        let (path, seen) = (Arc::new(Mutex::new(path)), Arc::new(Mutex::new(Vec::new())));
        let client = Arc::new(Mutex::new(address));
        let up = tokio::spawn(upwards(outer.clone(), inner.clone(), path.clone(), client.clone()));
        let down = tokio::spawn(downwards(outer, inner, path.clone(), client, seen.clone()));
        Self { address, path, seen, tasks: [up.abort_handle(), down.abort_handle()] }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Path)) {
        change(&mut self.path.lock().unwrap());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The same losses each time.
struct Dice(u64);

impl Dice {
    fn lost(&mut self, path: &Path) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        path.hole || (self.0 >> 33) % 100 < path.loss
    }
}

async fn upwards(
    outer: Arc<UdpSocket>,
    inner: Arc<UdpSocket>,
    path: Arc<Mutex<Path>>,
    client: Arc<Mutex<SocketAddr>>,
) {
    let (mut buffer, mut dice) = ([0; 2048], Dice(1));
    while let Ok((length, from)) = outer.recv_from(&mut buffer).await {
        *client.lock().unwrap() = from;
        let path = path.lock().unwrap().clone();
        if !dice.lost(&path) {
            later(&inner, buffer[..length].to_vec(), path.server, Instant::now() + path.delay);
        }
    }
}

async fn downwards(
    outer: Arc<UdpSocket>,
    inner: Arc<UdpSocket>,
    path: Arc<Mutex<Path>>,
    client: Arc<Mutex<SocketAddr>>,
    seen: Arc<Mutex<Vec<u8>>>,
) {
    let (mut buffer, mut dice, mut free) = ([0; 2048], Dice(2), Instant::now());
    while let Ok((length, _)) = inner.recv_from(&mut buffer).await {
        seen.lock().unwrap().push(buffer[0]);
        let path = path.lock().unwrap().clone();
        if dice.lost(&path) {
            continue;
        }
        let now = Instant::now();
        free = free.max(now);
        if let Some(rate) = path.rate {
            if free - now > BOTTLENECK_QUEUE {
                continue;
            }
            free += Duration::from_secs_f64(((length + HEADERS) * 8) as f64 / rate as f64);
        }
        let client = *client.lock().unwrap();
        later(&outer, buffer[..length].to_vec(), client, free + path.delay);
    }
}

fn later(socket: &Arc<UdpSocket>, packet: Vec<u8>, to: SocketAddr, at: Instant) {
    let socket = socket.clone();
    tokio::spawn(async move {
        tokio::time::sleep_until(at.into()).await;
        // A client that is gone misses it.
        socket.send_to(&packet, to).await.unwrap_or_default();
    });
}
