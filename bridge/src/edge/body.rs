//! Mends polling bodies of Java clients: `socket.io-client-java` 2.x ends each line of a binary packet's base64 with a
//! line break, which the Engine.IO library takes for a broken packet and ends the session.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Between the packets of an Engine.IO 4 body.
const SEPARATOR: u8 = 0x1e;

/// A body has to be there in so long: the ping's own patience. Without it anybody could have us hold unfinished bodies.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes CR and LF out of the base64 packets of an Engine.IO 4 POST; `limit` is the largest body.
///
/// Engine.IO 3 counts its packets' characters in front of them, and is left as it is.
pub(crate) async fn mend_line_breaks(State(limit): State<usize>, request: Request, next: Next) -> Response {
    let version_4 = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "EIO=4"));
    if request.method() != Method::POST || !version_4 {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let bytes = match tokio::time::timeout(PATIENCE, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let bytes = match without_line_breaks(&bytes) {
        None => bytes,
        Some(mended) => {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(mended.len()));
            mended.into()
        }
    };
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

/// The body without the line breaks of its base64 packets, or `None` when it has none.
fn without_line_breaks(body: &[u8]) -> Option<Vec<u8>> {
    if !body.iter().any(is_break) {
        return None;
    }
    let mut mended = Vec::with_capacity(body.len());
    for (index, packet) in body.split(|byte| *byte == SEPARATOR).enumerate() {
        if index > 0 {
            mended.push(SEPARATOR);
        }
        if packet.first() == Some(&b'b') {
            mended.extend(packet.iter().filter(|byte| !is_break(byte)));
        } else {
            mended.extend_from_slice(packet);
        }
    }
    Some(mended)
}

fn is_break(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::post;
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn only_base64_packets_lose_their_line_breaks() {
        let body =
            b"451-[\"voice_packet\",{\"_placeholder\":true,\"num\":0}]\x1ebAAEC\r\nAwQF\n\x1e42[\"a\",\n1]";
        let mended = without_line_breaks(body).unwrap();
        assert_eq!(
            mended,
            b"451-[\"voice_packet\",{\"_placeholder\":true,\"num\":0}]\x1ebAAECAwQF\x1e42[\"a\",\n1]"
        );
        assert_eq!(without_line_breaks(b"42[\"a\"]\x1ebAAEC"), None);
    }

    async fn send(uri: &str, body: &'static [u8]) -> (StatusCode, String) {
        async fn echo(headers: HeaderMap, body: String) -> String {
            format!("{}:{body}", headers[CONTENT_LENGTH].to_str().unwrap())
        }
        let router = Router::new()
            .route("/", post(echo))
            .layer(axum::middleware::from_fn_with_state(64, mend_line_breaks));
        let request = Request::post(uri).header(CONTENT_LENGTH, body.len()).body(Body::from(body)).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1024).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_length_follows_the_mended_body() {
        assert_eq!(send("/?EIO=4&sid=x", b"bAAEC\n").await, (StatusCode::OK, "5:bAAEC".to_owned()));
        assert_eq!(send("/?EIO=3&sid=x", b"6:bAAEC\n").await, (StatusCode::OK, "8:6:bAAEC\n".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_waited_for_no_longer() {
        let router = Router::new()
            .route("/", post(|| async {}))
            .layer(axum::middleware::from_fn_with_state(64, mend_line_breaks));
        let endless = futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
        let request = Request::post("/?EIO=4&sid=x").body(Body::from_stream(endless)).unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn a_body_above_the_limit_is_refused() {
        assert_eq!(send("/?EIO=4&sid=x", &[b'b'; 65]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
