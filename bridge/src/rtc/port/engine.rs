//! The port's task: what can wake it is one `select`; whatever is done to a transport is followed by draining it, for str0m
//! has room for one packet at a time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::config::{CryptoProvider, DtlsCert};
use str0m::format::{Codec, FormatParams};
use str0m::ice::StunMessage;
use str0m::media::{Frequency, Pt};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::Extension;
use str0m::{Candidate, IceCreds, Rtc, RtcConfig};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::alarms::Alarms;
use super::socket::Socket;
use super::tcp::{Connection, Heard};
use super::transport::{Drained, Owner, Road, Transport};
use super::{ConsumerKey, Created, Gone, Happening, Ice, MAX_TRANSPORTS, Order, Reply, Said, TransportKey};
use crate::metrics::{DropReason, Metrics};
use crate::rtc::fault::Fault;

/// The protocol's bound on old voice.
pub(super) const MAX_AGE: Duration = Duration::from_millis(120);

/// Packets that are read in a turn; the others' turn comes then.
const BATCH: usize = 64;

/// No packet of ours or of a browser's is larger than an Ethernet frame.
pub(super) const MAX_PACKET: usize = 2048;

/// Addresses that a client proves to have, at a time. One that roams has two.
const MAX_ADDRESSES: usize = 8;

/// Names in binding requests are for finding, passwords for keeping out: 128 bits and more (RFC 8445, section 5.3, asks for
/// 24 and 128).
const UFRAG: usize = 12;
const PASSWORD: usize = 24;

/// The ways out of the port.
pub(super) struct Roads {
    pub(super) socket: Socket,
    /// By the clients' addresses.
    pub(super) connections: HashMap<SocketAddr, Connection>,
}

impl Roads {
    /// Sends, or drops what can't go now.
    fn send(&self, metrics: &Metrics, (protocol, to): Road, packet: &[u8]) {
        let sent = match protocol {
            Protocol::Tcp => self.connections.get(&to).is_some_and(|connection| connection.send(packet)),
            _ => self
                .socket
                .send(to, packet)
                .inspect_err(|error| tracing::trace!(%error, %to, "a packet could not be sent"))
                .is_ok(),
        };
        if !sent {
            metrics.dropped(DropReason::Datagram, 1);
        }
    }
}

pub(super) struct Engine {
    roads: Roads,
    announced: watch::Receiver<Vec<SocketAddr>>,
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
    metrics: Metrics,
    transports: HashMap<TransportKey, Transport>,
    by_ufrag: HashMap<String, TransportKey>,
    by_address: HashMap<Road, TransportKey>,
    /// The transports with consumers of a channel's voice, and of each transport whose that is.
    rooms: HashMap<Box<str>, Vec<TransportKey>>,
    room_of: HashMap<TransportKey, Box<str>>,
    alarms: Alarms<TransportKey>,
}

impl Engine {
    /// `None` where no certificate can be made.
    pub(super) fn new(
        roads: Roads,
        announced: watch::Receiver<Vec<SocketAddr>>,
        metrics: Metrics,
    ) -> Option<Self> {
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let certificate = crypto.dtls_provider.generate_certificate()?;
        Some(Self {
            roads,
            announced,
            crypto,
            certificate,
            metrics,
            transports: HashMap::new(),
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            rooms: HashMap::new(),
            room_of: HashMap::new(),
            alarms: Alarms::default(),
        })
    }

    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut said: mpsc::Receiver<Said>,
        mut gone: mpsc::UnboundedReceiver<Gone>,
        mut heard: mpsc::Receiver<Heard>,
        stop: CancellationToken,
    ) {
        let mut buffer = [0; MAX_PACKET];
        loop {
            let alarm = self.alarms.next();
            tokio::select! {
                () = stop.cancelled() => return,
                order = orders.recv() => match order {
                    Some(order) => self.order(order),
                    None => return,
                },
                Some(first) = said.recv() => {
                    self.hear(&first);
                    for _ in 1..BATCH {
                        let Ok(next) = said.try_recv() else { break };
                        self.hear(&next);
                    }
                }
                Some(gone) = gone.recv() => self.forget(&gone),
                Some(heard) = heard.recv() => self.heard(heard),
                readable = self.roads.socket.readable() => match readable {
                    Ok(()) => self.read(&mut buffer),
                    Err(error) => return tracing::error!(%error, "the RTC port is lost"),
                },
                () = sleep_until(alarm) => {}
            }
            let now = Instant::now();
            while let Some(key) = self.alarms.pop(now) {
                let passed = self.transports.get_mut(&key).map(|transport| transport.pass(now));
                self.follow(key, now, passed.unwrap_or(Ok(())));
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Create { owner, room, reply } => {
                let created = self.create(owner, room);
                if let Err(Ok(unwanted)) = reply.send(created) {
                    self.remove(unwanted.key);
                }
            }
            Order::Connect { key, dtls, reply } => {
                answer(reply, self.with(key, |transport| transport.connect(&dtls)));
            }
            Order::Restart { key, reply } => answer(reply, self.restart(key)),
            Order::Produce { key, ssrc, mid, reply } => {
                answer(reply, self.with(key, |transport| transport.produce(ssrc, &mid)));
            }
            Order::CloseProducer { key } => {
                let closed = self.with(key, |transport| {
                    transport.close_producer();
                    Ok(())
                });
                if closed.is_err() {
                    tracing::trace!(transport = %key, "it was gone before its producer");
                }
            }
            Order::Consume { key, listens, reply } => {
                let consumer = ConsumerKey::random();
                let consumed = self.with(key, |transport| transport.consume(consumer, listens));
                self.list(key);
                answer(reply, consumed);
            }
            Order::CloseConsumer { key, consumer, reply } => {
                let closed = self.with(key, |transport| transport.close_consumer(consumer));
                self.list(key);
                answer(reply, closed);
            }
            Order::Close { key } => self.remove(key),
        }
    }

    fn with<T>(
        &mut self,
        key: TransportKey,
        change: impl FnOnce(&mut Transport) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let changed = change(self.transports.get_mut(&key).ok_or(Fault::UnknownTransport)?);
        self.follow(key, Instant::now(), Ok(()));
        changed
    }

    fn create(&mut self, owner: Owner, room: Box<str>) -> Result<Created, Fault> {
        if self.transports.len() >= MAX_TRANSPORTS {
            return Err(Fault::Overloaded);
        }
        let (key, credentials) = (TransportKey::random(), credentials());
        let local = self.addresses();
        let rtc = self.rtc(&credentials, &local);
        let ice = ice(&credentials, &local);
        self.by_ufrag.insert(credentials.ufrag.clone(), key);
        let mut transport = Transport::new(key, owner, self.metrics.clone(), rtc, credentials, local);
        let fingerprint = transport.fingerprint();
        let fingerprint = fingerprint.rsplit(' ').next().unwrap_or_default().to_owned();
        self.transports.insert(key, transport);
        self.room_of.insert(key, room);
        self.follow(key, Instant::now(), Ok(()));
        self.metrics.rtc_transports(self.transports.len());
        Ok(Created { key, ice, fingerprint })
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        let port = self.roads.socket.address().port();
        let at = |address: &SocketAddr| {
            let own = if address.port() == 0 { port } else { address.port() };
            SocketAddr::new(address.ip(), own)
        };
        self.announced.borrow().iter().map(at).collect()
    }

    fn rtc(&self, credentials: &IceCreds, local: &[SocketAddr]) -> Rtc {
        let mut config = RtcConfig::new()
            .set_crypto_provider(Arc::clone(&self.crypto))
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .clear_codecs()
            .clear_extension_map()
            .set_local_ice_credentials(credentials.clone())
            .set_dtls_cert(self.certificate.clone());
        // Both are settled before a client says by which numbers it names them. Opus is all that may come, and the audio
        // level the one extension that the router's capabilities have.
        for number in (35..=63).chain(96..=127) {
            let opus = FormatParams { use_inband_fec: Some(true), ..FormatParams::default() };
            let (codec, rate) = (Codec::Opus, Frequency::FORTY_EIGHT_KHZ);
            config.codec_config().add_config(Pt::from(number), None, codec, rate, Some(2), opus);
        }
        for number in 1..=14 {
            config.extension_map().set(number, Extension::AudioLevel);
        }
        let mut rtc = config.build(Instant::now());
        rtc.direct_api().set_ice_controlling(false);
        for address in local {
            let tcp = Candidate::builder().tcp().host(*address).tcptype(TcpType::Passive).build();
            for candidate in [Candidate::host(*address, "udp"), tcp] {
                match candidate {
                    Ok(candidate) => drop(rtc.add_local_candidate(candidate)),
                    Err(error) => tracing::warn!(%address, %error, "an address can't be announced"),
                }
            }
        }
        rtc
    }

    fn restart(&mut self, key: TransportKey) -> Result<Ice, Fault> {
        let new = credentials();
        let transport = self.transports.get_mut(&key).ok_or(Fault::UnknownTransport)?;
        let old = transport.credentials().ufrag.clone();
        transport.restart(new.clone());
        self.by_ufrag.remove(&old);
        self.by_ufrag.insert(new.ufrag.clone(), key);
        self.follow(key, Instant::now(), Ok(()));
        Ok(ice(&new, &self.addresses()))
    }

    /// Notes whether a transport has consumers.
    fn list(&mut self, key: TransportKey) {
        let Some(room) = self.room_of.get(&key) else { return };
        let listed = self.transports.get(&key).is_some_and(Transport::has_consumers);
        let there = self.rooms.entry(room.clone()).or_default();
        there.retain(|other| *other != key);
        if listed {
            there.push(key);
        } else if there.is_empty() {
            self.rooms.remove(room);
        }
    }

    /// A producer is no more, and so are its consumers.
    fn forget(&mut self, gone: &Gone) {
        for key in self.rooms.get(&gone.room).cloned().unwrap_or_default() {
            let Some(transport) = self.transports.get_mut(&key) else { continue };
            if transport.forget(gone.listens) {
                self.list(key);
                self.follow(key, Instant::now(), Ok(()));
            }
        }
    }

    fn hear(&mut self, said: &Said) {
        let now = Instant::now();
        let Some(listeners) = self.rooms.get(&said.room) else { return };
        if now.saturating_duration_since(said.at) > MAX_AGE {
            return self.metrics.dropped(DropReason::Stale, listeners.len());
        }
        let mut heard = 0;
        let (roads, metrics) = (&self.roads, &self.metrics);
        let mut over = Vec::new();
        for key in listeners {
            let Some(transport) = self.transports.get_mut(key) else { continue };
            let packets = transport.hear(now, said);
            if packets == 0 {
                continue;
            }
            heard += packets;
            let drained = match transport.pass(now) {
                Ok(()) => transport.drain(now, &mut |road, packet| roads.send(metrics, road, packet)),
                Err(reason) => Drained::Over(reason),
            };
            match drained {
                Drained::Until(at) => self.alarms.set(*key, at),
                Drained::Over(reason) => over.push((*key, reason)),
            }
        }
        self.metrics.voice("to_client", heard, heard * said.packet.len());
        for (key, reason) in over {
            self.end(key, reason);
        }
    }

    fn read(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            let (length, source) = match self.roads.socket.take(buffer) {
                Ok(taken) => taken,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // A port of a client's that is closed says so by ICMP.
                Err(error) => return tracing::trace!(%error, "nothing could be read"),
            };
            self.packet(Instant::now(), (Protocol::Udp, source), &buffer[..length]);
        }
    }

    /// Something happened to a connection by TCP.
    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Opened(peer, connection) => {
                self.roads.connections.insert(peer, connection);
            }
            Heard::Packet(peer, packet) => self.packet(Instant::now(), (Protocol::Tcp, peer), &packet),
            Heard::Closed(peer, name) => {
                if self.roads.connections.get(&peer).is_some_and(|connection| connection.is(name)) {
                    self.roads.connections.remove(&peer);
                    self.by_address.remove(&(Protocol::Tcp, peer));
                }
            }
        }
    }

    fn packet(&mut self, now: Instant, source: Road, packet: &[u8]) {
        let is_stun = packet.len() >= 20 && packet[0] < 2;
        let key =
            if is_stun { self.prove(now, source, packet) } else { self.by_address.get(&source).copied() };
        let Some(transport) = key.and_then(|key| self.transports.get_mut(&key)) else {
            return self.metrics.bad_input("rtc_packet");
        };
        let (protocol, address) = source;
        let Some(destination) = transport.destination(address) else { return };
        let Ok(receive) = Receive::new(protocol, address, destination, packet) else {
            return self.metrics.bad_input("rtc_packet");
        };
        let (key, received) = (transport.key, transport.receive(now, receive));
        self.follow(key, now, received);
    }

    /// The transport that a binding request is for, if it was made with its password.
    fn prove(&mut self, now: Instant, source: Road, packet: &[u8]) -> Option<TransportKey> {
        let request = StunMessage::parse(packet).ok().filter(StunMessage::is_binding_request)?;
        let (name, _) = request.split_username()?;
        let key = *self.by_ufrag.get(name)?;
        let transport = self.transports.get_mut(&key)?;
        let hmac = |key: &[u8], parts: &[&[u8]]| self.crypto.sha1_hmac_provider.sha1_hmac(key, parts);
        if !request.verify(transport.credentials().pass.as_bytes(), hmac) {
            return None;
        }
        if transport.consent(now, &request, source) && transport.remote.len() > MAX_ADDRESSES {
            let oldest = transport.remote.remove(0);
            if self.by_address.get(&oldest) == Some(&key) {
                self.by_address.remove(&oldest);
            }
        }
        // Where a NAT gave one client's address to another, the newest proof counts.
        self.by_address.insert(source, key);
        Some(key)
    }

    /// What was done to a transport is followed by what it has to send and to say.
    fn follow(&mut self, key: TransportKey, now: Instant, done: Result<(), &'static str>) {
        let (roads, metrics) = (&self.roads, &self.metrics);
        let Some(transport) = self.transports.get_mut(&key) else { return };
        let drained = match done {
            Ok(()) => transport.drain(now, &mut |road, packet| roads.send(metrics, road, packet)),
            Err(reason) => Drained::Over(reason),
        };
        match drained {
            Drained::Until(at) => self.alarms.set(key, at),
            Drained::Over(reason) => self.end(key, reason),
        }
    }

    /// A transport is over by itself: its session is told.
    fn end(&mut self, key: TransportKey, reason: &'static str) {
        if let Some(transport) = self.transports.get(&key) {
            tracing::debug!(transport = %key, reason, "a transport is over");
            // A session that is gone has no use for it.
            transport.owner.events.send(Happening::Closed(key, reason)).ok();
        }
        self.remove(key);
    }

    fn remove(&mut self, key: TransportKey) {
        let Some(transport) = self.transports.remove(&key) else { return };
        self.by_ufrag.remove(&transport.credentials().ufrag);
        for address in &transport.remote {
            if self.by_address.get(address) == Some(&key) {
                self.by_address.remove(address);
            }
        }
        self.list(key);
        self.room_of.remove(&key);
        self.alarms.forget(key);
        self.metrics.rtc_transports(self.transports.len());
    }
}

fn answer<T>(reply: Reply<T>, value: Result<T, Fault>) {
    // Whoever asked may be gone.
    reply.send(value).ok();
}

async fn sleep_until(alarm: Option<Instant>) {
    match alarm {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn ice(credentials: &IceCreds, addresses: &[SocketAddr]) -> Ice {
    let IceCreds { ufrag, pass } = credentials.clone();
    Ice { ufrag, password: pass, addresses: addresses.to_vec() }
}

fn credentials() -> IceCreds {
    IceCreds { ufrag: token(UFRAG), pass: token(PASSWORD) }
}

/// Random text of ICE's characters (RFC 8839, section 5.4).
fn token(length: usize) -> String {
    use rand::distr::{Alphanumeric, SampleString as _};
    Alphanumeric.sample_string(&mut rand::rng(), length)
}
