//! Staff on Socket.IO: what visitors say is told to a room of theirs, and their answers go to the gateway.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use suara_proto::message::ClientLivechat;
use suara_proto::{ErrorCode, MemberRef, RequestId};
use tokio::sync::oneshot;

use super::payload::safe;
use super::state::{Asked, RETURN_RETRY, State};
use crate::trunk::{StaffEvent, StaffLine, Talk};

/// Where staff is, on Socket.IO.
pub(crate) trait StaffRoom: Send + Sync {
    /// Tells everybody of staff.
    fn tell(&self, event: &'static str, payload: &Value);
}

/// What becomes of an answer: its number in the conversation and its time.
pub(crate) type Replied = Result<(u64, u64), ErrorCode>;
/// What is said of conversations, as staff gets it.
pub(crate) type Shown = Result<Value, ErrorCode>;

/// What one of staff asks.
#[derive(Debug)]
pub(super) enum StaffOrder {
    Came,
    Gone,
    Reply { session: String, id: String, text: String, reply: oneshot::Sender<Replied> },
    Typing { session: String },
    Inbox { reply: oneshot::Sender<Shown> },
    History { session: String, before: Option<u64>, limit: Option<u32>, reply: oneshot::Sender<Shown> },
}

/// Staff of this bridge.
pub(super) struct Staff {
    room: Arc<dyn StaffRoom>,
    present: BTreeSet<MemberRef>,
    /// Those who watch not yet, each to be asked for not before its time.
    pub(super) waiting: VecDeque<(Instant, MemberRef)>,
    replies: HashMap<(MemberRef, String, String), Vec<oneshot::Sender<Replied>>>,
}

impl Staff {
    pub(super) fn new(room: Arc<dyn StaffRoom>) -> Self {
        Self { room, present: BTreeSet::new(), waiting: VecDeque::new(), replies: HashMap::new() }
    }

    /// The trunk is gone: whoever waits for an answer is told, and asks again.
    pub(super) fn cut_off(&mut self) {
        self.waiting.clear();
        for reply in self.replies.drain().flat_map(|(_, replies)| replies) {
            reply.send(Err(ErrorCode::Unavailable)).ok();
        }
    }

    /// It stands again.
    pub(super) fn back(&mut self, now: Instant) {
        self.waiting = self.present.iter().map(|member| (now, *member)).collect();
    }
}

impl State {
    pub(super) fn staff_order(&mut self, now: Instant, member: MemberRef, order: StaffOrder) {
        match order {
            StaffOrder::Came => {
                self.staff.present.insert(member);
                self.watch(now, member);
            }
            // Its member is detached, with which it watches no more.
            StaffOrder::Gone => {
                self.staff.present.remove(&member);
            }
            StaffOrder::Reply { session, id, text, reply } => self.reply(member, session, id, text, reply),
            StaffOrder::Typing { session } => {
                let (member, session) = (Some(member), session.into());
                let said = self.chat(&ClientLivechat::Typing { member, session });
                tracing::trace!(said, "staff writes");
            }
            StaffOrder::Inbox { reply } => {
                let request = self.note(now, Asked::Inbox(reply));
                if !self.chat(&ClientLivechat::Watch { request, member: Some(member) }) {
                    self.refused(now, request, ErrorCode::Unavailable);
                }
            }
            StaffOrder::History { session, before, limit, reply } => {
                let request = self.note(now, Asked::Talk(reply));
                let (member, session, after) = (Some(member), session.into(), None);
                let asked = ClientLivechat::History { request, member, session, before, after, limit };
                if !self.chat(&asked) {
                    self.refused(now, request, ErrorCode::Unavailable);
                }
            }
        }
    }

    /// Has the gateway tell of all conversations; with the first of staff it does, for the whole trunk.
    fn watch(&mut self, now: Instant, member: MemberRef) {
        if self.link.is_none() {
            return;
        }
        let request = self.note(now, Asked::Watch(member));
        if !self.chat(&ClientLivechat::Watch { request, member: Some(member) }) {
            self.refused(now, request, ErrorCode::Unavailable);
        }
    }

    /// Those who don't watch yet, and should by now.
    pub(super) fn watch_again(&mut self, now: Instant) {
        while let Some((_, member)) = self.staff.waiting.pop_front_if(|(at, _)| *at <= now) {
            if self.staff.present.contains(&member) {
                self.watch(now, member);
            }
        }
    }

    /// After a loss of the trunk its member comes back after the trunk does: it is asked for again.
    pub(super) fn does_not_watch(&mut self, now: Instant, member: MemberRef, code: ErrorCode) {
        if code != ErrorCode::Forbidden && self.staff.present.contains(&member) {
            self.staff.waiting.push_back((now + RETURN_RETRY, member));
        }
    }

    fn reply(
        &mut self,
        member: MemberRef,
        session: String,
        id: String,
        text: String,
        reply: oneshot::Sender<Replied>,
    ) {
        let key = (member, session.clone(), id.clone());
        self.staff.replies.retain(|_, replies| replies.iter().any(|reply| !reply.is_closed()));
        let waiting = self.staff.replies.entry(key.clone()).or_default();
        waiting.push(reply);
        let (session, id, text) = (session.into(), id.into(), text.into());
        if !self.chat(&ClientLivechat::Reply { member: Some(member), session, id, text }) {
            self.replied(&key, Err(ErrorCode::Unavailable));
        }
    }

    fn replied(&mut self, key: &(MemberRef, String, String), replied: Replied) {
        for reply in self.staff.replies.remove(key).into_iter().flatten() {
            // Whoever answered may be gone.
            reply.send(replied).ok();
        }
    }

    /// What the gateway says of conversations.
    pub(super) fn staff_event(&mut self, now: Instant, event: StaffEvent) {
        match event {
            StaffEvent::Said { session, said } => {
                let event = if said.staff { "livechat:reply" } else { "livechat:message" };
                let mut payload = line(&said);
                payload["sessionId"] = safe(&session).into();
                self.staff.room.tell(event, &payload);
            }
            StaffEvent::Presence { session, name, open } => {
                let payload = json!({ "sessionId": safe(&session), "name": safe(&name), "open": open });
                self.staff.room.tell("livechat:presence", &payload);
            }
            StaffEvent::Typing { session, staff, name } => {
                let payload = json!({ "sessionId": safe(&session), "from": safe(&name), "staff": staff });
                self.staff.room.tell("livechat:typing", &payload);
            }
            StaffEvent::Stored { member, session, id, message, at } => {
                self.replied(&(member, session.to_string(), id), Ok((message, at)));
            }
            StaffEvent::NotStored { member, session, id, code } => {
                self.replied(&(member, session.to_string(), id), Err(code));
            }
            StaffEvent::Inbox { request, conversations } => self.inbox(request, &conversations),
            StaffEvent::Page { request, messages, more } => {
                if let Some(Asked::Talk(reply)) = self.asked.remove(&request) {
                    let messages: Vec<_> = messages.iter().map(line).collect();
                    reply.send(Ok(json!({ "messages": messages, "more": more }))).ok();
                }
            }
            StaffEvent::Refused { request, code } => self.refused(now, request, code),
        }
    }

    fn inbox(&mut self, request: RequestId, conversations: &[Talk]) {
        match self.asked.remove(&request) {
            Some(Asked::Inbox(reply)) => {
                let conversations: Vec<_> = conversations.iter().map(talk).collect();
                reply.send(Ok(json!({ "conversations": conversations }))).ok();
            }
            Some(Asked::Watch(_)) => {}
            Some(other) => {
                self.asked.insert(request, other);
            }
            None => {}
        }
    }
}

fn line(said: &StaffLine) -> Value {
    json!({
        "from": safe(&said.name),
        "text": safe(&said.text),
        "messageId": said.number,
        "timestamp": said.at,
        "staff": said.staff,
    })
}

fn talk(talk: &Talk) -> Value {
    json!({
        "sessionId": safe(&talk.session),
        "name": safe(&talk.name),
        "open": talk.open,
        "last": talk.last.as_ref().map(line),
    })
}
