//! The two PEM files of an identity, read but not yet understood.

use std::path::{Path, PathBuf};

use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};
use sha2::{Digest as _, Sha256};

use crate::{error::CertError, files, identity::Identity};

/// What two files held when they were read; both may be the same file.
pub(crate) struct PemPair {
    cert_path: PathBuf,
    key_path: PathBuf,
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// Tells one content of the two files from another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentHash([u8; 32]);

impl PemPair {
    pub(crate) fn read(cert_path: &Path, key_path: &Path) -> Result<Self, CertError> {
        Ok(Self {
            cert: files::read(cert_path)?,
            key: files::read(key_path)?,
            cert_path: cert_path.to_owned(),
            key_path: key_path.to_owned(),
        })
    }

    pub(crate) fn content_hash(&self) -> ContentHash {
        // Each file is hashed by itself first, so that bytes moved from one to the other make a difference.
        let both =
            Sha256::new().chain_update(Sha256::digest(&self.cert)).chain_update(Sha256::digest(&self.key));
        ContentHash(both.finalize().into())
    }

    pub(crate) fn identity(&self) -> Result<Identity, CertError> {
        let chain = certificates(&self.cert_path, &self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| match source {
            pem::Error::NoItemsFound => CertError::NoKey { path: self.key_path.clone() },
            source => CertError::Pem { path: self.key_path.clone(), source },
        })?;
        Identity::new(chain, key).map_err(|source| CertError::Unusable {
            cert: self.cert_path.clone(),
            key: self.key_path.clone(),
            source,
        })
    }
}

/// The certificates in the content of a PEM file: at least one.
pub(crate) fn certificates(path: &Path, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(content)
        .collect::<Result<_, _>>()
        .map_err(|source| CertError::Pem { path: path.to_owned(), source })?;
    if chain.is_empty() {
        return Err(CertError::NoCertificate { path: path.to_owned() });
    }
    Ok(chain)
}
