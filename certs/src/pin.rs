//! A client that trusts no authority, only certificates it was told of.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{
    fingerprint::Fingerprint,
    provider,
    validity::{OutsideValidity, Validity},
};

/// A client's configuration that accepts exactly the servers whose certificate has one of these fingerprints,
/// is valid now, and whose key they prove to have. The server's name is not looked at. TLS 1.3 only.
///
/// The moment is that of the configuration's `time_provider`: the system's clock unless the caller sets
/// another.
pub fn pinned_client_config(
    fingerprints: impl IntoIterator<Item = Fingerprint>,
    alpn: &[&[u8]],
) -> ClientConfig {
    let provider = provider();
    let verifier = PinnedVerifier {
        pins: fingerprints.into_iter().collect(),
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has cipher suites for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    // A resumed session shows no certificate: it would outlive the certificate's validity.
    config.resumption = Resumption::disabled();
    config
}

/// Why a certificate was refused; rustls hands it on inside [`CertificateError::Other`].
#[derive(Debug, thiserror::Error)]
#[error("the server's certificate {0} is none of the pinned")]
struct NotPinned(Fingerprint);

#[derive(Debug)]
struct PinnedVerifier {
    pins: Vec<Fingerprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fingerprint = Fingerprint::of(end_entity);
        if !self.pins.contains(&fingerprint) {
            return Err(CertificateError::Other(OtherError(Arc::new(NotPinned(fingerprint)))).into());
        }
        let validity = Validity::of(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let moment = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        validity.check(moment).map_err(|outside| match outside {
            OutsideValidity::Expired(_) => CertificateError::Expired,
            OutsideValidity::NotYetValid(_) => CertificateError::NotValidYet,
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
