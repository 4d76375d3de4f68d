//! The WebTransport edge (draft-ietf-webtrans-http3, over QUIC): accepts sessions and pumps their bytes.
//!
//! This is the only file that knows the transport's library: another server takes its place by pumping an
//! [`EdgeEnd`] in the same way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use suara_proto::CloseCode;
use suara_proto::frame::{STREAM_CONTROL, split};
use suara_proto::limits::{HELLO_TIMEOUT, IDLE_TIMEOUT, MAX_CLIENT_MESSAGE, MAX_DATAGRAM};
use suara_proto::message::{ServerMessage, encode};
use thiserror::Error;
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use wtransport::config::QuicTransportConfig;
use wtransport::endpoint::{IncomingSession, SessionRequest, endpoint_side};
use wtransport::error::ConnectionError;
use wtransport::{Connection, Endpoint, RecvStream, SendStream, ServerConfig, VarInt};

use crate::core::Core;
use crate::http::OriginPolicy;
use crate::session::{Closing, EdgeEnd, Inbound, OutboxReader, Outgoing, open};
use crate::voice::{Ingress, VoiceQueue};

/// The path of sessions; all others are not found.
pub const PATH: &str = "/v1/wt";

/// Holds NAT bindings and browsers' idle timers open: Chromium gives an idle session up after 4 s.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Between QUIC's first packet and the session's request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Streams that a client may have open: control, chat, replay and HTTP/3's own (browsers need 6 and 3 at least).
const BIDIRECTIONAL_STREAMS: u32 = 8;
const UNIDIRECTIONAL_STREAMS: u32 = 4;
/// What a client may send ahead on a stream: four of its largest messages.
const STREAM_WINDOW: u32 = 4 * MAX_CLIENT_MESSAGE as u32;
/// What may wait inside QUIC: one datagram of the largest size, with the library's own 32 bytes and HTTP/3's one. The
/// rest waits in the session's queue, where it is dropped when it gets old.
const DATAGRAM_BUFFER: usize = MAX_DATAGRAM + 33;
/// Incoming datagrams that may wait for the pump, in bytes.
const DATAGRAM_RECEIVE_BUFFER: usize = 64 * 1024;
/// After `closing` was written the client has this long to read it.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Bytes read at once.
const READ_CHUNK: usize = 4096;
/// QUIC's application error for a stream that shouldn't be.
const STREAM_REFUSED: u32 = 0x10;

/// Why the edge can't serve.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// The address can't be bound.
    #[error("can't bind UDP {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The TLS configuration doesn't suit QUIC.
    #[error("the TLS configuration doesn't suit QUIC")]
    Tls,
}

/// A bound WebTransport server.
pub struct WebTransportEdge {
    endpoint: Endpoint<endpoint_side::Server>,
    address: SocketAddr,
}

impl WebTransportEdge {
    /// Binds `address` and takes `tls` for its handshakes.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn bind(address: SocketAddr, tls: rustls::ServerConfig) -> Result<Self, EdgeError> {
        let config = ServerConfig::builder()
            .with_bind_address(address)
            .with_custom_tls_and_transport(tls, transport())
            .build();
        let bind = |source| EdgeError::Bind { address, source };
        let endpoint = Endpoint::server(config).map_err(bind)?;
        let address = endpoint.local_addr().map_err(bind)?;
        Ok(Self { endpoint, address })
    }

    /// The address that was really bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Accepts sessions until `stop`; those that run go on.
    pub async fn serve(self, core: Arc<Core>, origins: Arc<OriginPolicy>, stop: CancellationToken) {
        loop {
            let incoming = tokio::select! {
                incoming = self.endpoint.accept() => incoming,
                () = stop.cancelled() => break,
            };
            core.tasks.spawn(admit(core.clone(), origins.clone(), incoming));
        }
        core.tasks.close();
        tokio::select! {
            () = core.tasks.wait() => {}
            () = refuse(&self.endpoint) => {}
        }
        self.endpoint.close(VarInt::from_u32(CloseCode::GoingAway.number()), b"the gateway stops");
        timeout(LAST_WORDS, self.endpoint.wait_idle()).await.unwrap_or_default();
    }
}

fn transport() -> QuicTransportConfig {
    let mut transport = QuicTransportConfig::default();
    transport
        .max_concurrent_bidi_streams(BIDIRECTIONAL_STREAMS.into())
        .max_concurrent_uni_streams(UNIDIRECTIONAL_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .datagram_receive_buffer_size(Some(DATAGRAM_RECEIVE_BUFFER))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(IDLE_TIMEOUT.try_into().ok());
    transport
}

/// Tells those who come too late at once, so that they go elsewhere instead of waiting.
async fn refuse(endpoint: &Endpoint<endpoint_side::Server>) {
    loop {
        endpoint.accept().await.refuse();
    }
}

async fn admit(core: Arc<Core>, origins: Arc<OriginPolicy>, incoming: IncomingSession) {
    let admitted = tokio::select! {
        admitted = timeout(HANDSHAKE, shake_hands(&core, &origins, incoming)) => admitted,
        _ = core.dismissed() => return,
    };
    match admitted {
        Ok(Ok(Some((connection, refusal)))) => {
            let end = open(&core, connection.remote_address(), refusal);
            pump(&core, connection, end).await;
        }
        Ok(Ok(None)) => tracing::debug!("no session has this path"),
        Ok(Err(error)) => tracing::debug!(%error, "handshake failed"),
        Err(_) => tracing::debug!("handshake took too long"),
    }
}

/// From QUIC's first packet to the answer to the session's request; with the reason why it can't be served.
async fn shake_hands(
    core: &Core,
    origins: &OriginPolicy,
    incoming: IncomingSession,
) -> Result<Option<(Connection, Option<Closing>)>, ConnectionError> {
    let request = incoming.await?;
    if request.path().split('?').next() != Some(PATH) {
        request.not_found().await;
        return Ok(None);
    }
    let refusal = refusal(core, origins, &request);
    Ok(Some((request.accept().await?, refusal)))
}

/// Why this client can't be served. A page can't read a refusal's status, so it is accepted, told and closed.
fn refusal(core: &Core, origins: &OriginPolicy, request: &SessionRequest) -> Option<Closing> {
    if request.origin().is_some_and(|origin| !origins.admits(origin, request.authority())) {
        return Some(Closing::new(CloseCode::OriginRefused, "this page's origin may not open sessions here"));
    }
    (!core.has_room()).then(Closing::overloaded)
}

/// Moves bytes between a connection and its session until either ends.
async fn pump(core: &Core, connection: Connection, end: EdgeEnd) {
    let EdgeEnd { inbound, outgoing, voice, ingress } = end;
    let code = tokio::select! {
        code = control(core, &connection, inbound, outgoing) => code,
        () = uplink(&connection, &ingress) => CloseCode::Normal,
        () = downlink(&connection, &voice) => CloseCode::Normal,
    };
    connection.close(VarInt::from_u32(code.number()), code.name().as_bytes());
}

async fn uplink(connection: &Connection, ingress: &Ingress) {
    while let Ok(datagram) = connection.receive_datagram().await {
        ingress.datagram(Instant::now(), &datagram);
    }
}

/// Sends voice as QUIC takes it: while it is held back, frames grow old in the queue and are dropped there.
async fn downlink(connection: &Connection, voice: &VoiceQueue) {
    let first_session = connection.session_id().into_u64() == 0;
    loop {
        let frame = voice.next().await;
        let sent = if first_session {
            connection.quic_connection().send_datagram_wait(frame.http3_datagram()).await.is_ok()
        } else {
            connection.send_datagram(frame.datagram()).is_ok()
        };
        if !sent {
            return;
        }
        voice.sent(&frame);
    }
}

/// Serves the control stream; returns the code to close with.
async fn control(
    core: &Core,
    connection: &Connection,
    inbound: Sender<Inbound>,
    mut outgoing: OutboxReader,
) -> CloseCode {
    let opened = tokio::select! {
        opened = control_stream(connection) => opened,
        () = patience(core) => None,
    };
    let Some((mut send, receive)) = opened else {
        drop(inbound);
        return last_code(outgoing).await;
    };
    let reading = async {
        tokio::select! {
            () = read(receive, &inbound) => {}
            () = other_streams(connection, &inbound) => {}
        }
        // The client can say nothing more: the session ends, and the writer has its last words.
        drop(inbound);
        std::future::pending().await
    };
    tokio::select! {
        code = write(&mut send, &mut outgoing) => code,
        never = reading => never,
    }
}

/// How long the control stream is waited for. The session itself counts the time to its hello, and who is refused is told
/// so as late as then: the session's word has to come first.
async fn patience(core: &Core) {
    tokio::select! {
        () = sleep(HELLO_TIMEOUT + LAST_WORDS) => {}
        _ = core.dismissed() => sleep(LAST_WORDS).await,
    }
}

/// The first stream that says it is the control stream; others before it are turned away.
async fn control_stream(connection: &Connection) -> Option<(SendStream, RecvStream)> {
    loop {
        let (mut send, mut receive) = connection.accept_bi().await.ok()?;
        match stream_type(&mut receive).await {
            Some(STREAM_CONTROL) => return Some((send, receive)),
            _ => turn_away(&mut send, receive),
        }
    }
}

/// Turns later streams away; a second control stream ends the session.
async fn other_streams(connection: &Connection, inbound: &Sender<Inbound>) {
    while let Ok((mut send, mut receive)) = connection.accept_bi().await {
        if stream_type(&mut receive).await == Some(STREAM_CONTROL) {
            inbound.send(Inbound::Violation("a second control stream")).await.unwrap_or_default();
            std::future::pending::<()>().await;
        }
        turn_away(&mut send, receive);
    }
}

async fn stream_type(receive: &mut RecvStream) -> Option<u8> {
    let mut first = [0];
    receive.read_exact(&mut first).await.ok()?;
    Some(first[0])
}

fn turn_away(send: &mut SendStream, receive: RecvStream) {
    // A stream that its peer has closed already needs no turning away.
    send.reset(VarInt::from_u32(STREAM_REFUSED)).unwrap_or_default();
    receive.stop(VarInt::from_u32(STREAM_REFUSED));
}

/// Cuts what comes into messages; returns when nothing more can come.
async fn read(mut receive: RecvStream, inbound: &Sender<Inbound>) {
    let mut buffer = BytesMut::new();
    let mut chunk = [0; READ_CHUNK];
    while let Ok(Some(length)) = receive.read(&mut chunk).await {
        buffer.extend_from_slice(&chunk[..length]);
        loop {
            match split(&mut buffer, MAX_CLIENT_MESSAGE) {
                Ok(None) => break,
                Ok(Some(message)) => {
                    if inbound.send(Inbound::Message(message)).await.is_err() {
                        return;
                    }
                }
                Err(fault) => {
                    inbound.send(Inbound::Fault(fault)).await.unwrap_or_default();
                    // What follows can't be told apart; the session says so and closes.
                    return std::future::pending().await;
                }
            }
        }
    }
}

/// Writes what the session says until it ends; a client that doesn't read can't hold the end up.
async fn write(send: &mut SendStream, outgoing: &mut OutboxReader) -> CloseCode {
    let closing = outgoing.closing();
    let mut stuck = std::pin::pin!(async {
        closing.cancelled().await;
        sleep(LAST_WORDS).await;
    });
    // A client that wants to hear no more has ended its session, though it may go on talking.
    let mut unheard = std::pin::pin!(send.quic_stream().stopped());
    loop {
        let next = tokio::select! {
            next = outgoing.next() => next,
            _ = &mut unheard => return CloseCode::Normal,
        };
        match next {
            None => return CloseCode::Normal,
            Some(Outgoing::Message(framed)) => tokio::select! {
                written = send.write_all(&framed) => if written.is_err() {
                    return CloseCode::Normal;
                },
                () = &mut stuck => return CloseCode::SlowConsumer,
            },
            Some(Outgoing::Close(closing)) => {
                let code = closing.code;
                // A client that is gone, or reads too slowly, misses its last words.
                timeout(LAST_WORDS, say_closing(send, closing)).await.unwrap_or_default();
                return code;
            }
        }
    }
}

async fn say_closing(send: &mut SendStream, Closing { code, reason, retry_after_ms }: Closing) {
    let closing = encode(&ServerMessage::Closing { code, reason, retry_after_ms });
    if send.write_all(&closing).await.is_ok() && send.finish().await.is_ok() {
        // Wait until the client has it, or is gone: closing the connection would overtake it.
        send.stopped().await;
    }
}

async fn last_code(mut outgoing: OutboxReader) -> CloseCode {
    while let Some(next) = outgoing.next().await {
        if let Outgoing::Close(closing) = next {
            return closing.code;
        }
    }
    CloseCode::Normal
}
