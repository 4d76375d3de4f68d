//! Who asks: the token in `Authorization: Bearer` (RFC 6750).

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use suara_proto::ErrorCode;

use super::Problem;
use crate::auth::Principal;
use crate::core::Core;

/// Somebody whose token holds.
pub(super) struct Bearer(pub(super) Principal);

impl FromRequestParts<Arc<Core>> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Problem> {
        let said = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = said
            .and_then(|said| said.split_once(' '))
            .filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        let missing = || Problem::new(ErrorCode::Unauthenticated, "a bearer token is needed");
        let (_, token) = token.ok_or_else(missing)?;
        let verified = core.auth.verify(token.trim()).await;
        verified.map(Self).map_err(|error| Problem::new(error.code(), error.to_string()))
    }
}
