//! What comes on the trunk's chat stream, owned.

use std::sync::Arc;

use suara_proto::message::{
    ChatMessage, Conversation, LivechatMessage, ServerChat, ServerLivechat, decode_chat_server,
    decode_livechat_server,
};
use suara_proto::{ChannelNumber, ErrorCode, MemberRef, RequestId};

/// Something that was said on the chat stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ChatEvent {
    /// A member's message is stored.
    Acked { member: Option<MemberRef>, id: String, message: u64, at: u64 },
    /// Somebody said something in a channel; `member` if it was one of ours.
    Said { channel: ChannelNumber, member: Option<MemberRef>, said: Line },
    /// Somebody writes in a channel.
    Typing { channel: ChannelNumber, user: Arc<str>, name: Arc<str> },
    /// What was said before.
    Page { request: RequestId, messages: Vec<Line>, more: bool },
    /// Something was refused.
    Refused { request: Option<RequestId>, member: Option<MemberRef>, id: Option<String>, code: ErrorCode },
    /// About a visitor's conversation, towards staff.
    Staff(StaffEvent),
}

/// What staff hears of visitors' conversations.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StaffEvent {
    /// Something was said, by the visitor or to it.
    Said { session: Arc<str>, staff: bool, said: Line },
    /// A visitor has come, or gone.
    Presence { session: Arc<str>, name: Arc<str>, open: bool },
    /// Somebody writes.
    Typing { session: Arc<str>, staff: bool, name: Arc<str> },
    /// The answer to a watch.
    Inbox { request: RequestId, conversations: Vec<Talk> },
    /// An answer to a visitor is stored.
    Acked { member: Option<MemberRef>, session: Arc<str>, id: String, message: u64, at: u64 },
    /// What was said before, each with whether staff said it.
    Page { request: RequestId, messages: Vec<(bool, Line)>, more: bool },
    /// Something was refused.
    Refused { request: Option<RequestId>, member: Option<MemberRef>, id: Option<String>, code: ErrorCode },
}

/// One stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its number in the channel, from 1.
    pub(crate) number: u64,
    pub(crate) user: Arc<str>,
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
    pub(crate) last: Option<(bool, Line)>,
}

/// The event in a message; `None` for what can't be read, which is ignored.
pub(super) fn chat_event(json: &[u8]) -> Option<ChatEvent> {
    match decode_chat_server(json) {
        Ok(message) => Some(chat(message)),
        Err(fault) => match decode_livechat_server(json) {
            Ok(message) => Some(ChatEvent::Staff(staff(message))),
            Err(_) => {
                tracing::debug!(%fault, "a message on the chat stream was ignored");
                None
            }
        },
    }
}

fn chat(message: ServerChat<'_>) -> ChatEvent {
    match message {
        ServerChat::Ack { member, id, message, at, .. } => {
            ChatEvent::Acked { member, id: id.into_owned(), message, at }
        }
        ServerChat::Chat { channel, member, said, .. } => {
            ChatEvent::Said { channel, member, said: line(&said) }
        }
        ServerChat::Typing { channel, user, name, .. } => {
            ChatEvent::Typing { channel, user: (&*user).into(), name: (&*name).into() }
        }
        ServerChat::Page { request, messages, more, .. } => {
            ChatEvent::Page { request, messages: messages.iter().map(line).collect(), more }
        }
        ServerChat::Error { request, member, id, code, .. } => {
            ChatEvent::Refused { request, member, id: id.map(Into::into), code }
        }
    }
}

fn staff(message: ServerLivechat<'_>) -> StaffEvent {
    match message {
        ServerLivechat::Inbox { request, conversations, .. } => {
            StaffEvent::Inbox { request, conversations: conversations.iter().map(talk).collect() }
        }
        ServerLivechat::Said { session, said } => {
            let (staff, said) = livechat_line(&said);
            StaffEvent::Said { session: (&*session).into(), staff, said }
        }
        ServerLivechat::Presence { session, name, open } => {
            StaffEvent::Presence { session: (&*session).into(), name: (&*name).into(), open }
        }
        ServerLivechat::Typing { session, staff, name } => {
            StaffEvent::Typing { session: (&*session).into(), staff, name: (&*name).into() }
        }
        ServerLivechat::Ack { member, session, id, message, at } => {
            StaffEvent::Acked { member, session: (&*session).into(), id: id.into_owned(), message, at }
        }
        ServerLivechat::Page { request, messages, more, .. } => {
            StaffEvent::Page { request, messages: messages.iter().map(livechat_line).collect(), more }
        }
        ServerLivechat::Error { request, member, id, code, .. } => {
            StaffEvent::Refused { request, member, id: id.map(Into::into), code }
        }
    }
}

fn talk(conversation: &Conversation<'_>) -> Talk {
    Talk {
        session: (&*conversation.session).into(),
        name: (&*conversation.name).into(),
        open: conversation.open,
        last: conversation.last.as_ref().map(livechat_line),
    }
}

fn line(said: &ChatMessage<'_>) -> Line {
    Line {
        number: said.message,
        user: (&*said.user).into(),
        name: (&*said.name).into(),
        text: (&*said.text).into(),
        at: said.at,
    }
}

fn livechat_line(said: &LivechatMessage<'_>) -> (bool, Line) {
    let line = Line {
        number: said.message,
        user: (&*said.user).into(),
        name: (&*said.name).into(),
        text: (&*said.text).into(),
        at: said.at,
    };
    (said.staff, line)
}
