//! The WebSocket of a client: the handshake, and what is read and written.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::fault::Fault;
use super::messages::{self, MAX_FRAME};
use super::{Rtc, session};

/// What a connection reads at once; kept as long as it lasts.
const READ_BUFFER: usize = 4 * 1024;

/// One that doesn't take its last words is hung up on after this.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// `GET /rtc/ws`. A page can't read a refusal's status, so who can't be served is let in, told why, and closed.
pub(super) async fn upgrade(State(rtc): State<Rtc>, request: Request) -> Response {
    let Some(accept) = accept_key(request.headers()) else {
        return (StatusCode::UPGRADE_REQUIRED, [(SEC_WEBSOCKET_VERSION, "13")]).into_response();
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let sessions = rtc.shared.sessions.clone();
    sessions.spawn(serve(rtc, query, hyper::upgrade::on(request)));
    let headers = [
        (CONNECTION, "Upgrade".to_owned()),
        (UPGRADE, "websocket".to_owned()),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// The answer to a handshake (RFC 6455, section 4.2) that is in order.
fn accept_key(headers: &HeaderMap) -> Option<String> {
    let is = |name, wanted: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(wanted)))
    };
    let asked = is(UPGRADE, "websocket") && is(CONNECTION, "upgrade") && is(SEC_WEBSOCKET_VERSION, "13");
    headers.get(SEC_WEBSOCKET_KEY).filter(|_| asked).map(|key| derive_accept_key(key.as_bytes()))
}

async fn serve(rtc: Rtc, query: String, upgrade: OnUpgrade) {
    let Ok(Ok(connection)) = timeout(LAST_WORDS, upgrade).await else { return };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, Some(config)).await;
    session::run(rtc, &query, socket).await;
}

/// Writes what the queue holds until it ends or the client is gone.
pub(super) async fn write(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        let last = message.is_close();
        if sink.send(message).await.is_err() || last {
            return;
        }
    }
}

/// Tells a client that can't be served why, and waits for it to go.
pub(super) async fn refuse(mut socket: Socket, fault: Fault) {
    let words = async {
        socket.send(Message::text(messages::error(fault, None, None))).await?;
        socket.send(close(fault)).await?;
        while socket.next().await.transpose()?.is_some() {}
        Ok::<_, Error>(())
    };
    if !matches!(timeout(LAST_WORDS, words).await, Ok(Ok(()))) {
        tracing::debug!("a refused client was hung up on");
    }
}

/// The close frame that goes with a fault (RFC 6455, section 7.4).
pub(super) fn close(fault: Fault) -> Message {
    let code = match fault {
        Fault::GoingAway => CloseCode::Restart,
        Fault::Unavailable | Fault::Overloaded | Fault::ChannelFull => CloseCode::Again,
        _ => CloseCode::Policy,
    };
    Message::Close(Some(CloseFrame { code, reason: fault.code().into() }))
}

/// Waits for the last words to be said and for the client to go. What it still says is read: a connection that is closed
/// before that is reset, and the words may be lost with it.
pub(super) async fn finish(writer: JoinHandle<()>, mut stream: SplitStream<Socket>) {
    let abort = writer.abort_handle();
    let rest = async { while let Some(Ok(_)) = stream.next().await {} };
    if timeout(LAST_WORDS, async { tokio::join!(writer, rest) }).await.is_err() {
        abort.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_is_answered_as_in_the_rfc_or_not_at_all() {
        let whole = [
            (CONNECTION, "keep-alive, Upgrade"),
            (UPGRADE, "websocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let headers: HeaderMap =
            whole.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        assert_eq!(accept_key(&headers).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for (name, _) in whole {
            let mut without = headers.clone();
            without.remove(name);
            assert_eq!(accept_key(&without), None);
        }
    }
}
