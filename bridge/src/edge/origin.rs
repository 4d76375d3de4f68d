//! Which pages may speak to the bridge: the `Origin` check, and the CORS headers that polling from a page needs.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::metrics::Metrics;
use crate::settings::OriginPolicy;

/// The layer's state.
#[derive(Clone)]
pub(crate) struct Origins {
    pub(crate) allow: OriginPolicy,
    pub(crate) metrics: Metrics,
}

/// Refuses what comes from a page that may not connect; answers preflights; never says `*`, for the header goes with
/// credentials. A request without `Origin` comes from no page.
pub(crate) async fn check_origin(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(ORIGIN).cloned() else { return next.run(request).await };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if !origin.to_str().is_ok_and(|origin| (origins.allow)(origin, host)) {
        origins.metrics.bad_input("origin");
        tracing::debug!(?origin, "a page of a foreign origin was refused");
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut response =
        if request.method() == Method::OPTIONS { preflight() } else { next.run(request).await };
    allow(response.headers_mut(), origin);
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Authorization"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn ask(method: Method, origin: Option<&str>) -> Response {
        let origins = Origins {
            allow: Arc::new(|origin, _| origin == "https://good.example"),
            metrics: Metrics::default(),
        };
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .layer(axum::middleware::from_fn_with_state(origins, check_origin));
        let mut request = Request::builder().method(method).uri("/");
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_page_is_answered_when_its_origin_may_connect() {
        let response = ask(Method::GET, Some("https://good.example")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://good.example");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(ask(Method::GET, Some("https://evil.example")).await.status(), StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn an_app_without_an_origin_is_answered_without_cors() {
        let response = ask(Method::GET, None).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[tokio::test]
    async fn a_preflight_is_answered_without_reaching_the_route() {
        let response = ask(Method::OPTIONS, Some("https://good.example")).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
    }
}
