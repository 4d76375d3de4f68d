//! One session of the trunk, from the look-up of the gateway to its end.

use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use suara_certs::pinned_client_config;
use suara_proto::clock::KIND_CLOCK;
use suara_proto::frame::{self, FrameError, STREAM_CONTROL};
use suara_proto::limits::{MAX_DATAGRAM, MAX_SERVER_MESSAGE};
use suara_proto::message::{self, ClientMessage, ServerMessage, Welcome};
use suara_proto::{ErrorCode, RequestId};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use wtransport::config::IpBindConfig;
use wtransport::quinn::{IdleTimeout, TransportConfig, VarInt};
use wtransport::tls::WEBTRANSPORT_ALPN;
use wtransport::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};

use super::Trunk;
use super::announce::{Announcement, AnnouncementError, Gateway};
use super::chat;
use super::clock::{self, GatewayClock};
use super::event::{TrunkEvent, event};
use super::link::{Carrier, Link};
use super::pace::Pace;

/// Voice that waits for the network in bytes, about a hundred frames, 20 ms of a hundred talkers: a datagram that
/// finds it full pushes out the oldest. More would be heard late.
const DATAGRAM_BUFFER: usize = 16 * 1024;

/// Voice from the gateway that waits for us.
const DATAGRAM_RECEIVE_BUFFER: usize = 256 * 1024;

/// With so many control messages waiting nothing new is begun: more than a second's worth at the pace below, which is
/// what a press or a log-in would have to wait. Fewer would refuse those who come in a crowd. What ends something is
/// taken beyond it: there is no more of it than was begun.
const BUSY: usize = 1024;

/// Holds the road open through NATs, and finds out about a lost gateway.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Without a sign of life from the gateway for so long, the session is dead.
const IDLE: Duration = Duration::from_millis(15_000);

/// Renewals of the trunk's own token; the desk counts its requests from 1.
const RENEWAL: RequestId = RequestId(0);

/// How a session, or the attempt at one, ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) reason: String,
    pub(super) retry_after: Option<Duration>,
}

impl End {
    pub(super) fn new(reason: impl Display) -> Self {
        Self { reason: reason.to_string(), retry_after: None }
    }
}

/// Why no session came about.
#[derive(Debug, Error)]
pub(super) enum OpenError {
    #[error("the trunk's token can't be read: {0}")]
    Token(std::io::Error),
    #[error(transparent)]
    Announcement(#[from] AnnouncementError),
    #[error("no UDP socket: {0}")]
    Socket(std::io::Error),
    #[error("no WebTransport session: {0}")]
    Connect(String),
    #[error("the control stream broke off")]
    Stream,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the gateway closed: {code}: {reason}")]
    Closed { code: String, reason: String },
    #[error("the gateway said something else than welcome")]
    NoWelcome,
}

/// A session that the gateway has welcomed.
pub(super) struct Opened {
    connection: Connection,
    to_gateway: SendStream,
    from_gateway: Frames,
    token: String,
    heartbeat: Duration,
    idle: Duration,
    // Holds the socket.
    _endpoint: Endpoint<wtransport::endpoint::endpoint_side::Client>,
}

impl Opened {
    pub(super) async fn open(gateway: &Gateway, token_file: &Path) -> Result<Self, OpenError> {
        let token = read_token(token_file).await.map_err(OpenError::Token)?;
        let announcement = gateway.ask().await?;
        let endpoint = Endpoint::client(client_config(&announcement)).map_err(OpenError::Socket)?;
        let failed = |error: &dyn Display| OpenError::Connect(error.to_string());
        let connection = endpoint.connect(&announcement.url).await.map_err(|error| failed(&error))?;
        let stream = connection.open_bi().await.map_err(|error| failed(&error))?;
        let (mut to_gateway, stream) = stream.await.map_err(|error| failed(&error))?;
        to_gateway.write_all(&[STREAM_CONTROL]).await.map_err(|_| OpenError::Stream)?;
        let client = Some(concat!("suara-bridge/", env!("CARGO_PKG_VERSION")).into());
        let (version, token_text) = (1, token.as_str().into());
        let hello = ClientMessage::Hello { version, token: token_text, client, resume: None, calls: true };
        to_gateway.write_all(&message::encode(&hello)).await.map_err(|_| OpenError::Stream)?;
        let mut from_gateway = Frames { stream, buffer: BytesMut::new() };
        let (heartbeat, idle) = welcome(&from_gateway.next().await?)?;
        Ok(Self { connection, to_gateway, from_gateway, token, heartbeat, idle, _endpoint: endpoint })
    }

    /// Serves the session to its end.
    pub(super) async fn serve(self, trunk: &Trunk) -> End {
        let Self { connection, to_gateway, from_gateway, token, heartbeat, idle, _endpoint } = self;
        let (control, queue) = mpsc::unbounded_channel();
        let (chat, chats) = mpsc::channel(chat::QUEUE);
        let (waiting, pace) = (Arc::new(AtomicUsize::new(0)), Pace::start());
        let clock = Arc::new(GatewayClock::default());
        let link = Link::new(Wire {
            control,
            chat,
            waiting: Arc::clone(&waiting),
            connection: connection.clone(),
            clock: Arc::clone(&clock),
        });
        tracing::info!("the trunk to the gateway stands");
        if trunk.events.send(TrunkEvent::Up(link.clone())).is_err() {
            return End::new("the bridge stops");
        }
        let end = tokio::select! {
            end = read(from_gateway, idle, trunk) => end,
            end = write(to_gateway, queue, &waiting, &pace) => end,
            end = chat::serve(&connection, chats, &pace, trunk) => end,
            end = hear(&connection, trunk, &clock) => end,
            end = ask_time(&connection, &clock) => end,
            end = stay(&link, heartbeat, &trunk.token_file, token) => end,
        };
        connection.close(wtransport::VarInt::from_u32(0), b"");
        end
    }
}

/// A session's stream and datagrams.
struct Wire {
    control: mpsc::UnboundedSender<Bytes>,
    chat: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    connection: Connection,
    clock: Arc<GatewayClock>,
}

impl Carrier for Wire {
    fn control(&self, message: Bytes) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.control.send(message).is_ok()
    }

    fn is_busy(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= BUSY
    }

    fn chat(&self, message: Bytes) -> bool {
        self.chat.try_send(message).is_ok()
    }

    fn voice(&self, datagram: &[u8]) -> bool {
        self.connection.send_datagram(datagram).is_ok()
    }

    fn gateway_time(&self, moment: Instant) -> Option<u64> {
        self.clock.at(moment)
    }
}

/// The token as it stands in the file at this moment.
async fn read_token(path: &Path) -> std::io::Result<String> {
    Ok(tokio::fs::read_to_string(path).await?.trim().to_owned())
}

fn client_config(announcement: &Announcement) -> ClientConfig {
    let builder = ClientConfig::builder().with_bind_config(bind(&announcement.url));
    let builder = if announcement.certificates.is_empty() {
        builder.with_native_certs()
    } else {
        // Ours, for browsers' rules of what may be pinned (14 days at most, P-256) are no concern of a trunk's: the
        // certificate may be one by a public authority.
        builder.with_custom_tls(pinned_client_config(
            announcement.certificates.iter().copied(),
            &[WEBTRANSPORT_ALPN],
        ))
    };
    let mut config = builder.build();
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE.as_millis() as u32))))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .datagram_receive_buffer_size(Some(DATAGRAM_RECEIVE_BUFFER));
    config.quic_config_mut().transport_config(Arc::new(transport));
    config
}

/// A socket of the gateway's own address family, where the URL tells it: a machine may have but one.
fn bind(url: &str) -> IpBindConfig {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.as_deref().unwrap_or_default().trim_matches(['[', ']']);
    if host.parse::<Ipv4Addr>().is_ok() {
        IpBindConfig::InAddrAnyV4
    } else if host.parse::<Ipv6Addr>().is_ok() {
        IpBindConfig::InAddrAnyV6
    } else {
        IpBindConfig::InAddrAnyDual
    }
}

fn welcome(json: &[u8]) -> Result<(Duration, Duration), OpenError> {
    match message::decode_server(json) {
        Ok(ServerMessage::Welcome(Welcome { heartbeat_ms, idle_timeout_ms, .. })) => {
            let idle = Duration::from_millis(idle_timeout_ms.into());
            Ok((Duration::from_millis(heartbeat_ms.max(100).into()), idle))
        }
        Ok(ServerMessage::Closing { code, reason, .. }) => {
            Err(OpenError::Closed { code: code.to_string(), reason: reason.into_owned() })
        }
        _ => Err(OpenError::NoWelcome),
    }
}

/// Messages off a stream.
pub(super) struct Frames {
    pub(super) stream: RecvStream,
    pub(super) buffer: BytesMut,
}

impl Frames {
    pub(super) async fn next(&mut self) -> Result<Bytes, OpenError> {
        loop {
            if let Some(message) = frame::split(&mut self.buffer, MAX_SERVER_MESSAGE)? {
                return Ok(message);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk).await {
                Ok(Some(count)) => self.buffer.extend_from_slice(&chunk[..count]),
                Ok(None) | Err(_) => return Err(OpenError::Stream),
            }
        }
    }
}

/// Reads control messages; pongs keep it from taking the gateway for dead.
async fn read(mut frames: Frames, idle: Duration, trunk: &Trunk) -> End {
    loop {
        let json = match tokio::time::timeout(idle, frames.next()).await {
            Err(_) => return End::new("the gateway has gone silent"),
            Ok(Err(error)) => return End::new(error),
            Ok(Ok(json)) => json,
        };
        let message = match message::decode_server(&json) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "a message of the gateway's was ignored");
                continue;
            }
        };
        match message {
            ServerMessage::Closing { code, reason, retry_after_ms } => {
                let retry_after = retry_after_ms.map(|ms| Duration::from_millis(ms.into()));
                return End { reason: format!("the gateway closed: {code}: {reason}"), retry_after };
            }
            ServerMessage::Error { request: Some(RENEWAL), code, .. } => renewal_refused(code),
            message => {
                if let Some(event) = event(message)
                    && trunk.events.send(event).is_err()
                {
                    return End::new("the bridge stops");
                }
            }
        }
    }
}

fn renewal_refused(code: ErrorCode) {
    tracing::warn!(%code, "the trunk's fresh token was refused; the old one stays");
}

/// Writes control messages, no faster than the gateway takes them.
async fn write(
    mut stream: SendStream,
    mut queue: mpsc::UnboundedReceiver<Bytes>,
    waiting: &AtomicUsize,
    pace: &Pace,
) -> End {
    while let Some(message) = queue.recv().await {
        pace.turn().await;
        if stream.write_all(&message).await.is_err() {
            return End::new("the control stream broke off");
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
    End::new("the bridge stops")
}

/// Takes voice.
async fn hear(connection: &Connection, trunk: &Trunk, clock: &GatewayClock) -> End {
    loop {
        match connection.receive_datagram().await {
            Ok(datagram) => {
                let payload = datagram.payload();
                if payload.first() == Some(&KIND_CLOCK) {
                    clock.answer(Instant::now(), &payload);
                } else if payload.len() <= MAX_DATAGRAM {
                    (trunk.voice)(payload);
                }
            }
            Err(error) => return End::new(error),
        }
    }
}

/// Asks what time it is; a question that is lost is followed by the next.
async fn ask_time(connection: &Connection, clock: &GatewayClock) -> End {
    let mut ticks = tokio::time::interval(clock::EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if connection.send_datagram(clock.ask(Instant::now()).encode()).is_err() {
            tracing::debug!("a question for the clock was not taken");
        }
    }
}

/// Gives signs of life, and presents a fresh token as soon as the file holds one.
async fn stay(link: &Link, heartbeat: Duration, token_file: &Path, mut token: String) -> End {
    let mut ticks = tokio::time::interval(heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut nonce = 0_u32;
    loop {
        ticks.tick().await;
        nonce = nonce.wrapping_add(1);
        link.say(&ClientMessage::Ping { nonce });
        match read_token(token_file).await {
            Ok(fresh) if fresh != token && !fresh.is_empty() => {
                link.say(&ClientMessage::Renew { request: RENEWAL, token: fresh.as_str().into() });
                token = fresh;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the trunk's token can't be read at the moment"),
        }
    }
}
