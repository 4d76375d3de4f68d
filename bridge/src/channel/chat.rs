//! Chat of a channel's members: what waits for the gateway's answer, and what everybody is told.

use std::collections::HashMap;

use serde_json::{Value, json};
use suara_proto::message::{ChatMessage, ClientChat};
use suara_proto::{ErrorCode, MemberRef, RequestId};
use tokio::sync::oneshot;

use super::actor::State;
use super::stage::Place;
use crate::trunk::ChatEvent;

/// Answers that are waited for in one channel; more are refused. Those whose asker is gone don't count.
const MAX_WAITING: usize = 1024;

/// What becomes of a message.
pub(crate) type Sent = Result<Stored, ErrorCode>;

/// A message's place in the channel's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) message: u64,
    pub(crate) at: u64,
}

/// A page as a client gets it.
pub(crate) type Page = Result<Value, ErrorCode>;

/// What a client wants of its channel's chat.
#[derive(Debug)]
pub(crate) enum ChatWish {
    Send { id: String, text: String, reply: oneshot::Sender<Sent> },
    Typing,
    History { before: Option<u64>, after: Option<u64>, limit: Option<u32>, reply: oneshot::Sender<Page> },
}

/// The answers that are waited for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    sends: HashMap<(MemberRef, String), Vec<oneshot::Sender<Sent>>>,
    pages: HashMap<RequestId, oneshot::Sender<Page>>,
    requests: u32,
}

impl Waiting {
    fn is_full(&mut self) -> bool {
        if self.sends.len() + self.pages.len() < MAX_WAITING {
            return false;
        }
        self.pages.retain(|_, reply| !reply.is_closed());
        self.sends.retain(|_, replies| replies.iter().any(|reply| !reply.is_closed()));
        self.sends.len() + self.pages.len() >= MAX_WAITING
    }

    fn sent(&mut self, member: MemberRef, id: String, sent: Sent) {
        for reply in self.sends.remove(&(member, id)).into_iter().flatten() {
            // Whoever sent it may be gone.
            reply.send(sent).ok();
        }
    }

    fn paged(&mut self, request: RequestId, page: Page) {
        if let Some(reply) = self.pages.remove(&request) {
            reply.send(page).ok();
        }
    }
}

impl State {
    /// The trunk is lost: each asker hears so by its reply's end, and asks again.
    pub(super) fn cut_off_chat(&mut self) {
        self.chat.sends.clear();
        self.chat.pages.clear();
    }

    pub(super) fn chat_wish(&mut self, member: MemberRef, wish: ChatWish) {
        let (Some(Place { link, channel }), true) = (&self.place, self.members.contains_key(&member)) else {
            // A reply that is dropped says that there is no answer to be had.
            return;
        };
        let (channel, own) = (*channel, Some(member));
        match wish {
            ChatWish::Typing => {
                // It is nothing to be sorry about when it is lost.
                let _sent = link.chat(&ClientChat::Typing { channel, member: own });
            }
            ChatWish::Send { id, text, reply } => {
                let said =
                    ClientChat::Send { channel, member: own, id: id.as_str().into(), text: text.into() };
                if !self.chat.is_full() && link.chat(&said) {
                    self.chat.sends.entry((member, id)).or_default().push(reply);
                }
            }
            ChatWish::History { before, after, limit, reply } => {
                let request = RequestId(self.chat.requests);
                let asked = ClientChat::History { request, channel, member: own, before, after, limit };
                if !self.chat.is_full() && link.chat(&asked) {
                    self.chat.requests = self.chat.requests.wrapping_add(1);
                    self.chat.pages.insert(request, reply);
                }
            }
        }
    }

    pub(super) fn chat_event(&mut self, chat: ChatEvent) {
        match chat {
            ChatEvent::Stored { member, id, message, at } => {
                self.chat.sent(member, id, Ok(Stored { message, at }));
            }
            ChatEvent::NotStored { member, id, code } => self.chat.sent(member, id, Err(code)),
            ChatEvent::NoPage { request, code } => self.chat.paged(request, Err(code)),
            ChatEvent::Page { request, messages, more } => {
                let messages: Vec<Value> = messages.iter().map(shown).collect();
                self.chat.paged(request, Ok(json!({ "messages": messages, "more": more })));
            }
            ChatEvent::Said { member, said } => self.tell_others("chat_message", &shown(&said), member),
            ChatEvent::Typing { talker, user, name } => {
                let own = self.members.iter().find(|(_, present)| present.talker == talker);
                let own = own.map(|(member, _)| *member);
                self.tell_others("chat_typing", &json!({ "user_id": user, "name": name }), own);
            }
        }
    }

    /// Tells everybody but the one whose doing it is: that one has its answer.
    fn tell_others(&self, event: &'static str, payload: &Value, own: Option<MemberRef>) {
        for (member, present) in &self.members {
            if Some(*member) != own {
                self.audience.tell(&present.listener, event, payload);
            }
        }
    }
}

/// A message as clients get it. `channel_id` is put in for each as it spells it.
fn shown(said: &ChatMessage<'_>) -> Value {
    json!({ "message_id": said.message, "user_id": said.user, "name": said.name, "text": said.text, "timestamp": said.at })
}
