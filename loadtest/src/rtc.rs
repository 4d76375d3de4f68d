//! Listeners by WebRTC, as browsers with `mediasoup-client` are: signaling by WebSocket, media by str0m on a socket each; a
//! task each, on one thread.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use str0m::config::{DtlsCert, Fingerprint};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, MediaKind, Pt};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::LocalSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use url::Url;

use crate::LoadError;
use crate::client::{Plan, Shared};
use crate::error::Tried;
use crate::measure::{Seen, Tally};
use crate::stamp::Stamp;

/// How often the thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);
/// From the transport's creation until it is connected.
const PATIENCE: Duration = Duration::from_secs(20);
/// No packet here is larger.
const MAX_PACKET: usize = 2048;

type Socket = WebSocketStream<TcpStream>;

/// A thread's listeners, and what they need.
pub struct Crowd {
    /// The bridge's HTTP address.
    pub address: SocketAddr,
    /// Who connects when.
    pub plans: Vec<Plan>,
    /// What the run's threads share.
    pub shared: Arc<Shared>,
    /// Frames that were delivered to these.
    pub delivered: Arc<AtomicU64>,
}

/// What all listeners of a thread have in common.
struct Room {
    address: SocketAddr,
    shared: Arc<Shared>,
    certificate: DtlsCert,
    tally: RefCell<Tally>,
    delivered: Arc<AtomicU64>,
}

/// Runs a thread's listeners until the run is stopped, and returns what they counted.
///
/// # Errors
/// When there is no runtime, or no certificate.
pub fn run(crowd: Crowd) -> Result<Tally, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().tried("no runtime")?;
    let Crowd { address, plans, shared, delivered } = crowd;
    let certificate = str0m::crypto::from_feature_flags().dtls_provider.generate_certificate();
    let certificate = certificate.ok_or_else(|| LoadError::Settings("no certificate for DTLS".to_owned()))?;
    let room = Rc::new(Room { address, shared, certificate, tally: RefCell::default(), delivered });
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        for plan in plans {
            tokio::task::spawn_local(listener(room.clone(), plan));
        }
        while !room.shared.stopped() {
            tokio::time::sleep(LOOK).await;
        }
    });
    // The listeners hold the room too: they end with their tasks.
    drop(local);
    drop(runtime);
    Ok(room.tally.take())
}

async fn listener(room: Rc<Room>, plan: Plan) {
    tokio::time::sleep_until(room.shared.clock.at(plan.at.as_nanos() as u64).into()).await;
    let began = Instant::now();
    match enter(&room, &plan).await {
        Ok(mut client) => {
            room.shared.entered(&room.tally, plan.index, began);
            let why = client.run(|_| false).await.err().unwrap_or_default();
            room.shared.ended(&room.tally, || why);
        }
        Err(why) => room.shared.gave_up(&room.tally, || why),
    }
}

/// Logs in, and consumes the channel's floor.
async fn enter(room: &Rc<Room>, plan: &Plan) -> Result<Client, String> {
    let stream = TcpStream::connect(room.address).await.map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    let mut url = Url::parse(&format!("ws://{}/rtc/ws", room.address)).map_err(text)?;
    url.query_pairs_mut().append_pair("token", &plan.token).append_pair("channel", &plan.channel);
    let (mut socket, _) = client_async(url.as_str(), stream).await.map_err(text)?;
    let welcome = hear(&mut socket, "welcome").await?;
    let created = ask(&mut socket, "create-transport", json!({})).await?;
    let mut client = Client::new(room, socket, &created).await?;
    let own = client.rtc.direct_api().local_dtls_fingerprint().to_string();
    let value = own.rsplit(' ').next().unwrap_or_default();
    let dtls = json!({ "role": "client", "fingerprints": [{ "algorithm": "sha-256", "value": value }] });
    ask(&mut client.socket, "connect-transport", json!({ "dtlsParameters": dtls })).await?;
    let capabilities = json!({ "rtpCapabilities": welcome["routerRtpCapabilities"] });
    let consumed = ask(&mut client.socket, "consume", capabilities).await?;
    client.expect(&consumed["rtpParameters"])?;
    let connected = client.run(|client| client.connected);
    tokio::time::timeout(PATIENCE, connected)
        .await
        .map_err(|_| "the transport doesn't connect".to_owned())??;
    Ok(client)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn ask(socket: &mut Socket, kind: &str, data: Value) -> Result<Value, String> {
    socket.send(Message::text(json!({ "type": kind, "data": data }).to_string())).await.map_err(text)?;
    hear(socket, kind).await
}

/// Waits for a frame of this type; a refusal is an error.
async fn hear(socket: &mut Socket, wanted: &str) -> Result<Value, String> {
    loop {
        let message = socket.next().await.ok_or("the bridge hung up")?.map_err(text)?;
        let Message::Text(frame) = message else { continue };
        let mut frame: Value = serde_json::from_str(&frame).map_err(text)?;
        match frame["type"].as_str() {
            Some("error") => return Err(format!("the bridge says {}", frame["data"]["code"])),
            Some(kind) if kind == wanted => return Ok(frame["data"].take()),
            _ => {}
        }
    }
}

struct Client {
    room: Rc<Room>,
    socket: Socket,
    udp: UdpSocket,
    address: SocketAddr,
    rtc: Rtc,
    connected: bool,
    seen: Seen,
}

impl Client {
    async fn new(room: &Rc<Room>, socket: Socket, created: &Value) -> Result<Self, String> {
        let missing = |what: &'static str| move || format!("the transport has no {what}");
        let candidate = &created["iceCandidates"][0];
        let remote = format!("{}:{}", candidate["ip"].as_str().unwrap_or_default(), candidate["port"]);
        let remote: SocketAddr = remote.parse().map_err(text)?;
        let ice = &created["iceParameters"];
        let ufrag = ice["usernameFragment"].as_str().ok_or_else(missing("name"))?.to_owned();
        let pass = ice["password"].as_str().ok_or_else(missing("password"))?.to_owned();
        let fingerprint = created["dtlsParameters"]["fingerprints"][0]["value"].as_str();
        let fingerprint = format!("sha-256 {}", fingerprint.ok_or_else(missing("certificate"))?);
        let fingerprint: Fingerprint = fingerprint.parse().map_err(text)?;

        let udp = UdpSocket::bind(SocketAddr::new(room.address.ip(), 0)).await.map_err(text)?;
        let address = udp.local_addr().map_err(text)?;
        let mut config =
            RtcConfig::new().set_rtp_mode(true).clear_codecs().set_dtls_cert(room.certificate.clone());
        let (codec, rate) = (Codec::Opus, Frequency::FORTY_EIGHT_KHZ);
        config.codec_config().add_config(Pt::from(100), None, codec, rate, Some(2), FormatParams::default());
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp").map_err(text)?);
        rtc.add_remote_candidate(Candidate::host(remote, "udp").map_err(text)?);
        let mut api = rtc.direct_api();
        api.set_ice_controlling(true);
        api.set_remote_ice_credentials(IceCreds { ufrag, pass });
        api.set_remote_fingerprint(fingerprint);
        api.start_dtls(true).map_err(text)?;
        let (room, seen) = (room.clone(), Seen::default());
        Ok(Self { room, socket, udp, address, rtc, connected: false, seen })
    }

    fn expect(&mut self, parameters: &Value) -> Result<(), String> {
        let ssrc = parameters["encodings"][0]["ssrc"].as_u64().ok_or("the consumer has no source")?;
        let mid = parameters["mid"].as_str().unwrap_or("0").into();
        let mut api = self.rtc.direct_api();
        api.declare_media(mid, MediaKind::Audio);
        api.expect_stream_rx((ssrc as u32).into(), None, mid, None).suppress_nack(true);
        Ok(())
    }

    /// Runs until it is `done`, or fails.
    async fn run(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let mut buffer = [0; MAX_PACKET];
        loop {
            let deadline = self.drain()?;
            if done(self) {
                return Ok(());
            }
            tokio::select! {
                readable = self.udp.readable() => {
                    readable.map_err(text)?;
                    self.read(&mut buffer)?;
                }
                () = tokio::time::sleep_until(deadline.into()) => {
                    self.rtc.handle_input(Input::Timeout(Instant::now())).map_err(text)?;
                }
                message = self.socket.next() => match message {
                    // The floor's events are nothing that a listener needs to be counted.
                    Some(Ok(message)) if !message.is_close() => {}
                    _ => return Err("the bridge hung up".to_owned()),
                },
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        while let Ok((length, source)) = self.udp.try_recv_from(buffer) {
            let packet =
                Receive::new(Protocol::Udp, source, self.address, &buffer[..length]).map_err(text)?;
            self.rtc.handle_input(Input::Receive(Instant::now(), packet)).map_err(text)?;
            self.drain()?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<Instant, String> {
        loop {
            match self.rtc.poll_output().map_err(text)? {
                Output::Timeout(at) => return Ok(at),
                Output::Transmit(packet) => {
                    // What doesn't go now is sent again.
                    self.udp.try_send_to(&packet.contents, packet.destination).unwrap_or_default();
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.heard(&packet.payload),
                Output::Event(_) => {}
            }
        }
    }

    fn heard(&mut self, packet: &[u8]) {
        let shared = &self.room.shared;
        let mut tally = self.room.tally.borrow_mut();
        let Some(stamp) = Stamp::read(packet) else {
            tally.foreign += 1;
            return;
        };
        let Some(into) = shared.phase.counted(stamp.intended) else { return };
        if self.seen.first(stamp.source, stamp.frame) {
            tally.delivered(into, Duration::from_nanos(shared.clock.now().saturating_sub(stamp.intended)));
            shared.heard.fetch_add(1, Ordering::Relaxed);
            self.room.delivered.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.duplicates += 1;
        }
    }
}
