//! `PUT` and `DELETE /api/channels/{name}/members/{talker}/mute`: a dispatcher's mute, by one who is in no channel.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use suara_proto::ErrorCode;
use suara_proto::message::Right;

use super::bearer::Bearer;
use super::names::{self, Asked};
use super::problem::Problem;
use super::refusals::Change;
use super::{Api, NoStore, schemas};

/// Mutes a member
///
/// As a dispatcher does: it is the user's, holds for all its clients in the channel, and for those that come back.
#[utoipa::path(put, path = "/api/channels/{name}/members/{talker}/mute", tag = "channels",
    security(("bearer" = [])),
    params(("name" = inline(schemas::ChannelName), Path, description = "The channel's name"),
        ("talker" = inline(schemas::Talker), Path, description = "The member's number in the channel")),
    responses((status = 204, description = "It is muted"), Change))]
pub(super) async fn mute(
    State(api): State<Arc<Api>>,
    who: Bearer,
    asked: Asked<(String, u16)>,
) -> Result<(StatusCode, NoStore), Problem> {
    change(&api, &who, asked, true).await
}

/// Lets a member talk again
#[utoipa::path(delete, path = "/api/channels/{name}/members/{talker}/mute", tag = "channels",
    security(("bearer" = [])),
    params(("name" = inline(schemas::ChannelName), Path, description = "The channel's name"),
        ("talker" = inline(schemas::Talker), Path, description = "The member's number in the channel")),
    responses((status = 204, description = "It is not muted"), Change))]
pub(super) async fn unmute(
    State(api): State<Arc<Api>>,
    who: Bearer,
    asked: Asked<(String, u16)>,
) -> Result<(StatusCode, NoStore), Problem> {
    change(&api, &who, asked, false).await
}

async fn change(
    api: &Api,
    who: &Bearer,
    asked: Asked<(String, u16)>,
    on: bool,
) -> Result<(StatusCode, NoStore), Problem> {
    let (channel, talker) = names::parts(asked)?;
    let channel = names::channel(channel)?;
    who.must(Right::Dispatch, &channel)?;
    if !api.core.mute(&channel, talker, on).await {
        return Err(Problem::new(ErrorCode::UnknownTalker, "no such member in this channel"));
    }
    tracing::debug!(by = %who.0.user, %channel, talker, on, "muted by the API");
    Ok((StatusCode::NO_CONTENT, NoStore))
}
