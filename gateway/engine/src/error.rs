//! Why an engine can't serve.

use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Why an engine can't start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address can't be bound.
    #[error("can't bind UDP {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is no address to bind.
    #[error("no address is given")]
    NoAddress,
    /// Connection ids have room for 1 to 256 workers.
    #[error("{0} workers: there must be 1 to 256")]
    Workers(usize),
    /// The TLS configuration has no cipher suite for QUIC's first packets.
    #[error("the TLS configuration doesn't suit QUIC: {0}")]
    Tls(String),
    /// A setting is out of QUIC's bounds.
    #[error("a setting is out of bounds: {0}")]
    Setting(&'static str),
    /// A trace can't be written.
    #[error("can't write {path}")]
    Qlog {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A worker can't be set up.
    #[error("a worker can't be set up")]
    Worker(#[from] std::io::Error),
}
