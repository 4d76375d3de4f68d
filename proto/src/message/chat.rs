//! What is said on a chat stream, in either direction (PROTOCOL.md, section 10).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::MessageError;
use crate::code::ErrorCode;
use crate::ids::{ChannelNumber, MemberRef, RequestId, TalkerNumber};

/// The types that a client says on a chat stream.
pub const CHAT_CLIENT_TYPES: &[&str] = &["chat_send", "chat_typing", "chat_history"];

/// The types that the gateway says on a chat stream.
pub const CHAT_SERVER_TYPES: &[&str] = &["chat_ack", "chat", "chat_typing", "chat_page", "chat_error"];

/// A message from a client on its chat stream. `member` stands only in messages of a trunk, and always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ClientChat<'a> {
    /// A text for the channel.
    #[serde(rename = "chat_send")]
    Send {
        /// Where.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The client's own name for it. The same again is the same message.
        #[serde(borrow)]
        id: Cow<'a, str>,
        /// What is said.
        #[serde(borrow)]
        text: Cow<'a, str>,
    },
    /// Somebody writes.
    #[serde(rename = "chat_typing")]
    Typing {
        /// Where.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// Asks for what was said before, or missed.
    #[serde(rename = "chat_history")]
    History {
        /// Repeated in the answer.
        request: RequestId,
        /// Where.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
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

/// A message from the gateway on a chat stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ServerChat<'a> {
    /// The answer to `chat_send`: it is stored.
    #[serde(rename = "chat_ack")]
    Ack {
        /// Where.
        channel: ChannelNumber,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The client's own name for it.
        #[serde(borrow)]
        id: Cow<'a, str>,
        /// Its number in the channel, from 1.
        message: u64,
        /// When it was taken in, in milliseconds since 1970 (UTC).
        at: u64,
    },
    /// Somebody has said something.
    #[serde(rename = "chat")]
    Chat {
        /// Where.
        channel: ChannelNumber,
        /// Which of this trunk's members said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The client's own name for it, towards the session that sent it.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        id: Option<Cow<'a, str>>,
        /// What was said, by whom.
        #[serde(borrow, flatten)]
        said: ChatMessage<'a>,
    },
    /// Somebody writes.
    #[serde(rename = "chat_typing")]
    Typing {
        /// Where.
        channel: ChannelNumber,
        /// Who, in this channel.
        talker: TalkerNumber,
        /// The same as a user's id.
        #[serde(borrow)]
        user: Cow<'a, str>,
        /// The name to show.
        #[serde(borrow)]
        name: Cow<'a, str>,
    },
    /// The answer to `chat_history`.
    #[serde(rename = "chat_page")]
    Page {
        /// Which.
        request: RequestId,
        /// Where.
        channel: ChannelNumber,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// In the order of their numbers.
        #[serde(borrow)]
        messages: Vec<ChatMessage<'a>>,
        /// Whether there are more in the direction that was asked for.
        more: bool,
    },
    /// A refusal of any of the three.
    #[serde(rename = "chat_error")]
    Error {
        /// That of a `chat_history`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Where, if it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<ChannelNumber>,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// That of a `chat_send`.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        id: Option<Cow<'a, str>>,
        /// Why.
        code: ErrorCode,
        /// For developers.
        #[serde(borrow)]
        message: Cow<'a, str>,
    },
}

/// One stored message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage<'a> {
    /// Its number in the channel, from 1 without gaps.
    pub message: u64,
    /// Who said it.
    #[serde(borrow)]
    pub user: Cow<'a, str>,
    /// The name at that time.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The role at that time.
    #[serde(borrow)]
    pub role: Cow<'a, str>,
    /// As it was sent, but for characters that could deceive. Never to be shown as markup.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// When, in milliseconds since 1970 (UTC).
    pub at: u64,
}

/// Reads a message of a client from its chat stream.
///
/// # Errors
/// Says which of the three faults it is; see [`MessageError`].
pub fn decode_chat_client(json: &[u8]) -> Result<ClientChat<'_>, MessageError> {
    super::decode(json, CHAT_CLIENT_TYPES)
}

/// Reads a message of the gateway from a chat stream.
///
/// # Errors
/// Says which of the three faults it is; see [`MessageError`].
pub fn decode_chat_server(json: &[u8]) -> Result<ServerChat<'_>, MessageError> {
    super::decode(json, CHAT_SERVER_TYPES)
}

/// What could be read of a message that couldn't be read whole, so that its refusal finds its asker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// `request`.
    pub request: Option<RequestId>,
    /// `channel`.
    pub channel: Option<ChannelNumber>,
    /// `member`.
    pub member: Option<MemberRef>,
    /// `id`.
    pub id: Option<String>,
}

/// Looks for what a refusal has to repeat.
#[must_use]
pub fn chat_asked(json: &[u8]) -> Asked {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(json) else { return Asked::default() };
    let number =
        |name| fields.get(name).and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok());
    Asked {
        request: number("request").map(RequestId),
        channel: number("channel").map(ChannelNumber),
        member: number("member").map(MemberRef),
        id: fields
            .get("id")
            .and_then(serde_json::Value::as_str)
            .filter(|id| crate::text::is_plain(id, crate::limits::MAX_CHAT_ID))
            .map(str::to_owned),
    }
}
