//! An impaired path: a UDP relay between our clients and the server that loses, delays, reorders and rebinds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use rand::{Rng, RngExt};

use crate::LoadError;
use crate::args::PathArgs;
use crate::error::Tried;

/// Larger than any datagram of QUIC's here.
const DATAGRAM: usize = 2048;
/// Datagrams read from a socket before the others have their turn.
const TURN: usize = 64;
/// Packets that may be under way: a second of 100 000 a second. More are dropped, as a router would.
const UNDER_WAY: usize = 100_000;
/// How often it looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// What one way of a path does to packets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// The share of packets that it loses.
    pub loss: f64,
    /// The delay of each.
    pub delay: Duration,
    /// Further delay at random, up to this.
    pub jitter: Duration,
}

impl Leg {
    /// When a packet comes out that goes in now, if it does.
    pub fn pass(&self, now: Instant, random: &mut impl Rng) -> Option<Instant> {
        if random.random::<f64>() < self.loss {
            return None;
        }
        Some(now + self.delay + self.jitter.mul_f64(random.random()))
    }
}

/// Both ways of a path, and how often its client side gets new ports.
#[derive(Debug, Clone, Copy)]
pub struct Impairment {
    /// From the clients to the server.
    pub up: Leg,
    /// From the server to the clients.
    pub down: Leg,
    /// Time between two rebindings.
    pub rebind: Option<Duration>,
}

impl Impairment {
    /// What was asked for; `None` when that is a perfect path.
    ///
    /// # Errors
    /// When the loss is no percentage.
    pub fn asked(args: &PathArgs) -> Result<Option<Self>, LoadError> {
        if !(0.0..=100.0).contains(&args.loss) {
            return Err(LoadError::Settings(format!("--loss {} is no percentage", args.loss)));
        }
        let leg = Leg {
            loss: args.loss / 100.0,
            delay: Duration::from_millis(args.delay.into()),
            jitter: Duration::from_millis(args.jitter.into()),
        };
        let rebind = (args.rebind > 0).then(|| Duration::from_secs(args.rebind.into()));
        let perfect = leg.loss == 0.0 && leg.delay.is_zero() && leg.jitter.is_zero() && rebind.is_none();
        Ok((!perfect).then_some(Self { up: leg, down: leg, rebind }))
    }
}

/// A running relay; it ends when this is dropped.
pub struct Relay {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay in front of `server`.
    ///
    /// # Errors
    /// When it gets no socket.
    pub fn start(server: SocketAddr, impairment: Impairment) -> Result<Self, LoadError> {
        let front = bind(server)?;
        let address = front.local_addr().tried("the relay has no address")?;
        let stop = Arc::new(AtomicBool::new(false));
        let path = Path {
            front,
            server,
            impairment,
            ways: Vec::new(),
            by_client: HashMap::new(),
            under_way: BinaryHeap::new(),
            count: 0,
        };
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || path.run(&stopped));
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where clients send to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It does nothing that can panic; and if it did, the run's figures say it.
            thread.join().unwrap_or_default();
        }
    }
}

/// One client's socket towards the server.
struct Way {
    client: SocketAddr,
    socket: UdpSocket,
}

/// A packet that comes out at a moment: to the client of a way, or to the server.
type Packet = Reverse<(Instant, u64, usize, bool, Vec<u8>)>;

struct Path {
    front: UdpSocket,
    server: SocketAddr,
    impairment: Impairment,
    ways: Vec<Way>,
    by_client: HashMap<SocketAddr, usize>,
    under_way: BinaryHeap<Packet>,
    count: u64,
}

impl Path {
    fn run(mut self, stop: &AtomicBool) {
        let mut random = rand::rng();
        let mut rebind = self.impairment.rebind.map(|every| Instant::now() + every);
        while !stop.load(Ordering::Acquire) {
            self.wait();
            let now = Instant::now();
            if let (Some(moment), Some(every)) = (rebind, self.impairment.rebind)
                && now >= moment
            {
                self.rebind();
                rebind = Some(now + every);
            }
            self.collect(now, &mut random);
            self.deliver(Instant::now());
        }
    }

    fn wait(&self) {
        let next = self.under_way.peek().map(|Reverse((moment, ..))| *moment);
        let wait = next.map_or(LOOK, |next| next.saturating_duration_since(Instant::now()).min(LOOK));
        let sockets = self.ways.iter().map(|way| &way.socket).chain([&self.front]);
        let mut descriptors: Vec<PollFd<'_>> =
            sockets.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        // Interrupted or not, the loop looks at all sockets.
        ppoll(&mut descriptors, Some(wait.into()), None).unwrap_or_default();
    }

    /// All clients are seen from new ports from now on; what still comes to the old ones is lost.
    fn rebind(&mut self) {
        for way in &mut self.ways {
            if let Ok(socket) = bind(self.server) {
                way.socket = socket;
            }
        }
    }

    fn collect(&mut self, now: Instant, random: &mut impl Rng) {
        let mut buffer = [0; DATAGRAM];
        for _ in 0..TURN {
            let Ok((length, client)) = self.front.recv_from(&mut buffer) else { break };
            let Some(way) = self.way(client) else { continue };
            self.pass(now, way, true, &buffer[..length], random);
        }
        for way in 0..self.ways.len() {
            for _ in 0..TURN {
                let Ok((length, _)) = self.ways[way].socket.recv_from(&mut buffer) else { break };
                self.pass(now, way, false, &buffer[..length], random);
            }
        }
    }

    fn way(&mut self, client: SocketAddr) -> Option<usize> {
        if let Some(&way) = self.by_client.get(&client) {
            return Some(way);
        }
        self.ways.push(Way { client, socket: bind(self.server).ok()? });
        self.by_client.insert(client, self.ways.len() - 1);
        Some(self.ways.len() - 1)
    }

    fn pass(&mut self, now: Instant, way: usize, up: bool, packet: &[u8], random: &mut impl Rng) {
        let leg = if up { self.impairment.up } else { self.impairment.down };
        if let Some(moment) = leg.pass(now, random)
            && self.under_way.len() < UNDER_WAY
        {
            self.count += 1;
            self.under_way.push(Reverse((moment, self.count, way, up, packet.to_vec())));
        }
    }

    fn deliver(&mut self, now: Instant) {
        while let Some(Reverse((moment, ..))) = self.under_way.peek() {
            if *moment > now {
                return;
            }
            let Some(Reverse((_, _, way, up, packet))) = self.under_way.pop() else { return };
            let Way { client, socket } = &self.ways[way];
            // What a socket doesn't take is lost, as on any path.
            if up {
                socket.send_to(&packet, self.server).unwrap_or_default();
            } else {
                self.front.send_to(&packet, client).unwrap_or_default();
            }
        }
    }
}

/// A socket on the server's own loopback address.
fn bind(server: SocketAddr) -> Result<UdpSocket, LoadError> {
    let bind = || -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((server.ip(), 0))?;
        socket.set_nonblocking(true)?;
        let reference = socket2::SockRef::from(&socket);
        reference.set_recv_buffer_size(8 << 20)?;
        reference.set_send_buffer_size(8 << 20)?;
        Ok(socket)
    };
    bind().tried("the relay gets no socket")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_late_in_both_directions_and_from_a_new_port_after_a_rebinding() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let leg = Leg { loss: 0.0, delay: Duration::from_millis(20), jitter: Duration::ZERO };
        let rebind = Some(Duration::from_millis(200));
        let relay =
            Relay::start(server.local_addr().unwrap(), Impairment { up: leg, down: leg, rebind }).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut buffer = [0; 16];
        let mut ports = Vec::new();
        for wait in [0, 300] {
            std::thread::sleep(Duration::from_millis(wait));
            let began = Instant::now();
            client.send_to(b"there", relay.address()).unwrap();
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            server.send_to(&buffer[..length], from).unwrap();
            assert_eq!(client.recv(&mut buffer).unwrap(), 5);
            assert!(began.elapsed() >= Duration::from_millis(40));
            ports.push(from.port());
        }
        assert_ne!(ports[0], ports[1]);
    }

    #[test]
    fn a_leg_loses_its_share() {
        let leg = Leg { loss: 0.25, delay: Duration::ZERO, jitter: Duration::ZERO };
        let now = Instant::now();
        let mut random = rand::rng();
        let lost = (0..10_000).filter(|_| leg.pass(now, &mut random).is_none()).count();
        assert!((2200..2800).contains(&lost), "{lost}");
    }
}
