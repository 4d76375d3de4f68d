//! Who gets through to whom.

use std::{sync::Arc, time::SystemTime};

use rustls::{
    CertificateError, ClientConfig, Error, ProtocolVersion, ServerConfig,
    crypto::aws_lc_rs,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS12,
};
use rustls_pki_types::CertificateDer;
use suara_certs::{CertStore, Fingerprint, issue, pinned_client_config};

use crate::support::{DAY, client, connect, in_use, shake_hands, start};

#[test]
fn a_client_pinned_to_the_right_hash_connects() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();
    assert_eq!(connect(&store, store.fingerprints(), start()), Ok(in_use(&store)));
}

#[test]
fn a_client_pinned_to_other_hashes_refuses_and_says_which_certificate_it_saw() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();

    let error = connect(&store, [Fingerprint::from([7; 32])], start()).unwrap_err();

    let Error::InvalidCertificate(CertificateError::Other(reason)) = &error else { panic!("{error:?}") };
    assert!(reason.0.to_string().contains(&in_use(&store).to_string()), "{error}");
}

#[test]
fn a_client_pinned_to_nothing_refuses_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();
    assert!(connect(&store, [], start()).is_err());
}

#[test]
fn the_right_certificate_is_refused_outside_its_validity() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();
    let refused = |now| connect(&store, store.fingerprints(), now).unwrap_err();
    assert_eq!(refused(start() + 13 * DAY), Error::InvalidCertificate(CertificateError::Expired));
    assert_eq!(refused(start() - DAY), Error::InvalidCertificate(CertificateError::NotValidYet));
}

#[test]
fn a_server_that_shows_the_pinned_certificate_without_its_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();
    let stolen = certificate_of(&store);
    let impostor = impostor_config(stolen);

    let error = shake_hands(client(store.fingerprints(), &[], start()), impostor).unwrap_err();

    assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature));
}

#[test]
fn a_fresh_certificate_is_accepted_by_the_systems_clock() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), SystemTime::now()).unwrap();
    let client = pinned_client_config(store.fingerprints(), &[b"h3"]);
    assert!(shake_hands(client, store.server_config(&[b"h3"])).is_ok());
}

#[test]
fn the_first_common_alpn_name_is_agreed_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();
    let client = client(store.fingerprints(), &[b"http/1.1"], start());
    let (client, _) = shake_hands(client, store.server_config(&[b"h2", b"http/1.1"])).unwrap();
    assert_eq!(client.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[test]
fn an_old_client_is_served_over_tcp_but_not_over_quic() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();

    let (client, _) = shake_hands(tls12_client(b"http/1.1"), store.server_config(&[b"http/1.1"])).unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_2));

    assert!(shake_hands(tls12_client(b"h3"), store.server_config(&[b"h3"])).is_err());
}

fn certificate_of(store: &CertStore) -> CertificateDer<'static> {
    let client = client(store.fingerprints(), &[], start());
    let (client, _) = shake_hands(client, store.server_config(&[])).unwrap();
    client.peer_certificates().unwrap()[0].clone()
}

/// A server that signs with a key of its own.
fn impostor_config(certificate: CertificateDer<'static>) -> ServerConfig {
    let provider = aws_lc_rs::default_provider();
    let own = issue(start()).unwrap();
    let key = provider.key_provider.load_private_key(own.private_key().clone_key()).unwrap();
    let shown = CertifiedKey::new(vec![certificate], key);
    ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
}

/// A client of TLS 1.2 that looks at no certificate.
fn tls12_client(alpn: &[u8]) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(blind::Verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

mod blind {
    use rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    };
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

    #[derive(Debug)]
    pub(super) struct Verifier;

    impl ServerCertVerifier for Verifier {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    }
}
