//! An engine with a room in it, clients that speak HTTP/3 by hand, and a path that can be made bad.

mod app;
mod client;
mod marks;
mod proxy;

pub(crate) use app::{App, Event};
pub(crate) use client::{Client, endpoint, endpoint_at, trusting};
pub(crate) use marks::MarkedPath;
pub(crate) use proxy::{Path, Proxy};

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use suara_engine::{Config, Engine, Keys};

/// Nothing here takes longer, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// An identity that can be replaced while it is used.
#[derive(Debug)]
pub(crate) struct Identity {
    key: Mutex<Arc<CertifiedKey>>,
}

impl Identity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { key: Mutex::new(certified()) })
    }

    pub(crate) fn renew(&self) {
        *self.key.lock().unwrap() = certified();
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.key.lock().unwrap().cert[0].clone()
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.lock().unwrap().clone())
    }
}

fn certified() -> Arc<CertifiedKey> {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    Arc::new(CertifiedKey::new(vec![issued.cert.der().clone()], key))
}

pub(crate) fn tls(identity: &Arc<Identity>) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(identity.clone());
    tls.alpn_protocols = vec![b"h3".to_vec()];
    tls
}

pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) app: Arc<App>,
    pub(crate) identity: Arc<Identity>,
}

impl Server {
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        let identity = Identity::new();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = Config::new(vec![any], tls(&identity), Keys::derive(b"test"));
        change(&mut config);
        let app = Arc::new(App::new());
        let engine = Engine::start(config, app.clone()).unwrap();
        Self { engine, app, identity }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.engine.addresses()[0]
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    pub(crate) async fn stop(self) {
        soon("the engine's end", tokio::task::spawn_blocking(move || self.engine.stop())).await.unwrap();
    }
}
