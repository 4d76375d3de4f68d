//! The port of all WebRTC transports, by UDP and by TCP: one thread that owns the sockets and every transport.
//!
//! Sessions order by [`Port`]'s calls; the channels' voice comes by [`Port::say`], which never waits; what comes by UDP finds
//! its transport by its address, or, for a binding request, by the name in it and a proof of the password. Who talks when,
//! JSON and WebSockets are not known here.

mod alarms;
mod engine;
mod numbering;
mod socket;
mod tcp;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use socketioxide::socket::Sid;
use suara_proto::{MemberRef, TalkerNumber};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use crate::channel::{MAX_CAST, Stamp, Stand};
use crate::metrics::{DropReason, Metrics};

pub(super) use transport::Owner;

/// The payload type of Opus towards consumers, as the router's capabilities say.
pub(super) const PAYLOAD_TYPE: u8 = 100;

/// Consumers of one transport: the floor, those of a channel's members who are producers, and as many clients of RTC. Each
/// costs an encryption for every packet that its talker says.
pub(super) const MAX_CONSUMERS: usize = 1 + 2 * MAX_CAST;

/// Transports at a time. Each takes some tens of kilobytes, and a client has two.
const MAX_TRANSPORTS: usize = 20_000;

/// Orders that wait; who gives one waits for its answer, so there is one a client at most.
const MAX_ORDERS: usize = 1024;

/// Packets of all channels that wait for the port: what is there when it is stalled for long is too old anyway.
const MAX_SAID: usize = 4096;

/// So often a port that is free for both UDP and TCP is looked for, where none is named.
const BIND_ATTEMPTS: usize = 16;

/// Voice doesn't wait for whatever else the process does.
const THREAD: &str = "voice-rtc";

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TransportKey(u64);

/// A consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConsumerKey(u64);

macro_rules! key {
    ($key:ident) => {
        impl $key {
            fn random() -> Self {
                Self(rand::random())
            }

            /// As clients write it.
            pub(super) fn parse(text: &str) -> Option<Self> {
                (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
            }
        }

        impl fmt::Display for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }
    };
}
key!(TransportKey);
key!(ConsumerKey);

/// What a client needs to reach a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Created {
    pub(super) key: TransportKey,
    pub(super) ice: Ice,
    /// SHA-256 of the certificate: `AB:CD…`
    pub(super) fingerprint: String,
}

/// Where and by which credentials ICE finds a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ice {
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) addresses: Vec<SocketAddr>,
}

/// The client's side of DTLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dtls {
    /// Whether the handshake begins on our side: the client is the server.
    pub(super) active: bool,
    /// SHA-256 of its certificate: `AB:CD…`
    pub(super) fingerprint: String,
}

/// Whom a consumer listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listens {
    /// Whoever talks in the channel.
    Floor,
    /// A client of RTC on this bridge.
    Member(MemberRef),
    /// Another member of the channel.
    Talker(TalkerNumber),
}

/// A consumer, as its client has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Consumed {
    pub(super) key: ConsumerKey,
    pub(super) mid: String,
    pub(super) ssrc: u32,
}

/// A packet on its way to the consumers of a channel.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) at: Instant,
    pub(super) room: Box<str>,
    /// The client who said it.
    pub(super) except: Option<Sid>,
    pub(super) sequence: u16,
    pub(super) stand: Stand,
    pub(super) packet: Arc<[u8]>,
}

/// A packet that a client produced.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) stamp: Stamp,
    /// In dBov, 0 to -127, where the client says it (RFC 6464).
    pub(super) level: Option<i8>,
    pub(super) packet: Bytes,
}

/// What happened to a transport by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    Connected(TransportKey),
    /// It is gone, and its producer and consumers with it.
    Closed(TransportKey, &'static str),
    /// A consumer of it is gone, with its producer.
    Silent(ConsumerKey),
}

/// A producer that is no more: its consumers are closed.
#[derive(Debug)]
struct Gone {
    room: Box<str>,
    listens: Listens,
}

type Reply<T> = oneshot::Sender<Result<T, Fault>>;

enum Order {
    Create { owner: Owner, room: Box<str>, reply: Reply<Created> },
    Connect { key: TransportKey, dtls: Dtls, reply: Reply<()> },
    Restart { key: TransportKey, reply: Reply<Ice> },
    Produce { key: TransportKey, ssrc: u32, mid: String, reply: Reply<()> },
    CloseProducer { key: TransportKey },
    Consume { key: TransportKey, listens: Listens, reply: Reply<Consumed> },
    CloseConsumer { key: TransportKey, consumer: ConsumerKey, reply: Reply<()> },
    Close { key: TransportKey },
}

/// The way to the port; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Port {
    orders: mpsc::Sender<Order>,
    said: mpsc::Sender<Said>,
    /// Producers that are gone: one for each that was there.
    gone: mpsc::UnboundedSender<Gone>,
    metrics: Metrics,
}

impl Port {
    /// Binds the port and serves it until `stop`; returns where it really is. `announced` are the addresses by which
    /// clients reach it; their ports are the bound one where they are zero.
    pub(super) fn start(
        address: SocketAddr,
        announced: watch::Receiver<Vec<SocketAddr>>,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> std::io::Result<(Self, SocketAddr)> {
        let (socket, listener) = bind(address)?;
        let address = socket.address();
        let (orders, to_do) = mpsc::channel(MAX_ORDERS);
        let (said, heard) = mpsc::channel(MAX_SAID);
        let (gone, went) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let connections = HashMap::new();
        let roads = engine::Roads { socket: socket::Socket::serve(socket)?, connections };
        let by_tcp = tcp::serve(listener, metrics.clone())?;
        let engine = engine::Engine::new(roads, announced, metrics.clone())
            .ok_or_else(|| std::io::Error::other("no certificate for DTLS could be made"))?;
        drop(entered);
        std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || runtime.block_on(engine.run(to_do, heard, went, by_tcp, stop)))?;
        Ok((Self { orders, said, gone, metrics }, address))
    }

    /// Hands a packet on to a channel's consumers; it is dropped where too much waits.
    pub(super) fn say(&self, said: Said) {
        if self.said.try_send(said).is_err() {
            self.metrics.dropped(DropReason::QueueFull, 1);
        }
    }

    /// Closes the consumers of a producer that is gone.
    pub(super) fn gone(&self, room: &str, listens: Listens) {
        if self.gone.send(Gone { room: room.into(), listens }).is_err() {
            tracing::debug!("the port is closed");
        }
    }

    /// A transport whose consumers hear what is said in `room`.
    pub(super) async fn create(&self, owner: Owner, room: Box<str>) -> Result<Created, Fault> {
        self.ask(|reply| Order::Create { owner, room, reply }).await
    }

    pub(super) async fn connect(&self, key: TransportKey, dtls: Dtls) -> Result<(), Fault> {
        self.ask(|reply| Order::Connect { key, dtls, reply }).await
    }

    pub(super) async fn restart(&self, key: TransportKey) -> Result<Ice, Fault> {
        self.ask(|reply| Order::Restart { key, reply }).await
    }

    pub(super) async fn produce(&self, key: TransportKey, ssrc: u32, mid: String) -> Result<(), Fault> {
        self.ask(|reply| Order::Produce { key, ssrc, mid, reply }).await
    }

    pub(super) async fn close_producer(&self, key: TransportKey) {
        self.tell(Order::CloseProducer { key }).await;
    }

    pub(super) async fn consume(&self, key: TransportKey, listens: Listens) -> Result<Consumed, Fault> {
        self.ask(|reply| Order::Consume { key, listens, reply }).await
    }

    pub(super) async fn close_consumer(&self, key: TransportKey, consumer: ConsumerKey) -> Result<(), Fault> {
        self.ask(|reply| Order::CloseConsumer { key, consumer, reply }).await
    }

    pub(super) async fn close(&self, key: TransportKey) {
        self.tell(Order::Close { key }).await;
    }

    async fn ask<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        self.tell(order(reply)).await;
        answer.await.unwrap_or(Err(Fault::GoingAway))
    }

    async fn tell(&self, order: Order) {
        if self.orders.send(order).await.is_err() {
            tracing::debug!("the port is closed");
        }
    }
}

/// Both sockets on the same port; where any will do, one that both can have.
fn bind(address: SocketAddr) -> std::io::Result<(socket::Bound, std::net::TcpListener)> {
    let mut attempts = if address.port() == 0 { BIND_ATTEMPTS } else { 1 };
    loop {
        let socket = socket::Bound::bind(address)?;
        attempts -= 1;
        match tcp::bind(socket.address()) {
            Ok(listener) => return Ok((socket, listener)),
            Err(error) if attempts == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod scenes;
