//! What each scenario can be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use url::Url;

use crate::client::{Acks, Voice};
use crate::kpi;
use crate::livechat::Dialect;
use crate::stamp;

/// The scenarios.
#[derive(Subcommand)]
pub enum Command {
    /// Talkers and listeners: latency, loss, and what the server pays
    Flood(RoadArgs),
    /// The same while guests join, leave, close and vanish
    Churn(ChurnArgs),
    /// Malformed, oversized, unauthorised, forged, replayed, slow and half-open, while voice flows
    Attack(FloodArgs),
    /// Socket.IO clients with PCM16, against a bridge
    Socketio(SocketioArgs),
    /// Socket.IO and WebTransport in the same channels
    Mixed(MixedArgs),
    /// KPI 1 to 4 of TS 22.179 over impaired paths, by ear: a matrix of round trips and losses
    Kpi(KpiArgs),
    /// Visitors of a livechat who all write, and staff that hears them
    Livechat(LivechatArgs),
    /// WebRTC and WebTransport listeners in the same channels
    Rtc(RtcArgs),
    /// What sealing and sending alone would cost on this machine: the yardstick
    Limit(LimitArgs),
}

/// What the tokens of the load's own users are signed with.
#[derive(Args, Clone)]
pub struct SecretArgs {
    /// The gateway's data directory: tokens are signed with its development secret
    #[arg(long, value_name = "DIR", env = "SUARA_DATA", hide_env = true, default_value = "suara-data")]
    pub data: PathBuf,
    /// The HS256 secret that the gateway was given, in place of the development secret
    #[arg(long, value_name = "FILE", env = "SUARA_JWT_SECRET_FILE", hide_env = true)]
    pub jwt_secret_file: Option<PathBuf>,
}

/// Where the load goes, how much, and where the report goes.
#[derive(Args, Clone)]
pub struct FloodArgs {
    /// The gateway's HTTP address; loopback only
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: Url,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub secret: SecretArgs,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub load: Load,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub path: PathArgs,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub output: Output,
    /// How listeners acknowledge
    #[arg(long, value_enum, default_value_t)]
    pub acks: Acks,
    /// UDP sockets that the sessions share [default: one for 64 sessions; as many as sessions: one each]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub sockets: Option<u32>,
    /// Threads that the sessions are spread over
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
}

/// A flood, and the road that its listeners take.
#[derive(Args, Clone)]
pub struct RoadArgs {
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub flood: FloodArgs,
    /// How listeners connect; talkers always by WebTransport, and so is what is said of paths and ACKs
    #[arg(long, value_enum, default_value_t)]
    pub road: Road,
}

/// A matrix of paths, and who talks to whom on them.
///
/// By default 16 cells of round trip and loss, with 10 bursts of each pair of transports in each: about four minutes. UDP goes
/// through a relay that delays and loses. Loss on TCP can't be made without privileges: it is modelled as what it costs, a
/// segment that comes a round trip after the next one that tells of its loss (200 ms and a round trip late where none does), and
/// all behind it waits.
#[derive(Args, Clone)]
pub struct KpiArgs {
    /// The gateway's HTTP address, and its bridge's; loopback only
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: Url,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub secret: SecretArgs,
    /// Milliseconds of round trip, of each leg that has any
    #[arg(long, value_name = "MS", value_delimiter = ',', default_value = "0,50,100,200", value_parser = clap::value_parser!(u32).range(0..=2000))]
    pub rtt: Vec<u32>,
    /// Percent of packets lost, each way of each leg that has any
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "0,2,5,10")]
    pub loss: Vec<f64>,
    /// Milliseconds of further delay at random, each way
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub jitter: u32,
    /// Which leg has the round trip, the loss and the jitter
    #[arg(long, value_enum, default_value_t)]
    pub leg: kpi::Leg,
    /// How talkers and listeners connect, each to each
    #[arg(long, value_enum, value_delimiter = ',', default_value = "webtransport,websocket,socketio")]
    pub roads: Vec<kpi::Road>,
    /// Bursts of each pair in each cell
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub bursts: u32,
    /// Channels that they are spread over, at the same time
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub channels: u32,
    /// Earlier packets in each frame of a talker's [default: as the gateway wants]
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=2))]
    pub earlier: Option<u32>,
    /// A fault on purpose: what is said before the grant isn't sent
    #[arg(long)]
    pub no_talk_ahead: bool,
    /// Speech to be said, a WAV file of 16 bits, mono, 16 kHz [default: made by itself]
    #[arg(long, value_name = "FILE")]
    pub speech: Option<PathBuf>,
    /// A Python with the package pesq, to rate one burst of each row
    #[arg(long, value_name = "PYTHON")]
    pub pesq: Option<PathBuf>,
    /// Fails when a target is missed, and says which
    #[arg(long)]
    pub check: bool,
    /// Writes the rows as JSON
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub json: Option<PathBuf>,
}

/// A road of the gateway's own clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Road {
    /// By UDP
    #[default]
    Webtransport,
    /// By TCP, on the HTTP port
    #[value(alias = "ws")]
    Websocket,
}

/// How much of what.
#[derive(Debug, Args, Clone)]
pub struct Load {
    /// Sessions that only listen
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub listeners: u32,
    /// Sessions that talk (and listen): at most one of a channel has its floor
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub talkers: u32,
    /// Channels that they are spread over
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub channels: u32,
    /// Frames a second that each talker sends
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rate: u32,
    /// Bytes of each packet
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(stamp::LEN as i64..=980))]
    pub size: u32,
    /// Seconds that are measured, after a second of voice that isn't
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Sessions that are opened a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub ramp: u32,
}

impl Load {
    /// What talkers send.
    #[must_use]
    pub fn voice(&self) -> Voice {
        Voice { period: Duration::from_secs(1) / self.rate, size: self.size as usize }
    }
}

/// An impaired path between clients and server.
#[derive(Args, Clone, Copy, Default)]
pub struct PathArgs {
    /// Percent of packets lost, each way
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT", help_heading = "Path")]
    pub loss: f64,
    /// Milliseconds of delay, each way
    #[arg(long, default_value_t = 0, value_name = "MS", help_heading = "Path", value_parser = clap::value_parser!(u32).range(0..=5000))]
    pub delay: u32,
    /// Milliseconds of further delay at random, each way (packets may overtake each other)
    #[arg(long, default_value_t = 0, value_name = "MS", help_heading = "Path", value_parser = clap::value_parser!(u32).range(0..=5000))]
    pub jitter: u32,
    /// Every so many seconds all clients get new ports, as behind a NAT that forgets [default: never]
    #[arg(long, default_value_t = 0, value_name = "SECONDS", help_heading = "Path")]
    pub rebind: u32,
}

/// Where the report goes.
#[derive(Args, Clone, Default)]
pub struct Output {
    /// Writes the figures as one JSON object
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub json: Option<PathBuf>,
    /// Writes a page with plots
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub html: Option<PathBuf>,
    /// The server's process: its CPU and memory are measured too
    #[arg(long, value_name = "PID", help_heading = "Report")]
    pub server_pid: Option<u32>,
}

/// A flood with guests.
#[derive(Args, Clone)]
pub struct ChurnArgs {
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub flood: FloodArgs,
    /// Guests' arrivals a second; as many go, a third each by leaving, closing and vanishing
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub churn: u32,
    /// Milliseconds that a guest stays; it is away for half of that
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=60_000))]
    pub stay: u32,
}

/// Socket.IO clients.
#[derive(Args, Clone)]
pub struct SocketioArgs {
    /// The bridge's HTTP address; loopback only
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: Url,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub secret: SecretArgs,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub load: Load,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub output: Output,
    /// Another server of the same contract: any token, any channel
    #[arg(long)]
    pub foreign: bool,
}

/// Visitors of a livechat.
#[derive(Args, Clone)]
pub struct LivechatArgs {
    /// The bridge's HTTP address; loopback only
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: Url,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub secret: SecretArgs,
    /// Visitors at once
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub visitors: u32,
    /// Milliseconds from one message of a visitor's to its next
    #[arg(long, default_value_t = 2000, value_name = "MS", value_parser = clap::value_parser!(u32).range(100..=600_000))]
    pub every: u32,
    /// Bytes of each text
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(40..=4000))]
    pub size: u32,
    /// Seconds that are measured, after a second that isn't
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Visitors who come a second
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub ramp: u32,
    /// The role of the one of staff who listens
    #[arg(long, default_value = "admin")]
    pub role: String,
    /// Another server of the same service: any token, and both sides in this dialect
    #[arg(long, value_enum)]
    pub foreign: Option<Dialect>,
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub output: Output,
}

/// Socket.IO and WebTransport together.
#[derive(Args, Clone)]
pub struct MixedArgs {
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub flood: FloodArgs,
    /// The bridge's HTTP address [default: the gateway's]
    #[arg(long)]
    pub bridge: Option<Url>,
    /// Listeners over Socket.IO, besides --listeners over WebTransport
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub legacy_listeners: u32,
    /// Who talks
    #[arg(long, value_enum, default_value_t)]
    pub talker: Side,
}

/// WebRTC and WebTransport together; WebTransport talks.
#[derive(Args, Clone)]
pub struct RtcArgs {
    #[allow(missing_docs, reason = "clap would take it for help")]
    #[command(flatten)]
    pub flood: FloodArgs,
    /// The bridge's HTTP address [default: the gateway's]
    #[arg(long)]
    pub bridge: Option<Url>,
    /// Listeners over WebRTC, besides --listeners over WebTransport
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub rtc_listeners: u32,
}

/// A kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Side {
    /// A WebTransport client
    #[default]
    Webtransport,
    /// A Socket.IO client
    Socketio,
}

/// The yardstick.
#[derive(Args, Clone)]
pub struct LimitArgs {
    /// Destinations
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub listeners: u32,
    /// Sockets that listen, which share the destinations
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub sockets: u32,
    /// Rounds a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: u32,
    /// Bytes of each packet before it is sealed
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(16..=1100))]
    pub size: u32,
    /// How long
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
}
