//! `GET /api/channels/{name}/messages`: a channel's history by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use suara_proto::ErrorCode;
use suara_proto::limits::{CHAT_PAGE, MAX_CHANNEL_NAME, MAX_CHAT_PAGE};
use suara_proto::message::{ChatMessage, Right};
use suara_proto::text::is_plain;
use suara_store::Span;

use super::Problem;
use super::bearer::Bearer;
use crate::chat::page;
use crate::core::Core;
use crate::livechat::is_livechat;

/// Which messages: as in `chat_history`.
#[derive(Deserialize)]
pub(super) struct Asked {
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<u32>,
}

pub(super) async fn messages(
    State(core): State<Arc<Core>>,
    Bearer(who): Bearer,
    name: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let bad = |detail: String| Problem::new(ErrorCode::BadField, detail);
    let Path(channel) = name.map_err(|error| bad(error.body_text()))?;
    let Query(Asked { before, after, limit }) = asked.map_err(|error| bad(error.body_text()))?;
    if !is_plain(&channel, MAX_CHANNEL_NAME) {
        return Err(bad("a channel's name is 1 to 128 bytes without control characters".into()));
    }
    // Visitors' conversations are staff's, however wide others' rights are.
    let staff = core.livechat.is_staff(&who);
    let may_read = if is_livechat(&channel) { staff } else { who.channels.on(&channel).has(Right::Listen) };
    if !may_read {
        return Err(Problem::new(ErrorCode::Forbidden, "no right to listen to this channel"));
    }
    let limit = limit.unwrap_or(CHAT_PAGE);
    if !(1..=MAX_CHAT_PAGE).contains(&limit) {
        return Err(bad(format!("limit is 1 to {MAX_CHAT_PAGE}")));
    }
    if !core.chat.may_read(&who.user) {
        return Err(Problem::new(ErrorCode::RateLimited, "history is asked for too often"));
    }
    let found = core.chat.history(&channel, Span { before, after, limit }).await.map_err(|error| {
        tracing::debug!(%error, "no history");
        Problem::new(ErrorCode::Unavailable, "the store doesn't answer; try again")
    })?;
    let messages: Vec<ChatMessage<'_>> = found.messages.iter().map(page).collect();
    let body = json!({"channel": channel, "messages": messages, "more": found.more});
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
