//! The WebTransport edge: admits sessions to the engine, and joins each to its [`EdgeEnd`].
//!
//! This is the only file that knows the engine's sessions: another transport takes its place by pumping an [`EdgeEnd`]
//! in the same way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use suara_engine::{
    Application, Closed, Config, Engine, Fanout, Keys, Mtu, Peer, Request, Session, StartError, Tally,
};
use suara_proto::CloseCode;
use suara_proto::limits::{IDLE_TIMEOUT, MAX_CLIENT_MESSAGE, MAX_DATAGRAM};
use tokio::runtime::Handle;

use super::control;
use crate::core::Core;
use crate::http::OriginPolicy;
use crate::session::{Closing, EdgeEnd, open};
use crate::voice::{Ear, Ingress};

/// The path of sessions; all others are not found.
pub const PATH: &str = "/v1/wt";
const NOT_FOUND: u16 = 404;
/// What a client may send ahead on a stream: four of its largest messages.
const STREAM_WINDOW: u32 = 4 * MAX_CLIENT_MESSAGE as u32;
/// Connections beyond the sessions that may be: to tell the others why not, and for handshakes.
const SPARE_CONNECTIONS: usize = 1024;

/// How the engine is run.
pub struct EngineSettings {
    /// Worker threads.
    pub workers: usize,
    /// How large packets may be.
    pub mtu: Mtu,
    /// Where traces are written, if at all.
    pub qlog: Option<std::path::PathBuf>,
    /// Kept over restarts.
    pub keys: Keys,
}

impl Default for EngineSettings {
    /// One worker, and keys that end with it.
    fn default() -> Self {
        Self { workers: 1, mtu: Mtu::Fixed(1200), qlog: None, keys: Keys::random() }
    }
}

/// Starts the engine on `addresses`. To be called within a runtime, whose tasks serve what takes time.
///
/// # Errors
/// When an address can't be bound or a setting doesn't suit QUIC.
pub(crate) fn start(
    addresses: Vec<SocketAddr>,
    tls: rustls::ServerConfig,
    settings: EngineSettings,
    core: Arc<Core>,
    origins: OriginPolicy,
) -> Result<Engine, StartError> {
    let EngineSettings { workers, mtu, qlog, keys } = settings;
    let max_connections = core.max_sessions + SPARE_CONNECTIONS;
    let config = Config {
        workers,
        mtu,
        qlog,
        max_connections,
        idle_timeout: IDLE_TIMEOUT,
        stream_window: STREAM_WINDOW,
        max_datagram: MAX_DATAGRAM,
        ..Config::new(addresses, tls, keys)
    };
    Engine::start(config, Arc::new(Edge { core, origins, runtime: Handle::current() }))
}

/// The gateway as the engine sees it.
struct Edge {
    core: Arc<Core>,
    origins: OriginPolicy,
    runtime: Handle,
}

/// One session's datagrams.
struct Uplink(Arc<Ingress>);

impl Application for Edge {
    type Peer = Uplink;

    fn admit(&self, request: &Request, _remote: SocketAddr) -> Result<(), u16> {
        if request.path == PATH { Ok(()) } else { Err(NOT_FOUND) }
    }

    fn open(&self, request: Request, session: Session) -> Uplink {
        let _runtime = self.runtime.enter();
        let refusal = self.refusal(&request);
        let end = open(&self.core, session.remote(), refusal, Ear::Connection(session.handle()));
        let uplink = Uplink(end.ingress.clone());
        self.core.tasks.spawn(pump(self.core.clone(), session, end));
        uplink
    }

    fn tally(&self, tally: &Tally) {
        self.core.metrics.voice.tally(tally);
    }
}

impl Edge {
    /// Why this client can't be served. A page can't read a refusal's status, so it is accepted, told and closed.
    fn refusal(&self, request: &Request) -> Option<Closing> {
        let foreign = |origin: &String| !self.origins.admits(origin, &request.authority);
        if request.origin.as_ref().is_some_and(foreign) {
            let why = "this page's origin may not open sessions here";
            return Some(Closing::new(CloseCode::OriginRefused, why));
        }
        (!self.core.has_room()).then(Closing::overloaded)
    }
}

impl Peer for Uplink {
    fn datagram(&mut self, now: Instant, payload: &[u8], out: &mut Fanout<'_>) {
        self.0.datagram(now, payload, out);
    }
}

/// Joins a connection to its session until either ends.
async fn pump(core: Arc<Core>, session: Session, end: EdgeEnd) {
    let EdgeEnd { inbound, outgoing, ingress, chat } = end;
    let closed = async {
        let closed = session.closed().await;
        // By another code it says that it comes back.
        if matches!(closed, Closed::ByClient { code: 0, .. }) {
            ingress.leave();
        }
        closed
    };
    let code = tokio::select! {
        code = control::serve(&core, &session, inbound, outgoing, &ingress, &chat) => code,
        closed = closed => {
            tracing::debug!(%closed, "gone");
            CloseCode::Normal
        }
    };
    session.close(code.number(), code.name());
}
