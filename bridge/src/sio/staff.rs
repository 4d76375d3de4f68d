//! `livechat:reply` and what else staff says of visitors: handed to the livechat's desk, answered when the gateway has.

use serde_json::{Value, json};
use socketioxide::extract::AckSender;
use suara_proto::limits::MAX_CHANNEL_NAME;
use suara_proto::text::is_plain;

use super::SPACES;
use super::chat::{answer_in_time, fault};
use super::inbox::Request;
use super::outlet::SocketOutlet;
use super::payload::{self, Fault};
use super::session::Session;
use crate::channel::{Outlet, Room};
use crate::livechat::StaffRoom;

/// The room of those who answer visitors. No name of a client's begins so.
pub(super) const STAFF_ROOM: &str = "livechat:staff";

impl StaffRoom for SocketOutlet {
    fn tell(&self, event: &'static str, payload: &Value) {
        for space in SPACES {
            self.announce(&Room { space, name: STAFF_ROOM.to_owned() }, event, payload);
        }
    }
}

impl Session {
    /// Takes what staff says.
    pub(super) fn livechat(
        &self,
        request: Request,
        payload: Option<&Value>,
        ack: AckSender,
    ) -> Result<(), Fault> {
        answer_in_time(&self.shared.sessions, self.staff_wish(request, payload), ack)
    }

    fn staff_wish(
        &self,
        request: Request,
        payload: Option<&Value>,
    ) -> Result<Option<impl Future<Output = Result<Value, Fault>> + use<>>, Fault> {
        let Some(staff) = self.staff.clone() else { return Err(Fault::Forbidden) };
        let payload = payload.unwrap_or(&Value::Null).clone();
        if request == Request::LivechatTyping {
            staff.typing(session_id(&payload)?);
            return Ok(None);
        }
        let asked = match request {
            Request::LivechatInbox => Wish::Inbox,
            Request::LivechatHistory => {
                let payload::History { before, limit, .. } = payload::history(Some(&payload))?;
                Wish::History { session: session_id(&payload)?, before, limit }
            }
            _ => {
                let session = session_id(&payload)?;
                let (_, id, text) = payload::chat(&payload)?;
                let id = id.unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
                Wish::Reply { session, id, text }
            }
        };
        Ok(Some(async move {
            let mut said = match asked {
                Wish::Inbox => staff.inbox().await.map_err(fault)?,
                Wish::History { session, before, limit } => {
                    staff.history(session, before, limit).await.map_err(fault)?
                }
                Wish::Reply { session, id, text } => {
                    let (message, at) = staff.reply(session, id.clone(), text).await.map_err(fault)?;
                    json!({ "id": id, "messageId": message, "timestamp": at })
                }
            };
            said["status"] = "ok".into();
            Ok(said)
        }))
    }
}

enum Wish {
    Inbox,
    History { session: String, before: Option<u64>, limit: Option<u32> },
    Reply { session: String, id: String, text: String },
}

fn session_id(payload: &Value) -> Result<String, Fault> {
    let session = payload.get("sessionId").and_then(Value::as_str);
    let session = session.filter(|session| is_plain(session, MAX_CHANNEL_NAME));
    session.map(str::to_owned).ok_or(Fault::SessionId)
}
