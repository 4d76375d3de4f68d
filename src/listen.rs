//! HTTP servers on TCP: plain, or TLS with the certificate that WebTransport uses too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use suara_tcp::{Accept, Peer, StallAware, StallAwareListener, serve as serve_http};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// A TLS handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at a time; more wait in the kernel's queue.
const MAX_HANDSHAKES: usize = 1024;

/// Binds a TCP address and says what was really bound; `what` is its flag, or what else it is for.
pub(crate) async fn bind(what: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("can't bind TCP {address} ({what})"))?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Serves `router` until `stop`, over TLS where a configuration for it is given.
pub(crate) fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let plain = StallAwareListener::new(listener);
    match tls {
        None => tokio::spawn(serve_http(plain, router, stop)),
        Some(config) => {
            let listener = TlsListener { plain, acceptor: config.into(), handshakes: JoinSet::new() };
            tokio::spawn(serve_http(listener, router, stop))
        }
    }
}

/// Takes TCP connections through their handshakes, many at a time.
struct TlsListener {
    plain: StallAwareListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<StallAware>, Peer)>>,
}

impl Accept for TlsListener {
    type Io = TlsStream<StallAware>;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        loop {
            tokio::select! {
                (stream, peer) = self.plain.accept(), if self.handshakes.len() < MAX_HANDSHAKES => {
                    let handshake = timeout(HANDSHAKE, self.acceptor.accept(stream));
                    self.handshakes.spawn(async move { Some((handshake.await.ok()?.ok()?, peer)) });
                }
                Some(done) = self.handshakes.join_next() => if let Ok(Some(connection)) = done {
                    return connection;
                },
            }
        }
    }
}
