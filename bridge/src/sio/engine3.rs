//! Refuses Engine.IO 3 clients in the way that they understand. The library wraps a refusal's message into an object,
//! as Engine.IO 4 has it; `socket.io-client-java` 1.x takes a bare string only, and would wait for ever. So the token
//! of such a client is verified before the library sees it, and a refusal is spoken here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::json;
use socketioxide::socket::Sid;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::Shared;
use super::log_in::{Admission, Refusal, admit, token_in};

/// A refused client that doesn't hang up is hung up on after this.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Bytes of one message of a refused client, who has nothing to say any more.
const MAX_WORDS: usize = 64 * 1024;

/// A log-in that was decided before the library saw the client; its session takes it.
#[derive(Clone)]
pub(super) struct Decided(Arc<Mutex<Option<Admission>>>);

impl Decided {
    pub(super) fn take(&self) -> Option<Admission> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Logs Engine.IO 3 clients in that come by WebSocket.
pub(super) async fn decide(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let has = |wanted: &str| query.split('&').any(|pair| pair.starts_with(wanted));
    if !has("EIO=3") || has("sid=") || !request.headers().contains_key(UPGRADE) {
        return next.run(request).await;
    }
    match admit(&shared, token_in(query)).await {
        Ok(admission) => {
            request.extensions_mut().insert(Decided(Arc::new(Mutex::new(Some(admission)))));
            next.run(request).await
        }
        Err(refusal) => {
            let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
                return StatusCode::BAD_REQUEST.into_response();
            };
            let accept = derive_accept_key(key.as_bytes());
            tokio::spawn(refuse(hyper::upgrade::on(request), refusal));
            let headers = [
                (CONNECTION, "Upgrade".to_owned()),
                (UPGRADE, "websocket".to_owned()),
                (SEC_WEBSOCKET_ACCEPT, accept),
            ];
            (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
        }
    }
}

async fn refuse(upgrade: OnUpgrade, refusal: Refusal) {
    let Ok(connection) = upgrade.await else { return };
    let said = tokio::time::timeout(LAST_WORDS, say(connection, refusal)).await;
    if !matches!(said, Ok(Ok(()))) {
        tracing::debug!("a refused client was hung up on");
    }
}

/// What the library would say, but for the message's being a bare string; then waits for the client to go.
async fn say(connection: Upgraded, refusal: Refusal) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let limits = WebSocketConfig::default().max_message_size(Some(MAX_WORDS)).max_frame_size(Some(MAX_WORDS));
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, Some(limits)).await;
    let open = json!({ "sid": Sid::new(), "upgrades": [], "pingInterval": 10_000, "pingTimeout": 10_000 });
    socket.send(Message::text(format!("0{open}"))).await?;
    socket.send(Message::text(format!("44{}", json!(refusal.to_string())))).await?;
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}
