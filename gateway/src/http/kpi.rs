//! `GET /api/kpi`: the scorecard, for those who run or dispatch.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use suara_proto::message::Right;

use crate::auth::{AuthError, Principal, Scope};
use crate::core::Core;
use crate::kpi::Row;

/// Who may look whatever its channels are.
const ROLE: &str = "admin";

#[derive(Serialize)]
struct Answer {
    /// Since the gateway's start.
    seconds: u64,
    rows: Vec<Row>,
}

pub(super) async fn kpi(State(core): State<Arc<Core>>, headers: HeaderMap) -> Response {
    let said = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(token) = said.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return refused(StatusCode::UNAUTHORIZED, "a bearer token is needed\n");
    };
    match core.auth.verify(token.1.trim()).await {
        Ok(principal) if may_look(&principal) => {
            let seconds = core.clock.now().as_millis() / 1000;
            ([(CACHE_CONTROL, "no-store")], Json(Answer { seconds, rows: core.kpis.rows() })).into_response()
        }
        Ok(_) => refused(StatusCode::FORBIDDEN, "for admins, dispatchers and services\n"),
        Err(AuthError::Unavailable) => {
            refused(StatusCode::SERVICE_UNAVAILABLE, "tokens can't be checked now\n")
        }
        Err(_) => refused(StatusCode::UNAUTHORIZED, "the token doesn't hold\n"),
    }
}

fn may_look(principal: &Principal) -> bool {
    principal.scope == Scope::Service
        || (principal.scope == Scope::User
            && (&*principal.role == ROLE || principal.channels.anywhere(Right::Dispatch)))
}

fn refused(status: StatusCode, why: &'static str) -> Response {
    (status, [(WWW_AUTHENTICATE, "Bearer"), (CACHE_CONTROL, "no-store")], why).into_response()
}
