//! `POST /api/users/{user}/kick` and `DELETE /api/users/{user}/ban`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use suara_proto::ErrorCode;
use suara_proto::message::Right;
use utoipa::ToSchema;

use super::bearer::Bearer;
use super::names::{self, Asked, Said};
use super::problem::Problem;
use super::refusals::{Read, Write};
use super::{Api, NoStore, schemas};
use crate::auth::MAX_BAN;
use crate::words::Word;

/// How somebody is thrown out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kick {
    /// So long the user's tokens open no session, in seconds; 0: it may come back at once.
    #[serde(default, deserialize_with = "names::whole")]
    #[schema(maximum = 2_592_000, default = 0)]
    ban_seconds: u32,
    /// Needed of who is no service: a channel that the user is in, and that the token gives the right to dispatch.
    #[serde(default)]
    channel: Option<String>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Kicked {
    /// Sessions that were ended, and members of bridges that were taken out.
    sessions: u32,
    /// The end of the ban, in milliseconds since 1970; null without one.
    #[schema(required = true)]
    banned_until: Option<u64>,
    /// Whether the ban outlives the gateway. It doesn't when the store is away.
    lasting: bool,
}

/// Throws a user out
///
/// All its sessions end with `kicked`, by whatever client. With a ban, its tokens hold nowhere until that ends.
#[utoipa::path(post, path = "/api/users/{user}/kick", tag = "users", security(("bearer" = [])),
    params(("user" = inline(schemas::UserName), Path, description = "The user's id in the deployment")),
    request_body = Kick,
    responses((status = 200, description = "It is out", body = Kicked), Write))]
pub(super) async fn kick(
    State(api): State<Arc<Api>>,
    who: Bearer,
    user: Asked<String>,
    said: Said,
) -> Result<(NoStore, Json<Kicked>), Problem> {
    let user = names::user(names::parts(user)?)?;
    let Kick { ban_seconds, channel } = names::body(said)?;
    let time = Duration::from_secs(ban_seconds.into());
    if time > MAX_BAN {
        return Err(Problem::senseless(format!("ban_seconds is at most {}", MAX_BAN.as_secs())));
    }
    if !may_kick(&api, &who, &user, channel.as_deref()).await {
        let detail = "only a service, or who dispatches the channel that is named and that the user is in";
        return Err(Problem::new(ErrorCode::Forbidden, detail));
    }
    let bans = api.core.auth.bans();
    let banned_until =
        if time.is_zero() { None } else { Some(bans.ban(&user, time).await.ok_or_else(full)?) };
    let sessions = api.core.throw_out(&user, banned_until).await;
    tracing::info!(sessions, ban_seconds, "a user was thrown out");
    tracing::debug!(by = %who.0.user, %user, "thrown out");
    // It is out by now, whether the store answers or not.
    let lasting = match banned_until {
        Some(until) => bans.write(&user, until).await,
        None => false,
    };
    if let Some(until) = banned_until.filter(|_| lasting) {
        api.core.words.say(&Word::Banned { user, until });
    }
    Ok((NoStore, Json(Kicked { sessions, banned_until, lasting })))
}

/// Ends a ban
///
/// For services. Where there is none, nothing happens.
#[utoipa::path(delete, path = "/api/users/{user}/ban", tag = "users", security(("bearer" = [])),
    params(("user" = inline(schemas::UserName), Path, description = "The user's id in the deployment")),
    responses((status = 204, description = "The user may come in"), Read))]
pub(super) async fn unban(
    State(api): State<Arc<Api>>,
    who: Bearer,
    user: Asked<String>,
) -> Result<(StatusCode, NoStore), Problem> {
    let user = names::user(names::parts(user)?)?;
    who.must_serve()?;
    let lifted = api.core.auth.bans().lift(&user).await;
    api.core.words.say(&Word::Banned { user, until: 0 });
    if !lifted {
        let detail = "the user may come in, but the store has the ban still; try again";
        return Err(Problem::new(ErrorCode::Unavailable, detail));
    }
    Ok((StatusCode::NO_CONTENT, NoStore))
}

fn full() -> Problem {
    Problem::new(ErrorCode::Unavailable, "as many users are banned as may be")
}

async fn may_kick(api: &Api, who: &Bearer, user: &str, channel: Option<&str>) -> bool {
    if who.is_service() {
        return true;
    }
    let Some(channel) = channel.filter(|channel| who.may(Right::Dispatch, channel)) else { return false };
    api.core.is_in_channel(channel, user).await
}
