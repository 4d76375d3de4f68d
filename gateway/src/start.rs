//! Puts the gateway together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use prometheus_client::registry::Registry;
use suara_certs::CertStore;
use suara_proto::message::Rights;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::auth::{Authenticator, KeySet, RemoteCheck};
use crate::clock::Clock;
use crate::core::Core;
use crate::edge::webtransport::{EdgeError, WebTransportEdge};
use crate::http::{ConnectInfo, OriginPolicy, router, trunk_router};
use crate::hub::ChannelSettings;
use crate::metrics::Metrics;

/// Everything that a gateway needs to be told.
pub struct Settings {
    /// UDP addresses of the WebTransport server. Those after the first may have port 0 to share the first one's.
    pub webtransport: Vec<SocketAddr>,
    /// What clients are told instead of the host that they asked.
    pub announce: Option<String>,
    /// Its identity.
    pub certificates: CertStore,
    /// What tokens are checked against.
    pub keys: KeySet,
    /// The deployment's own check.
    pub remote_check: Option<RemoteCheck>,
    /// Rights of tokens that list no channels.
    pub default_rights: Rights,
    /// Pages that may open sessions.
    pub origins: OriginPolicy,
    /// Channels' settings by name.
    pub channels: ChannelSettings,
    /// Sessions at a time.
    pub max_sessions: usize,
}

/// Why a gateway can't start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its transport can't.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// There is no address to serve.
    #[error("no WebTransport address is given")]
    NoAddress,
}

/// A running gateway.
pub struct Gateway {
    core: Arc<Core>,
    connect: ConnectInfo,
    addresses: Vec<SocketAddr>,
    edges: JoinSet<()>,
    stop: CancellationToken,
}

impl Gateway {
    /// Binds, and begins to accept sessions. What it counts is named in `registry`.
    ///
    /// # Errors
    /// When an address can't be bound.
    pub fn start(settings: Settings, registry: &mut Registry) -> Result<Self, StartError> {
        let clock = Clock::start();
        let metrics = Metrics::default();
        metrics.register(registry);
        let auth = Authenticator::new(settings.keys, settings.remote_check, settings.default_rights);
        let core = Arc::new(Core::new(auth, settings.channels, metrics, clock, settings.max_sessions));
        let edges = bind(&settings.webtransport, &settings.certificates)?;
        let addresses: Vec<_> = edges.iter().map(WebTransportEdge::local_addr).collect();
        let port = addresses.first().ok_or(StartError::NoAddress)?.port();
        // A certificate of a public authority is verified the ordinary way.
        let pin = settings.certificates.is_development();
        let connect =
            ConnectInfo { certificates: settings.certificates, announce: settings.announce, port, pin };
        let (stop, origins) = (CancellationToken::new(), Arc::new(settings.origins));
        let mut running = JoinSet::new();
        for edge in edges {
            running.spawn(edge.serve(core.clone(), origins.clone(), stop.clone()));
        }
        Ok(Self { core, connect, addresses, edges: running, stop })
    }

    /// The UDP addresses that were really bound.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it serves over HTTP.
    pub fn router(&self) -> Router {
        router(self.connect.clone())
    }

    /// What a bridge of the same machine asks: `GET /api/connect` with the server's address as bound, and its
    /// certificate to be pinned whoever signed it. For an internal listener.
    pub fn trunk_router(&self, address: SocketAddr) -> Router {
        trunk_router(ConnectInfo {
            announce: Some(ConnectInfo::url(address)),
            pin: true,
            ..self.connect.clone()
        })
    }

    /// How many people are here.
    #[must_use]
    pub fn population(&self) -> usize {
        self.core.population()
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.core.metrics
    }

    /// Takes no new sessions, and tells those present that the end comes within `deadline`.
    pub fn announce_drain(&self, deadline: Duration) {
        self.stop.cancel();
        self.core.announce_drain(deadline);
    }

    /// Ends every session and waits until they are gone.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.core.dismiss_all();
        while self.edges.join_next().await.is_some() {}
    }
}

/// Binds all addresses; a port of 0 in a later one means the port that the first was given.
fn bind(addresses: &[SocketAddr], certificates: &CertStore) -> Result<Vec<WebTransportEdge>, EdgeError> {
    let mut edges: Vec<WebTransportEdge> = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let mut address = address;
        if let (0, Some(first)) = (address.port(), edges.first()) {
            address.set_port(first.local_addr().port());
        }
        edges.push(WebTransportEdge::bind(address, certificates.server_config(&[b"h3"]))?);
    }
    Ok(edges)
}
