//! `POST /api/tokens`, where the gateway has an HS256 secret to sign with.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use suara_proto::ErrorCode;
use suara_proto::limits::MAX_USER_NAME;
use suara_proto::text::is_plain;
use utoipa::ToSchema;

use super::bearer::Bearer;
use super::names::{self, Said};
use super::problem::Problem;
use super::refusals::Write;
use super::{Api, NoStore, schemas};
use crate::auth::{ChannelGrant, Claims, Scope};

/// The longest that a token from here holds: a day. What is to hold longer is fetched anew.
const MAX_TTL: u32 = 24 * 3600;
const TTL: u32 = 3600;
/// Entries of `channels`.
const MAX_CHANNELS: usize = 64;
/// Bytes of one of them: a channel's name and all rights.
const MAX_CHANNEL: usize = 200;

/// Whom a token is for, and what it gives.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenAsked {
    /// The user's id in the deployment, 1 to 128 bytes in UTF-8.
    #[schema(value_type = schemas::UserName)]
    sub: String,
    /// The name to show, likewise; the id where it is missing.
    #[schema(value_type = Option<schemas::UserName>)]
    name: Option<String>,
    /// What the user is in the deployment, likewise.
    #[schema(value_type = Option<schemas::Maybe>)]
    role: Option<String>,
    /// `PATTERN:right,right` each; without the field the deployment's default rights hold.
    #[schema(max_items = 64, value_type = Option<Vec<schemas::Grant>>)]
    channels: Option<Vec<String>>,
    /// Among requests for the floor.
    #[serde(default, deserialize_with = "names::whole")]
    #[schema(default = 0, maximum = 255)]
    priority: u8,
    /// What the token is for. Those of services and of bridges are not made here: one that leaks would make more of itself.
    #[serde(default)]
    scope: TokenScope,
    /// How long it holds.
    #[serde(default = "ttl", deserialize_with = "names::whole")]
    #[schema(minimum = 1, maximum = 86_400, default = 3600)]
    ttl_seconds: u32,
}

/// What a token from here is for.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TokenScope {
    /// A person at a client.
    #[default]
    User,
    /// A listener's livechat session.
    Livechat,
}

/// A token that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenMade {
    /// The JWT. Whoever has it is that user.
    token: String,
    /// Its end, in seconds since 1970.
    expires: u64,
}

/// Makes a token for a user
///
/// For services, where the gateway has the HS256 secret; with other keys tokens are their issuer's to make, and it answers 403.
#[utoipa::path(post, path = "/api/tokens", tag = "users", security(("bearer" = [])), request_body = TokenAsked,
    responses((status = 201, description = "The token", body = TokenMade), Write))]
pub(super) async fn make(
    State(api): State<Arc<Api>>,
    who: Bearer,
    said: Said,
) -> Result<(StatusCode, NoStore, Json<TokenMade>), Problem> {
    who.must_serve()?;
    let asked: TokenAsked = names::body(said)?;
    if let Some(fault) = fault(&asked) {
        return Err(Problem::senseless(fault));
    }
    let TokenAsked { sub, name, role, channels, priority, scope, ttl_seconds } = asked;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let expires = now + u64::from(ttl_seconds);
    let scope = match scope {
        TokenScope::User => Scope::User,
        TokenScope::Livechat => Scope::Livechat,
    };
    tracing::debug!(by = %who.0.user, user = %sub, "a token is made");
    let (nbf, iss, aud) = (None, None, None);
    let claims = Claims { sub, name, role, exp: expires, nbf, channels, priority, scope, iss, aud };
    let token = api.core.auth.mint(claims);
    let elsewhere =
        || Problem::new(ErrorCode::Forbidden, "this deployment's tokens are made by their issuer");
    let token = token.ok_or_else(elsewhere)?;
    Ok((StatusCode::CREATED, NoStore, Json(TokenMade { token, expires })))
}

fn fault(asked: &TokenAsked) -> Option<&'static str> {
    let TokenAsked { sub, name, role, channels, ttl_seconds, .. } = asked;
    let plain = |name: &str| is_plain(name, MAX_USER_NAME);
    if !plain(sub) || !name.as_deref().is_none_or(plain) {
        return Some("sub and name are 1 to 128 bytes without control characters");
    }
    if !role.as_deref().is_none_or(|role| role.is_empty() || plain(role)) {
        return Some("role is at most 128 bytes without control characters");
    }
    if !(1..=MAX_TTL).contains(ttl_seconds) {
        return Some("ttl_seconds is 1 to 86400");
    }
    let channels = channels.as_deref().unwrap_or_default();
    if channels.len() > MAX_CHANNELS || channels.iter().any(|grant| grant.len() > MAX_CHANNEL) {
        return Some("channels has at most 64 entries of at most 200 bytes");
    }
    let good = channels.iter().all(|grant| grant.parse::<ChannelGrant>().is_ok());
    (!good).then_some("an entry of channels is PATTERN:right,right with listen, talk, emergency and dispatch")
}

const fn ttl() -> u32 {
    TTL
}
