//! Refusals as problem documents (RFC 9457).

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use suara_proto::ErrorCode;
use utoipa::ToSchema;

/// Why a request is refused (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A name of the protocol's (PROTOCOL.md, 8.2), or one of `not_found`, `method_not_allowed`, `too_large` and
    /// `media_type`.
    code: &'static str,
    /// What is wrong, for people.
    detail: String,
}

impl Problem {
    /// With the status that belongs to the code.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let status = match code {
            ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::UnknownTalker | ErrorCode::UnknownUser => StatusCode::NOT_FOUND,
            ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::with(status, code.name(), detail)
    }

    /// A body that can be read and makes no sense.
    pub(super) fn senseless(detail: impl Into<String>) -> Self {
        Self::with(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::BadField.name(), detail)
    }

    pub(super) fn with(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { kind: "about:blank", title, status: status.as_u16(), code, detail: detail.into() }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "media_type",
            StatusCode::UNPROCESSABLE_ENTITY => ErrorCode::BadField.name(),
            _ => ErrorCode::Malformed.name(),
        };
        Self::with(rejection.status(), code, rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, [(CACHE_CONTROL, "no-store")], Json(&self)).into_response();
        let headers = response.headers_mut();
        // The document's type stands over what JSON would be by itself.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
