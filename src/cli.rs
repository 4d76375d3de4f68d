//! The command line, as it was typed: what nobody said is `None` here, and gets its value in
//! [`settings`](crate::settings).

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

/// Where settings come from.
const SOURCES: &str = "Each setting comes from its flag, else from a variable (--jwt-keys: SUARA_JWT_KEYS), else from the \
                       configuration file (jwt-keys = \"…\"), which also has the settings of channels.";

/// Push-to-talk voice gateway over WebTransport, with a bridge that keeps Socket.IO clients in the same channels.
///
/// Without a command: gateway and bridge in one process, with a console on http://localhost:8080.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100, after_help = SOURCES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Gateway and bridge in one process (what happens without a command)
    #[command(after_help = SOURCES)]
    Serve(ServeArgs),
    /// The gateway alone
    #[command(after_help = SOURCES)]
    Gateway(ServeArgs),
    /// The bridge alone, joined to a gateway by its trunk
    #[command(after_help = SOURCES)]
    Bridge(ServeArgs),
    /// Mints a token and prints it alone on standard output
    Token(TokenArgs),
    /// The development certificate
    #[command(subcommand)]
    Certs(CertsCommand),
    /// Load for a gateway on this machine, and what it makes of it
    #[command(subcommand)]
    Loadtest(suara_loadtest::Command),
}

/// What the processes can be told. Each setting comes from its flag, else from its environment variable, else from the
/// configuration file.
#[derive(Args, Default)]
pub(crate) struct ServeArgs {
    /// HTTP: console, /api and /socket.io/ [default: 127.0.0.1:8080; bridge: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR", env = "SUARA_HTTP", hide_env = true, help_heading = "Addresses")]
    pub(crate) http: Option<SocketAddr>,
    /// UDP of the WebTransport server [default: 127.0.0.1:4433 [::1]:4433]
    #[arg(long, value_name = "ADDR", num_args = 1.., value_delimiter = ',', env = "SUARA_WEBTRANSPORT", hide_env = true, help_heading = "Addresses")]
    pub(crate) webtransport: Option<Vec<SocketAddr>>,
    /// What clients are told to connect to, such as https://radio.example:4433/v1/wt [default: the host that they
    /// asked]
    #[arg(
        long,
        value_name = "URL",
        env = "SUARA_WEBTRANSPORT_ANNOUNCE",
        hide_env = true,
        help_heading = "Addresses"
    )]
    pub(crate) webtransport_announce: Option<String>,
    /// UDP of WebRTC media, for clients of /rtc/ws [default: 127.0.0.1:4434]
    #[arg(long, value_name = "ADDR", env = "SUARA_RTC", hide_env = true, help_heading = "Addresses")]
    pub(crate) rtc: Option<SocketAddr>,
    /// The host or address by which WebRTC clients reach it, with or without a port [default: its own address]
    #[arg(
        long,
        value_name = "HOST",
        env = "SUARA_RTC_ANNOUNCE",
        hide_env = true,
        help_heading = "Addresses"
    )]
    pub(crate) rtc_announce: Option<String>,
    /// Internal HTTP: /metrics, /healthz, /readyz [default: 127.0.0.1:9464; bridge: 127.0.0.1:9465]
    #[arg(long, value_name = "ADDR", env = "SUARA_METRICS", hide_env = true, help_heading = "Addresses")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Origins whose pages may connect, with * for any text [default: this host's own]
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',', env = "SUARA_ORIGIN", hide_env = true, help_heading = "Addresses")]
    pub(crate) origin: Option<Vec<String>>,
    /// Development secrets and certificates, the trunk's token, addresses.json [default: ./suara-data]
    #[arg(long, value_name = "DIR", env = "SUARA_DATA", hide_env = true, help_heading = "Running")]
    pub(crate) data: Option<PathBuf>,
    /// File with the HS256 secret that tokens are signed with [default: a development secret, on loopback only]
    #[arg(
        long,
        value_name = "FILE",
        env = "SUARA_JWT_SECRET_FILE",
        hide_env = true,
        help_heading = "Tokens"
    )]
    pub(crate) jwt_secret_file: Option<PathBuf>,
    /// File with public keys that tokens are signed with: PEM or a JWK set
    #[arg(long, value_name = "FILE", env = "SUARA_JWT_KEYS", hide_env = true, help_heading = "Tokens")]
    pub(crate) jwt_keys: Option<PathBuf>,
    /// Tokens must come from this issuer (iss)
    #[arg(long, value_name = "NAME", env = "SUARA_JWT_ISSUER", hide_env = true, help_heading = "Tokens")]
    pub(crate) jwt_issuer: Option<String>,
    /// Tokens must be meant for this audience (aud)
    #[arg(long, value_name = "NAME", env = "SUARA_JWT_AUDIENCE", hide_env = true, help_heading = "Tokens")]
    pub(crate) jwt_audience: Option<String>,
    /// The deployment's own check of tokens: POST token=…, answered by {"active": true, "sub": …, "exp": …}
    #[arg(long, value_name = "URL", env = "SUARA_AUTH_URL", hide_env = true, help_heading = "Tokens")]
    pub(crate) auth_url: Option<String>,
    /// Seconds that SIGTERM leaves to those who are here; with nobody here it ends at once [default: 30]
    #[arg(long, value_name = "SECONDS", env = "SUARA_DRAIN", hide_env = true, help_heading = "Running")]
    pub(crate) drain: Option<u64>,
    /// Certificate chain (PEM) of HTTP and WebTransport, reloaded when it changes [default: a development certificate
    /// for WebTransport, and plain HTTP]
    #[arg(long, value_name = "FILE", env = "SUARA_TLS_CERT", hide_env = true, help_heading = "Certificates")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", env = "SUARA_TLS_KEY", hide_env = true, help_heading = "Certificates")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Sessions at a time [default: 20000]
    #[arg(long, value_name = "N", env = "SUARA_MAX_SESSIONS", hide_env = true, help_heading = "Running")]
    pub(crate) max_sessions: Option<usize>,
    /// Whether any user may call another; who dispatches may always [default: true]
    #[arg(long, value_name = "BOOL", env = "SUARA_PRIVATE_CALLS", hide_env = true, help_heading = "Running")]
    pub(crate) private_calls: Option<bool>,
    /// Channel in which emergencies are raised [default: emergency]
    #[arg(
        long,
        value_name = "NAME",
        env = "SUARA_EMERGENCY_CHANNEL",
        hide_env = true,
        help_heading = "Running"
    )]
    pub(crate) emergency_channel: Option<String>,
    /// Milliseconds for which the microphone of one in an emergency is open [default: 10000]
    #[arg(
        long,
        value_name = "MS",
        env = "SUARA_EMERGENCY_MICROPHONE_MS",
        hide_env = true,
        help_heading = "Running"
    )]
    pub(crate) emergency_microphone_ms: Option<u64>,
    /// Threads of the WebTransport server, each with its own sockets [default: the machine's cores]
    #[arg(long, value_name = "N", env = "SUARA_WORKERS", hide_env = true, help_heading = "Running")]
    pub(crate) workers: Option<usize>,
    /// Largest UDP payload to send, 1200 to 1452 bytes, or 0 to find out what each path takes [default: 1200]
    #[arg(long, value_name = "BYTES", env = "SUARA_MTU", hide_env = true, help_heading = "Running")]
    pub(crate) mtu: Option<u16>,
    /// Where chat is stored: sqlite:PATH, or postgres://USER:PASSWORD@HOST/NAME [default: DIR/suara.db]
    #[arg(long, value_name = "URL", env = "SUARA_DATABASE", hide_env = true, help_heading = "Running")]
    pub(crate) database: Option<String>,
    /// Writes traces of all QUIC connections into this directory (qlog); costs much
    #[arg(long, value_name = "DIR", env = "SUARA_QLOG", hide_env = true, help_heading = "Running")]
    pub(crate) qlog: Option<PathBuf>,
    /// Bridge: the gateway's HTTP address [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", env = "SUARA_GATEWAY", hide_env = true, help_heading = "Bridge")]
    pub(crate) gateway: Option<String>,
    /// Bridge: file with its trunk's token [default: DIR/trunk.token, which a gateway on the same DIR writes]
    #[arg(
        long,
        value_name = "FILE",
        env = "SUARA_TRUNK_TOKEN_FILE",
        hide_env = true,
        help_heading = "Bridge"
    )]
    pub(crate) trunk_token_file: Option<PathBuf>,
    /// Bridge: sample rate of PCM clients that name none [default: 16000]
    #[arg(long, value_name = "HZ", env = "SUARA_SAMPLE_RATE", hide_env = true, help_heading = "Bridge")]
    pub(crate) sample_rate: Option<u32>,
    /// Services to which clients without a token are admitted: signaling, rtc (to be said to the gateway, too) [default: none]
    #[arg(
        long,
        value_name = "SERVICE",
        num_args = 1..,
        value_delimiter = ',',
        value_enum,
        env = "SUARA_LEGACY_ANONYMOUS",
        hide_env = true,
        help_heading = "Bridge"
    )]
    pub(crate) legacy_anonymous: Option<Vec<LegacyService>>,
    /// Gateway: where clients without a token may listen or talk, PATTERN:right,right [default: where a token may that lists no channels]
    #[arg(long, value_name = "GRANT", num_args = 1.., env = "SUARA_GUEST_CHANNEL", value_delimiter = ' ', hide_env = true, help_heading = "Tokens")]
    pub(crate) guest_channel: Option<Vec<String>>,
    /// Redis by which several nodes serve the same channels and each other's Socket.IO sessions, and to which back ends
    /// publish notifications: redis://HOST:PORT, rediss://…, or redis+cluster://HOST:PORT,HOST:PORT [default: none]
    #[arg(long, value_name = "URL", env = "SUARA_REDIS", hide_env = true, help_heading = "Running")]
    pub(crate) redis: Option<String>,
    /// What names in Redis begin with: gateways of the same prefix serve the same channels [default: suara]
    #[arg(long, value_name = "WORD", env = "SUARA_REDIS_PREFIX", hide_env = true, help_heading = "Running")]
    pub(crate) redis_prefix: Option<String>,
    /// Bridge: whether back ends may also have sockets join, leave and disconnect by Redis [default: false]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        env = "SUARA_REDIS_ORDERS",
        hide_env = true,
        help_heading = "Bridge"
    )]
    pub(crate) redis_orders: Option<bool>,
    /// With --redis: internal TCP address by which other nodes pass on what they are asked for [default: 127.0.0.1, a free
    /// port]
    #[arg(long, value_name = "ADDR", env = "SUARA_PEER", hide_env = true, help_heading = "Nodes")]
    pub(crate) peer: Option<SocketAddr>,
    /// HOST:PORT by which they reach it [default: the address of --peer]
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "SUARA_PEER_ANNOUNCE",
        hide_env = true,
        help_heading = "Nodes"
    )]
    pub(crate) peer_announce: Option<String>,
    /// File with a secret that all nodes have, mode 0600; needed where --peer isn't on loopback [default: none]
    #[arg(
        long,
        value_name = "FILE",
        env = "SUARA_PEER_SECRET_FILE",
        hide_env = true,
        help_heading = "Nodes"
    )]
    pub(crate) peer_secret_file: Option<PathBuf>,
    /// Roles that answer visitors of the livechat [default: admin penyiar]
    #[arg(long, value_name = "ROLE", num_args = 1.., value_delimiter = ',', env = "SUARA_LIVECHAT_STAFF", hide_env = true, help_heading = "Livechat")]
    pub(crate) livechat_staff: Option<Vec<String>>,
    /// Hours that a visitor's session holds [default: 24]
    #[arg(long, value_name = "HOURS", env = "SUARA_LIVECHAT_HOURS", hide_env = true, value_parser = clap::value_parser!(u64).range(1..=8760), help_heading = "Livechat")]
    pub(crate) livechat_hours: Option<u64>,
    /// Networks whose X-Forwarded-For says who asks [default: 127.0.0.1/32 ::1/128]
    #[arg(long, value_name = "CIDR", num_args = 1.., value_delimiter = ',', env = "SUARA_TRUSTED_PROXY", hide_env = true, help_heading = "Addresses")]
    pub(crate) trusted_proxy: Option<Vec<IpNet>>,
    /// Configuration file: these settings, and those of channels [default: suara.toml, if there]
    #[arg(long, value_name = "FILE", env = "SUARA_CONFIG", hide_env = true, help_heading = "Running")]
    pub(crate) config: Option<PathBuf>,
    /// What is logged, such as info or suara_gateway=debug [default: info]
    #[arg(long, value_name = "FILTER", env = "SUARA_LOG", hide_env = true, help_heading = "Running")]
    pub(crate) log: Option<String>,
    /// How it is logged [default: text]
    #[arg(long, value_enum, env = "SUARA_LOG_FORMAT", hide_env = true, help_heading = "Running")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// An object a line, for machines
    Json,
}

/// Services whose clients sent no token of old.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LegacyService {
    /// WebRTC signaling over Socket.IO
    Signaling,
    /// Voice by WebRTC
    Rtc,
}

#[derive(Args)]
pub(crate) struct TokenArgs {
    /// The user's id
    #[arg(long)]
    pub(crate) user: String,
    /// The name to show [default: the id]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The user's role, such as admin
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// PATTERN:right,right, several times; * stands for any text and ? for one character; the rights are listen, talk,
    /// emergency and dispatch [default: everywhere, all with the development secret and none with any other]
    #[arg(long, value_name = "GRANT")]
    pub(crate) channel: Vec<String>,
    /// What the token is for
    #[arg(long, value_enum, default_value = "user")]
    pub(crate) scope: TokenScope,
    /// Among requests for the floor, 0 to 255
    #[arg(long, default_value_t = 0)]
    pub(crate) priority: u8,
    /// How long it holds: 90s, 15m, 1h, 7d
    #[arg(long, default_value = "1h", value_parser = parse_ttl)]
    pub(crate) ttl: std::time::Duration,
    /// Who makes it (iss), where the gateway asks for that
    #[arg(long)]
    pub(crate) issuer: Option<String>,
    /// Whom it is meant for (aud), where the gateway asks for that
    #[arg(long)]
    pub(crate) audience: Option<String>,
    /// The gateway's data directory, where it has made the development secret
    #[arg(long, value_name = "DIR", env = "SUARA_DATA", default_value = "suara-data")]
    pub(crate) data: PathBuf,
    /// The HS256 secret to sign with, in place of the development secret
    #[arg(long, value_name = "FILE", env = "SUARA_JWT_SECRET_FILE", hide_env = true)]
    pub(crate) jwt_secret_file: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum TokenScope {
    /// A person at a client
    User,
    /// A listener's livechat session
    Livechat,
    /// A back end
    Service,
    /// A bridge
    Trunk,
}

#[derive(Subcommand)]
pub(crate) enum CertsCommand {
    /// Issues the development certificate, where there is none that holds
    Issue(CertsArgs),
    /// Prints the SHA-256 of each development certificate, the one in use first
    Hash(CertsArgs),
}

#[derive(Args)]
pub(crate) struct CertsArgs {
    /// Where it is kept
    #[arg(long, value_name = "DIR", env = "SUARA_DATA", default_value = "suara-data")]
    pub(crate) data: PathBuf,
}

fn parse_ttl(text: &str) -> Result<std::time::Duration, String> {
    let bad = || format!("{text:?} is no length of time such as 90s, 15m, 1h or 7d");
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return Err(bad()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| bad())?;
    count.checked_mul(seconds).map(std::time::Duration::from_secs).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(parse_ttl("90s").unwrap().as_secs(), 90);
        assert_eq!(parse_ttl("7d").unwrap().as_secs(), 7 * 86400);
        for bad in ["", "h", "10", "-1h", "1y", "99999999999999999999d", "1é"] {
            assert!(parse_ttl(bad).is_err(), "{bad}");
        }
    }
}
