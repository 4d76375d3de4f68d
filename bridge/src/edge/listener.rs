//! Accepts TCP connections for `axum::serve`, so that each request knows the connection that it came by.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::TcpListener;

use super::{StallAware, StallHandle};

/// After a failed accept (no file descriptors left) the next try waits this long.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A TCP listener whose connections have `TCP_NODELAY` (without it voice waits for acknowledgements, 45 ms at a time)
/// and know since when they are stalled.
///
/// Serve it with `router.into_make_service_with_connect_info::<Peer>()`. A listener of another kind, over TLS say,
/// wraps its TCP streams in [`StallAware`] and gives each request a `ConnectInfo<Peer>` extension.
#[derive(Debug)]
pub struct StallAwareListener(TcpListener);

impl StallAwareListener {
    /// Accepts from `listener`.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Listener for StallAwareListener {
    type Io = StallAware;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (StallAware, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "the connection was gone before it was served");
                    }
                    return (StallAware::new(stream), address);
                }
                Err(error) if gone_already(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

fn gone_already(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The connection that a request came by: `ConnectInfo<Peer>`.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The other end's address.
    pub address: SocketAddr,
    /// Whether it takes what it is given.
    pub stall: StallHandle,
}

impl Connected<IncomingStream<'_, StallAwareListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, StallAwareListener>) -> Self {
        Self { address: *stream.remote_addr(), stall: stream.io().handle() }
    }
}
