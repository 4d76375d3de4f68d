//! Who asks: the token in `Authorization: Bearer` (RFC 6750), and what it may do here.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use suara_proto::ErrorCode;
use suara_proto::message::Right;

use super::{Api, Problem};
use crate::auth::{Principal, Scope};
use crate::hub::is_call;
use crate::livechat::is_livechat;

/// Bytes of a token; one with hundreds of channels has less.
const MAX_TOKEN: usize = 32 * 1024;

/// Somebody whose token holds: a user or a service, and not too fast; and whether it answers visitors.
pub(in crate::http) struct Bearer(pub(in crate::http) Principal, bool);

impl FromRequestParts<Arc<Api>> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let said = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = said
            .and_then(|said| said.split_once(' '))
            .filter(|(kind, token)| kind.eq_ignore_ascii_case("bearer") && token.len() <= MAX_TOKEN);
        let missing = || Problem::new(ErrorCode::Unauthenticated, "a bearer token is needed");
        let (_, token) = token.ok_or_else(missing)?;
        let verified = api.core.auth.verify(token.trim()).await;
        let who = verified.map_err(|error| Problem::new(error.code(), error.to_string()))?;
        if !matches!(who.scope, Scope::User | Scope::Service) {
            return Err(Problem::new(ErrorCode::Forbidden, "a token of this scope asks nothing here"));
        }
        if !api.admits(&who) {
            return Err(Problem::new(ErrorCode::RateLimited, "requests come too fast"));
        }
        let staff = api.core.livechat.is_staff(&who);
        Ok(Self(who, staff))
    }
}

impl Bearer {
    /// Whether it is a back end that administers.
    pub(in crate::http) fn is_service(&self) -> bool {
        self.0.scope == Scope::Service
    }

    /// Whether it may do in a channel what that right is for.
    pub(super) fn may(&self, right: Right, channel: &str) -> bool {
        // Calls are theirs whom they are between and dispatchers', and visitors' conversations staff's, however wide others'
        // rights are.
        let own = match channel {
            call if is_call(call) => self.0.channels.on(call).has(Right::Dispatch),
            visitor if is_livechat(visitor) => self.1 && right == Right::Listen,
            channel => self.0.channels.on(channel).has(right),
        };
        own || self.is_service()
    }

    /// As long as it may.
    pub(super) fn must(&self, right: Right, channel: &str) -> Result<(), Problem> {
        let detail = match right {
            Right::Listen => "no right to listen to this channel",
            _ => "no right to dispatch in this channel",
        };
        self.may(right, channel).then_some(()).ok_or_else(|| Problem::new(ErrorCode::Forbidden, detail))
    }

    /// As long as it is a back end that administers.
    pub(super) fn must_serve(&self) -> Result<(), Problem> {
        let refused = || Problem::new(ErrorCode::Forbidden, "a token of the scope service is needed");
        self.is_service().then_some(()).ok_or_else(refused)
    }
}
