//! What each message of staff about visitors' conversations leads to (PROTOCOL.md, section 10.6).

use std::borrow::Cow;

use suara_proto::limits::{CHAT_PAGE, MAX_CHANNEL_NAME, MAX_CHAT_ID, MAX_CHAT_PAGE, MAX_CHAT_TEXT};
use suara_proto::message::{ClientLivechat, LIVECHAT_PREFIX, ServerLivechat, encode};
use suara_proto::text::{clean, is_plain};
use suara_proto::{ErrorCode, MemberRef, RequestId};
use suara_store::{Draft, Span};

use super::chat::now_ms;
use super::serve::Session;
use crate::auth::Principal;
use crate::chat::{Origin, Via};
use crate::livechat::line;

/// Conversations of an inbox that nobody is in any more.
const RECENT: u32 = 100;

/// What a refusal has to repeat.
#[derive(Clone, Default)]
struct Asked {
    request: Option<RequestId>,
    member: Option<MemberRef>,
    session: Option<String>,
    id: Option<String>,
}

impl Session<'_> {
    /// Takes what staff says of visitors' conversations.
    pub(super) fn livechat(&mut self, message: ClientLivechat<'_>) {
        let asked = asked(&message);
        let Some(attached) = self.members.get(asked.member) else {
            return self.refuse_livechat(asked, ErrorCode::UnknownMember, "no such member");
        };
        let who = attached.principal.clone();
        if !self.core.livechat.is_staff(&who) {
            return self.refuse_livechat(asked, ErrorCode::Forbidden, "this is for staff");
        }
        let named = asked.session.as_deref();
        if named.is_some_and(|session| !is_plain(session, MAX_CHANNEL_NAME - LIVECHAT_PREFIX.len())) {
            let nobody = Asked { session: None, ..asked };
            return self.refuse_livechat(nobody, ErrorCode::BadField, "no session is called so");
        }
        match message {
            ClientLivechat::Watch { request, .. } => self.watch(asked, request, &who),
            ClientLivechat::Reply { session, text, .. } => self.reply(asked, &who, &session, &text),
            ClientLivechat::Typing { session, .. } => {
                if self.core.chat.may_say_typing(&who.user) {
                    self.core.livechat.typing(&session, true, &who.user, &who.name);
                    self.core.hub.typing_in(&format!("{LIVECHAT_PREFIX}{session}"), &who.user, &who.name);
                }
            }
            ClientLivechat::History { request, session, before, after, limit, .. } => {
                let limit = limit.unwrap_or(CHAT_PAGE).clamp(1, MAX_CHAT_PAGE);
                self.conversation(asked, request, &who, &session, Span { before, after, limit });
            }
        }
    }

    fn watch(&mut self, asked: Asked, request: RequestId, who: &Principal) {
        if !self.core.chat.may_read(&who.user) {
            return self.refuse_livechat(asked, ErrorCode::RateLimited, "the inbox is asked for too often");
        }
        let member = asked.member;
        let watch = self.core.livechat.watch(self.port.id, &self.port.chat, member);
        self.members.watch(member, watch);
        let (core, outlet) = (self.core.clone(), self.port.chat.clone());
        self.core.tasks.spawn(async move {
            match core.chat.store().recent(LIVECHAT_PREFIX, RECENT).await {
                Ok(recent) => {
                    let conversations = core.livechat.conversations(&recent);
                    outlet.send(encode(&ServerLivechat::Inbox { request, member, conversations }));
                }
                Err(error) => {
                    tracing::debug!(%error, "no inbox");
                    outlet.send(refusal(
                        asked,
                        ErrorCode::Unavailable,
                        "the store doesn't answer; try again",
                    ));
                }
            }
        });
    }

    fn reply(&self, mut asked: Asked, who: &Principal, session: &str, text: &str) {
        if !asked.id.as_deref().is_some_and(|id| is_plain(id, MAX_CHAT_ID)) {
            asked.id = None;
            let why = "an id is 1 to 64 bytes without control characters";
            return self.refuse_livechat(asked, ErrorCode::BadField, why);
        }
        let text = clean(text);
        if text.trim().is_empty() || text.chars().nth(MAX_CHAT_TEXT).is_some() {
            return self.refuse_livechat(asked, ErrorCode::BadField, "a text is 1 to 4000 characters");
        }
        if !self.core.chat.may_send(&who.user) {
            return self.refuse_livechat(asked, ErrorCode::RateLimited, "messages come too fast");
        }
        let draft = Draft {
            channel: format!("{LIVECHAT_PREFIX}{session}").into(),
            user: who.user.clone(),
            name: who.name.clone(),
            role: who.role.clone(),
            id: asked.id.as_deref().unwrap_or_default().into(),
            text: text.into(),
            at: now_ms(),
        };
        let via = Via::Livechat(session.into());
        let origin = Origin { port: self.port.clone(), via, member: asked.member };
        if self.core.livechat.is_open(session) {
            if self.core.chat.post(draft, origin).is_err() {
                self.refuse_livechat(asked, ErrorCode::Unavailable, "the store can't keep up; try again");
            }
            return;
        }
        // Nobody is answered who never said anything.
        let (core, outlet) = (self.core.clone(), self.port.chat.clone());
        self.core.tasks.spawn(async move {
            let (code, why) = match core.chat.store().last_message(&draft.channel).await {
                Ok(0) => (ErrorCode::NotJoined, "there is no such session"),
                Ok(_) if core.chat.post(draft, origin).is_ok() => return,
                Ok(_) | Err(_) => (ErrorCode::Unavailable, "the store doesn't answer; try again"),
            };
            core.metrics.refused(code);
            outlet.send(refusal(asked, code, why));
        });
    }

    fn conversation(&self, asked: Asked, request: RequestId, who: &Principal, session: &str, span: Span) {
        if !self.core.chat.may_read(&who.user) {
            return self.refuse_livechat(asked, ErrorCode::RateLimited, "history is asked for too often");
        }
        let (core, outlet, session) = (self.core.clone(), self.port.chat.clone(), session.to_owned());
        self.core.tasks.spawn(async move {
            match core.chat.history(&format!("{LIVECHAT_PREFIX}{session}"), span).await {
                Ok(found) => {
                    let messages = found.messages.iter().map(line).collect();
                    let (member, session) = (asked.member, session.into());
                    let page = ServerLivechat::Page { request, member, session, messages, more: found.more };
                    outlet.send(encode(&page));
                }
                Err(error) => {
                    tracing::debug!(%error, "no history");
                    outlet.send(refusal(
                        asked,
                        ErrorCode::Unavailable,
                        "the store doesn't answer; try again",
                    ));
                }
            }
        });
    }

    fn refuse_livechat(&self, asked: Asked, code: ErrorCode, why: &'static str) {
        self.core.metrics.refused(code);
        self.port.chat.send(refusal(asked, code, why));
    }
}

fn asked(message: &ClientLivechat<'_>) -> Asked {
    let member = message.member();
    match message {
        ClientLivechat::Watch { request, .. } => {
            Asked { request: Some(*request), member, ..Asked::default() }
        }
        ClientLivechat::Reply { session, id, .. } => {
            Asked { member, session: Some(session.to_string()), id: Some(id.to_string()), request: None }
        }
        ClientLivechat::Typing { session, .. } => {
            Asked { member, session: Some(session.to_string()), ..Asked::default() }
        }
        ClientLivechat::History { request, session, .. } => {
            Asked { request: Some(*request), member, session: Some(session.to_string()), ..Asked::default() }
        }
    }
}

fn refusal(
    Asked { request, member, session, id }: Asked,
    code: ErrorCode,
    why: &'static str,
) -> bytes::Bytes {
    let (session, id) = (session.map(Cow::Owned), id.map(Cow::Owned));
    encode(&ServerLivechat::Error { request, member, session, id, code, message: why.into() })
}
