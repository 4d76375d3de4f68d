//! The WebSocket edge, for clients whose network blocks UDP: the same streams and datagrams as messages on one TCP
//! connection (PROTOCOL.md, section 3.5).
//!
//! TCP delivers everything, however late. So that voice doesn't get old on its way, it waits in the session's queue, which
//! is bounded by age, for as long as the connection takes no more; the kernel is let hold next to nothing (`suara_tcp`).

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use suara_engine::Sender;
use suara_proto::CloseCode;
use suara_proto::websocket::{MAX_MESSAGE, MAX_PIECE, SUBPROTOCOL};
use suara_tcp::Peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::LAST_WORDS;
use super::pieces::{Reader, Writer};
use crate::core::Core;
use crate::http::OriginPolicy;
use crate::session::{Closing, open};
use crate::voice::{Ear, VoiceQueue};

/// Where sessions are opened.
pub(crate) const PATH: &str = "/v1/ws";
/// Connections beyond the sessions that may be: to tell the others why not.
const SPARE_CONNECTIONS: usize = 1024;
/// What a connection reads at once; kept as long as it lasts.
const READ_BUFFER: usize = 4 * 1024;
/// Answers to pings that wait for a client that doesn't read, and a message of ours; who lets more pile up is hung up on.
const MAX_UNWRITTEN: usize = 64 * 1024 + 2 * MAX_PIECE;

/// What the edge needs of the gateway.
pub(crate) struct Edge {
    core: Arc<Core>,
    origins: OriginPolicy,
    sender: Sender,
    seats: Arc<Semaphore>,
}

impl Edge {
    /// For sessions whose voice goes to the engine's connections by `sender`.
    pub(crate) fn new(core: Arc<Core>, origins: OriginPolicy, sender: Sender) -> Self {
        let seats = Arc::new(Semaphore::new(core.max_sessions + SPARE_CONNECTIONS));
        Self { core, origins, sender, seats }
    }

    /// Why this client can't be served. A page can't read a refusal's status, so it is accepted, told and closed.
    fn refusal(&self, headers: &HeaderMap) -> Option<Closing> {
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let host = text(HOST).unwrap_or_default();
        if headers.contains_key(ORIGIN)
            && !text(ORIGIN).is_some_and(|origin| self.origins.admits(origin, host))
        {
            let why = "this page's origin may not open sessions here";
            return Some(Closing::new(CloseCode::OriginRefused, why));
        }
        (!self.core.has_room()).then(Closing::overloaded)
    }
}

/// `GET /v1/ws`.
pub(crate) fn router(edge: Arc<Edge>) -> Router {
    Router::new().route(PATH, get(upgrade)).with_state(edge)
}

async fn upgrade(State(edge): State<Arc<Edge>>, peer: ConnectInfo<Peer>, request: Request) -> Response {
    let ConnectInfo(peer) = peer;
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err((status, why)) => return (status, [(SEC_WEBSOCKET_VERSION, "13")], why).into_response(),
    };
    if edge.core.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the gateway stops\n").into_response();
    }
    let Ok(seat) = edge.seats.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many connections\n").into_response();
    };
    let refusal = edge.refusal(request.headers());
    let tasks = edge.core.tasks.clone();
    tasks.spawn(serve(edge, peer, refusal, hyper::upgrade::on(request), seat));
    let headers = [
        (CONNECTION, "Upgrade".to_owned()),
        (UPGRADE, "websocket".to_owned()),
        (SEC_WEBSOCKET_ACCEPT, accept),
        (SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL.to_owned()),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// The answer to a handshake (RFC 6455, section 4.2) that is in order.
fn accept_key(headers: &HeaderMap) -> Result<String, (StatusCode, &'static str)> {
    if !lists(headers, CONNECTION, "upgrade") || !lists(headers, UPGRADE, "websocket") {
        return Err((StatusCode::UPGRADE_REQUIRED, "this is a WebSocket's address\n"));
    }
    if !lists(headers, SEC_WEBSOCKET_VERSION, "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "version 13 is spoken here\n"));
    }
    if !lists(headers, SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err((StatusCode::BAD_REQUEST, "the subprotocol suara.1 is spoken here\n"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or((StatusCode::BAD_REQUEST, "the key is missing\n"))?;
    Ok(derive_accept_key(key.as_bytes()))
}

/// Whether a header's list has a token in it.
fn lists(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name);
    let mut tokens = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    tokens.any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

/// Joins a connection to its session until either ends.
async fn serve(
    edge: Arc<Edge>,
    peer: Peer,
    refusal: Option<Closing>,
    upgrade: OnUpgrade,
    _seat: OwnedSemaphorePermit,
) {
    let Ok(Ok(connection)) = timeout(LAST_WORDS, upgrade).await else { return };
    peer.stall.carry_voice();
    let core = &edge.core;
    core.metrics.websockets.inc();
    let queue = Arc::new(VoiceQueue::new(core.metrics.voice.clone()));
    let end = open(core, peer.address, refusal, Ear::Queue(queue.clone()));
    let (sink, stream) = futures_util::StreamExt::split(socket(connection).await);
    // Waits at the reader's side when it is full.
    let (answers, to_answer) = mpsc::channel(1);
    let reader = Reader::new(end.inbound, end.ingress, edge.sender.clone(), end.chat, answers);
    let writer = Writer::new(sink, end.outgoing, queue, to_answer);
    let mut reading = std::pin::pin!(reader.run(stream));
    let mut writing = std::pin::pin!(writer.run());
    tokio::select! {
        // The client can say nothing more: the session ends, and the writer has its last words.
        () = &mut reading => writing.await,
        // Until the client has read them, or is gone: the connection's end would overtake them.
        () = &mut writing => timeout(LAST_WORDS, reading).await.unwrap_or_default(),
    }
    core.metrics.websockets.dec();
}

/// Compression isn't offered: Opus can't be compressed, and each connection would need a window of its own.
async fn socket(connection: Upgraded) -> WebSocketStream<TokioIo<Upgraded>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(MAX_PIECE)
        .max_write_buffer_size(MAX_UNWRITTEN)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, Some(config)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake() -> HeaderMap {
        let pairs = [
            (CONNECTION, "keep-alive, Upgrade"),
            (UPGRADE, "WebSocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_PROTOCOL, "suara.2, suara.1"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        pairs.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_handshake_is_answered_as_in_the_rfc() {
        assert_eq!(accept_key(&handshake()).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_handshake_that_lacks_something_is_refused() {
        let required = [
            (CONNECTION, StatusCode::UPGRADE_REQUIRED),
            (UPGRADE, StatusCode::UPGRADE_REQUIRED),
            (SEC_WEBSOCKET_VERSION, StatusCode::UPGRADE_REQUIRED),
            (SEC_WEBSOCKET_PROTOCOL, StatusCode::BAD_REQUEST),
            (SEC_WEBSOCKET_KEY, StatusCode::BAD_REQUEST),
        ];
        for (name, status) in required {
            let mut headers = handshake();
            headers.remove(&name);
            assert_eq!(accept_key(&headers).unwrap_err().0, status, "{name}");
        }
    }
}
