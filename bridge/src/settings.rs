//! What a bridge has to be told before it starts.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use suara_redis::{Prefix, RedisAddress};

/// Sample rate of PCM clients that name none.
pub const DEFAULT_SAMPLE_RATE: u32 = 16_000;

/// Bytes of one `voice_packet`. The largest chunk that is known in the field has 3 584; this holds half a second of
/// 16 kHz. Higher lets one client make every listener's buffer larger, lower cuts off clients that send seldom.
pub const DEFAULT_MAX_VOICE_PACKET: usize = 16 * 1024;

/// Whether a page's `Origin` may open connections; the second argument is the request's `Host`.
pub type OriginPolicy = Arc<dyn Fn(&str, Option<&str>) -> bool + Send + Sync>;

/// The settings of one bridge.
#[derive(Clone)]
pub struct Settings {
    /// The gateway's HTTP address: `http://127.0.0.1:8080`. Plain `http` is taken for loopback addresses only.
    pub gateway_url: String,
    /// The file that holds the trunk's token. Read at each connection, and while connected, so that a renewed token
    /// counts at once.
    pub trunk_token_file: PathBuf,
    /// Sample rate of PCM clients that name none in `join_channel`: 8 000, 16 000, 24 000 or 48 000.
    pub default_sample_rate: u32,
    /// A `voice_packet` with more bytes is dropped.
    pub max_voice_packet: usize,
    /// Which pages may connect. Clients that send no `Origin` are no pages.
    pub allow_origin: OriginPolicy,
    /// Whether clients without a token are admitted to signaling, and to nothing else.
    pub anonymous_signaling: bool,
    /// Whether RTC clients without a token are admitted, as guests of the gateway's, if it admits such.
    pub anonymous_rtc: bool,
    /// Redis, where back ends publish, bridges find each other's broadcasts, and nodes each other's sessions.
    pub redis: Option<RedisAddress>,
    /// What names in Redis begin with that are no back end's business.
    pub redis_prefix: Prefix,
    /// Whether a back end may put sockets into rooms, take them out and disconnect them by Redis.
    pub redis_orders: bool,
    /// How other nodes reach this one; counts where there is a Redis.
    pub peers: PeerSettings,
    /// Roles that answer visitors of the livechat.
    pub livechat_staff: Vec<String>,
    /// Networks whose `X-Forwarded-For` says who asks.
    pub trusted_proxies: Vec<IpNet>,
    /// The UDP address of RTC clients' media; `None` for none.
    pub rtc: Option<SocketAddr>,
    /// The host, or the address, by which RTC clients reach it, with or without a port: its own address where missing.
    pub rtc_announce: Option<String>,
    /// How often a client is asked for a sign of life.
    pub ping_interval: Duration,
    /// How long it may take to give one.
    pub ping_timeout: Duration,
}

impl Settings {
    /// Settings with the defaults: 16 kHz, 16 KiB, pages of the same origin only, dead clients gone within 20 s.
    #[must_use]
    pub fn new(gateway_url: impl Into<String>, trunk_token_file: impl Into<PathBuf>) -> Self {
        Self {
            gateway_url: gateway_url.into(),
            trunk_token_file: trunk_token_file.into(),
            default_sample_rate: DEFAULT_SAMPLE_RATE,
            max_voice_packet: DEFAULT_MAX_VOICE_PACKET,
            allow_origin: Arc::new(same_origin),
            anonymous_signaling: false,
            anonymous_rtc: false,
            redis: None,
            redis_prefix: Prefix::default(),
            redis_orders: false,
            peers: PeerSettings::default(),
            livechat_staff: ["admin", "penyiar"].map(str::to_owned).to_vec(),
            trusted_proxies: Vec::new(),
            rtc: None,
            rtc_announce: None,
            ping_interval: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(10),
        }
    }
}

/// The door for other nodes. It has no `Debug`, for it may hold their secret.
#[derive(Clone)]
pub struct PeerSettings {
    /// Where it listens: an internal address, plain HTTP.
    pub listen: SocketAddr,
    /// `HOST:PORT` by which the others reach it: the address that was bound where missing.
    pub announce: Option<String>,
    /// What all nodes share. Needed on any other address than loopback.
    pub secret: Option<Vec<u8>>,
}

impl Default for PeerSettings {
    /// This machine's nodes only, on a port that is free.
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), announce: None, secret: None }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("gateway_url", &self.gateway_url)
            .field("trunk_token_file", &self.trunk_token_file)
            .field("default_sample_rate", &self.default_sample_rate)
            .field("max_voice_packet", &self.max_voice_packet)
            .field("anonymous_signaling", &self.anonymous_signaling)
            .field("anonymous_rtc", &self.anonymous_rtc)
            .field("livechat_staff", &self.livechat_staff)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("rtc", &self.rtc)
            .field("rtc_announce", &self.rtc_announce)
            .field("ping_interval", &self.ping_interval)
            .field("ping_timeout", &self.ping_timeout)
            .finish_non_exhaustive()
    }
}

fn same_origin(origin: &str, host: Option<&str>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some() && authority == host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_origin_is_allowed_by_default() {
        assert!(same_origin("http://localhost:8080", Some("localhost:8080")));
        assert!(!same_origin("http://localhost:8081", Some("localhost:8080")));
        assert!(!same_origin("null", Some("localhost:8080")));
        assert!(!same_origin("null", None));
    }
}
