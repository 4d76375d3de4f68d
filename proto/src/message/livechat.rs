//! What is said about visitors' livechat sessions, on a chat stream (PROTOCOL.md, section 10.6). A visitor itself speaks
//! chat, as a member of its one channel; these are for staff, who see all of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::MessageError;
use crate::code::ErrorCode;
use crate::ids::{MemberRef, RequestId};

/// What a session's channel, and its visitor's user id, begin with. The rest is the session's id.
pub const LIVECHAT_PREFIX: &str = "livechat/";

/// The types that staff says on a chat stream.
pub const LIVECHAT_CLIENT_TYPES: &[&str] =
    &["livechat_watch", "livechat_reply", "livechat_typing", "livechat_history"];

/// The types that the gateway says to staff on a chat stream.
pub const LIVECHAT_SERVER_TYPES: &[&str] = &[
    "livechat_inbox",
    "livechat",
    "livechat_presence",
    "livechat_typing",
    "livechat_ack",
    "livechat_page",
    "livechat_error",
];

/// What a trunk's member's token has to be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberScope {
    /// A person at a client.
    #[default]
    User,
    /// A visitor's livechat session.
    Livechat,
    /// A client of old that came without a token.
    Guest,
}

impl MemberScope {
    /// All.
    pub const ALL: [Self; 3] = [Self::User, Self::Livechat, Self::Guest];
}

/// A message of staff on a chat stream. `member` stands only in messages of a trunk, and always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ClientLivechat<'a> {
    /// To hear of all conversations from now on.
    #[serde(rename = "livechat_watch")]
    Watch {
        /// Repeated in the answer.
        request: RequestId,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// An answer to a visitor.
    #[serde(rename = "livechat_reply")]
    Reply {
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The visitor's session.
        #[serde(borrow)]
        session: Cow<'a, str>,
        /// The client's own name for it. The same again is the same message.
        #[serde(borrow)]
        id: Cow<'a, str>,
        /// What is said.
        #[serde(borrow)]
        text: Cow<'a, str>,
    },
    /// Staff writes.
    #[serde(rename = "livechat_typing")]
    Typing {
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The visitor's session.
        #[serde(borrow)]
        session: Cow<'a, str>,
    },
    /// Asks for what was said in a conversation.
    #[serde(rename = "livechat_history")]
    History {
        /// Repeated in the answer.
        request: RequestId,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The visitor's session.
        #[serde(borrow)]
        session: Cow<'a, str>,
        /// Only messages below this number: the newest of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// Only messages above this number: the oldest of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// How many at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
}

impl ClientLivechat<'_> {
    /// Which of a trunk's members says it.
    #[must_use]
    pub const fn member(&self) -> Option<MemberRef> {
        match self {
            Self::Watch { member, .. }
            | Self::Reply { member, .. }
            | Self::Typing { member, .. }
            | Self::History { member, .. } => *member,
        }
    }
}

/// A message of the gateway's to staff on a chat stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ServerLivechat<'a> {
    /// The answer to `livechat_watch`: the conversations that are open, and the last that aren't.
    #[serde(rename = "livechat_inbox")]
    Inbox {
        /// Which.
        request: RequestId,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The one in which something was said last first.
        #[serde(borrow)]
        conversations: Vec<Conversation<'a>>,
    },
    /// Something was said, by the visitor or to it. Comes once to a session, and once to a trunk.
    #[serde(rename = "livechat")]
    Said {
        /// The visitor's session.
        #[serde(borrow)]
        session: Cow<'a, str>,
        /// What was said, by whom.
        #[serde(borrow, flatten)]
        said: LivechatMessage<'a>,
    },
    /// A visitor has come, or gone.
    #[serde(rename = "livechat_presence")]
    Presence {
        /// The visitor's session.
        #[serde(borrow)]
        session: Cow<'a, str>,
        /// The visitor's name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// Whether it is here.
        open: bool,
    },
    /// Somebody writes.
    #[serde(rename = "livechat_typing")]
    Typing {
        /// The visitor's session.
        #[serde(borrow)]
        session: Cow<'a, str>,
        /// Whether it is one of staff, and not the visitor.
        staff: bool,
        /// Who.
        #[serde(borrow)]
        name: Cow<'a, str>,
    },
    /// The answer to `livechat_reply`: it is stored.
    #[serde(rename = "livechat_ack")]
    Ack {
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The visitor's session.
        #[serde(borrow)]
        session: Cow<'a, str>,
        /// The client's own name for it.
        #[serde(borrow)]
        id: Cow<'a, str>,
        /// Its number in the conversation, from 1.
        message: u64,
        /// When it was taken in, in milliseconds since 1970 (UTC).
        at: u64,
    },
    /// The answer to `livechat_history`.
    #[serde(rename = "livechat_page")]
    Page {
        /// Which.
        request: RequestId,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The visitor's session.
        #[serde(borrow)]
        session: Cow<'a, str>,
        /// In the order of their numbers.
        #[serde(borrow)]
        messages: Vec<LivechatMessage<'a>>,
        /// Whether there are more in the direction that was asked for.
        more: bool,
    },
    /// A refusal of any of the four.
    #[serde(rename = "livechat_error")]
    Error {
        /// That of `livechat_watch` or `livechat_history`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The visitor's session, where one was named.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        session: Option<Cow<'a, str>>,
        /// That of a `livechat_reply`.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        id: Option<Cow<'a, str>>,
        /// Why.
        code: ErrorCode,
        /// For developers.
        #[serde(borrow)]
        message: Cow<'a, str>,
    },
}

/// One stored message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivechatMessage<'a> {
    /// Its number in the conversation, from 1 without gaps.
    pub message: u64,
    /// Whether staff said it, and not the visitor.
    pub staff: bool,
    /// The user's id; a visitor's is [`LIVECHAT_PREFIX`] and its session.
    #[serde(borrow)]
    pub user: Cow<'a, str>,
    /// The name at that time.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// As it was sent, but for characters that could deceive. Never to be shown as markup.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// When, in milliseconds since 1970 (UTC).
    pub at: u64,
}

/// One visitor's conversation, in an inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation<'a> {
    /// The visitor's session.
    #[serde(borrow)]
    pub session: Cow<'a, str>,
    /// The visitor's name, as far as it is known.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Whether the visitor is here.
    pub open: bool,
    /// What was said last, if anything was.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LivechatMessage<'a>>,
}

/// Reads a message of staff from a chat stream.
///
/// # Errors
/// Says which of the three faults it is; see [`MessageError`].
pub fn decode_livechat_client(json: &[u8]) -> Result<ClientLivechat<'_>, MessageError> {
    super::decode(json, LIVECHAT_CLIENT_TYPES)
}

/// Reads a message of the gateway's to staff from a chat stream.
///
/// # Errors
/// Says which of the three faults it is; see [`MessageError`].
pub fn decode_livechat_server(json: &[u8]) -> Result<ServerLivechat<'_>, MessageError> {
    super::decode(json, LIVECHAT_SERVER_TYPES)
}
