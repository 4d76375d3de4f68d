//! What each message on a chat stream leads to. Nothing here waits: neither for the store nor for a channel.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use suara_proto::limits::{CHAT_PAGE, MAX_CHAT_ID, MAX_CHAT_PAGE, MAX_CHAT_TEXT};
use suara_proto::message::chat::{Asked, chat_asked};
use suara_proto::message::{
    ClientChat, MessageError, Right, ServerChat, decode_chat_client, decode_livechat_client,
};
use suara_proto::text::{clean, is_plain};
use suara_proto::{ChannelNumber, ErrorCode, MemberRef, RequestId, TalkerNumber};
use suara_store::{Draft, Span};

use super::calls::rights_in;
use super::entering::TOO_MANY;
use super::errands::Held;
use super::members::Attached;
use super::outbox::Closing;
use super::serve::Session;
use crate::auth::Principal;
use crate::chat::{Origin, Via, page};
use crate::hub::RoomHandle;
use crate::livechat::session_of;

/// A member's place, for one message of chat.
struct Place {
    who: Principal,
    room: RoomHandle,
    talker: TalkerNumber,
}

impl Session<'_> {
    /// Takes one message of the chat stream; an error ends the session.
    pub(super) fn chat(&mut self, json: Bytes) -> Result<(), Closing> {
        if !self.admit()? {
            self.refuse_chat(chat_asked(&json), ErrorCode::RateLimited, "messages come too fast");
        } else if !self.errands.holds(&json) {
            self.chat_message(&json);
        } else if self.is_busy() {
            let (code, message) = TOO_MANY;
            self.refuse_chat(chat_asked(&json), code, message);
        } else {
            self.errands.hold(Held::Chat(json));
        }
        Ok(())
    }

    /// Does what a message of the chat stream says.
    pub(super) fn chat_message(&mut self, json: &[u8]) {
        match decode_chat_client(json) {
            Ok(ClientChat::Send { channel, member, id, text }) => {
                let asked = Asked { id: Some(id.into_owned()), ..about(channel, member) };
                self.send_chat(asked, &text);
            }
            Ok(ClientChat::Typing { channel, member }) => self.typing(about(channel, member)),
            Ok(ClientChat::History { request, channel, member, before, after, limit }) => {
                let limit = limit.unwrap_or(CHAT_PAGE).min(MAX_CHAT_PAGE);
                let asked = Asked { request: Some(request), ..about(channel, member) };
                self.history(asked, request, Span { before, after, limit });
            }
            Err(MessageError::UnknownType) => match decode_livechat_client(json) {
                Ok(message) => self.livechat(message),
                Err(fault) => self.refuse_chat(chat_asked(json), fault.code(), fault.to_string()),
            },
            Err(fault) => self.refuse_chat(chat_asked(json), fault.code(), fault.to_string()),
        }
    }

    fn send_chat(&self, mut asked: Asked, text: &str) {
        let Some(Place { who, room, .. }) = self.place(&asked) else { return };
        // What is refused for its length is not sent back.
        if !asked.id.as_deref().is_some_and(|id| is_plain(id, MAX_CHAT_ID)) {
            asked.id = None;
            let why = "an id is 1 to 64 bytes without control characters";
            return self.refuse_chat(asked, ErrorCode::BadField, why);
        }
        if !rights_in(&who, &room.name).has(Right::Talk) {
            return self.refuse_chat(asked, ErrorCode::Forbidden, "no right to talk in this channel");
        }
        let text = clean(text);
        if text.trim().is_empty() || text.chars().nth(MAX_CHAT_TEXT).is_some() {
            return self.refuse_chat(asked, ErrorCode::BadField, "a text is 1 to 4000 characters");
        }
        if !self.core.chat.may_send(&who.user) {
            return self.refuse_chat(asked, ErrorCode::RateLimited, "messages come too fast");
        }
        let id = asked.id.as_deref().unwrap_or_default().into();
        let draft = Draft {
            channel: room.name.clone(),
            user: who.user,
            name: who.name,
            role: who.role,
            id,
            text: text.into(),
            at: now_ms(),
        };
        let (via, member) = (Via::Channel(room.number), asked.member);
        if self.core.chat.post(draft, Origin { port: self.port.clone(), via, member }).is_err() {
            self.refuse_chat(asked, ErrorCode::Unavailable, "the store can't keep up; try again");
        }
    }

    fn typing(&self, asked: Asked) {
        let Some(Place { who, room, talker }) = self.place(&asked) else { return };
        if !rights_in(&who, &room.name).has(Right::Talk) {
            return self.refuse_chat(asked, ErrorCode::Forbidden, "no right to talk in this channel");
        }
        // It is nothing to be told about that it was said too often, or that nobody heard of it for now.
        if self.core.chat.may_say_typing(&who.user) {
            room.typing(talker);
            if let Some(session) = session_of(&room.name) {
                self.core.livechat.typing(session, false, &who.user, &who.name);
            }
        }
    }

    fn history(&self, asked: Asked, request: RequestId, span: Span) {
        let Some(Place { who, room, .. }) = self.place(&asked) else { return };
        if !rights_in(&who, &room.name).has(Right::Listen) {
            return self.refuse_chat(asked, ErrorCode::Forbidden, "no right to listen to this channel");
        }
        if span.limit == 0 {
            return self.refuse_chat(asked, ErrorCode::BadField, "a page has 1 to 100 messages");
        }
        if !self.core.chat.may_read(&who.user) {
            return self.refuse_chat(asked, ErrorCode::RateLimited, "history is asked for too often");
        }
        let (core, outlet) = (self.core.clone(), self.port.chat.clone());
        let (channel, member) = (room.number, asked.member);
        self.core.tasks.spawn(async move {
            match core.chat.history(&room.name, span).await {
                Ok(found) => {
                    let messages = found.messages.iter().map(page).collect();
                    outlet.say(&ServerChat::Page { request, channel, member, messages, more: found.more });
                }
                Err(error) => {
                    tracing::debug!(%error, "no history");
                    let why = "the store doesn't answer; try again";
                    outlet.say(&refusal(asked, ErrorCode::Unavailable, why));
                }
            }
        });
    }

    /// The member's place, or the refusal that there is none.
    fn place(&self, asked: &Asked) -> Option<Place> {
        let Some(Attached { principal, seats, .. }) = self.members.get(asked.member) else {
            self.refuse_chat(asked.clone(), ErrorCode::UnknownMember, "no such member");
            return None;
        };
        let Some(seat) = asked.channel.and_then(|channel| seats.get(&channel)) else {
            self.refuse_chat(asked.clone(), ErrorCode::NotJoined, "not in that channel");
            return None;
        };
        Some(Place { who: principal.clone(), room: seat.room.clone(), talker: seat.talker })
    }

    fn refuse_chat(&self, asked: Asked, code: ErrorCode, why: impl Into<Cow<'static, str>>) {
        self.core.metrics.refused(code);
        self.port.chat.say(&refusal(asked, code, why));
    }
}

fn about(channel: ChannelNumber, member: Option<MemberRef>) -> Asked {
    Asked { channel: Some(channel), member, ..Asked::default() }
}

fn refusal(
    Asked { request, channel, member, id }: Asked,
    code: ErrorCode,
    why: impl Into<Cow<'static, str>>,
) -> ServerChat<'static> {
    ServerChat::Error { request, channel, member, id: id.map(Cow::Owned), code, message: why.into() }
}

/// In milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
