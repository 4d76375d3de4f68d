//! The PTT contract over Socket.IO: namespaces `/` and `/ptt`, which behave the same.
//!
//! A client logs in with its token, which the gateway verifies; from then on a session task takes its events in order.
//! Knows sockets and their events, and the desk and the channels by what can be asked of them; no codec, no floor rule.

mod attempts;
mod budget;
mod chat;
mod elsewhere;
mod emergency;
mod engine3;
mod guest;
mod inbox;
mod log_in;
mod outlet;
mod payload;
mod polls;
mod portions;
mod session;
mod signals;
mod staff;
mod users;

use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::future::poll_immediate;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use socketioxide::extract::{SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::layer::SocketIoLayer;
use socketioxide::{ParserConfig, SocketIo};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::desk::Desk;
use crate::edge::{Lines, Origins, check_origin, mend_line_breaks, watch_requests};
use crate::leaving::Leaving;
use crate::livechat;
use crate::metrics::Metrics;
use crate::nodes::{Forwarder, Nodes, PeerDoor, Tunnels, check_peer};
use crate::settings::Settings;
use crate::signaling::Board;

pub(crate) use budget::Budget;
pub(crate) use guest::MAX_GUESTS;
pub(crate) use log_in::{Admitted, Refusal, guest as admit_guest, query, verify};
pub(crate) use outlet::SocketOutlet;

/// The namespaces of the PTT contract.
pub(crate) const SPACES: [&str; 2] = ["/", "/ptt"];

/// Bytes of one WebSocket message or polling body. Far above a `voice_packet`'s limit, so that an oversized one is
/// dropped and counted without costing its client the connection; far below the library's 64 MiB.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Binary arguments of one event. The contract has one.
const MAX_BINARIES: usize = 8;

/// Packets that wait for one client. Voice stops long before; this is room for the rest of its events while it is
/// stalled. A client with more waiting misses its ping, and is gone.
const MAX_WAITING: usize = 256;

/// From the transport's opening to a log-in; the gateway's answer may take 5 s of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Log-ins that are asked of the gateway at a time; more wait, in the order of their coming.
const MAX_LOG_INS: usize = 256;

/// Log-ins that are asked of the gateway a second: half of what the trunk carries, so that a flood of bad tokens doesn't
/// stand before the talkers' floor requests.
const LOG_INS_PER_SECOND: NonZeroU32 = NonZeroU32::new(400).unwrap();

/// The part of a drain in which clients go one by one.
const MOST_OF_IT: f32 = 0.8;

/// The Socket.IO server, before it has handlers.
pub(crate) struct Server {
    io: SocketIo,
    layer: SocketIoLayer,
}

/// What every session needs.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) desk: Desk,
    pub(crate) livechat: livechat::Desk,
    /// Roles that answer visitors.
    pub(crate) livechat_staff: Arc<[String]>,
    pub(crate) lines: Lines,
    pub(crate) metrics: Metrics,
    pub(crate) default_sample_rate: u32,
    pub(crate) max_voice_packet: usize,
    pub(crate) sessions: TaskTracker,
    /// Says when sessions go, while the node is drained.
    pub(crate) leaving: Leaving,
    /// Cancelled when the sockets were closed: the library forgets to tell the sessions then.
    pub(crate) closed: CancellationToken,
    log_ins: Arc<tokio::sync::Semaphore>,
    log_in_rate: Arc<DefaultDirectRateLimiter>,
    users: users::Users,
    pub(crate) board: Board,
    /// Where clients without a token are admitted: room for them.
    guests: Option<Arc<tokio::sync::Semaphore>>,
}

impl Shared {
    pub(crate) fn new(
        desk: Desk,
        board: Board,
        livechat: livechat::Desk,
        settings: &Settings,
        metrics: Metrics,
    ) -> Self {
        Self {
            desk,
            livechat,
            livechat_staff: settings.livechat_staff.clone().into(),
            lines: Lines::default(),
            metrics,
            default_sample_rate: settings.default_sample_rate,
            max_voice_packet: settings.max_voice_packet,
            sessions: TaskTracker::new(),
            leaving: Leaving::default(),
            closed: CancellationToken::new(),
            log_ins: Arc::new(tokio::sync::Semaphore::new(MAX_LOG_INS)),
            log_in_rate: Arc::new(RateLimiter::direct(Quota::per_second(LOG_INS_PER_SECOND))),
            users: users::Users::default(),
            board,
            guests: settings
                .anonymous_signaling
                .then(|| Arc::new(tokio::sync::Semaphore::new(guest::MAX_GUESTS))),
        }
    }
}

impl Server {
    pub(crate) fn new(settings: &Settings) -> Self {
        let parser = ParserConfig::common()
            .max_incoming_binary_buf_size(MAX_MESSAGE)
            .max_incoming_binaries(MAX_BINARIES);
        let (layer, io) = SocketIo::builder()
            .ping_interval(settings.ping_interval)
            .ping_timeout(settings.ping_timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .max_buffer_size(MAX_WAITING)
            .max_payload(MAX_MESSAGE as u64)
            .ws_max_message_size(MAX_MESSAGE)
            .ws_max_frame_size(MAX_MESSAGE)
            .with_parser(parser)
            .build_layer();
        Self { io, layer }
    }

    pub(crate) fn outlet(&self) -> SocketOutlet {
        SocketOutlet::new(self.io.clone())
    }

    /// Serves clients from now on, and the routes of `others` behind the same doors; where there are other `nodes`, also
    /// what they pass on, by a door of its own.
    pub(crate) fn serve(
        self,
        shared: &Shared,
        settings: &Settings,
        others: Router,
        nodes: Option<&Nodes>,
    ) -> Served {
        for space in SPACES {
            let shared = shared.clone();
            let middleware = async move |socket: SocketRef, TryData(auth): TryData<log_in::Auth>| {
                log_in::log_in(shared, space, socket, auth.ok()).await
            };
            self.io.ns(space, connected.with(middleware));
        }
        let Shared { sessions, leaving, closed, .. } = shared.clone();
        let drain = Drain { io: self.io, sessions, leaving, closed, begun: Arc::new(AtomicBool::new(false)) };
        let origins = Origins { allow: settings.allow_origin.clone(), metrics: shared.metrics.clone() };
        let here = Router::new()
            .route("/socket.io/", any(StatusCode::NOT_FOUND))
            .route("/socket.io", any(StatusCode::NOT_FOUND))
            .layer(self.layer)
            .layer(from_fn_with_state(portions::Portions::default(), portions::portion))
            .layer(from_fn_with_state(shared.clone(), engine3::decide))
            .layer(from_fn(attempts::count))
            .layer(from_fn_with_state(MAX_MESSAGE, mend_line_breaks))
            .layer(from_fn_with_state(shared.lines.clone(), watch_requests));
        let (anywhere, peers) = match nodes {
            None => (here, None),
            Some(nodes) => {
                let (anywhere, peers) = among(nodes, here, &drain, shared);
                (anywhere, Some(peers))
            }
        };
        let clients = anywhere
            .merge(others)
            .layer(from_fn_with_state(drain.clone(), turn_away))
            .layer(from_fn_with_state(origins, check_origin));
        Served { clients, peers, drain }
    }
}

/// What is served, and how it ends.
pub(crate) struct Served {
    pub(crate) clients: Router,
    /// For other nodes, which pass on what they are asked for.
    pub(crate) peers: Option<Router>,
    pub(crate) drain: Drain,
}

/// Serves this node's sessions to clients of any node: those who ask here for others', and nodes who are asked for these.
fn among(nodes: &Nodes, here: Router, drain: &Drain, shared: &Shared) -> (Router, Router) {
    let forwarder = Forwarder::new(nodes.clone(), MAX_MESSAGE, drain.tunnels());
    let elsewhere = elsewhere::Elsewhere::new(nodes.clone(), forwarder, shared.metrics.clone());
    let alone = elsewhere::Here { nodes: nodes.clone(), lines: shared.lines.clone() };
    // Built once: each time that the library's layer is built it begins with no sessions.
    let one_at_a_time = from_fn_with_state(polls::Polls::default(), polls::one_at_a_time);
    let here: Router = here.layer(one_at_a_time).with_state(());
    let peers = here
        .clone()
        .layer(from_fn_with_state(alone, elsewhere::here_alone))
        .layer(from_fn_with_state(PeerDoor::new(nodes.clone()), check_peer));
    (here.layer(from_fn_with_state(elsewhere, elsewhere::find)), peers)
}

/// Everything is set up in the middleware, before the client is told that it is connected.
async fn connected(_socket: SocketRef) {}

/// Ends the service.
#[derive(Clone)]
pub(crate) struct Drain {
    io: SocketIo,
    sessions: TaskTracker,
    leaving: Leaving,
    closed: CancellationToken,
    begun: Arc<AtomicBool>,
}

impl Drain {
    /// How tunnels to other nodes end with the rest.
    fn tunnels(&self) -> Tunnels {
        let Self { sessions, leaving, closed, .. } = self.clone();
        Tunnels { tasks: sessions, leaving, stop: closed }
    }

    /// Refuses new clients and closes the present ones' transports, each between two bursts, upon which they reconnect.
    pub(crate) async fn run(&self, deadline: Duration) {
        let begun = Instant::now();
        self.begun.store(true, Ordering::Relaxed);
        self.leaving.begin(deadline);
        self.sessions.close();
        // All have gone by then, but those who can't be sent off one by one.
        drop(tokio::time::timeout(deadline.mul_f32(MOST_OF_IT), self.sessions.wait()).await);
        let gone = async {
            let mut close = pin!(self.io.close());
            // Its first poll tells every client; what follows is the wait for their connections.
            let all_gone = poll_immediate(close.as_mut()).await.is_some();
            self.closed.cancel();
            self.sessions.wait().await;
            if !all_gone {
                close.await;
            }
        };
        if tokio::time::timeout(deadline.saturating_sub(begun.elapsed()), gone).await.is_err() {
            tracing::warn!(left = self.sessions.len(), "some clients didn't go in time");
        }
    }
}

/// Refuses handshakes while draining.
async fn turn_away(State(drain): State<Drain>, request: Request, next: Next) -> Response {
    let handshake =
        request.uri().query().is_some_and(|query| !query.split('&').any(|pair| pair.starts_with("sid=")));
    if handshake && drain.begun.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}
