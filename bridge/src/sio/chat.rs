//! `chat_message`, `chat_typing` and `chat_history`: handed to the channel, answered when the gateway has.

use std::time::Duration;

use serde_json::{Value, json};
use socketioxide::extract::AckSender;
use suara_proto::ErrorCode;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::inbox::Request;
use super::payload::{self, ChannelId, Fault};
use super::session::{Membership, Session, answer};
use crate::channel::{ChatWish, Input, Stored};

/// A store that takes longer has failed for this time; the client sends it again, under the same id.
const PATIENCE: Duration = Duration::from_secs(8);

/// Answers a wish: at once, or by a task of its own when the gateway has answered, for the session goes on meanwhile.
pub(super) fn answer_in_time<F>(
    sessions: &TaskTracker,
    wish: Result<Option<F>, Fault>,
    ack: AckSender,
) -> Result<(), Fault>
where
    F: Future<Output = Result<Value, Fault>> + Send + 'static,
{
    match wish {
        Ok(None) => answer(ack, Ok(None)),
        Ok(Some(waiting)) => {
            sessions.spawn(async move {
                match timeout(PATIENCE, waiting).await {
                    Ok(Ok(said)) => acknowledge(ack, &said),
                    Ok(Err(fault)) => answer(ack, Err(fault)),
                    Err(_) => answer(ack, Err(Fault::Unavailable)),
                }
            });
        }
        Err(fault) => {
            answer(ack, Err(fault));
            return Err(fault);
        }
    }
    Ok(())
}

impl Session {
    /// Hands a wish on.
    pub(super) fn chat(
        &self,
        request: Request,
        payload: Option<&Value>,
        ack: AckSender,
    ) -> Result<(), Fault> {
        answer_in_time(&self.shared.sessions, self.wish(request, payload), ack)
    }

    fn wish(
        &self,
        request: Request,
        payload: Option<&Value>,
    ) -> Result<Option<impl Future<Output = Result<Value, Fault>> + use<>>, Fault> {
        Ok(match request {
            Request::Chat => {
                let (channel, id, text) = payload::chat(payload.unwrap_or(&Value::Null))?;
                let id = id.unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
                let (reply, sent) = oneshot::channel();
                self.tell(channel.as_ref(), ChatWish::Send { id: id.clone(), text, reply })?;
                Some(futures_util::future::Either::Left(async move {
                    let Stored { message, at } =
                        sent.await.map_err(|_| Fault::Unavailable)?.map_err(fault)?;
                    Ok(json!({ "status": "ok", "id": id, "message_id": message, "timestamp": at }))
                }))
            }
            Request::History => {
                let payload::History { channel, before, after, limit } = payload::history(payload)?;
                let (reply, page) = oneshot::channel();
                let membership =
                    self.tell(channel.as_ref(), ChatWish::History { before, after, limit, reply })?;
                let spelling = membership.id.spelling.clone();
                Some(futures_util::future::Either::Right(async move {
                    let mut page = page.await.map_err(|_| Fault::Unavailable)?.map_err(fault)?;
                    page["status"] = "ok".into();
                    page["channel_id"] = spelling;
                    Ok(page)
                }))
            }
            _ => {
                self.tell(payload::floor(payload)?.as_ref(), ChatWish::Typing)?;
                None
            }
        })
    }

    fn tell(&self, channel: Option<&ChannelId>, wish: ChatWish) -> Result<&Membership, Fault> {
        let membership = self.membership(channel)?;
        membership.channel.tell(Input::ChatWish { member: self.attached.member, wish });
        Ok(membership)
    }
}

pub(super) fn fault(code: ErrorCode) -> Fault {
    match code {
        ErrorCode::Forbidden => Fault::Forbidden,
        ErrorCode::RateLimited => Fault::TooFast,
        ErrorCode::BadField => Fault::Text,
        ErrorCode::NotJoined | ErrorCode::UnknownMember => Fault::NotJoined,
        _ => Fault::Unavailable,
    }
}

fn acknowledge(ack: AckSender, said: &Value) {
    if let Err(error) = ack.send(said) {
        tracing::debug!(%error, "an answer found no room");
    }
}
