//! The livechat's two addresses: where a session is got, and where it is opened. Refusals are HTTP statuses.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    CONNECTION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::json;
use suara_tcp::Peer;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::{client, subscriber};
use super::desk::Desk;
use super::told::Refusal;
use super::visitor;
use crate::desk::Token;
use crate::edge::{Origins, check_origin};
use crate::leaving::Leaving;
use crate::metrics::Metrics;
use crate::settings::OriginPolicy;

/// A name and its braces.
const MAX_BODY: usize = 4 * 1024;
/// A body has to be there in so long.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// A token's length in bytes at most, as with the other contracts.
const MAX_TOKEN: usize = 32 * 1024;
/// Sessions that one address gets a second, and at once. Whole networks of phones stand behind one address.
const SESSIONS: (NonZeroU32, NonZeroU32) = (NonZeroU32::new(1).unwrap(), NonZeroU32::new(30).unwrap());
/// Addresses that are remembered; looked through when there are more.
const MAX_REMEMBERED: usize = 10_000;
/// Openings that are asked of the gateway a second, and sessions: each opening takes two of the eight hundred messages
/// that the trunk carries, which talkers need too.
const OPENINGS_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();
/// Those who wait for their turn.
const MAX_WAITING: usize = 2048;
/// And how long: a browser waits longer for a handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at a time.
const MAX_CONNECTIONS: usize = 20_000;

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Door(Arc<Hall>);

pub(super) struct Hall {
    pub(super) metrics: Metrics,
    desk: Desk,
    trusted: Vec<IpNet>,
    sessions: DefaultKeyedRateLimiter<IpAddr>,
    openings: DefaultDirectRateLimiter,
    waiting: Semaphore,
    seats: Arc<Semaphore>,
    connections: TaskTracker,
    closing: CancellationToken,
    pub(super) leaving: Leaving,
}

impl Door {
    pub(crate) fn new(desk: Desk, trusted: Vec<IpNet>, metrics: Metrics) -> Self {
        let (a_second, at_once) = SESSIONS;
        Self(Arc::new(Hall {
            metrics,
            desk,
            trusted,
            sessions: RateLimiter::keyed(Quota::per_second(a_second).allow_burst(at_once)),
            openings: RateLimiter::direct(Quota::per_second(OPENINGS_PER_SECOND)),
            waiting: Semaphore::new(MAX_WAITING),
            seats: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            connections: TaskTracker::new(),
            closing: CancellationToken::new(),
            leaving: Leaving::default(),
        }))
    }

    /// `POST /livechat/session` and `GET /livechat/ws`.
    pub(crate) fn router(&self, allow: &OriginPolicy) -> Router {
        let origins = Origins { allow: allow.clone(), metrics: self.0.metrics.clone() };
        Router::new()
            .route("/livechat/session", routing::post(session).options(async || StatusCode::NO_CONTENT))
            .route("/livechat/ws", routing::get(open))
            .layer(from_fn_with_state(origins, check_origin))
            .with_state(self.clone())
    }

    /// Lets nobody in any more, and tells those who are here, one after the other, to come back elsewhere.
    pub(crate) async fn drain(&self, most: Duration) {
        self.0.closing.cancel();
        self.0.leaving.begin(most);
        self.0.connections.close();
        self.0.connections.wait().await;
    }
}

#[derive(Deserialize)]
struct Asking {
    name: String,
}

async fn session(State(Door(hall)): State<Door>, peer: ConnectInfo<Peer>, request: Request) -> Response {
    let address = client(peer.0.address.ip(), request.headers(), &hall.trusted);
    if hall.sessions.check_key(&subscriber(address)).is_err() {
        hall.metrics.bad_input("livechat_sessions");
        let wait = [(RETRY_AFTER, "30")];
        return (wait, refusal(StatusCode::TOO_MANY_REQUESTS, "too many sessions from here")).into_response();
    }
    if hall.sessions.len() > MAX_REMEMBERED {
        hall.sessions.retain_recent();
    }
    let body = match tokio::time::timeout(BODY_PATIENCE, to_bytes(request.into_body(), MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
        Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, "the body didn't come"),
    };
    let Ok(Asking { name }) = serde_json::from_slice(&body) else {
        hall.metrics.bad_input("livechat_session");
        return refusal(StatusCode::BAD_REQUEST, "the body is {\"name\": …}, a string");
    };
    if !hall.turn().await {
        return refuse(Refusal::Unavailable);
    }
    match hall.desk.mint(name).await {
        Ok(pass) => {
            let body = json!({
                "sessionToken": pass.token,
                "sessionId": pass.session,
                "expiresAt": pass.expires.saturating_mul(1000),
            });
            (StatusCode::CREATED, Json(body)).into_response()
        }
        Err(error) => refuse(error),
    }
}

async fn open(State(Door(hall)): State<Door>, request: Request) -> Response {
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(why) => {
            let spoken = [(SEC_WEBSOCKET_VERSION, "13")];
            return (spoken, refusal(StatusCode::UPGRADE_REQUIRED, why)).into_response();
        }
    };
    let query = request.uri().query().unwrap_or_default();
    let Some(token) = parameter(query, "token").and_then(|token| usable(&token)) else {
        hall.metrics.bad_input("livechat_token");
        return refuse(Refusal::Token);
    };
    let after = parameter(query, "after").and_then(|number| number.parse().ok());
    if hall.closing.is_cancelled() {
        return refuse(Refusal::Unavailable);
    }
    let Ok(seat) = hall.seats.clone().try_acquire_owned() else { return refuse(Refusal::Unavailable) };
    if !hall.turn().await {
        return refuse(Refusal::Unavailable);
    }
    let presence = match hall.desk.open(token, after).await {
        Ok(presence) => presence,
        Err(error) => {
            hall.metrics.bad_input("livechat_token");
            return refuse(error);
        }
    };
    let upgrade = hyper::upgrade::on(request);
    let connections = hall.connections.clone();
    connections.spawn(async move {
        visitor::serve(&hall, upgrade, presence).await;
        drop(seat);
    });
    let headers = [
        (CONNECTION, "Upgrade".to_owned()),
        (UPGRADE, "websocket".to_owned()),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

impl Hall {
    /// Waits for the turn to ask the gateway; `false` when that takes too long.
    async fn turn(&self) -> bool {
        let Ok(_waiting) = self.waiting.try_acquire() else { return false };
        tokio::time::timeout(PATIENCE, self.openings.until_ready()).await.is_ok()
    }
}

fn usable(token: &str) -> Option<Token> {
    let token = token.trim();
    (!token.is_empty() && token.len() <= MAX_TOKEN).then(|| Token::new(token))
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://query/?{query}")).ok()?;
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn refuse(why: Refusal) -> Response {
    let status = match why {
        Refusal::Token => {
            let mut response = refusal(StatusCode::UNAUTHORIZED, &why.to_string());
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        Refusal::Forbidden => StatusCode::FORBIDDEN,
        Refusal::Name => StatusCode::BAD_REQUEST,
        Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    refusal(status, &why.to_string())
}

fn refusal(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

/// The answer to a handshake (RFC 6455, section 4.2) that is in order.
fn accept_key(headers: &HeaderMap) -> Result<String, &'static str> {
    if !lists(headers, CONNECTION, "upgrade") || !lists(headers, UPGRADE, "websocket") {
        return Err("this is a WebSocket's address");
    }
    if !lists(headers, SEC_WEBSOCKET_VERSION, "13") {
        return Err("version 13 is spoken here");
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or("the key is missing")?;
    Ok(derive_accept_key(key.as_bytes()))
}

/// Whether a header's list has a token in it.
fn lists(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name);
    values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(wanted)))
}
