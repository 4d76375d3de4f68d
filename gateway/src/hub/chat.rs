//! Chat in a channel: what is stored is told to each session that is there, once and in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use suara_proto::message::{ChatMessage, ServerChat, encode};
use suara_proto::{MemberRef, TalkerNumber};
use suara_store::Draft;
use tokio::time::timeout;

use super::room::{Command, Room, Seat};
use super::{Hub, RoomHandle};
use crate::session::SessionId;

/// How long a join waits for a store that is slow. Its client asks for the history without knowing of anything.
const LAST_MESSAGE: Duration = Duration::from_millis(500);

/// A message that is stored.
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

impl Hub {
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
    pub(super) fn chat(&mut self, said: &Said) {
        let Said { draft, number, session, member } = said;
        self.handle.newest.raise(*number);
        let channel = self.handle.number;
        let said = || ChatMessage {
            message: *number,
            user: (&*draft.user).into(),
            name: (&*draft.name).into(),
            role: (&*draft.role).into(),
            text: (&*draft.text).into(),
            at: draft.at,
        };
        let framed = encode(&ServerChat::Chat { channel, member: None, id: None, said: said() });
        for (id, present) in &self.present {
            if id == session {
                let id = Some((&*draft.id).into());
                present.port.chat.say(&ServerChat::Chat { channel, member: *member, id, said: said() });
            } else {
                present.port.chat.send(framed.clone());
            }
        }
    }

    /// Everybody hears of somebody who has no number here.
    pub(super) fn typing_from(&self, user: &str, name: &str) {
        let (channel, talker) = (self.handle.number, TalkerNumber(0));
        let framed = encode(&ServerChat::Typing { channel, talker, user: user.into(), name: name.into() });
        for present in self.present.values() {
            present.port.chat.send(framed.clone());
        }
    }

    /// Everybody else hears of it; a trunk too that the member is of, since it has others.
    pub(super) fn typing(&self, talker: TalkerNumber) {
        let (Some(Seat { port: Some(port), member, .. }), Some(who)) =
            (self.seats.get(&talker), self.channel.member(talker))
        else {
            return;
        };
        let (user, name) = ((&*who.who.user).into(), (&*who.who.name).into());
        let framed = encode(&ServerChat::Typing { channel: self.handle.number, talker, user, name });
        for (id, present) in &self.present {
            if *id != port.id || member.is_some() {
                present.port.chat.send(framed.clone());
            }
        }
    }
}
