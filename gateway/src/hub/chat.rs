//! Chat in a channel: what is stored is told to each session that is there, once and in order.
//!
//! With other nodes there are others that store. They say which number they were given, and what lies between is fetched
//! from the store: being told is a hint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use suara_channel::Time;
use suara_cluster::{ChatOrder, ChatOutput};
use suara_proto::message::{ChatMessage, ServerChat, encode};
use suara_proto::{MemberRef, TalkerNumber};
use suara_store::{Draft, Message, Page, Span, StoreError};
use tokio::time::timeout;

use super::command::Command;
use super::remote::Whisper;
use super::room::Room;
use super::seats::Seat;
use super::writing::Own;
use super::{Hub, RoomHandle};
use crate::session::SessionId;

/// How long a join waits for a store that is slow. Its client asks for the history without knowing of anything.
const LAST_MESSAGE: Duration = Duration::from_millis(500);

/// So long the word of a message between two others may be under way, until the store is asked. No time at all: what is stored
/// elsewhere comes by the store alone, whatever is said of it.
const HINT: Duration = Duration::ZERO;
/// So often the store is asked whether there are messages that nobody spoke of: a word that is lost is rare.
const LOOK: Duration = Duration::from_secs(5);
/// Messages that are fetched at a time.
const MISSED: u32 = 100;

/// A message that this node has stored.
pub struct Said {
    /// What was sent, by whom.
    pub draft: Draft,
    /// Its number in the channel.
    pub number: u64,
    /// The session that sent it.
    pub session: SessionId,
    /// Which of its members, on a trunk.
    pub member: Option<MemberRef>,
}

/// The number of a channel's newest message, as far as it is known. The greatest there is means not at all.
#[derive(Clone)]
pub(super) struct Newest(Arc<AtomicU64>);

const UNKNOWN: u64 = u64::MAX;

impl Default for Newest {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(UNKNOWN)))
    }
}

impl Newest {
    pub(super) fn get(&self) -> Option<u64> {
        Some(self.0.load(Relaxed)).filter(|number| *number != UNKNOWN)
    }

    /// Takes a number that is known to be there; only the channel's task does.
    pub(super) fn raise(&self, number: u64) {
        self.0.store(self.get().map_or(number, |known| known.max(number)), Relaxed);
    }
}

/// The order in which messages are told, where several nodes store them.
#[derive(Default)]
pub(super) struct Line {
    /// Once it is known what was there before.
    order: Option<ChatOrder<Option<Message>>>,
    /// This node's own that wait for those before them.
    own: BTreeMap<u64, Said>,
}

impl Line {
    fn order(&mut self, now: Time, told: u64) -> &mut ChatOrder<Option<Message>> {
        self.order.get_or_insert_with(|| ChatOrder::new(now, told, HINT, LOOK))
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.order.as_ref().and_then(ChatOrder::poll_timeout)
    }
}

/// What the store has of the messages that were missed.
pub(super) type Missed = Result<Page, StoreError>;

impl Hub {
    /// Another node has stored a message in the channel, and its room there, if there is one, can't have said so: who is in it
    /// here is told, if anybody is.
    pub async fn heard(&self, said: Said) {
        let room = self.shared.rooms().get(&said.draft.channel).cloned();
        if let Some(room) = room {
            room.commands.send(Command::Heard(Box::new(said))).await.unwrap_or_default();
        }
    }

    /// Tells the channel of a message. Where nobody is there, there is nobody to be told.
    pub async fn chat(&self, said: Said) {
        let room = self.shared.rooms().get(&said.draft.channel).cloned();
        if let Some(room) = room {
            // One that empties at this moment has nobody to be told either.
            room.commands.send(Command::Chat(Box::new(said))).await.unwrap_or_default();
        }
    }

    /// Passes on that somebody writes who is no member of the channel, where anybody is there to read it.
    pub fn typing_in(&self, channel: &str, user: &Arc<str>, name: &Arc<str>) {
        let room = self.shared.rooms().get(channel).cloned();
        if let Some(room) = room {
            let command = Command::TypingFrom { user: user.clone(), name: name.clone() };
            room.commands.try_send(command).unwrap_or_default();
        }
    }

    /// The number of the newest message, where the channel doesn't know it itself.
    pub(super) async fn last_message(&self, room: &RoomHandle) -> Option<u64> {
        let store = &self.shared.store;
        if room.newest.get().is_some() || !store.is_up() {
            return None;
        }
        timeout(LAST_MESSAGE, store.last_message(&room.name)).await.ok()?.ok()
    }
}

impl RoomHandle {
    /// Passes on that a member writes, unless the channel is busy.
    pub fn typing(&self, talker: TalkerNumber) {
        self.commands.try_send(Command::Typing { talker }).unwrap_or_default();
    }
}

impl Room {
    /// A message was stored here.
    pub(super) fn chat(&mut self, said: Said) {
        let number = said.number;
        self.handle.writing.end(&said.draft);
        if !self.shares_chat() {
            return self.tell_chat(number, &said.draft, Some((said.session, said.member)));
        }
        self.whisper(&Whisper::Chat { number });
        let now = self.clock.now();
        let order = self.line.order(now, number.saturating_sub(1));
        if number > order.told() {
            order.stored(now, number, None);
            self.line.own.insert(number, said);
        }
        self.go_on();
    }

    /// A message was stored elsewhere, and is here.
    pub(super) fn heard(&mut self, Said { draft, number, .. }: &Said) {
        if self.shares_chat() {
            self.hinted(*number);
        } else {
            self.tell_chat(*number, draft, None);
        }
    }

    /// A message was stored elsewhere.
    pub(super) fn hinted(&mut self, number: u64) {
        if self.shares_chat() {
            let now = self.clock.now();
            self.line.order(now, number.saturating_sub(1)).heard_of(now, number);
            self.go_on();
        }
    }

    /// The newest message that who comes in is told of: those up to it are nobody's to be told.
    pub(super) fn chat_begins(&mut self, last: u64) {
        self.handle.newest.raise(last);
        if self.shares_chat() {
            self.line.order(self.clock.now(), last);
        }
    }

    /// Hints may have been missed.
    pub(super) fn catch_up(&mut self) {
        if let Some(order) = self.line.order.as_ref().filter(|_| self.shares_chat()) {
            self.fetch(order.told());
        }
    }

    /// The store has answered.
    pub(super) fn missed(&mut self, missed: Missed) {
        let now = self.clock.now();
        let Some(order) = &mut self.line.order else { return };
        match missed {
            Ok(Page { messages, more }) => {
                let last = messages.last().map(|message| message.number);
                order.fetched(now, messages.into_iter().map(|message| (message.number, Some(message))));
                if let Some(last) = last.filter(|_| more) {
                    order.heard_of(now, last + 1);
                }
            }
            Err(error) => {
                tracing::debug!(channel = %self.handle.number, %error, "what was missed can't be fetched");
                order.failed(now);
            }
        }
        self.go_on();
    }

    /// Tells what can be told by now, and asks for what is missing.
    pub(super) fn go_on(&mut self) {
        let now = self.clock.now();
        let Some(order) = &mut self.line.order else { return };
        order.handle_timeout(now);
        let outputs: Vec<_> = std::iter::from_fn(|| order.poll_output()).collect();
        for output in outputs {
            match output {
                ChatOutput::Tell { number, message } => self.tell_next(number, message),
                ChatOutput::Fetch { after } => self.fetch(after),
            }
        }
    }

    fn tell_next(&mut self, number: u64, message: Option<Message>) {
        match (self.line.own.remove(&number), message) {
            // Its own sender knows it by its id.
            (Some(Said { draft, session, member, .. }), _) => {
                self.tell_chat(number, &draft, Some((session, member)));
            }
            (None, Some(message)) => self.tell_fetched(number, message),
            (None, None) => {}
        }
    }

    fn tell_fetched(&self, number: u64, message: Message) {
        match self.handle.writing.of(&message) {
            Some(Own { draft, session, member }) => self.tell_chat(number, &draft, Some((session, member))),
            None => {
                let Message { user, name, role, text, at, .. } = message;
                let channel = self.handle.name.clone();
                let [user, name, role, text] = [user, name, role, text].map(Into::into);
                self.tell_chat(number, &Draft { channel, user, name, role, id: "".into(), text, at }, None);
            }
        }
    }

    /// Whether other nodes store into this channel too.
    fn shares_chat(&self) -> bool {
        self.abroad.is_some() && self.hub.shared.store.is_shared()
    }

    fn fetch(&self, after: u64) {
        let span = Span { before: None, after: Some(after), limit: MISSED };
        let (store, name) = (self.hub.shared.store.clone(), self.handle.name.clone());
        let commands = self.handle.commands.clone();
        self.hub.shared.tasks.spawn(async move {
            let missed = store.history(&name, span).await;
            commands.send(Command::Missed(missed)).await.unwrap_or_default();
        });
    }

    fn tell_chat(&self, number: u64, draft: &Draft, from: Option<(SessionId, Option<MemberRef>)>) {
        self.handle.newest.raise(number);
        let channel = self.handle.number;
        let said = || ChatMessage {
            message: number,
            user: (&*draft.user).into(),
            name: (&*draft.name).into(),
            role: (&*draft.role).into(),
            text: (&*draft.text).into(),
            at: draft.at,
        };
        let framed = encode(&ServerChat::Chat { channel, member: None, id: None, said: said() });
        for (id, present) in &self.present {
            if let Some((_, member)) = from.filter(|(session, _)| session == id) {
                let id = Some((&*draft.id).into());
                present.port.chat.say(&ServerChat::Chat { channel, member, id, said: said() });
            } else {
                present.port.chat.send(framed.clone());
            }
        }
    }

    /// What another room of the channel says.
    pub(super) fn overheard(&mut self, whisper: Whisper) {
        match whisper {
            Whisper::Chat { number } => self.hinted(number),
            Whisper::Typing { talker, user, name } => self.tell_typing(talker, &user, &name),
        }
    }

    fn tell_typing(&self, talker: TalkerNumber, user: &str, name: &str) {
        let channel = self.handle.number;
        let framed = encode(&ServerChat::Typing { channel, talker, user: user.into(), name: name.into() });
        for present in self.present.values() {
            present.port.chat.send(framed.clone());
        }
    }

    /// Everybody hears of somebody who has no number here.
    pub(super) fn typing_from(&self, user: &str, name: &str) {
        self.tell_typing(TalkerNumber(0), user, name);
    }

    /// Everybody else hears of it; a trunk too that the member is of, since it has others.
    pub(super) fn typing(&self, talker: TalkerNumber) {
        let (Some(Seat { port: Some(port), member, .. }), Some(who)) =
            (self.seats.get(&talker), self.channel().member(talker))
        else {
            return;
        };
        let (user, name) = (who.who.user.clone(), who.who.name.clone());
        self.whisper(&Whisper::Typing { talker, user, name });
        let (user, name) = ((&*who.who.user).into(), (&*who.who.name).into());
        let framed = encode(&ServerChat::Typing { channel: self.handle.number, talker, user, name });
        for (id, present) in &self.present {
            if *id != port.id || member.is_some() {
                present.port.chat.send(framed.clone());
            }
        }
    }
}
