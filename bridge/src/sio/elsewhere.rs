//! Sessions that live at another node. A client behind a plain balancer opens its session at one node and sends the rest
//! anywhere: who has a session is known by its sid, and its requests are answered there.
//!
//! Only sessions that begin by polling are claimed: one that begins as a WebSocket never leaves its connection.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, UPGRADE};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use socketioxide::socket::Sid;

use crate::edge::Lines;
use crate::metrics::Metrics;
use crate::nodes::{Asked, Claim, Forwarder, Nodes, Owner, WITHIN};

/// Bytes of a handshake's answer: the library's has 150.
const MAX_HANDSHAKE: usize = 16 * 1024;

/// What of a query the library reads. The rest, a token perhaps, stays at this node.
const PASSED_ON: [&str; 5] = ["EIO", "transport", "b64", "j", "t"];

/// Seconds after which a client that was sent away may try again.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

/// As the library says it.
const UNKNOWN: &str = r#"{"code":"1","message":"Session ID unknown"}"#;
const GONE: &str =
    r#"{"code":"session_gone","message":"The server that had this session is gone; open another one"}"#;
const UNSURE: &str = r#"{"code":"session_unreachable","message":"It can't be found out at the moment which server has this session"}"#;

/// The layer's state.
#[derive(Clone)]
pub(super) struct Elsewhere(Arc<Inner>);

struct Inner {
    nodes: Nodes,
    forwarder: Forwarder,
    metrics: Metrics,
}

impl Elsewhere {
    pub(super) fn new(nodes: Nodes, forwarder: Forwarder, metrics: Metrics) -> Self {
        Self(Arc::new(Inner { nodes, forwarder, metrics }))
    }
}

/// Keeps what lives here, and passes on what lives elsewhere.
pub(super) async fn find(State(elsewhere): State<Elsewhere>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/socket.io") {
        return next.run(request).await;
    }
    let Some(sid) = value(request.uri().query().unwrap_or_default(), "sid") else {
        return if begins_session(&request) {
            elsewhere.welcome(request, next).await
        } else {
            next.run(request).await
        };
    };
    let sid = match sid.parse::<Sid>() {
        Ok(sid) if !elsewhere.0.nodes.claims().has(sid.as_str()) => sid,
        // What is no sid at all the library refuses itself.
        _ => return next.run(request).await,
    };
    elsewhere.ask(sid, request, next).await
}

/// What the door for peers leads to.
#[derive(Clone)]
pub(super) struct Here {
    pub(super) nodes: Nodes,
    pub(super) lines: Lines,
}

/// At the door for peers: whatever isn't here is nowhere.
pub(super) async fn here_alone(
    State(Here { nodes, lines }): State<Here>,
    request: Request,
    next: Next,
) -> Response {
    let Some(sid) = sid_of(&request).filter(|sid| nodes.claims().has(sid.as_str())) else {
        return unknown();
    };
    if request.method() != Method::DELETE {
        return next.run(request).await;
    }
    // The node that a client's connection leads through stops.
    let Some(patience) = patience(&request) else { return StatusCode::BAD_REQUEST.into_response() };
    let is_known = lines.hurry(sid, patience);
    if is_known { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response()
}

fn patience(request: &Request) -> Option<Duration> {
    let milliseconds = value(request.uri().query()?, WITHIN)?.parse::<u32>().ok()?;
    Some(Duration::from_millis(milliseconds.into()))
}

impl Elsewhere {
    /// Opens a session, and claims it before its client can know of it.
    async fn welcome(&self, mut request: Request, next: Next) -> Response {
        let claim = self.0.nodes.claims().open();
        // The library keeps a session's first request for as long as it keeps the session.
        request.extensions_mut().insert::<Claim>(claim.clone());
        let response = next.run(request).await;
        if response.status() != StatusCode::OK {
            return response;
        }
        let (parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, MAX_HANDSHAKE).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        match sid_of_open(&body) {
            Some(sid) => claim.name(sid.as_str()).await,
            None => tracing::warn!("a handshake's answer has no sid"),
        }
        Response::from_parts(parts, Body::from(body))
    }

    async fn ask(&self, sid: Sid, request: Request, next: Next) -> Response {
        let Inner { nodes, forwarder, metrics } = &*self.0;
        let upgrade = request.headers().contains_key(UPGRADE);
        let node = match nodes.owner(sid.as_str()).await {
            Owner::Node(node) => node,
            Owner::Gone => {
                metrics.forwarded("gone");
                return gone();
            }
            Owner::Unsure => {
                metrics.forwarded("unsure");
                return unsure();
            }
            Owner::Nobody => {
                metrics.forwarded("nobody");
                // The library would open a WebSocket first.
                return if upgrade { unknown() } else { next.run(request).await };
            }
        };
        if !matches!(*request.method(), Method::GET | Method::POST) {
            return next.run(request).await;
        }
        let Some(path) = path(&request, sid) else { return StatusCode::BAD_REQUEST.into_response() };
        match forwarder.ask(&node, path, request).await {
            Asked::Answered(answer) => {
                metrics.forwarded(if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                    "tunnel"
                } else {
                    "answered"
                });
                answer
            }
            Asked::Refused(status) => {
                metrics.forwarded("refused");
                status.into_response()
            }
            Asked::Unreachable => {
                metrics.forwarded("gone");
                gone()
            }
        }
    }
}

/// Whether a request asks for a session that will go on by other requests.
fn begins_session(request: &Request) -> bool {
    request.method() == Method::GET
        && value(request.uri().query().unwrap_or_default(), "transport") == Some("polling")
}

/// The session that a request belongs to.
pub(super) fn sid_of(request: &Request) -> Option<Sid> {
    value(request.uri().query()?, "sid")?.parse().ok()
}

/// The first value of that name, which is the one that the library reads.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// What is asked of the other node.
fn path(request: &Request, sid: Sid) -> Option<PathAndQuery> {
    let query = request.uri().query().unwrap_or_default();
    let mut path = format!("{}?sid={sid}", request.uri().path());
    for name in PASSED_ON {
        if let Some(value) = value(query, name) {
            path.extend(["&", name, "=", value]);
        }
    }
    path.parse().ok()
}

#[derive(Deserialize)]
struct Open {
    sid: Sid,
}

/// The sid that a handshake's answer gives: `0{…}` in Engine.IO 4, `96:0{…}` in Engine.IO 3.
fn sid_of_open(body: &[u8]) -> Option<Sid> {
    let text = std::str::from_utf8(body).ok()?;
    let packet = match text.split_once(':') {
        Some((length, packet)) if length.bytes().all(|byte| byte.is_ascii_digit()) => packet,
        _ => text,
    };
    let open = packet.strip_prefix('0')?;
    serde_json::Deserializer::from_str(open).into_iter::<Open>().next()?.ok().map(|open| open.sid)
}

fn unknown() -> Response {
    said(StatusCode::BAD_REQUEST, UNKNOWN)
}

/// Not 400, for the client did nothing wrong; and no 5xx, for which a balancer would blame the node that says it.
fn gone() -> Response {
    said(StatusCode::GONE, GONE)
}

fn unsure() -> Response {
    let mut response = said(StatusCode::SERVICE_UNAVAILABLE, UNSURE);
    response.headers_mut().insert(RETRY_AFTER, AGAIN);
    response
}

fn said(status: StatusCode, body: &'static str) -> Response {
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_gives_its_sid_in_both_generations() {
        let sid = Sid::new();
        let open = format!(r#"0{{"sid":"{sid}","upgrades":["websocket"],"pingInterval":10000}}"#);
        assert_eq!(sid_of_open(open.as_bytes()), Some(sid));
        assert_eq!(sid_of_open(format!("{}:{open}", open.len()).as_bytes()), Some(sid));
        assert_eq!(sid_of_open(format!("{open}\u{1e}40").as_bytes()), Some(sid), "more follows");
        for bad in ["", "0", "0{}", "4hello", "{\"sid\":1}", "0{\"sid\":\"short\"}", ":0{", "9:"] {
            assert_eq!(sid_of_open(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn only_what_the_library_reads_is_asked_elsewhere() {
        let sid = Sid::new();
        let asked = format!("/socket.io?EIO=4&token=secret&transport=polling&t=a1&sid={sid}&sid=other");
        let request = Request::get(asked).body(Body::empty()).unwrap();
        let path = path(&request, sid).unwrap();
        assert_eq!(path.as_str(), format!("/socket.io?sid={sid}&EIO=4&transport=polling&t=a1"));
    }

    #[test]
    fn the_first_of_two_values_counts_and_no_other_name_does() {
        assert_eq!(value("asid=1&sid=2&sid=3", "sid"), Some("2"));
        assert_eq!(value("sid", "sid"), None);
    }
}
