//! Keeps the legacy contracts to the letter and translates them: Socket.IO clients in the gateway's channels.
//!
//! Data flows one way: Socket.IO → `sio` (a session per socket), or a WebSocket and WebRTC → `rtc` (the same) → `channel`
//! (an actor per channel: presses, codecs, listeners) → `trunk` (one QUIC session to the gateway), and back. `desk` knows who is logged in and where, and
//! brings everybody back after the trunk was lost. Where there are other nodes, `nodes` finds whose a Socket.IO session is,
//! and asks them. The bridge holds no key and decides no right: it is a client of
//! `suara/1` like any other, and knows nothing of the gateway's inside.

mod audio;
mod bus;
mod channel;
mod desk;
mod edge;
mod leaving;
mod livechat;
mod metrics;
mod nodes;
mod notify;
mod rtc;
mod settings;
mod signaling;
mod sio;
mod trunk;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use suara_tcp::StallAwareListener;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use settings::{DEFAULT_MAX_VOICE_PACKET, DEFAULT_SAMPLE_RATE, OriginPolicy, PeerSettings, Settings};

/// Why a bridge can't start.
#[derive(Debug, Error)]
pub enum BridgeError {
    /// The gateway's address is no URL, or plain `http` to another machine.
    #[error("the gateway's address {url:?} can't be used: {reason}")]
    Gateway {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// PCM of this rate isn't served.
    #[error("a sample rate of {0} Hz isn't served; 8000, 16000, 24000 and 48000 are")]
    SampleRate(u32),
    /// The trunk's token isn't there.
    #[error("the trunk's token can't be read from {} (--trunk-token-file; a gateway on the same --data writes it there)", path.display())]
    Token {
        /// As given.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The UDP port of RTC clients can't be had.
    #[error("can't bind UDP {address} (--rtc)")]
    Rtc {
        /// As given.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// What RTC clients would be told to connect to makes no sense.
    #[error("RTC can't be announced as {host:?}: {reason}")]
    RtcAnnounce {
        /// As given; empty where nothing was.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The address for other nodes can't be had.
    #[error("can't bind TCP {address} (--peer)")]
    Peer {
        /// As given.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// What other nodes would be told to connect to makes no sense.
    #[error("this node can't be announced to others as {announce:?}: {reason}")]
    PeerAnnounce {
        /// As given; empty where nothing was.
        announce: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Other machines could reach the address for other nodes, and nothing would tell them from nodes.
    #[error(
        "the peers' address {0} can be reached from other machines: give all nodes a secret (--peer-secret-file)"
    )]
    PeerSecret(SocketAddr),
    /// No HTTP client could be made.
    #[error("no HTTP client")]
    Http(#[from] reqwest::Error),
}

/// A running bridge.
pub struct Bridge {
    router: axum::Router,
    trouble: Trouble,
    redis: Option<Trouble>,
    drain: sio::Drain,
    door: livechat::Door,
    rtc: Option<(SocketAddr, rtc::Announcement)>,
    peers: Option<Peers>,
}

/// This node among others.
struct Peers {
    nodes: nodes::Nodes,
    address: SocketAddr,
}

/// Starts a bridge: its trunk connects, and reconnects, in the background until `shutdown`.
///
/// # Errors
/// When the settings make no sense. A gateway that isn't there is no error: see [`Bridge::ready`].
pub async fn start(
    settings: Settings,
    registry: &mut Registry,
    shutdown: CancellationToken,
) -> Result<Bridge, BridgeError> {
    let token_file = settings.trunk_token_file.clone();
    if let Err(source) = tokio::fs::metadata(&token_file).await {
        return Err(BridgeError::Token { path: token_file, source });
    }
    if audio::Rate::new(settings.default_sample_rate).is_none() {
        return Err(BridgeError::SampleRate(settings.default_sample_rate));
    }
    let gateway = trunk::Gateway::new(&settings.gateway_url)?;
    let metrics = metrics::Metrics::register(registry);
    let (events, happened) = mpsc::unbounded_channel();
    let (happened, with_visitors) = livechat::sort(happened);
    let server = sio::Server::new(&settings);
    let media = rtc_media(&settings, &metrics, shutdown.clone()).await?;
    let visitors = livechat::Desk::start(with_visitors, Arc::new(server.outlet()), metrics.clone());
    let door = livechat::Door::new(visitors.clone(), settings.trusted_proxies.clone(), metrics.clone());
    let routes = desk::Routes::default();
    let outlet = rtc::Outlets { sockets: server.outlet(), rtc: media.as_ref().map(rtc::Media::outlet) };
    let board = signaling::Board::new(server.outlet(), metrics.clone());
    let (desk, trouble) =
        desk::Desk::start(happened, routes.clone(), Arc::new(outlet.clone()), metrics.clone());
    let notifier = notify::Notifier::new(outlet, desk.clone(), metrics.clone());
    let joined = join(&settings, &metrics).await?;
    let nodes = joined.as_ref().map(|joined| &joined.nodes);
    let (publisher, redis) = listen(&settings, &notifier, &board, nodes, &metrics, shutdown.clone());
    let broadcasts = notify::router(notify::Door::new(notifier, desk.clone(), publisher));
    let shared = sio::Shared::new(desk, board, visitors, &settings, metrics.clone());
    let others = media.as_ref().map(|media| media.serve(&shared, &settings)).unwrap_or_default();
    let sio::Served { clients, peers, drain } = server.serve(&shared, &settings, others, nodes);
    let peers = joined.zip(peers).map(|(joined, router)| joined.serve(router, &shutdown));
    let rtc = media.map(|media| (media.address, media.announcement()));
    let voice = Box::new(move |datagram| routes.deliver(datagram, &metrics));
    tokio::spawn(trunk::Trunk { gateway, token_file, events, voice }.run(shutdown));
    let router = clients.merge(broadcasts).merge(door.router(&settings.allow_origin));
    Ok(Bridge { router, trouble, redis, drain, door, rtc, peers })
}

type Trouble = watch::Receiver<Option<String>>;

/// Binds the media port of RTC clients, where there is to be one.
async fn rtc_media(
    settings: &Settings,
    metrics: &metrics::Metrics,
    shutdown: CancellationToken,
) -> Result<Option<rtc::Media>, BridgeError> {
    let Some(address) = settings.rtc else { return Ok(None) };
    let host = settings.rtc_announce.as_deref();
    rtc::Media::start(address, host, metrics.clone(), shutdown).await.map(Some)
}

/// Listens to Redis, where there is one.
fn listen(
    settings: &Settings,
    notifier: &notify::Notifier,
    board: &signaling::Board,
    nodes: Option<&nodes::Nodes>,
    metrics: &metrics::Metrics,
    shutdown: CancellationToken,
) -> (Option<bus::Publisher>, Option<Trouble>) {
    let (Some(address), Some(nodes)) = (&settings.redis, nodes) else { return (None, None) };
    let relay = Arc::new(board.clone());
    let (bus, publisher, trouble) = bus::Bus::new(
        (address.clone(), &settings.redis_prefix),
        settings.redis_orders,
        metrics.clone(),
        notifier.clone(),
        relay,
    );
    board.speaks_by(publisher.clone(), nodes.clone());
    tokio::spawn(bus.run(shutdown));
    (Some(publisher), Some(trouble))
}

/// What Socket.IO sessions are called among what nodes hold.
const SESSIONS: &str = "sid";

/// A node with its door for others, before anything is behind it.
struct Joined {
    nodes: nodes::Nodes,
    newcomer: nodes::Newcomer,
    listener: TcpListener,
    address: SocketAddr,
}

/// Joins the other nodes, where there is a Redis to find them by.
async fn join(settings: &Settings, metrics: &metrics::Metrics) -> Result<Option<Joined>, BridgeError> {
    let Some(redis) = &settings.redis else { return Ok(None) };
    let PeerSettings { listen, announce, secret } = &settings.peers;
    if secret.is_none() && !listen.ip().is_loopback() {
        return Err(BridgeError::PeerSecret(*listen));
    }
    let unbound = |source| BridgeError::Peer { address: *listen, source };
    let listener = TcpListener::bind(listen).await.map_err(unbound)?;
    let address = listener.local_addr().map_err(unbound)?;
    let peer = nodes::announced(address, announce.as_deref()).map_err(|reason| {
        BridgeError::PeerAnnounce { announce: announce.clone().unwrap_or_default(), reason }
    })?;
    let names = nodes::Names::new(settings.redis_prefix.clone(), SESSIONS);
    let (nodes, newcomer) = nodes::Nodes::new(redis, names, peer, secret.as_deref(), metrics.clone());
    Ok(Some(Joined { nodes, newcomer, listener, address }))
}

impl Joined {
    /// Serves `router` to other nodes, who find this one from now on.
    fn serve(self, router: axum::Router, shutdown: &CancellationToken) -> Peers {
        let Self { nodes, newcomer, listener, address } = self;
        tokio::spawn(suara_tcp::serve(StallAwareListener::new(listener), router, shutdown.clone()));
        nodes.keep(newcomer, shutdown);
        Peers { nodes, address }
    }
}

impl Bridge {
    /// The TCP address for other nodes, as it was bound.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.peers.as_ref().map(|peers| peers.address)
    }

    /// The UDP address of RTC clients, as it was bound.
    pub fn rtc_address(&self) -> Option<SocketAddr> {
        self.rtc.as_ref().map(|(address, _)| *address)
    }

    /// The routes of the legacy contracts: `/socket.io/`, `/rtc/ws`, `POST /api/broadcast` and `/livechat/`.
    pub fn router(&self) -> axum::Router {
        self.router.clone()
    }

    /// Whether clients can be served at this moment, that is, whether the trunk stands.
    ///
    /// # Errors
    /// Says in words what is missing.
    pub fn ready(&self) -> Result<(), String> {
        match &*self.trouble.borrow() {
            None => Ok(()),
            Some(trouble) => Err(trouble.clone()),
        }
    }

    /// What doesn't work at the moment and isn't needed by everybody: Redis, and what RTC clients are told to connect to.
    pub fn degraded(&self) -> Option<String> {
        let trouble = self.redis.as_ref().and_then(|redis| redis.borrow().clone());
        let redis = trouble.map(|trouble| format!("no Redis: {trouble}"));
        let nowhere = self.rtc.as_ref().is_some_and(|(_, announcement)| announcement.is_missing());
        let rtc =
            nowhere.then(|| "RTC clients can't be told where to go: its host can't be resolved".to_owned());
        match (redis, rtc) {
            (Some(redis), Some(rtc)) => Some(format!("{redis}; {rtc}")),
            (one, other) => one.or(other),
        }
    }

    /// Stops taking clients, and sees those present off between bursts: their transports close, and they reconnect elsewhere
    /// by themselves. Returns when all are gone, or at the deadline.
    pub async fn drain(&self, deadline: Duration) {
        let visitors = tokio::time::timeout(deadline, self.door.drain(deadline));
        // Those who don't go in time are cut off with the rest.
        tokio::join!(self.drain.run(deadline), visitors).1.unwrap_or_default();
        if let Some(Peers { nodes, .. }) = &self.peers {
            nodes.leave().await;
        }
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("ready", &self.ready()).finish_non_exhaustive()
    }
}
