//! One client on one of the gateway's own roads: a task that carries, and two queues.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use suara_proto::RequestId;
use suara_proto::entry::EntryDatagram;
use suara_proto::frame::{STREAM_CONTROL, split};
use suara_proto::limits::{HEARTBEAT, MAX_SERVER_MESSAGE};
use suara_proto::message::{ClientMessage, Joined, ServerMessage, decode_server, encode};
use suara_proto::reception::Reporter;
use suara_proto::report::Report;
use suara_proto::voice::VoiceFrame;
use suara_proto::websocket::{CONTROL, DATAGRAM, Piece, SUBPROTOCOL};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, interval_at, timeout, timeout_at};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use wtransport::quinn::Connection;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Endpoint};

use super::talk::{ASKS, Uplink, asks_again_after};
use crate::target::Target;

/// A session takes less than this on the worst of paths.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was heard on a session.
pub(super) enum Said {
    /// A control message.
    Message(Bytes),
    /// A datagram.
    Datagram(Bytes),
}

enum Say {
    Message(Bytes),
    Datagram(Vec<u8>),
}

/// A welcomed session. Its carrier ends with it.
pub(super) struct Client {
    say: mpsc::UnboundedSender<Say>,
    heard: mpsc::UnboundedReceiver<(Instant, Said)>,
    /// Whether its datagrams are none of TCP's.
    pub(super) has_datagrams: bool,
    /// When what [`hear`](Self::hear) returned last came.
    pub(super) came: Instant,
    /// For its round trip; TCP's has none that matters.
    quic: Option<Connection>,
    /// Earlier packets that the gateway wants in each frame, by its newest report.
    earlier: usize,
    /// Frames that it has said.
    pub(super) said: usize,
    /// What came of the voice that the gateway sent.
    reporter: Reporter,
    began: Instant,
    /// How often it has asked to enter a channel.
    joins: u32,
}

impl Client {
    /// By WebTransport, to a relay or to the gateway itself.
    ///
    /// # Errors
    /// Why there is no session.
    pub(super) async fn webtransport(
        target: &Target,
        address: SocketAddr,
        token: &str,
    ) -> Result<Self, String> {
        let pins = target.pins.iter().map(|pin| Sha256Digest::new(*pin.as_bytes()));
        let config = ClientConfig::builder()
            .with_bind_address(SocketAddr::new(address.ip(), 0))
            .with_server_certificate_hashes(pins)
            .build();
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let endpoint = Endpoint::client(config).map_err(|error| failed(&error))?;
        let url = format!("https://{address}{}", target.url.path());
        let opening = async {
            let connection = endpoint.connect(&url).await.map_err(|error| failed(&error))?;
            let opening = connection.open_bi().await.map_err(|error| failed(&error))?;
            let (mut send, receive) = opening.await.map_err(|error| failed(&error))?;
            send.write_all(&[STREAM_CONTROL]).await.map_err(|error| failed(&error))?;
            Ok::<_, String>((connection, send, receive))
        };
        let (connection, mut send, mut receive) =
            timeout(PATIENCE, opening).await.map_err(|_| "no session in 20 s".to_owned())??;
        let (mut client, mut to_say, heard) = Self::new(true);
        client.quic = Some(connection.quic_connection().clone());
        tokio::spawn(async move {
            let _endpoint = endpoint;
            let (mut control, mut beats) = (BytesMut::new(), heartbeats());
            let mut chunk = vec![0; 16 * 1024];
            loop {
                let going_on = tokio::select! {
                    say = to_say.recv() => match say {
                        Some(Say::Message(bytes)) => send.write_all(&bytes).await.is_ok(),
                        // What QUIC doesn't take is lost, as on any path.
                        Some(Say::Datagram(bytes)) => { connection.send_datagram(bytes).unwrap_or_default(); true }
                        None => false,
                    },
                    datagram = connection.receive_datagram() => datagram.is_ok_and(|datagram| {
                        heard.send((Instant::now(), Said::Datagram(datagram.payload()))).is_ok()
                    }),
                    read = receive.read(&mut chunk) => match read {
                        Ok(Some(length)) => {
                            control.extend_from_slice(&chunk[..length]);
                            pass_on(&mut control, &heard)
                        }
                        _ => false,
                    },
                    _ = beats.tick() => send.write_all(&ping()).await.is_ok(),
                };
                if !going_on {
                    return;
                }
            }
        });
        client.greeted(token).await
    }

    /// By WebSocket.
    ///
    /// # Errors
    /// Why there is no session.
    pub(super) async fn websocket(address: SocketAddr, token: &str) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let url = format!("ws://{address}/v1/ws");
        let mut request = url.into_client_request().map_err(|error| failed(&error))?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        let opening = timeout(PATIENCE, client_async(request, stream)).await;
        let (mut socket, _) =
            opening.map_err(|_| "no WebSocket in 20 s".to_owned())?.map_err(|error| failed(&error))?;
        let (client, mut to_say, heard) = Self::new(false);
        tokio::spawn(async move {
            let (mut control, mut beats) = (BytesMut::new(), heartbeats());
            let mut opened = false;
            loop {
                let going_on = tokio::select! {
                    say = to_say.recv() => match say {
                        Some(say) => {
                            let bytes = match &say {
                                Say::Message(bytes) if opened => [&[CONTROL], &bytes[..]].concat(),
                                Say::Message(bytes) => [&[CONTROL, STREAM_CONTROL], &bytes[..]].concat(),
                                Say::Datagram(bytes) => [&[DATAGRAM], &bytes[..]].concat(),
                            };
                            opened = true;
                            socket.send(Message::binary(bytes)).await.is_ok()
                        }
                        None => false,
                    },
                    message = socket.next() => match message {
                        Some(Ok(Message::Binary(bytes))) => match Piece::read(&bytes) {
                            Ok(Piece::Datagram(datagram)) => {
                                let datagram = Said::Datagram(Bytes::copy_from_slice(datagram));
                                heard.send((Instant::now(), datagram)).is_ok()
                            }
                            Ok(Piece::Stream(CONTROL, piece)) => {
                                control.extend_from_slice(piece);
                                pass_on(&mut control, &heard)
                            }
                            _ => true,
                        },
                        Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                        Some(Ok(_)) => true,
                    },
                    _ = beats.tick(), if opened => {
                        socket.send(Message::binary([&[CONTROL], &ping()[..]].concat())).await.is_ok()
                    }
                };
                if !going_on {
                    return;
                }
            }
        });
        client.greeted(token).await
    }

    fn new(
        has_datagrams: bool,
    ) -> (Self, mpsc::UnboundedReceiver<Say>, mpsc::UnboundedSender<(Instant, Said)>) {
        let (say, to_say) = mpsc::unbounded_channel();
        let (tell, heard) = mpsc::unbounded_channel();
        let now = Instant::now();
        let reporter = Reporter::default();
        (
            Self {
                say,
                heard,
                has_datagrams,
                came: now,
                quic: None,
                earlier: 0,
                said: 0,
                reporter,
                began: now,
                joins: 0,
            },
            to_say,
            tell,
        )
    }

    async fn greeted(mut self, token: &str) -> Result<Self, String> {
        let client = Some("suara-loadtest".into());
        self.say(&ClientMessage::Hello {
            version: 1,
            token: token.into(),
            client,
            resume: None,
            calls: false,
        });
        self.wait(|message| matches!(message, ServerMessage::Welcome(_)).then_some(())).await?;
        Ok(self)
    }

    /// What is known of the way to the gateway.
    pub(super) fn uplink(&self) -> Uplink {
        let rtt = self.quic.as_ref().map_or(Duration::ZERO, Connection::rtt);
        Uplink { wanted: self.earlier, said: self.said, rtt }
    }

    /// Sends a control message.
    pub(super) fn say(&self, message: &ClientMessage<'_>) {
        // A carrier that is gone is noticed by who waits for an answer.
        self.say.send(Say::Message(encode(message))).unwrap_or_default();
    }

    /// Sends a datagram.
    pub(super) fn datagram(&self, bytes: &[u8]) {
        self.say.send(Say::Datagram(bytes.to_vec())).unwrap_or_default();
    }

    /// What came next. Cancel-safe.
    ///
    /// # Errors
    /// When the session is over.
    pub(super) async fn hear(&mut self) -> Result<Said, String> {
        let (came, said) = self.heard.recv().await.ok_or_else(|| "the session ended".to_owned())?;
        self.came = came;
        self.account(&said);
        Ok(said)
    }

    /// What has come and wasn't looked at is of no interest any more.
    pub(super) fn forget(&mut self) {
        while let Ok((came, said)) = self.heard.try_recv() {
            self.came = came;
            self.account(&said);
        }
    }

    /// Receiver reports, in both directions (`PROTOCOL.md`, 6.3): what the gateway's says is done, and ours is sent when it is due.
    fn account(&mut self, said: &Said) {
        let Said::Datagram(bytes) = said else { return };
        if let Ok(report) = Report::decode(bytes) {
            self.earlier = report.earlier.into();
        }
        let Ok(frame) = VoiceFrame::decode(bytes) else { return };
        let now = self.came.saturating_duration_since(self.began);
        // By TCP nothing is lost.
        if let Some(report) = self.reporter.frame(now, &frame, false).filter(|_| self.has_datagrams) {
            self.datagram(&report.encode());
        }
    }

    /// Enters a channel, asked for as the JavaScript client does; its number, and the client's own in it.
    ///
    /// # Errors
    /// When it is refused.
    pub(super) async fn join(&mut self, channel: &str) -> Result<(u32, u16), String> {
        self.joins += 1;
        let request = RequestId(self.joins);
        self.say(&ClientMessage::Join { request, channel: channel.into(), member: None });
        let question = EntryDatagram::Join { request, channel }.encode();
        let (began, mut asked) = (Instant::now(), 0);
        let mut ask_at = began;
        loop {
            let due = if self.has_datagrams && asked < ASKS { ask_at } else { began + PATIENCE };
            match timeout_at(due, self.hear()).await {
                Ok(said) => {
                    if let Some(place) = place_in(&said?, request)? {
                        return Ok(place);
                    }
                }
                Err(_) if Instant::now() >= began + PATIENCE => return Err("no answer in 20 s".to_owned()),
                Err(_) => {
                    self.datagram(&question);
                    asked += 1;
                    ask_at += asks_again_after(asked);
                }
            }
        }
    }

    async fn wait<T>(&mut self, wanted: impl Fn(&ServerMessage<'_>) -> Option<T>) -> Result<T, String> {
        let waiting = async {
            loop {
                if let Said::Message(json) = self.hear().await?
                    && let Some(message) = understood(&json)?
                    && let Some(found) = wanted(&message)
                {
                    return Ok(found);
                }
            }
        };
        timeout(PATIENCE, waiting).await.map_err(|_| "no answer in 20 s".to_owned())?
    }
}

/// The answer to a `join`, by whichever road it came.
fn place_in(said: &Said, wanted: RequestId) -> Result<Option<(u32, u16)>, String> {
    Ok(match said {
        Said::Datagram(bytes) => match EntryDatagram::decode(bytes) {
            Ok(EntryDatagram::Joined { request, channel, talker }) if request == wanted => {
                Some((channel.0, talker.0))
            }
            _ => None,
        },
        Said::Message(json) => match understood(json)? {
            Some(ServerMessage::Joined(Joined { request: Some(request), channel, talker, .. }))
                if request == wanted =>
            {
                Some((channel.0, talker.0))
            }
            _ => None,
        },
    })
}

/// A message, if it is one that is known; an error for a refusal.
fn understood(json: &[u8]) -> Result<Option<ServerMessage<'_>>, String> {
    match decode_server(json) {
        Ok(ServerMessage::Closing { code, reason, .. }) => Err(format!("{code}: {reason}")),
        Ok(ServerMessage::Error { code, message, .. }) => Err(format!("{code}: {message}")),
        Ok(message) => Ok(Some(message)),
        Err(_) => Ok(None),
    }
}

/// The first one in a while: nothing may come before `hello`.
fn heartbeats() -> Interval {
    interval_at(Instant::now() + HEARTBEAT, HEARTBEAT)
}

fn ping() -> Bytes {
    encode(&ClientMessage::Ping { nonce: 1 })
}

/// Tells what messages are whole; false when nobody listens, or they are none.
fn pass_on(control: &mut BytesMut, heard: &mpsc::UnboundedSender<(Instant, Said)>) -> bool {
    loop {
        match split(control, MAX_SERVER_MESSAGE) {
            Ok(Some(message)) => {
                if heard.send((Instant::now(), Said::Message(message))).is_err() {
                    return false;
                }
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
