//! From what was said (flags, environment, file) to settings that make sense together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ipnet::IpNet;
use suara_gateway::Mtu;
use suara_gateway::auth::ChannelGrant;
use suara_gateway::hub::{CallSettings, ChannelSettings};
use suara_redis::{Prefix, RedisAddress};

use crate::cli::{LegacyService, LogFormat, ServeArgs};
use crate::file::ConfigFile;
use crate::processes::Role;

/// Settings that can be used as they are.
pub(crate) struct Plan {
    pub(crate) http: SocketAddr,
    pub(crate) webtransport: Vec<SocketAddr>,
    pub(crate) announce: Option<String>,
    pub(crate) rtc: SocketAddr,
    pub(crate) rtc_announce: Option<String>,
    pub(crate) metrics: SocketAddr,
    pub(crate) origins: Vec<String>,
    pub(crate) data: PathBuf,
    pub(crate) keys: Keys,
    pub(crate) drain: Duration,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) max_sessions: usize,
    pub(crate) quic: QuicPlan,
    /// None for the one in the data directory.
    pub(crate) database: Option<String>,
    pub(crate) gateway: String,
    pub(crate) trunk_token_file: PathBuf,
    pub(crate) sample_rate: u32,
    pub(crate) legacy_anonymous: Vec<LegacyService>,
    /// Where those may listen or talk whom [`LegacyService::Rtc`] lets in.
    pub(crate) guest_channels: Option<Vec<ChannelGrant>>,
    pub(crate) redis: Option<RedisAddress>,
    pub(crate) redis_prefix: Prefix,
    pub(crate) redis_orders: bool,
    pub(crate) peer: PeerPlan,
    pub(crate) livechat: LivechatPlan,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) channels: ChannelSettings,
    pub(crate) calls: CallSettings,
    pub(crate) log: LogPlan,
}

/// What tokens are checked against.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) public_keys: Option<PathBuf>,
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) auth_url: Option<String>,
}

impl Keys {
    /// Nothing was said about keys: the development secret serves, on loopback.
    pub(crate) fn development(&self) -> bool {
        self.secret_file.is_none() && self.public_keys.is_none() && self.auth_url.is_none()
    }
}

/// The livechat's visitors and who answers them.
pub(crate) struct LivechatPlan {
    pub(crate) ttl: Duration,
    pub(crate) staff: Vec<String>,
}

/// The door for other nodes.
pub(crate) struct PeerPlan {
    /// None for a free port of loopback.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) announce: Option<String>,
    pub(crate) secret_file: Option<PathBuf>,
}

/// How the WebTransport server is run.
pub(crate) struct QuicPlan {
    pub(crate) workers: usize,
    pub(crate) mtu: Mtu,
    pub(crate) qlog: Option<PathBuf>,
}

/// What is logged, and how.
#[derive(Clone)]
pub(crate) struct LogPlan {
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

impl Plan {
    /// Puts the sources together, flags and environment before the file before defaults.
    pub(crate) fn make(role: Role, args: ServeArgs) -> Result<Self> {
        let file = ConfigFile::read(args.config.as_deref())?;
        let [public, internal] = if role == Role::Bridge { [8081, 9465] } else { [8080, 9464] }.map(loopback);
        let channels = file.channels();
        let data = args.data.or(file.data).unwrap_or_else(|| "suara-data".into());
        let tls = certificate(args.tls_cert.or(file.tls_cert), args.tls_key.or(file.tls_key))?;
        let calls = calls(
            args.private_calls.or(file.private_calls),
            args.emergency_channel.or(file.emergency_channel),
            args.emergency_microphone_ms.or(file.emergency_microphone_ms),
        );
        let plan = Self {
            http: args.http.or(file.http).unwrap_or(public),
            webtransport: args.webtransport.or(file.webtransport).unwrap_or_else(default_webtransport),
            announce: args.webtransport_announce.or(file.webtransport_announce),
            rtc: args.rtc.or(file.rtc).unwrap_or_else(|| loopback(4434)),
            rtc_announce: args.rtc_announce.or(file.rtc_announce),
            metrics: args.metrics.or(file.metrics).unwrap_or(internal),
            origins: args.origin.or(file.origin).unwrap_or_default(),
            keys: Keys {
                secret_file: args.jwt_secret_file.or(file.jwt_secret_file),
                public_keys: args.jwt_keys.or(file.jwt_keys),
                issuer: args.jwt_issuer.or(file.jwt_issuer),
                audience: args.jwt_audience.or(file.jwt_audience),
                auth_url: args.auth_url.or(file.auth_url),
            },
            drain: Duration::from_secs(args.drain.or(file.drain).unwrap_or(30)),
            tls,
            max_sessions: args.max_sessions.or(file.max_sessions).unwrap_or(20_000),
            quic: QuicPlan {
                workers: args.workers.or(file.workers).unwrap_or_else(cores),
                mtu: mtu(args.mtu.or(file.mtu))?,
                qlog: args.qlog.or(file.qlog),
            },
            database: args.database.or(file.database),
            gateway: args.gateway.or(file.gateway).unwrap_or_else(|| "http://127.0.0.1:8080".into()),
            trunk_token_file: args
                .trunk_token_file
                .or(file.trunk_token_file)
                .unwrap_or_else(|| data.join(crate::secrets::TRUNK_TOKEN)),
            sample_rate: args.sample_rate.or(file.sample_rate).unwrap_or(suara_bridge::DEFAULT_SAMPLE_RATE),
            legacy_anonymous: args.legacy_anonymous.or(file.legacy_anonymous).unwrap_or_default(),
            guest_channels: args.guest_channel.or(file.guest_channel).map(grants).transpose()?,
            redis: redis(args.redis.or(file.redis))?,
            redis_prefix: prefix(args.redis_prefix.or(file.redis_prefix))?,
            redis_orders: args.redis_orders.or(file.redis_orders).unwrap_or_default(),
            peer: PeerPlan {
                listen: args.peer.or(file.peer),
                announce: args.peer_announce.or(file.peer_announce),
                secret_file: args.peer_secret_file.or(file.peer_secret_file),
            },
            livechat: LivechatPlan {
                ttl: Duration::from_secs(3600 * args.livechat_hours.or(file.livechat_hours).unwrap_or(24)),
                staff: args.livechat_staff.or(file.livechat_staff).unwrap_or_else(livechat_staff),
            },
            trusted_proxies: args.trusted_proxy.or(file.trusted_proxy).unwrap_or_else(loopback_networks),
            channels,
            calls,
            log: LogPlan {
                filter: args.log.or(file.log).unwrap_or_else(|| "info".into()),
                format: args.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            },
            data,
        };
        plan.check(role)?;
        if role != Role::Gateway {
            plan.check_peer()?;
        }
        Ok(plan)
    }

    /// Development secrets are everybody's: they serve while nobody from outside can connect.
    fn check(&self, role: Role) -> Result<()> {
        let mut listeners = vec![self.http];
        if role != Role::Bridge {
            listeners.extend(&self.webtransport);
        }
        if role != Role::Gateway {
            listeners.push(self.rtc);
        }
        let Some(open) = listeners.into_iter().find(|address| !address.ip().is_loopback()) else {
            return Ok(());
        };
        let mut missing = Vec::new();
        if self.tls.is_none() {
            missing.push("a certificate (--tls-cert and --tls-key)");
        }
        if role != Role::Bridge && self.keys.development() {
            missing.push("keys for tokens (--jwt-secret-file, --jwt-keys or --auth-url)");
        }
        if missing.is_empty() {
            return Ok(());
        }
        bail!(
            "{open} can be reached from other machines, which development secrets don't protect; give {}",
            missing.join(" and ")
        )
    }

    /// What other nodes pass on is taken from nodes alone.
    fn check_peer(&self) -> Result<()> {
        let PeerPlan { listen, announce, secret_file } = &self.peer;
        if self.redis.is_none() {
            if listen.is_some() || announce.is_some() || secret_file.is_some() {
                bail!("--peer, --peer-announce and --peer-secret-file are for nodes that --redis joins");
            }
            return Ok(());
        }
        let Some(open) = listen.filter(|address| !address.ip().is_loopback()) else { return Ok(()) };
        if secret_file.is_none() {
            bail!("{open} can be reached from other machines; give all nodes a secret (--peer-secret-file)");
        }
        if open.ip().is_unspecified() && announce.is_none() {
            bail!(
                "--peer {open} is no address that other nodes can reach; say which one is (--peer-announce)"
            );
        }
        Ok(())
    }
}

/// A chain and its key, or neither.
fn certificate(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<(PathBuf, PathBuf)>> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        _ => bail!("--tls-cert and --tls-key go together"),
    }
}

fn calls(
    private: Option<bool>,
    emergency_channel: Option<String>,
    microphone_ms: Option<u64>,
) -> CallSettings {
    let default = CallSettings::default();
    CallSettings {
        private: private.unwrap_or(default.private),
        emergency_channel: emergency_channel.map_or(default.emergency_channel, Into::into),
        microphone: microphone_ms.map_or(default.microphone, Duration::from_millis),
    }
}

/// Who answers visitors, if nobody says.
fn grants(texts: Vec<String>) -> Result<Vec<ChannelGrant>> {
    let grant = |text: &String| text.parse().with_context(|| format!("--guest-channel {text}"));
    texts.iter().map(grant).collect()
}

fn livechat_staff() -> Vec<String> {
    ["admin", "penyiar"].map(str::to_owned).to_vec()
}

/// This machine, from which a proxy in front would come.
fn loopback_networks() -> Vec<IpNet> {
    vec![IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST)), IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST))]
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(256)
}

/// QUIC's packets have 1 200 bytes at least (RFC 9000, section 14); more than an Ethernet frame holds is lost somewhere.
fn mtu(bytes: Option<u16>) -> Result<Mtu> {
    match bytes {
        None => Ok(Mtu::Fixed(1200)),
        Some(0) => Ok(Mtu::Discovered),
        Some(bytes @ 1200..=1452) => Ok(Mtu::Fixed(bytes)),
        Some(bytes) => bail!("--mtu {bytes}: it must be 1200 to 1452, or 0"),
    }
}

/// The address isn't repeated in what is wrong with it: it may hold a password.
fn redis(text: Option<String>) -> Result<Option<RedisAddress>> {
    text.map(|text| RedisAddress::parse(&text)).transpose().context("--redis")
}

fn prefix(text: Option<String>) -> Result<Prefix> {
    text.map_or_else(|| Ok(Prefix::default()), |text| Prefix::new(&text)).context("--redis-prefix")
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Both loopback addresses, or the one that this machine has.
fn default_webtransport() -> Vec<SocketAddr> {
    let mut addresses = vec![loopback(4433)];
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        addresses.push(SocketAddr::from((Ipv6Addr::LOCALHOST, 4433)));
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(args: ServeArgs) -> Result<Plan> {
        Plan::make(Role::Serve, args)
    }

    #[test]
    fn development_secrets_are_refused_beyond_loopback() {
        assert!(plan(ServeArgs::default()).is_ok());
        let open = || ServeArgs { http: Some("0.0.0.0:8080".parse().unwrap()), ..ServeArgs::default() };
        let refusal = plan(open()).err().unwrap().to_string();
        assert!(refusal.contains("--tls-cert") && refusal.contains("--jwt-secret-file"), "{refusal}");
        let with_keys = ServeArgs { auth_url: Some("https://id.example/check".into()), ..open() };
        let refusal = plan(with_keys).err().unwrap().to_string();
        assert!(refusal.contains("--tls-cert") && !refusal.contains("--jwt-secret-file"), "{refusal}");
    }

    #[test]
    fn packets_are_as_large_as_quic_and_ethernet_allow() {
        let with = |mtu| plan(ServeArgs { mtu: Some(mtu), ..ServeArgs::default() }).map(|plan| plan.quic.mtu);
        assert_eq!(with(1200).unwrap(), Mtu::Fixed(1200));
        assert_eq!(with(0).unwrap(), Mtu::Discovered);
        assert!(with(1199).is_err() && with(1500).is_err());
    }

    #[test]
    fn other_machines_pass_on_nothing_without_a_secret() {
        let with = |peer: &str| ServeArgs {
            redis: Some("redis://127.0.0.1:6379".into()),
            peer: Some(peer.parse().unwrap()),
            ..ServeArgs::default()
        };
        assert!(plan(with("127.0.0.1:9470")).is_ok());
        let refusal = plan(with("10.0.0.7:9470")).err().unwrap().to_string();
        assert!(refusal.contains("--peer-secret-file"), "{refusal}");
        let kept = |peer| ServeArgs { peer_secret_file: Some("peer.secret".into()), ..with(peer) };
        assert!(plan(kept("10.0.0.7:9470")).is_ok());
        let refusal = plan(kept("0.0.0.0:9470")).err().unwrap().to_string();
        assert!(refusal.contains("--peer-announce"), "{refusal}");
        let announced = ServeArgs { peer_announce: Some("node-1:9470".into()), ..kept("0.0.0.0:9470") };
        assert!(plan(announced).is_ok());
        let alone = ServeArgs { redis: None, ..with("127.0.0.1:9470") };
        assert!(plan(alone).err().unwrap().to_string().contains("--redis"));
    }

    #[test]
    fn an_address_that_is_none_is_not_repeated() {
        let with = |text: &str| plan(ServeArgs { redis: Some(text.into()), ..ServeArgs::default() });
        assert!(with("redis+cluster://a:1,b:2").unwrap().redis.is_some());
        let refusal = format!("{:#}", with("redis+cluster://:secret@a:1,,").err().unwrap());
        assert!(refusal.contains("--redis") && !refusal.contains("secret"), "{refusal}");
    }

    #[test]
    fn a_prefix_is_a_plain_word() {
        let with = |text: &str| plan(ServeArgs { redis_prefix: Some(text.into()), ..ServeArgs::default() });
        assert_eq!(with("radio-2").unwrap().redis_prefix, Prefix::new("radio-2").unwrap());
        assert!(with("radio:2").is_err());
        assert_eq!(plan(ServeArgs::default()).unwrap().redis_prefix, Prefix::default());
    }

    #[test]
    fn half_a_certificate_is_refused() {
        assert!(plan(ServeArgs { tls_cert: Some("cert.pem".into()), ..ServeArgs::default() }).is_err());
    }
}
