//! TLS identities: issued, fingerprinted, renewed, watched and reloaded.
//!
//! This crate owns what a listener shows of itself and how a pinned client checks it. It does not know who
//! listens or connects: it is handed paths and the time, and it hands out rustls configurations. It starts no
//! task and reads no clock; whoever owns a [`CertStore`] calls [`CertStore::tick`] about once a minute.
//!
//! The cryptography is always that of aws-lc-rs, named explicitly: a process-wide default provider could be
//! set by any dependency.

mod development;
mod error;
mod files;
mod fingerprint;
mod identity;
mod issue;
mod pem_pair;
mod pin;
mod store;
mod validity;
mod watch;

pub use error::{CertError, IdentityError};
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use identity::Identity;
pub use issue::{LIFETIME, issue};
pub use pin::pinned_client_config;
pub use store::{CertStore, Change};
pub use validity::{OutsideValidity, Validity};

use std::sync::Arc;

use rustls::CipherSuite;
use rustls::crypto::{CryptoProvider, aws_lc_rs};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Prefers the suite that costs least for small packets, which each of QUIC's peers has (RFC 9001, section 5.3).
fn small_packets() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}
