//! The RTC contract: a WebSocket for signaling, and WebRTC media on one UDP port, for browsers with `mediasoup-client`.
//!
//! A session per WebSocket turns the client's frames into what the desk and the channel take, and its packets into chunks; the
//! `port` owns the media. Opus passes as it is: nothing is decoded for those who speak it, but a packet's numbers are a
//! consumer's own. Knows no codec beyond a packet's loudness, and no rule of the floor.

mod admission;
mod announce;
mod fault;
mod gate;
mod hall;
mod legs;
mod level;
mod messages;
mod outlet;
mod parameters;
mod peers;
mod port;
mod requests;
mod session;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::BridgeError;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::sio::{MAX_GUESTS, Shared};

pub(crate) use outlet::{Outlets, RtcOutlet};

/// Where sessions are opened.
const PATH: &str = "/rtc/ws";

/// The media side, before there are sessions.
pub(crate) struct Media {
    pub(crate) address: SocketAddr,
    announced: watch::Receiver<Vec<SocketAddr>>,
    port: port::Port,
    peers: peers::Peers,
}

/// By which addresses clients reach the port.
pub(crate) struct Announcement(watch::Receiver<Vec<SocketAddr>>);

impl Announcement {
    /// None yet: what was to be announced means nothing.
    pub(crate) fn is_missing(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

/// What every session needs.
#[derive(Clone)]
struct Rtc {
    shared: Shared,
    port: port::Port,
    peers: peers::Peers,
    /// Where clients without a token are admitted: room for them.
    guests: Option<Arc<Semaphore>>,
    ping_interval: Duration,
    ping_timeout: Duration,
}

impl Media {
    /// Binds the port and serves it until `stop`.
    pub(crate) async fn start(
        address: SocketAddr,
        host: Option<&str>,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Result<Self, BridgeError> {
        let announced = announce::announce(address, host, stop.clone()).await?;
        let (port, address) = port::Port::start(address, announced.clone(), metrics, stop)
            .map_err(|source| BridgeError::Rtc { address, source })?;
        Ok(Self { address, announced, port, peers: peers::Peers::default() })
    }

    /// Whether clients can be told where the port is, at this moment and later.
    pub(crate) fn announcement(&self) -> Announcement {
        Announcement(self.announced.clone())
    }

    pub(crate) fn outlet(&self) -> RtcOutlet {
        RtcOutlet { peers: self.peers.clone(), port: self.port.clone() }
    }

    /// Serves clients from now on.
    pub(crate) fn serve(&self, shared: &Shared, settings: &Settings) -> Router {
        let rtc = Rtc {
            shared: shared.clone(),
            port: self.port.clone(),
            peers: self.peers.clone(),
            guests: settings.anonymous_rtc.then(|| Arc::new(Semaphore::new(MAX_GUESTS))),
            ping_interval: settings.ping_interval,
            ping_timeout: settings.ping_timeout,
        };
        Router::new().route(PATH, get(socket::upgrade)).with_state(rtc)
    }
}
