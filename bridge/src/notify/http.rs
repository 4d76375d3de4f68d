//! `POST /api/broadcast`, for back ends. Errors are problem documents (RFC 9457).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use moka::future::Cache;
use serde_json::{Value, json};
use suara_proto::ErrorCode;

use super::{Fault, Notifier, json};
use crate::bus::Publisher;
use crate::desk::{AttachError, Desk, Token};
use crate::trunk::Bearer;

/// Bytes of a broadcast: it goes to the gateway in one message.
const MAX_BODY: usize = 48 * 1024;

/// Bytes of a token.
const MAX_TOKEN: usize = 32 * 1024;

/// A token that was verified isn't asked about again for so long; one that is withdrawn holds so long.
const VERIFIED_FOR: Duration = Duration::from_secs(10);

/// Tokens that are asked of the gateway a second: strangers' requests mustn't stand before talkers'.
const CHECKS_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();

/// Broadcasts of one back end a second, and at once: each may go to everybody.
const BROADCASTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
const BROADCASTS_AT_ONCE: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// Everything behind the route.
#[derive(Clone)]
pub(crate) struct Door(Arc<Inner>);

struct Inner {
    notifier: Notifier,
    desk: Desk,
    publisher: Option<Publisher>,
    verified: Cache<String, Bearer>,
    checks: DefaultDirectRateLimiter,
    broadcasts: DefaultKeyedRateLimiter<Arc<str>>,
}

/// Why a request isn't carried out.
enum Problem {
    NoToken,
    BadToken,
    Scope,
    TooLarge,
    NotJson,
    Fault(Fault),
    TooFast,
    Unavailable,
    NotKept,
    Method,
}

impl Door {
    pub(crate) fn new(notifier: Notifier, desk: Desk, publisher: Option<Publisher>) -> Self {
        let checks = RateLimiter::direct(Quota::per_second(CHECKS_PER_SECOND));
        let quota = Quota::per_second(BROADCASTS_PER_SECOND).allow_burst(BROADCASTS_AT_ONCE);
        let verified = Cache::builder().max_capacity(1000).time_to_live(VERIFIED_FOR).build();
        let broadcasts = RateLimiter::keyed(quota);
        Self(Arc::new(Inner { notifier, desk, publisher, verified, checks, broadcasts }))
    }
}

pub(crate) fn router(door: Door) -> Router {
    let route = post(broadcast).fallback(|| async { Problem::Method });
    Router::new().route("/api/broadcast", route).with_state(door)
}

async fn broadcast(State(door): State<Door>, headers: HeaderMap, body: Body) -> Response {
    match door.0.carry_out(&headers, body).await {
        Ok(kept) => Json(json!({ "status": "ok", "kept": kept })).into_response(),
        Err(problem) => problem.into_response(),
    }
}

impl Inner {
    async fn carry_out(&self, headers: &HeaderMap, body: Body) -> Result<bool, Problem> {
        let bearer = self.bearer(headers).await?;
        if self.broadcasts.check_key(&bearer.user).is_err() {
            return Err(Problem::TooFast);
        }
        let body = to_bytes(body, MAX_BODY).await.map_err(|_| Problem::TooLarge)?;
        let said: Value = serde_json::from_slice(&body).map_err(|_| Problem::NotJson)?;
        let broadcast = json::read(said.clone()).map_err(|fault| {
            self.notifier.refused(fault);
            Problem::Fault(fault)
        })?;
        self.notifier.deliver(&broadcast, "http");
        if let Some(publisher) = &self.publisher {
            publisher.publish(said);
        }
        let passed = match self.notifier.pass_on(&broadcast, None) {
            None => Err(AttachError::Unavailable),
            Some(passed) => passed.await.unwrap_or(Err(AttachError::Unavailable)),
        };
        match passed {
            Ok(kept) => Ok(kept),
            // Without the gateway its sessions aren't told, and nothing is kept. Here it was delivered; who asked for more
            // must know.
            Err(_) if broadcast.keep_ms.is_some() => Err(Problem::NotKept),
            Err(_) => Ok(false),
        }
    }

    async fn bearer(&self, headers: &HeaderMap) -> Result<Bearer, Problem> {
        let value =
            headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(Problem::NoToken)?;
        let (scheme, token) = value.split_once(' ').ok_or(Problem::NoToken)?;
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > MAX_TOKEN {
            return Err(Problem::NoToken);
        }
        let bearer = match self.verified.get(token).await {
            Some(bearer) => bearer,
            None => self.verify(token).await?,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if bearer.expires <= now {
            return Err(Problem::BadToken);
        }
        if bearer.is_service { Ok(bearer) } else { Err(Problem::Scope) }
    }

    async fn verify(&self, token: &str) -> Result<Bearer, Problem> {
        if self.checks.check().is_err() {
            return Err(Problem::TooFast);
        }
        let bearer = self.desk.verify(Token::new(token)).await.map_err(|error| match error {
            AttachError::Refused => Problem::BadToken,
            AttachError::NoGuests | AttachError::Unavailable => Problem::Unavailable,
        })?;
        self.verified.insert(token.to_owned(), bearer.clone()).await;
        Ok(bearer)
    }
}

impl Problem {
    /// The name of what is wrong, as the gateway's API has it.
    const fn code(&self) -> &'static str {
        match self {
            Self::NoToken | Self::BadToken => ErrorCode::Unauthenticated.name(),
            Self::Scope => ErrorCode::Forbidden.name(),
            Self::TooLarge => "too_large",
            Self::NotJson => ErrorCode::Malformed.name(),
            Self::Fault(_) => ErrorCode::BadField.name(),
            Self::TooFast => ErrorCode::RateLimited.name(),
            Self::Unavailable | Self::NotKept => ErrorCode::Unavailable.name(),
            Self::Method => "method_not_allowed",
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.code();
        let (status, title, detail) = match self {
            Self::NoToken => {
                (StatusCode::UNAUTHORIZED, "No token", "send Authorization: Bearer <token>".to_owned())
            }
            Self::BadToken => {
                (StatusCode::UNAUTHORIZED, "The token doesn't hold", "it is wrong, or has ended".to_owned())
            }
            Self::Scope => {
                let detail = "a token of the scope service is needed".to_owned();
                (StatusCode::FORBIDDEN, "The token isn't for this", detail)
            }
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "Too large",
                format!("a broadcast has at most {MAX_BODY} bytes"),
            ),
            Self::NotJson => {
                (StatusCode::BAD_REQUEST, "Not JSON", "the body can't be read as JSON".to_owned())
            }
            Self::Fault(fault) => (StatusCode::BAD_REQUEST, "Not a broadcast", fault.to_string()),
            Self::Method => {
                (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "a broadcast is a POST".to_owned())
            }
            Self::TooFast => {
                (StatusCode::TOO_MANY_REQUESTS, "Too many requests", "try again in a second".to_owned())
            }
            Self::Unavailable => {
                let detail = "the gateway can't be asked; try again".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "Unavailable", detail)
            }
            Self::NotKept => {
                let detail =
                    "it was delivered to those who are here, but is not kept for one who is away".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "Not kept", detail)
            }
        };
        let document = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "code": code,
            "detail": detail });
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
