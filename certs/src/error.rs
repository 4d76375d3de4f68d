//! What can go wrong, each naming the file it went wrong with.

use std::{error::Error, io, path::PathBuf};

use rustls_pki_types::pem;
use x509_parser::error::X509Error;

use crate::validity::OutsideValidity;

/// Why an identity could not be had from, or put into, its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertError {
    /// A file or directory could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file or directory could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not well-formed PEM.
    #[error("{} is not valid PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A PEM file holds something, but no certificate.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A PEM file holds something, but no private key in the clear.
    #[error("{} holds no private key (an encrypted one has to be decrypted first)", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key were read but make no identity.
    #[error("the certificate in {} and the key in {} cannot be used", cert.display(), key.display())]
    Unusable {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the private key.
        key: PathBuf,
        /// Why they cannot be used.
        source: IdentityError,
    },
    /// A certificate is expired or not valid yet.
    #[error("the certificate in {} is not valid now", path.display())]
    OutsideValidity {
        /// The file of the certificate.
        path: PathBuf,
        /// On which side of its validity the present lies.
        source: OutsideValidity,
    },
    /// A development certificate could not be signed.
    #[error("cannot issue a development certificate")]
    Issue(#[from] rcgen::Error),
    /// A development certificate was signed but cannot be used.
    #[error("the development certificate just issued cannot be used")]
    Issued(#[from] IdentityError),
}

/// Why a certificate chain and a private key make no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The chain has no certificate at all.
    #[error("there is no certificate")]
    NoCertificate,
    /// The first certificate is not X.509.
    #[error("the certificate is malformed")]
    Malformed(#[source] X509Error),
    /// The private key is of a kind that cannot sign TLS handshakes, or is malformed.
    #[error("the private key is not supported")]
    UnsupportedKey(#[source] rustls::Error),
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// It could not be checked whether key and certificate belong together.
    #[error("the private key cannot be compared with the certificate")]
    Incomparable(#[source] rustls::Error),
}

/// An error and its causes on one line, for a log that prints only the outermost.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
