//! A WebTransport client by hand, over quinn: what it sends and gets is seen byte by byte.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use web_transport_proto::{ConnectRequest, ConnectResponse, Settings};

use super::soon;

pub(crate) struct Client {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) receive: RecvStream,
    _control: SendStream,
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        Self::with(&endpoint(), server).await
    }

    pub(crate) async fn with(endpoint: &Endpoint, server: SocketAddr) -> Self {
        let connecting = endpoint.connect(server, "localhost").unwrap();
        let connection = soon("a connection", connecting).await.unwrap();
        let mut control = connection.open_uni().await.unwrap();
        let mut settings = Settings::default();
        settings.enable_webtransport(1);
        settings.write(&mut control).await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let request = ConnectRequest::new("https://localhost:4433/room".parse::<url::Url>().unwrap())
            .with_header("origin".parse().unwrap(), "https://page.example".parse().unwrap());
        request.write(&mut send).await.unwrap();
        let response = soon("a session", ConnectResponse::read(&mut receive)).await.unwrap();
        assert_eq!(response.status.as_u16(), 200);
        Self { endpoint: endpoint.clone(), connection, send, receive, _control: control }
    }

    pub(crate) fn say(&self, payload: &[u8]) {
        self.connection.send_datagram([&[0], payload].concat().into()).unwrap();
    }

    pub(crate) async fn hear(&self) -> Bytes {
        let mut datagram = soon("a datagram", self.connection.read_datagram()).await.unwrap();
        assert_eq!(datagram.get_u8(), 0, "the quarter stream id");
        datagram
    }

    /// Opens a stream of the session, and writes its first bytes.
    pub(crate) async fn open(&self, first: &[u8]) -> (SendStream, RecvStream) {
        let (mut send, receive) = self.connection.open_bi().await.unwrap();
        send.write_all(&[b"\x40\x41\x00", first].concat()).await.unwrap();
        (send, receive)
    }

    /// What comes back of `bytes`.
    pub(crate) async fn echo(&self, bytes: &[u8]) -> Vec<u8> {
        let (mut send, mut receive) = self.open(b"e").await;
        send.write_all(bytes).await.unwrap();
        send.finish().unwrap();
        soon("the echo", receive.read_to_end(1 << 20)).await.unwrap()
    }

    pub(crate) async fn closed(&self) -> ConnectionError {
        soon("the connection's end", self.connection.closed()).await
    }
}

/// TLS that trusts everybody.
pub(crate) fn trusting() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    tls
}

pub(crate) fn endpoint() -> Endpoint {
    endpoint_at(Ipv4Addr::LOCALHOST.into())
}

/// A client's endpoint on one of this machine's addresses.
pub(crate) fn endpoint_at(address: IpAddr) -> Endpoint {
    let tls = trusting();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(std::time::Duration::from_secs(20).try_into().unwrap()));
    config.transport_config(Arc::new(transport));
    let mut endpoint = Endpoint::client(SocketAddr::from((address, 0))).unwrap();
    endpoint.set_default_client_config(config);
    endpoint
}

/// Trusts everybody: identities are looked at where they matter.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
