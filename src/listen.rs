//! HTTP servers on TCP: plain, or TLS with the certificate that WebTransport uses too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use suara_bridge::edge::{Peer, StallAware, StallAwareListener};
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

/// Binds a TCP address and says what was really bound.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("can't bind TCP {address}"))?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Serves `router` until `stop`, over TLS where a configuration for it is given.
pub(crate) fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    stop: CancellationToken,
) -> JoinHandle<std::io::Result<()>> {
    let plain = StallAwareListener::new(listener);
    match tls {
        None => {
            let service = router.into_make_service_with_connect_info::<Peer>();
            let server = axum::serve(plain, service).with_graceful_shutdown(stop.cancelled_owned());
            tokio::spawn(server.into_future())
        }
        Some(config) => {
            let listener = TlsListener { plain, acceptor: config.into(), handshakes: JoinSet::new() };
            let service = router.layer(from_fn(unwrap_peer)).into_make_service_with_connect_info::<TlsPeer>();
            let server = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned());
            tokio::spawn(server.into_future())
        }
    }
}

/// Takes TCP connections through their handshakes, many at a time.
struct TlsListener {
    plain: StallAwareListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<StallAware>, SocketAddr)>>,
}

impl Listener for TlsListener {
    type Io = TlsStream<StallAware>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            tokio::select! {
                (stream, address) = self.plain.accept(), if self.handshakes.len() < MAX_HANDSHAKES => {
                    let handshake = timeout(HANDSHAKE, self.acceptor.accept(stream));
                    self.handshakes.spawn(async move { Some((handshake.await.ok()?.ok()?, address)) });
                }
                Some(done) = self.handshakes.join_next() => if let Ok(Some(connection)) = done {
                    return connection;
                },
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.plain.local_addr()
    }
}

/// The connection beneath a TLS one.
#[derive(Clone)]
struct TlsPeer(Peer);

impl Connected<IncomingStream<'_, TlsListener>> for TlsPeer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        let (beneath, _) = stream.io().get_ref();
        Self(Peer { address: *stream.remote_addr(), stall: beneath.handle() })
    }
}

/// Lets the services see the connection as they do without TLS.
async fn unwrap_peer(
    ConnectInfo(TlsPeer(peer)): ConnectInfo<TlsPeer>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(ConnectInfo(peer));
    next.run(request).await
}
