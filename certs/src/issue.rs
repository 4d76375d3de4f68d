//! Development identities: self-signed, short-lived, for this machine only.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{error::CertError, identity::Identity};

/// How long a development certificate is valid, from its first moment to its last.
///
/// Browsers pin a certificate by its hash only if it is valid for at most 14 days (15 fail in Chromium and in
/// Firefox); the day below that leaves room for what one of them may count differently.
pub const LIFETIME: Duration = Duration::from_secs(13 * 24 * 60 * 60);

/// How far before its issue a certificate is already valid: a client's clock may be behind by that much.
pub(crate) const BACKDATED: Duration = Duration::from_secs(60 * 60);

const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Issues a development identity: ECDSA P-256, which is what browsers demand of a certificate pinned by hash.
pub fn issue(now: SystemTime) -> Result<Identity, CertError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = parameters(now)?.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(Identity::new(vec![certificate.der().clone()], key)?)
}

fn parameters(now: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(NAMES.map(String::from))?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "suara development");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let not_before = now - BACKDATED;
    parameters.not_before = not_before.into();
    parameters.not_after = (not_before + LIFETIME).into();
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use x509_parser::{oid_registry, prelude::*};

    use super::*;

    #[test]
    fn an_issued_certificate_is_valid_for_at_most_thirteen_days_from_an_hour_ago() {
        let now = UNIX_EPOCH + Duration::from_millis(1_800_000_000_700);
        let validity = issue(now).unwrap().validity();

        let lifetime = validity.not_after.duration_since(validity.not_before).unwrap();
        assert!(lifetime <= Duration::from_secs(13 * 24 * 60 * 60), "{lifetime:?}");
        let backdated = now.duration_since(validity.not_before).unwrap();
        assert!(backdated.abs_diff(BACKDATED) < Duration::from_secs(1), "{backdated:?}");
    }

    #[test]
    fn an_issued_certificate_is_of_p256_and_names_this_machine_only() {
        let identity = issue(UNIX_EPOCH).unwrap();
        let (_, certificate) = X509Certificate::from_der(&identity.chain()[0]).unwrap();

        let curve = certificate.public_key().algorithm.parameters.as_ref().unwrap().as_oid().unwrap();
        assert_eq!(curve, oid_registry::OID_EC_P256);
        assert_eq!(certificate.subject().to_string(), "CN=suara development");
        assert_eq!(certificate.issuer(), certificate.subject());
        assert!(!certificate.is_ca());
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        let localhost: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(
            names.value.general_names,
            [
                GeneralName::DNSName("localhost"),
                GeneralName::IPAddress(&[127, 0, 0, 1]),
                GeneralName::IPAddress(localhost)
            ]
        );
    }

    #[test]
    fn no_two_issued_certificates_share_a_key() {
        let (one, other) = (issue(UNIX_EPOCH).unwrap(), issue(UNIX_EPOCH).unwrap());
        assert_ne!(one.private_key(), other.private_key());
        assert_ne!(one.fingerprint(), other.fingerprint());
    }
}
