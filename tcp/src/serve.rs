//! Serves a router on whatever accepts connections, with time-outs for those who say nothing.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::Peer;

/// A connection that sends no whole request head for so long is closed, before its first request and between two. Less
/// would cut off phones on slow roads, more keeps connections that nobody uses. It doesn't count while an answer is
/// under way, nor for a WebSocket.
const SILENCE: Duration = Duration::from_secs(15);

/// What connections come from.
pub trait Accept: Send + 'static {
    /// A connection, ready for HTTP.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one, and who is at its other end. Cancel-safe.
    fn accept(&mut self) -> impl Future<Output = (Self::Io, Peer)> + Send;
}

/// Serves HTTP/1.1 until `stop`, then waits for answers under way. Each request has the extension `ConnectInfo<Peer>`.
pub async fn serve(mut connections: impl Accept, router: Router, stop: CancellationToken) {
    // Until then each request would build its layers anew, and what they remember would be forgotten.
    let router: Router = router.with_state(());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(SILENCE);
    let served = TaskTracker::new();
    loop {
        let (stream, peer) = tokio::select! {
            connection = connections.accept() => connection,
            () = stop.cancelled() => break,
        };
        let router = router.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer.clone()));
            router.clone().oneshot(request)
        });
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let stop = stop.clone();
        served.spawn(async move {
            let mut connection = pin!(connection);
            let end = tokio::select! {
                end = connection.as_mut() => end,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = end {
                tracing::trace!(%error, "an HTTP connection ended");
            }
        });
    }
    drop(connections);
    served.close();
    served.wait().await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;
    use crate::StallAwareListener;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n";

    async fn connect_to(router: Router) -> (TcpStream, CancellationToken) {
        let (listener, stop) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), CancellationToken::new());
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(StallAwareListener::new(listener), router, stop.clone()));
        (TcpStream::connect(address).await.unwrap(), stop)
    }

    async fn connect() -> (TcpStream, CancellationToken) {
        let whose = get(|ConnectInfo(peer): ConnectInfo<Peer>| async move { peer.address.to_string() });
        connect_to(Router::new().route("/", whose)).await
    }

    async fn answer(client: &mut TcpStream) -> String {
        let mut buffer = [0; 4096];
        let length = client.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// Whether the server hangs up by itself, in no less time than it should.
    async fn hangs_up(client: &mut TcpStream) {
        tokio::time::pause();
        assert!(timeout(SILENCE / 2, client.read_u8()).await.is_err(), "too early");
        let end = timeout(SILENCE, client.read(&mut [0; 4096])).await;
        assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
    }

    #[tokio::test]
    async fn a_request_knows_who_asks() {
        let (mut client, stop) = connect().await;
        client.write_all(REQUEST).await.unwrap();
        let whole = answer(&mut client).await;
        assert!(whole.ends_with(&client.local_addr().unwrap().to_string()), "{whole}");
        stop.cancel();
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0, "an idle connection is closed at the end");
    }

    #[tokio::test]
    async fn what_a_layer_remembers_is_there_at_the_next_request() {
        let layers_built = Arc::new(AtomicUsize::new(0));
        let built = layers_built.clone();
        let counting = tower::layer::layer_fn(move |inner| {
            built.fetch_add(1, Ordering::Relaxed);
            inner
        });
        let handler = |request: axum::extract::Request| async move { request.uri().to_string() };
        let router = Router::new().route("/", get(handler).layer(counting));
        let (mut client, _stop) = connect_to(router).await;
        let mut counts = Vec::new();
        for _ in 0..3 {
            client.write_all(REQUEST).await.unwrap();
            assert!(answer(&mut client).await.starts_with("HTTP/1.1 200"));
            counts.push(layers_built.load(Ordering::Relaxed));
        }
        assert_eq!(counts, [counts[0]; 3]);
    }

    #[tokio::test]
    async fn half_a_request_is_not_waited_for_for_ever() {
        let (mut client, _stop) = connect().await;
        client.write_all(&REQUEST[..9]).await.unwrap();
        hangs_up(&mut client).await;
    }

    #[tokio::test]
    async fn a_connection_that_asks_no_more_is_closed() {
        let (mut client, _stop) = connect().await;
        client.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut client).await.starts_with("HTTP/1.1 200"));
        hangs_up(&mut client).await;
    }
}
