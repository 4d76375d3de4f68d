//! `GET /api/channels`, and who is in one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use suara_proto::limits::MAX_CHANNEL_NAME;
use suara_proto::message::Right;
use suara_proto::text::is_plain;
use utoipa::{IntoParams, ToSchema};

use super::bearer::Bearer;
use super::names::{self, Asked, AskedFor};
use super::problem::Problem;
use super::refusals::Read;
use super::{Api, NoStore, schemas};
use crate::hub::is_call;
use crate::words::{ChannelWord, MemberWord};

/// Channels of a page: each is asked for its members.
const CHANNELS: (u32, u32) = (50, 100);
/// Members of a page.
const MEMBERS: (u32, u32) = (100, 1000);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChannelsAsked {
    /// Begin behind the channel of that name.
    #[param(value_type = Option<schemas::Maybe>, inline)]
    after: Option<String>,
    /// How many at most; 50 where it is missing.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Channels with somebody in them.
#[derive(Serialize, ToSchema)]
pub(super) struct Channels {
    /// By name.
    channels: Vec<Channel>,
    /// Whether more come after those.
    more: bool,
}

/// A channel with somebody in it.
#[derive(Serialize, ToSchema)]
pub(super) struct Channel {
    name: String,
    /// How many are in it.
    members: u32,
    /// The members that have the floor.
    talking: Vec<u16>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MembersAsked {
    /// Begin behind the member of that talker number.
    #[param(maximum = 65535)]
    after: Option<u16>,
    /// How many at most; 100 where it is missing.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Who is in a channel.
#[derive(Serialize, ToSchema)]
pub(super) struct Members {
    /// The channel's name.
    channel: String,
    /// How many are in it; 0 too where there was never anybody.
    total: u32,
    /// By talker number.
    members: Vec<Member>,
    /// Whether more come after those.
    more: bool,
}

/// One who is in a channel: a user has one for each of its clients.
#[derive(Serialize, ToSchema)]
pub(super) struct Member {
    /// Its number in the channel.
    talker: u16,
    /// The user's id in the deployment.
    user: String,
    /// The name to show.
    name: String,
    /// Empty where the token says none.
    role: String,
    /// It has no right to talk here.
    listen_only: bool,
    /// A dispatcher doesn't let it talk.
    muted: bool,
    /// Its transport is lost, and its place is kept for a while.
    unreachable: bool,
    /// It has the floor.
    talking: bool,
}

/// Channels with somebody in them
///
/// Those that the token may listen to; of calls, those that it dispatches. A service sees all.
#[utoipa::path(get, path = "/api/channels", tag = "channels", params(ChannelsAsked), security(("bearer" = [])),
    responses((status = 200, description = "A page of channels", body = Channels), Read))]
pub(super) async fn channels(
    State(api): State<Arc<Api>>,
    who: Bearer,
    asked: AskedFor<ChannelsAsked>,
) -> Result<(NoStore, Json<Channels>), Problem> {
    let ChannelsAsked { after, limit } = names::query(asked)?;
    let limit = names::limit(limit, CHANNELS.0, CHANNELS.1)? as usize;
    let after = after.unwrap_or_default();
    if !after.is_empty() && !is_plain(&after, MAX_CHANNEL_NAME) {
        return Err(names::bad("after is no channel's name"));
    }
    let needed = |name: &str| if is_call(name) { Right::Dispatch } else { Right::Listen };
    let seen = |name: &str| who.may(needed(name), name);
    let (channels, more) = api.core.all_channels(&after, limit, seen).await;
    let channels =
        channels.into_iter().map(|ChannelWord { name, members, talking }| Channel { name, members, talking });
    Ok((NoStore, Json(Channels { channels: channels.collect(), more })))
}

/// Who is in a channel
#[utoipa::path(get, path = "/api/channels/{name}/members", tag = "channels", security(("bearer" = [])),
    params(("name" = inline(schemas::ChannelName), Path, description = "The channel's name"), MembersAsked),
    responses((status = 200, description = "A page of members", body = Members), Read))]
pub(super) async fn members(
    State(api): State<Arc<Api>>,
    who: Bearer,
    name: Asked<String>,
    asked: AskedFor<MembersAsked>,
) -> Result<(NoStore, Json<Members>), Problem> {
    let channel = names::channel(names::parts(name)?)?;
    let MembersAsked { after, limit } = names::query(asked)?;
    let limit = names::limit(limit, MEMBERS.0, MEMBERS.1)?;
    who.must(Right::Listen, &channel)?;
    let page = api.core.members_of(&channel, after.unwrap_or_default(), limit).await;
    let (members, total, more) = page.unwrap_or_default();
    let members = members.into_iter().map(Member::from).collect();
    Ok((NoStore, Json(Members { channel, total, members, more })))
}

impl From<MemberWord> for Member {
    fn from(member: MemberWord) -> Self {
        let MemberWord { talker, user, name, role, listen_only, muted, unreachable, talking } = member;
        Self { talker, user, name, role, listen_only, muted, unreachable, talking }
    }
}
