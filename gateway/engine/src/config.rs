//! What an engine is told before it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::hkdf;

/// Bytes of [`Keys`].
pub const KEY_LENGTH: usize = 32;

/// What makes an engine the one it was before a restart.
///
/// Kept secret and kept over restarts: by it clients learn at once that their connections are gone, and come back
/// with an address that needs no second validation.
#[derive(Clone)]
pub struct Keys {
    /// Makes stateless reset tokens (RFC 9000, section 10.3.2), and hides the worker's number in connection ids.
    pub reset: [u8; KEY_LENGTH],
    /// Seals the tokens of Retry and `NEW_TOKEN` (RFC 9000, section 8.1).
    pub token: [u8; KEY_LENGTH],
}

impl Keys {
    /// From one secret of any length.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"suara engine").extract(secret);
        let key = |name: &[u8]| {
            let mut key = [0; KEY_LENGTH];
            // Both are of the hash's own length, which always fits.
            prk.expand(&[name], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key)).unwrap_or_default();
            key
        };
        Self { reset: key(b"reset"), token: key(b"token") }
    }

    /// Keys of nobody else, for an engine that nobody knows from before.
    #[must_use]
    pub fn random() -> Self {
        let mut secret = [0; KEY_LENGTH];
        // A system without randomness has no TLS either.
        aws_lc_rs::rand::fill(&mut secret).unwrap_or_default();
        Self::derive(&secret)
    }
}

/// The largest UDP payload that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mtu {
    /// This many bytes, 1 200 at least (RFC 9000, section 14). Needs no probes.
    Fixed(u16),
    /// Begins with 1 200 bytes and looks for more (RFC 8899).
    Discovered,
}

/// Everything that an engine is told.
pub struct Config {
    /// Worker threads, each with its own sockets and its own connections.
    pub workers: usize,
    /// UDP addresses to bind. A port of 0 in a later one means the port that the first was given.
    pub addresses: Vec<SocketAddr>,
    /// Says who the server is. What it resolves may change while the engine runs.
    pub tls: rustls::ServerConfig,
    /// Kept over restarts.
    pub keys: Keys,
    /// How large packets may be.
    pub mtu: Mtu,
    /// Where traces are written (qlog, one file a worker), if at all. Costs much.
    pub qlog: Option<PathBuf>,
    /// Handshakes in progress, over all workers, above which a client must prove its address first by a Retry
    /// (RFC 9000, section 8.1.2).
    pub retry_above: usize,
    /// Connections at a time, over all workers; more are refused.
    pub max_connections: usize,
    /// A connection from which nothing was heard for this long is gone (RFC 9000, section 10.1).
    pub idle_timeout: Duration,
    /// Holds NAT bindings and browsers' idle timers open: Chromium gives an idle session up after 4 s.
    pub keep_alive: Duration,
    /// What a client may send ahead on one stream, in bytes.
    pub stream_window: u32,
    /// The largest datagram that the application sends, in bytes.
    pub max_datagram: usize,
    /// Older voice is dropped rather than sent.
    pub max_age: Duration,
}

impl Config {
    /// The defaults of the field: only the address, the identity and the keys have none.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>, tls: rustls::ServerConfig, keys: Keys) -> Self {
        Self {
            workers: 1,
            addresses,
            tls,
            keys,
            mtu: Mtu::Fixed(1200),
            qlog: None,
            retry_above: 256,
            max_connections: 65_536,
            idle_timeout: Duration::from_secs(15),
            keep_alive: Duration::from_secs(2),
            stream_window: 256 * 1024,
            max_datagram: 1000,
            max_age: Duration::from_millis(120),
        }
    }
}
