//! What staff hears of visitors' conversations, owned.

use std::sync::Arc;

use suara_proto::message::{Conversation, LivechatMessage, ServerLivechat, decode_livechat_server};
use suara_proto::{ErrorCode, MemberRef, RequestId};

/// Something about visitors' conversations.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StaffEvent {
    /// Something was said, by the visitor or to it.
    Said { session: Arc<str>, said: StaffLine },
    /// A visitor has come, or gone.
    Presence { session: Arc<str>, name: Arc<str>, open: bool },
    /// Somebody writes.
    Typing { session: Arc<str>, staff: bool, name: Arc<str> },
    /// The answer to a watch.
    Inbox { request: RequestId, conversations: Vec<Talk> },
    /// An answer to a visitor is stored.
    Stored { member: MemberRef, session: Arc<str>, id: String, message: u64, at: u64 },
    /// What was said before.
    Page { request: RequestId, messages: Vec<StaffLine>, more: bool },
    /// An answer to a visitor is not stored.
    NotStored { member: MemberRef, session: Arc<str>, id: String, code: ErrorCode },
    /// There is no inbox, or no page.
    Refused { request: RequestId, code: ErrorCode },
}

/// One stored message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaffLine {
    /// Its number in the conversation, from 1.
    pub(crate) number: u64,
    /// Whether staff said it, and not the visitor.
    pub(crate) staff: bool,
    pub(crate) name: Arc<str>,
    /// To be escaped where it leaves.
    pub(crate) text: Arc<str>,
    /// In milliseconds since 1970 (UTC).
    pub(crate) at: u64,
}

/// A conversation in an inbox.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Talk {
    pub(crate) session: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) open: bool,
    pub(crate) last: Option<StaffLine>,
}

/// The event in a message; `None` for what can't be read, or concerns nobody.
pub(super) fn staff_event(json: &[u8]) -> Option<StaffEvent> {
    Some(match decode_livechat_server(json).ok()? {
        ServerLivechat::Inbox { request, conversations, .. } => {
            StaffEvent::Inbox { request, conversations: conversations.iter().map(talk).collect() }
        }
        ServerLivechat::Said { session, said } => {
            StaffEvent::Said { session: (&*session).into(), said: line(&said) }
        }
        ServerLivechat::Presence { session, name, open } => {
            StaffEvent::Presence { session: (&*session).into(), name: (&*name).into(), open }
        }
        ServerLivechat::Typing { session, staff, name } => {
            StaffEvent::Typing { session: (&*session).into(), staff, name: (&*name).into() }
        }
        ServerLivechat::Ack { member, session, id, message, at } => StaffEvent::Stored {
            member: member?,
            session: (&*session).into(),
            id: id.into_owned(),
            message,
            at,
        },
        ServerLivechat::Page { request, messages, more, .. } => {
            StaffEvent::Page { request, messages: messages.iter().map(line).collect(), more }
        }
        ServerLivechat::Error { request: Some(request), code, .. } => StaffEvent::Refused { request, code },
        ServerLivechat::Error { member, session, id, code, .. } => StaffEvent::NotStored {
            member: member?,
            session: (&*session?).into(),
            id: id?.into_owned(),
            code,
        },
    })
}

fn talk(conversation: &Conversation<'_>) -> Talk {
    Talk {
        session: (&*conversation.session).into(),
        name: (&*conversation.name).into(),
        open: conversation.open,
        last: conversation.last.as_ref().map(line),
    }
}

fn line(said: &LivechatMessage<'_>) -> StaffLine {
    StaffLine {
        number: said.message,
        staff: said.staff,
        name: (&*said.name).into(),
        text: (&*said.text).into(),
        at: said.at,
    }
}
