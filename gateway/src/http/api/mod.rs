//! What back ends and pages ask by HTTP, with the same tokens as sessions, and the OpenAPI document that says so.
//!
//! A route and its documentation are one thing here ([`routes!`]): there is none without the other.

mod bearer;
mod broadcast;
mod channels;
mod kick;
mod messages;
mod mute;
mod names;
mod problem;
mod refusals;
mod schemas;
mod tokens;

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use axum::routing::{any, get};
use bytes::Bytes;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use bearer::Bearer;
pub use problem::Problem;
pub(super) use refusals::Read;

use super::connect::{self, ConnectInfo};
use super::kpi;
use crate::auth::{Principal, Scope};
use crate::core::Core;

/// Where the document is.
pub const DOCUMENT: &str = "/api/openapi.json";

/// Bytes of a body.
const MAX_BODY: usize = 64 * 1024;

/// Requests of one user's or service's tokens a second, and how many at once.
const REQUESTS: (u32, u32) = (100, 300);
/// Bearers that a rate is remembered of until those who have rested are forgotten.
const REMEMBERED: usize = 10_000;

/// What the operations share.
pub(super) struct Api {
    pub(super) core: Arc<Core>,
    rate: DefaultKeyedRateLimiter<(Scope, Arc<str>)>,
}

impl Api {
    fn new(core: Arc<Core>) -> Self {
        let [a_second, at_once] =
            [REQUESTS.0, REQUESTS.1].map(|n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        Self { core, rate: RateLimiter::keyed(Quota::per_second(a_second).allow_burst(at_once)) }
    }

    /// Whether somebody may ask once more now: another token of the same user doesn't make it more.
    fn admits(&self, who: &Principal) -> bool {
        if self.rate.len() > REMEMBERED {
            self.rate.retain_recent();
            self.rate.shrink_to_fit();
        }
        self.rate.check_key(&(who.scope, who.user.clone())).is_ok()
    }
}

/// What is answered is of this moment, and not for everybody's eyes.
pub(super) struct NoStore;

impl IntoResponseParts for NoStore {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        const NO_STORE: axum::http::HeaderValue = axum::http::HeaderValue::from_static("no-store");
        parts.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        Ok(parts)
    }
}

impl IntoResponse for NoStore {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Suara", description = "Channels, members, messages, notifications, tokens, kick and mute.\n\n\
        Tokens are those of sessions: one of the scope `service` administers, a user's does what its rights allow. \
        Errors are problem documents (RFC 9457)."),
    tags((name = "channels", description = "Who is where, what was written, who may talk"),
        (name = "users", description = "Tokens, and throwing out"),
        (name = "notifications", description = "What back ends tell"),
        (name = "gateway", description = "Where to connect, and how well it goes")),
    paths(broadcast::broadcast),
    components(schemas(Problem)),
    modifiers(&Bearers),
)]
struct Description;

struct Bearers;

impl Modify for Bearers {
    fn modify(&self, document: &mut Document) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// Everything under `/api`, and its document. What isn't there is answered by a problem document too.
pub(crate) fn router(core: Arc<Core>, connect: ConnectInfo) -> Router {
    let (router, mut document) = documented(core, connect).split_for_parts();
    document.servers = Some(vec![utoipa::openapi::Server::new("/")]);
    // What can't be written as JSON isn't of this type.
    let document = Bytes::from(document.to_json().unwrap_or_default());
    let headers: [(HeaderName, &str); 2] = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    router
        .route(DOCUMENT, get(async move || (headers, document)))
        .method_not_allowed_fallback(not_allowed)
        .route("/api/{*rest}", any(not_found))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

fn documented(core: Arc<Core>, connect: ConnectInfo) -> OpenApiRouter {
    let administration = OpenApiRouter::new()
        .routes(routes!(channels::channels))
        .routes(routes!(channels::members))
        .routes(routes!(messages::messages))
        .routes(routes!(mute::mute, mute::unmute))
        .routes(routes!(kick::kick))
        .routes(routes!(kick::unban))
        .routes(routes!(tokens::make))
        .routes(routes!(kpi::kpi))
        .with_state(Arc::new(Api::new(core.clone())));
    let connect = OpenApiRouter::new()
        .routes(routes!(connect::connect))
        .layer(from_fn_with_state(core, connect::while_open))
        .with_state(Arc::new(connect));
    OpenApiRouter::with_openapi(Description::openapi()).merge(administration).merge(connect)
}

async fn not_found() -> Problem {
    Problem::with(StatusCode::NOT_FOUND, "not_found", "nothing is served by that name")
}

async fn not_allowed() -> Problem {
    Problem::with(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "it isn't asked by that method")
}
