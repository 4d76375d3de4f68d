//! Accepts TCP connections, so that each request knows the connection that it came by.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use super::serve::Accept;
use super::{StallAware, StallHandle};

/// After a failed accept (no file descriptors left) the next try waits this long.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A TCP listener whose connections have `TCP_NODELAY` (without it voice waits for acknowledgements, 45 ms at a time)
/// and know since when they are stalled.
#[derive(Debug)]
pub struct StallAwareListener(TcpListener);

impl StallAwareListener {
    /// Accepts from `listener`.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Accept for StallAwareListener {
    type Io = StallAware;

    async fn accept(&mut self) -> (StallAware, Peer) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "the connection was gone before it was served");
                    }
                    let stream = StallAware::new(stream);
                    let peer = Peer { address, stall: stream.handle() };
                    return (stream, peer);
                }
                Err(error) if gone_already(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }
}

fn gone_already(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The connection that a request came by: its extension `ConnectInfo<Peer>`.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The other end's address.
    pub address: SocketAddr,
    /// Whether it takes what it is given.
    pub stall: StallHandle,
}
