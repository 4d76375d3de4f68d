//! A gateway in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;
use suara_certs::{CertStore, pinned_client_config};
use suara_gateway::auth::{Claims, KeySet, Scope};
use suara_gateway::http::OriginPolicy;
use suara_gateway::livechat::LivechatSettings;
use suara_gateway::metrics::render;
use suara_gateway::{Gateway, Settings};
use suara_proto::message::Rights;
use suara_store::{Store, file_url};
use suara_tcp::{StallAwareListener, serve};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use wtransport::config::QuicTransportConfig;
use wtransport::endpoint::{ConnectOptions, endpoint_side};
use wtransport::error::ConnectingError;
use wtransport::quinn::{self, crypto::rustls::QuicClientConfig};
use wtransport::{ClientConfig, Connection, Endpoint};

use super::client::Client;
use super::soon;
use super::token::{LIVECHAT_SECRET, SECRET, TRUNK_SECRET, claims, mint, passes};

pub(crate) struct TestGateway {
    pub(crate) gateway: Gateway,
    registry: Registry,
    certificates: CertStore,
    clients: Endpoint<endpoint_side::Client>,
    http: OnceCell<SocketAddr>,
    _certificate_dir: TempDir,
}

impl TestGateway {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A gateway with other settings than the usual.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().expect("there is room for a certificate");
        let certificates =
            CertStore::development(dir.path(), SystemTime::now()).expect("a certificate can be made");
        let mut keys = KeySet::default();
        keys.add_secret(SECRET);
        keys.add_trunk_secret(TRUNK_SECRET);
        keys.add_livechat_secret(LIVECHAT_SECRET);
        let mut settings = Settings {
            webtransport: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            announce: None,
            certificates: certificates.clone(),
            keys,
            remote_check: None,
            default_rights: Rights::NONE,
            origins: OriginPolicy::default(),
            channels: Vec::new(),
            calls: suara_gateway::hub::CallSettings::default(),
            guests: None,
            livechat: LivechatSettings { passes: Some(passes()), staff: vec!["admin".to_owned()] },
            max_sessions: 1000,
            engine: suara_gateway::EngineSettings::default(),
            store: Store::begin(&file_url(&dir.path().join("suara.db")).expect("a path")).expect("a URL"),
            nodes: None,
        };
        change(&mut settings);
        let mut registry = Registry::default();
        let gateway = Gateway::start(settings, &mut registry).expect("a gateway starts on any free port");
        let clients = endpoint(&certificates, QuicTransportConfig::default());
        let http = OnceCell::new();
        Self { gateway, registry, certificates, clients, http, _certificate_dir: dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.addresses()[0]
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/v1/wt", self.address())
    }

    /// Where it serves HTTP; from the first question on.
    pub(crate) async fn http(&self) -> SocketAddr {
        let listen = async {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let listener = TcpListener::bind(address).await.expect("there is a free port");
            let address = listener.local_addr().expect("it is bound");
            let connections = StallAwareListener::new(listener);
            tokio::spawn(serve(connections, self.gateway.router(), CancellationToken::new()));
            address
        };
        *self.http.get_or_init(|| listen).await
    }

    /// A client's endpoint of its own, for one with other buffers than the usual.
    pub(crate) fn endpoint(&self, transport: QuicTransportConfig) -> Endpoint<endpoint_side::Client> {
        endpoint(&self.certificates, transport)
    }

    /// For clients that speak QUIC, and in it whatever they like.
    pub(crate) fn quic_endpoint(&self) -> quinn::Endpoint {
        let tls = pinned_client_config(self.certificates.fingerprints(), &[b"h3"]);
        let crypto = QuicClientConfig::try_from(tls).expect("TLS 1.3 suits QUIC");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut endpoint = quinn::Endpoint::client(address).expect("there is a free port");
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
        endpoint
    }

    /// Opens a WebTransport session in some other way than the usual.
    pub(crate) async fn connect_with(&self, options: ConnectOptions) -> Result<Connection, ConnectingError> {
        soon("a WebTransport session", self.clients.connect(options)).await
    }

    /// A WebTransport session without a stream.
    pub(crate) async fn connect(&self) -> Connection {
        let options = ConnectOptions::builder(self.url()).build();
        self.connect_with(options).await.expect("the gateway accepts sessions")
    }

    /// A client with a control stream that has said nothing.
    pub(crate) async fn visitor(&self) -> Client {
        Client::open(self.connect().await).await
    }

    /// A client that presented a token and was answered with whatever.
    pub(crate) async fn bearer(&self, token: &str) -> Client {
        let mut client = self.visitor().await;
        client.hello(token).await;
        client
    }

    /// A welcomed client with these claims.
    pub(crate) async fn welcome(&self, claims: &Claims) -> Client {
        let mut client = self.bearer(&mint(claims)).await;
        client.hear("welcome").await;
        client
    }

    /// A user who may talk everywhere.
    pub(crate) async fn user(&self, name: &str) -> Client {
        self.welcome(&claims(name)).await
    }

    /// A bridge.
    pub(crate) async fn trunk(&self) -> Client {
        self.welcome(&Claims { scope: Scope::Trunk, ..claims("bridge") }).await
    }

    /// A line of the metrics page, such as `suara_sessions`; 0 while it isn't there.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        metric(&self.registry, line)
    }

    /// Frames dropped for a reason.
    pub(crate) fn dropped(&self, reason: &str) -> f64 {
        self.metric(&format!("suara_voice_frames_dropped_total{{reason=\"{reason}\"}}"))
    }

    /// Waits until something that the gateway does by itself is done.
    pub(crate) async fn until(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + super::PATIENCE;
        while !reached(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}: {}", render(&self.registry));
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nobody is counted any more.
    pub(crate) async fn deserted(&self) {
        self.until("nobody is there", |gateway| gauges(&gateway.registry) == [0.0; 4]).await;
    }

    /// Stops it, with whoever is still there, and sees that nothing is left.
    pub(crate) async fn finish(self) {
        let stopped = timeout(Duration::from_secs(3), self.gateway.stop()).await;
        assert!(stopped.is_ok(), "the gateway doesn't stop: {}", render(&self.registry));
        assert_eq!(gauges(&self.registry), [0.0; 4], "sessions, members, channels, trunk members");
    }
}

fn endpoint(certificates: &CertStore, transport: QuicTransportConfig) -> Endpoint<endpoint_side::Client> {
    let tls = pinned_client_config(certificates.fingerprints(), &[b"h3"]);
    let config = ClientConfig::builder()
        .with_bind_address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .with_custom_tls_and_transport(tls, transport)
        .build();
    Endpoint::client(config).expect("there is a free port")
}

fn gauges(registry: &Registry) -> [f64; 4] {
    ["suara_sessions", "suara_members", "suara_channels", "suara_trunk_members"]
        .map(|line| metric(registry, line))
}

fn metric(registry: &Registry, name: &str) -> f64 {
    let page = render(registry);
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().expect("a metric is a number"))
}
