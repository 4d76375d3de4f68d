//! `GET /api/channels/{name}/messages`: a channel's history by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use suara_proto::ErrorCode;
use suara_proto::limits::{CHAT_PAGE, MAX_CHAT_PAGE};
use suara_proto::message::Right;
use suara_store::Span;
use utoipa::{IntoParams, ToSchema};

use super::bearer::Bearer;
use super::names::{self, Asked, AskedFor};
use super::problem::Problem;
use super::refusals::Read;
use super::{Api, NoStore, schemas};

/// The largest that JSON has everywhere (RFC 8259, section 6).
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Which messages: as in `chat_history`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MessagesAsked {
    /// Only those before this number.
    #[param(maximum = 9_007_199_254_740_991_u64)]
    before: Option<u64>,
    /// Only those after this number, the oldest first to be cut off; else the newest.
    #[param(maximum = 9_007_199_254_740_991_u64)]
    after: Option<u64>,
    /// How many at most; 50 where it is missing.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Messages of a channel.
#[derive(Serialize, ToSchema)]
pub(super) struct Messages {
    /// The channel's name.
    channel: String,
    /// By number.
    messages: Vec<Message>,
    /// Whether there are more, beyond the end that was cut off.
    more: bool,
}

/// A message as it is stored.
#[derive(Serialize, ToSchema)]
pub(super) struct Message {
    /// Its number in the channel, from 1.
    message: u64,
    /// Who wrote it.
    user: String,
    /// The name then.
    name: String,
    /// The role then.
    role: String,
    /// As it was sent: to be escaped where it is shown.
    text: String,
    /// In milliseconds since 1970.
    at: u64,
}

/// What was written in a channel
#[utoipa::path(get, path = "/api/channels/{name}/messages", tag = "channels", security(("bearer" = [])),
    params(("name" = inline(schemas::ChannelName), Path, description = "The channel's name"), MessagesAsked),
    responses((status = 200, description = "A page of messages", body = Messages), Read))]
pub(super) async fn messages(
    State(api): State<Arc<Api>>,
    who: Bearer,
    name: Asked<String>,
    asked: AskedFor<MessagesAsked>,
) -> Result<(NoStore, Json<Messages>), Problem> {
    let channel = names::channel(names::parts(name)?)?;
    let MessagesAsked { before, after, limit } = names::query(asked)?;
    who.must(Right::Listen, &channel)?;
    if before.max(after).is_some_and(|number| number > MAX_NUMBER) {
        return Err(names::bad("no message has such a number"));
    }
    let limit = names::limit(limit, CHAT_PAGE, MAX_CHAT_PAGE)?;
    let chat = &api.core.chat;
    if !chat.may_read(&who.0.user) {
        return Err(Problem::new(ErrorCode::RateLimited, "history is asked for too often"));
    }
    let found = chat.history(&channel, Span { before, after, limit }).await.map_err(|error| {
        tracing::debug!(%error, "no history");
        Problem::new(ErrorCode::Unavailable, "the store doesn't answer; try again")
    })?;
    let messages = found.messages.into_iter().map(message).collect();
    Ok((NoStore, Json(Messages { channel, messages, more: found.more })))
}

fn message(suara_store::Message { number, user, name, role, text, at, .. }: suara_store::Message) -> Message {
    Message { message: number, user, name, role, text, at }
}
