//! A certificate chain with its private key, checked to belong together.

use std::{fmt, path::Path, sync::Arc};

use pem::{EncodeConfig, LineEnding, Pem};
use rustls::{InconsistentKeys, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::{
    error::{CertError, IdentityError},
    files,
    fingerprint::Fingerprint,
    pem_pair::PemPair,
    provider,
    validity::Validity,
};

/// What a server shows of itself and proves with its key. The key is in no `Debug` output.
pub struct Identity {
    /// The chain and the key in the form that handshakes use.
    certified: Arc<CertifiedKey>,
    /// The key in the form that files hold.
    key: PrivateKeyDer<'static>,
    validity: Validity,
    fingerprint: Fingerprint,
}

impl Identity {
    /// An identity of a chain, the server's own certificate first, and the private key of that certificate.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let end_entity = chain.first().ok_or(IdentityError::NoCertificate)?;
        let validity = Validity::of(end_entity).map_err(IdentityError::Malformed)?;
        let fingerprint = Fingerprint::of(end_entity);
        let signer = provider()
            .key_provider
            .load_private_key(key.clone_key())
            .map_err(IdentityError::UnsupportedKey)?;
        let certified = CertifiedKey::new(chain, signer);
        certified.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => IdentityError::KeyMismatch,
            error => IdentityError::Incomparable(error),
        })?;
        Ok(Self { certified: Arc::new(certified), key, validity, fingerprint })
    }

    /// Reads an identity from its PEM files; both may be the same file.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, CertError> {
        PemPair::read(cert, key)?.identity()
    }

    /// Writes certificate and key into one PEM file of mode 0600, and makes its directory with mode 0700
    /// where there is none.
    ///
    /// One file, because one rename then replaces both: a reader never finds the key of another certificate.
    pub fn store(&self, path: &Path) -> Result<(), CertError> {
        files::create_private_dir(files::directory_of(path))?;
        let key_label = match &self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        let mut content = encode_certificates(self.chain());
        content.push_str(&encode(key_label, self.key.secret_der()));
        files::write_private(path, content.as_bytes())
    }

    /// The certificates, the server's own first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The private key; whoever asks for it keeps it secret.
    pub const fn private_key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// When the server's own certificate is valid.
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// The fingerprint of the server's own certificate.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("fingerprint", &self.fingerprint)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

pub(crate) fn encode_certificates(certificates: &[CertificateDer<'_>]) -> String {
    certificates.iter().map(|der| encode("CERTIFICATE", der)).collect()
}

fn encode(label: &str, der: &[u8]) -> String {
    let unix = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, der), unix)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf, time::UNIX_EPOCH};

    use tempfile::TempDir;

    use super::*;
    use crate::{error::causes, issue};

    fn stored() -> (TempDir, PathBuf, Identity) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("certs/identity.pem");
        let identity = issue(UNIX_EPOCH).unwrap();
        identity.store(&path).unwrap();
        (dir, path, identity)
    }

    #[test]
    fn what_is_stored_loads_back() {
        let (_dir, path, identity) = stored();
        let loaded = Identity::load(&path, &path).unwrap();
        assert_eq!(loaded.chain(), identity.chain());
        assert_eq!(loaded.private_key(), identity.private_key());
        assert_eq!(loaded.validity(), identity.validity());
        assert_eq!(loaded.fingerprint(), identity.fingerprint());
    }

    #[cfg(unix)]
    #[test]
    fn the_file_with_the_key_and_its_directory_are_their_owners_only() {
        use std::os::unix::fs::PermissionsExt as _;

        let (_dir, path, _) = stored();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[test]
    fn the_key_is_in_no_debug_output() {
        let identity = issue(UNIX_EPOCH).unwrap();
        let expected = format!(
            "Identity {{ fingerprint: {:?}, validity: {:?}, .. }}",
            identity.fingerprint(),
            identity.validity()
        );
        assert_eq!(format!("{identity:?}"), expected);
    }

    #[test]
    fn the_key_of_another_certificate_is_refused_by_the_names_of_both_files() {
        let (dir, path, _) = stored();
        let other = dir.path().join("other.pem");
        issue(UNIX_EPOCH).unwrap().store(&other).unwrap();

        let error = Identity::load(&path, &other).unwrap_err();

        assert!(matches!(error, CertError::Unusable { source: IdentityError::KeyMismatch, .. }), "{error:?}");
        let line = causes(&error);
        assert!(line.contains("identity.pem") && line.contains("other.pem"), "{line}");
        assert!(line.ends_with("the private key does not belong to the certificate"), "{line}");
    }

    #[test]
    fn a_file_without_what_it_should_hold_is_refused_by_its_name() {
        let (dir, path, identity) = stored();
        let bare = dir.path().join("bare.pem");
        fs::write(&bare, encode_certificates(identity.chain())).unwrap();
        let empty = dir.path().join("empty.pem");
        fs::write(&empty, "").unwrap();
        let cut = dir.path().join("cut.pem");
        fs::write(&cut, &fs::read(&path).unwrap()[..100]).unwrap();
        let hollow = dir.path().join("hollow.pem");
        fs::write(&hollow, encode("CERTIFICATE", &[0x30, 0x00])).unwrap();

        let refused = |cert: &Path, key: &Path| Identity::load(cert, key).unwrap_err();
        assert!(matches!(refused(&path, &bare), CertError::NoKey { path } if path == bare));
        assert!(matches!(refused(&empty, &path), CertError::NoCertificate { path } if path == empty));
        assert!(matches!(refused(&cut, &path), CertError::Pem { path, .. } if path == cut));
        assert!(matches!(
            refused(&hollow, &path),
            CertError::Unusable { source: IdentityError::Malformed(_), .. }
        ));
        assert!(matches!(refused(&dir.path().join("absent"), &path), CertError::Read { .. }));
    }
}
