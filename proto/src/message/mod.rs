//! Control messages: JSON objects that say what they are in `type`.
//!
//! [`ClientMessage`] and [`ServerMessage`] are the two directions; [`decode_client`] and [`decode_server`] read them,
//! borrowing strings from the input where JSON's escapes allow. Unknown fields are ignored by both sides. An unknown
//! `type` is an error that the gateway answers with `unknown_type`, and that a client ignores.

mod alert;
mod broadcast;
mod burst;
mod call;
pub mod chat;
mod client;
mod entry;
mod floor;
mod livechat;
mod member;
mod patch;
mod rights;
mod server;

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

pub use alert::{Alert, Location};
pub use broadcast::Broadcast;
pub use burst::{Heard, Said};
pub use call::{CallInfo, CallKind};
pub use chat::{
    CHAT_CLIENT_TYPES, CHAT_SERVER_TYPES, ChatMessage, ClientChat, ServerChat, decode_chat_client,
    decode_chat_server,
};
pub use client::{ClientMessage, TYPES as CLIENT_TYPES};
pub use entry::{Joined, Welcome};
pub use floor::{ChannelMode, DispatchAction, Level, TalkerInfo};
pub use livechat::{
    ClientLivechat, Conversation, LIVECHAT_CLIENT_TYPES, LIVECHAT_PREFIX, LIVECHAT_SERVER_TYPES,
    LivechatMessage, MemberScope, ServerLivechat, decode_livechat_client, decode_livechat_server,
};
pub use member::{Member, TalkerLeft};
pub use patch::Patched;
pub use rights::{Right, Rights};
pub use server::{ServerMessage, TYPES as SERVER_TYPES};

use crate::code::ErrorCode;

/// Why bytes are no control message. The texts are safe to send back: they quote no value of the input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Not a JSON object with a string `type`.
    #[error("not a JSON object with a string \"type\"")]
    Malformed,
    /// A type that this side doesn't know.
    #[error("unknown message type")]
    UnknownType,
    /// A known type with a field missing or of the wrong kind.
    #[error("{kind}: a field is missing or of the wrong kind")]
    BadField {
        /// The message's type.
        kind: &'static str,
    },
}

impl MessageError {
    /// The code under which the gateway reports it.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed => ErrorCode::Malformed,
            Self::UnknownType => ErrorCode::UnknownType,
            Self::BadField { .. } => ErrorCode::BadField,
        }
    }
}

/// Reads a message from a client.
///
/// # Errors
/// Says which of the three faults it is; see [`MessageError`].
pub fn decode_client(json: &[u8]) -> Result<ClientMessage<'_>, MessageError> {
    decode(json, client::TYPES)
}

/// Reads a message from the gateway.
///
/// # Errors
/// Says which of the three faults it is; see [`MessageError`].
pub fn decode_server(json: &[u8]) -> Result<ServerMessage<'_>, MessageError> {
    decode(json, server::TYPES)
}

/// Writes a message with its length in front, ready for a control stream.
#[must_use]
pub fn encode(message: &impl Serialize) -> Bytes {
    // Serialization of our own types can't fail: their keys are strings and their numbers finite.
    crate::frame::join(&serde_json::to_vec(message).unwrap_or_default())
}

/// The request number of a message that could not be read whole, so that its refusal finds its asker.
#[must_use]
pub fn request_of(json: &[u8]) -> Option<crate::RequestId> {
    #[derive(Deserialize)]
    struct Asked {
        request: crate::RequestId,
    }
    if !is_object(json) {
        return None;
    }
    serde_json::from_slice::<Asked>(json).ok().map(|asked| asked.request)
}

fn decode<'a, M: Deserialize<'a>>(json: &'a [u8], types: &[&'static str]) -> Result<M, MessageError> {
    if !is_object(json) {
        return Err(MessageError::Malformed);
    }
    // The good case parses once; only a bad message is looked at again, to name its fault.
    serde_json::from_slice(json).map_err(|_| fault(json, types))
}

fn fault(json: &[u8], types: &[&'static str]) -> MessageError {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    // What serde_json skips, it doesn't check for being UTF-8.
    let text = str::from_utf8(json).ok();
    let Some(envelope) = text.and_then(|text| serde_json::from_str::<Envelope<'_>>(text).ok()) else {
        return MessageError::Malformed;
    };
    match types.iter().find(|known| **known == envelope.kind) {
        None => MessageError::UnknownType,
        Some(&kind) => MessageError::BadField { kind },
    }
}

/// Whether the first thing in `json` is an object: serde would take a list of the same values as well.
fn is_object(json: &[u8]) -> bool {
    json.iter().find(|byte| !b" \t\r\n".contains(byte)) == Some(&b'{')
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn null_is_missing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! type_names {
    ($($name:literal),* $(,)?) => {
        /// The types that this direction knows.
        pub const TYPES: &[&str] = &[$($name),*];
    };
}
pub(crate) use type_names;
