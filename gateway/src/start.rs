//! Puts the gateway together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use prometheus_client::registry::Registry;
use suara_certs::CertStore;
use suara_engine::{Engine, StartError};
use suara_proto::message::Rights;
use suara_store::Store;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::auth::{Authenticator, KeySet, RemoteCheck};
use crate::clock::Clock;
use crate::core::{Core, Rules};
use crate::edge::websocket;
use crate::edge::webtransport::{EngineSettings, start};
use crate::guests::GuestPasses;
use crate::http::{ConnectInfo, Note, OriginPolicy, ReadyCheck, router, trunk_router};
use crate::hub::{CallSettings, ChannelSettings};
use crate::livechat::LivechatSettings;
use crate::metrics::Metrics;
use crate::nodes::NodesSettings;
use crate::words::{self, Arrival, Carrier};

/// So long the end waits for what still runs: sessions say goodbye, rooms their last words.
const LAST_TASKS: Duration = Duration::from_secs(5);

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
    /// Who may call whom.
    pub calls: CallSettings,
    /// The livechat's visitors and staff.
    pub livechat: LivechatSettings,
    /// Makes identities for clients of old that have no token, where such are admitted.
    pub guests: Option<GuestPasses>,
    /// Sessions at a time.
    pub max_sessions: usize,
    /// How the WebTransport server is run.
    pub engine: EngineSettings,
    /// What outlives sessions.
    pub store: Store,
    /// How other nodes are reached, where there may be any.
    pub nodes: Option<NodesSettings>,
}

/// A running gateway.
pub struct Gateway {
    core: Arc<Core>,
    connect: ConnectInfo,
    engine: Engine,
    websockets: Arc<websocket::Edge>,
}

impl Gateway {
    /// Binds, and begins to accept sessions. What it counts is named in `registry`.
    ///
    /// # Errors
    /// When an address can't be bound, or none is given. To be called within a runtime.
    pub fn start(settings: Settings, registry: &mut Registry) -> Result<Self, StartError> {
        let clock = Clock::start();
        let metrics = Metrics::default();
        metrics.register(registry);
        let store = settings.store.clone();
        let auth = Authenticator::new(settings.keys, settings.remote_check, settings.default_rights, store);
        let Settings { channels, calls, livechat, guests, max_sessions, nodes, .. } = settings;
        let rules = Rules { channels, calls, livechat, guests, max_sessions, nodes };
        let core = Arc::new(Core::new(auth, rules, settings.store, metrics, clock));
        core.nodes.iter().for_each(|nodes| words::speak_by(&core, nodes));
        let tls = settings.certificates.server_config(&[b"h3"]);
        let origins = settings.origins;
        let engine = start(settings.webtransport, tls, settings.engine, core.clone(), origins.clone())?;
        let websockets = Arc::new(websocket::Edge::new(core.clone(), origins, engine.sender()));
        core.hub.speaks_by(engine.sender());
        let port = engine.addresses().first().map_or(0, SocketAddr::port);
        // A certificate of a public authority is verified the ordinary way.
        let pin = settings.certificates.is_development();
        let (certificates, announce) = (settings.certificates, settings.announce);
        let node = core.node.clone();
        let connect = ConnectInfo { certificates, announce, port, pin, websocket: true, node };
        Ok(Self { core, connect, engine, websockets })
    }

    /// The UDP addresses that were really bound.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        self.engine.addresses()
    }

    /// What it serves over HTTP, sessions by WebSocket included. To be served by [`suara_tcp::serve`].
    pub fn router(&self) -> Router {
        let pages = router(self.core.clone(), self.connect.clone());
        pages.merge(websocket::router(self.websockets.clone()))
    }

    /// What a bridge of the same machine asks: `GET /api/connect` with the server's address as bound, and its
    /// certificate to be pinned whoever signed it. For an internal listener.
    pub fn trunk_router(&self, address: SocketAddr) -> Router {
        trunk_router(ConnectInfo {
            announce: Some(ConnectInfo::url(address)),
            pin: true,
            websocket: false,
            ..self.connect.clone()
        })
    }

    /// What is wrong with the store, if anything.
    #[must_use]
    pub fn ready_check(&self) -> ReadyCheck {
        let store = self.core.chat.store().clone();
        Box::new(move || if store.is_up() { Ok(()) } else { Err("the store is away".to_owned()) })
    }

    /// What costs members of other nodes something, if anything: Redis is away.
    #[must_use]
    pub fn degraded(&self) -> Note {
        let nodes = self.core.nodes.clone();
        Box::new(move || {
            let trouble = nodes.as_ref()?.trouble()?;
            Some(format!("no Redis, other nodes can't be reached: {trouble}"))
        })
    }

    /// Gives it another way to say words to other nodes than the settings' Redis, and what they say. To be called once, where
    /// the settings have none, and within a runtime.
    pub fn speak(&self, carrier: Arc<dyn Carrier>, arrivals: mpsc::Receiver<Arrival>) {
        words::start(&self.core, carrier, arrivals);
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
        self.engine.drain();
        self.core.announce_drain(deadline, self.connect.announce.as_deref());
    }

    /// Ends every session and waits until they are gone.
    pub async fn stop(self) {
        self.engine.drain();
        self.core.dismiss_all();
        self.core.tasks.close();
        if timeout(LAST_TASKS, self.core.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.core.tasks.len(), "some don't end: they are left behind");
        }
        if let Some(nodes) = &self.core.nodes {
            nodes.stop().await;
        }
        self.core.chat.store().close().await;
        let engine = self.engine;
        // It joins threads, half a second at most.
        tokio::task::spawn_blocking(move || engine.stop()).await.unwrap_or_default();
    }
}
