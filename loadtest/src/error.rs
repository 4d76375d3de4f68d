//! Why a load test can't run.

use std::path::PathBuf;

use thiserror::Error;

/// What keeps a load test from running, or from ending well.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Load goes to this machine alone.
    #[error("{0} is not on this machine: load goes to loopback only")]
    NotLoopback(String),
    /// The gateway's HTTP address doesn't answer as it should.
    #[error("{url} doesn't answer")]
    Connect {
        /// What was asked.
        url: String,
        /// Why not.
        source: reqwest::Error,
    },
    /// The answer of `/api/connect` is none that this client understands.
    #[error("{url} says {what}")]
    Answer {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// The secret to mint tokens with can't be read.
    #[error(
        "can't read the secret {path}: is --data the gateway's own, or --jwt-secret-file what it was given?"
    )]
    Secret {
        /// Where it should be.
        path: PathBuf,
        /// Why it isn't.
        source: std::io::Error,
    },
    /// A token can't be made.
    #[error("can't mint a token")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// A socket, a file or the terminal.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Settings that make no sense together.
    #[error("{0}")]
    Settings(String),
    /// The client's TLS can't be set up for QUIC.
    #[error("the client's TLS doesn't suit QUIC")]
    Tls,
    /// Too few sessions came up for a measurement.
    #[error("only {up} of {wanted} sessions came up: {why}")]
    Sessions {
        /// How many did.
        up: usize,
        /// How many should have.
        wanted: usize,
        /// The first fault that was seen.
        why: String,
    },
    /// A worker thread ended early.
    #[error("a thread of the load generator died")]
    Thread,
    /// The process whose cost was asked for.
    #[error("no process {pid} to watch")]
    Process {
        /// As given by `--server-pid`.
        pid: u32,
        /// Why it can't be read.
        source: std::io::Error,
    },
}

/// Puts what was tried in front of an I/O error.
pub(crate) trait Tried<T> {
    fn tried(self, what: impl Into<String>) -> Result<T, LoadError>;
}

impl<T, E: Into<std::io::Error>> Tried<T> for Result<T, E> {
    fn tried(self, what: impl Into<String>) -> Result<T, LoadError> {
        self.map_err(|source| LoadError::Io { what: what.into(), source: source.into() })
    }
}
