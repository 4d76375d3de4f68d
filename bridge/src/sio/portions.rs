//! A poll's answer in portions, for Python. `python-engineio` takes 16 packets in one answer, and gives its session up
//! at the seventeenth ("Too many packets in payload"); the library answers with all that waits. So what is over waits
//! for the client's next poll.
//!
//! Other clients know no such limit, and get all at once: a portion costs a round trip.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, UPGRADE, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use socketioxide::socket::Sid;

use super::elsewhere::sid_of;

/// `Payload.max_decode_packets` of `python-engineio`, where nobody has set it higher.
const MOST: usize = 16;

/// Between two packets of an answer (Engine.IO 4, "HTTP long-polling"). In a packet it can't be: JSON escapes it, and
/// bytes are base64.
const BETWEEN: char = '\u{1e}';

/// Bytes of an answer: the library's limit and the packet that goes beyond it.
const MAX_ANSWER: usize = 4 * super::MAX_MESSAGE;

/// Who hasn't come for the rest in so long has missed its pings, and is gone.
const KEPT: Duration = Duration::from_secs(60);

/// What waits for the next polls; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Portions(Arc<Mutex<HashMap<Sid, Rest>>>);

#[derive(Debug)]
struct Rest {
    portions: VecDeque<String>,
    since: Instant,
}

impl Portions {
    fn next(&self, sid: Sid) -> Option<String> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = waiting.get_mut(&sid)?;
        let next = rest.portions.pop_front();
        rest.since = Instant::now();
        if rest.portions.is_empty() {
            waiting.remove(&sid);
        }
        next
    }

    /// Keeps all but the first portion, which it returns.
    fn divide(&self, sid: Sid, answer: &str) -> String {
        let mut portions = divide(answer);
        let first = portions.pop_front().unwrap_or_default();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = Instant::now();
        waiting.retain(|_, rest| since.saturating_duration_since(rest.since) < KEPT);
        if !portions.is_empty() {
            waiting.insert(sid, Rest { portions, since });
        }
        first
    }
}

fn divide(answer: &str) -> VecDeque<String> {
    let packets: Vec<&str> = answer.split(BETWEEN).collect();
    packets.chunks(MOST).map(|portion| portion.join(BETWEEN.encode_utf8(&mut [0; 4]))).collect()
}

/// Answers Python's polls with so many packets as it takes.
pub(super) async fn portion(State(portions): State<Portions>, request: Request, next: Next) -> Response {
    let is_poll = request.method() == Method::GET && !request.headers().contains_key(UPGRADE);
    let Some(sid) = sid_of(&request).filter(|_| is_poll && is_python(request.headers())) else {
        return next.run(request).await;
    };
    if let Some(rest) = portions.next(sid) {
        return ([(CONTENT_TYPE, "text/plain; charset=UTF-8")], rest).into_response();
    }
    let (mut parts, body) = next.run(request).await.into_parts();
    if parts.status != StatusCode::OK {
        return Response::from_parts(parts, body);
    }
    let Ok(answer) = to_bytes(body, MAX_ANSWER).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(text) = std::str::from_utf8(&answer) else {
        return Response::from_parts(parts, Body::from(answer));
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(portions.divide(sid, text)))
}

/// By the name that its two HTTP libraries give themselves: `Python/3.11 aiohttp/3.12`, `python-requests/2.32`.
fn is_python(headers: &HeaderMap) -> bool {
    let name = headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"python"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    /// Each poll that gets to the library is answered with so many packets.
    fn router(count: usize) -> (Router, Portions, Arc<AtomicUsize>) {
        let (portions, asked) = (Portions::default(), Arc::new(AtomicUsize::new(0)));
        let counted = asked.clone();
        let answer = get(async move || {
            counted.fetch_add(1, Ordering::Relaxed);
            (0..count).map(|n| format!("42[{n}]")).collect::<Vec<_>>().join("\u{1e}")
        });
        let router = Router::new().route("/", answer).layer(from_fn_with_state(portions.clone(), portion));
        (router, portions, asked)
    }

    async fn poll(router: &Router, sid: Sid, agent: &str) -> Vec<String> {
        let uri = format!("/?EIO=4&transport=polling&sid={sid}");
        let request = Request::get(uri).header(USER_AGENT, agent).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let length = answer.headers().get(CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned());
        let body = to_bytes(answer.into_body(), MAX_ANSWER).await.unwrap();
        assert!(length.is_none_or(|length| length == body.len().to_string()));
        std::str::from_utf8(&body).unwrap().split('\u{1e}').map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn python_gets_sixteen_packets_at_a_time_in_order_and_none_twice() {
        let (router, portions, asked) = router(40);
        let (mut got, sid) = (Vec::new(), Sid::new());
        for size in [16, 16, 8] {
            let packets = poll(&router, sid, "Python/3.11 aiohttp/3.12.15").await;
            assert_eq!(packets.len(), size);
            got.extend(packets);
        }
        assert_eq!(got, (0..40).map(|n| format!("42[{n}]")).collect::<Vec<_>>());
        assert_eq!(asked.load(Ordering::Relaxed), 1, "the rest came from here");
        assert!(portions.0.lock().unwrap().is_empty());
        poll(&router, sid, "python-requests/2.32").await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn others_get_all_at_once() {
        let (router, portions, _) = router(40);
        for agent in ["Mozilla/5.0", "okhttp/4.12.0", "node-XMLHttpRequest", ""] {
            assert_eq!(poll(&router, Sid::new(), agent).await.len(), 40, "{agent}");
        }
        assert!(portions.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn each_session_has_its_own_rest() {
        let (router, portions, _) = router(MOST + 1);
        let sids = [Sid::new(), Sid::new()];
        for count in [MOST, 1] {
            for sid in sids {
                assert_eq!(poll(&router, sid, "Python/3.13").await.len(), count);
            }
        }
        assert!(portions.0.lock().unwrap().is_empty());
    }
}
