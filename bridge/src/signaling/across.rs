//! Rooms across nodes: what this bridge says to others of its peers, and what comes of what they say.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::others::Step;
use super::table::Member;
use super::word::{PART, Record, Said, Word, peer_id};
use super::{Board, Rooms};
use crate::bus::Relay;
use crate::channel::Seat;
use crate::nodes::NodeId;

/// The way to other bridges. Nothing in it may block.
pub(crate) trait Speak: Send + Sync + 'static {
    /// `false` where it is lost.
    fn speak(&self, bytes: Vec<u8>) -> bool;
}

/// Who of the bridges lives. Nothing in it may block.
pub(crate) trait Living: Send + Sync + 'static {
    /// This one.
    fn me(&self) -> NodeId;
    /// Whether another lives; nothing where it can't be known at the moment.
    fn lives(&self, node: NodeId) -> Option<bool>;
}

/// The way, and who there is at its other ends.
pub(super) struct Link {
    speak: Box<dyn Speak>,
    living: Box<dyn Living>,
}

impl Board {
    /// From now on there are other bridges.
    pub(crate) fn speaks_by(&self, speak: impl Speak, living: impl Living) {
        let link = Link { speak: Box::new(speak), living: Box::new(living) };
        self.0.link.set(link).unwrap_or_default();
    }

    pub(super) fn say(&self, word: Word) -> bool {
        let Some(Link { speak, living }) = self.0.link.get() else { return false };
        speak.speak(Said { node: living.me(), word }.bytes())
    }

    fn is_me(&self, node: NodeId) -> bool {
        self.0.link.get().is_some_and(|link| link.living.me() == node)
    }

    /// Says that a peer of this bridge has come. The table is locked meanwhile, so that numbers are said in their order.
    pub(super) fn say_came(&self, rooms: &mut Rooms, record: Record) {
        rooms.last += 1;
        self.say(Word::Came { number: rooms.last, record });
    }

    pub(super) fn say_gone(&self, rooms: &mut Rooms, id: String, left: BTreeSet<String>) {
        rooms.last += 1;
        self.say(Word::Gone { number: rooms.last, id, rooms: left });
    }

    fn say_all(&self) {
        let rooms = self.rooms();
        let (number, all) = (rooms.last, rooms.table.mine());
        let parts = u32::try_from(all.len().div_ceil(PART).max(1)).unwrap_or(u32::MAX);
        let mut chunks = all.chunks(PART);
        for part in 0..parts {
            let records = chunks.next().unwrap_or_default().to_vec();
            self.say(Word::All { number, part, parts, records });
        }
    }

    fn take(&self, Said { node, word }: Said, now: Instant) {
        match word {
            Word::Beat { last } => {
                let step = self.rooms().others.beat(node, last, now);
                self.ask_if(step, node);
            }
            Word::Came { number, record } => {
                let mut rooms = self.rooms();
                let step = rooms.others.change(node, number, now);
                if step == Step::Take {
                    self.came(&mut rooms, node, record);
                }
                drop(rooms);
                self.ask_if(step, node);
            }
            Word::Gone { number, id, rooms: left } => {
                let mut rooms = self.rooms();
                let step = rooms.others.change(node, number, now);
                if step == Step::Take {
                    self.went(&mut rooms, node, &id, &left);
                }
                drop(rooms);
                self.ask_if(step, node);
            }
            Word::All { number, part, parts, records } => {
                let mut rooms = self.rooms();
                if let Some(all) = rooms.others.part(node, number, (part, parts), records, now) {
                    self.replace(&mut rooms, node, all);
                }
            }
            Word::Ask { of } => {
                if of.is_none_or(|of| self.is_me(of)) {
                    self.say_all();
                }
            }
            Word::Signal { to, from, signal } => {
                // Its node has seen that both are in one room.
                let seat = self.rooms().table.find_here(&to);
                if let Some(seat) = seat {
                    self.tell(seat, "signal", &json!({ "fromId": peer_id(&from), "signal": signal }));
                    self.0.metrics.signal();
                }
            }
        }
    }

    /// Who doesn't live any more is gone.
    fn bury(&self, now: Instant) {
        let Some(Link { living, .. }) = self.0.link.get() else { return };
        let mut rooms = self.rooms();
        for node in rooms.others.dead(now, |node| living.lives(node)) {
            tracing::info!(%node, "a bridge is gone, and its peers with it");
            self.replace(&mut rooms, node, Vec::new());
        }
    }

    fn ask_if(&self, step: Step, node: NodeId) {
        if step == Step::Ask {
            self.say(Word::Ask { of: Some(node) });
        }
    }

    fn came(&self, rooms: &mut Rooms, node: NodeId, record: Record) {
        let (newcomer, here) = rooms.table.came(node, record);
        for member in here {
            self.meet(&member, &newcomer);
        }
    }

    /// A peer of this bridge hears of one of another: as of somebody who came, or as of somebody who was there.
    fn meet(&self, member: &Member, other: &Member) {
        let Some(seat) = member.seat() else { return };
        if member.offers_to(other) {
            self.tell(seat, "existing_peers", &json!([other.card]));
        } else {
            self.tell(seat, "new_peer", &other.card);
        }
    }

    fn went(&self, rooms: &mut Rooms, node: NodeId, id: &str, left: &BTreeSet<String>) {
        let mut told: Vec<Seat> = Vec::new();
        let gone: Value = json!({ "peerId": peer_id(id) });
        for seat in left.iter().flat_map(|room| rooms.table.went(node, room, id)) {
            if !told.contains(&seat) {
                self.tell(seat, "peer_disconnected", &gone);
                told.push(seat);
            }
        }
    }

    /// All that another bridge has is known.
    fn replace(&self, rooms: &mut Rooms, node: NodeId, all: Vec<Record>) {
        let now: BTreeSet<_> = all.iter().map(|record| (record.room.clone(), record.id.clone())).collect();
        let gone: Vec<_> = rooms.table.of(node).difference(&now).cloned().collect();
        let ids: BTreeSet<_> = gone.iter().map(|(_, id)| id.clone()).collect();
        for id in ids {
            let of = gone.iter().filter(|(_, other)| *other == id);
            let left = of.map(|(room, _)| room.clone()).collect();
            self.went(rooms, node, &id, &left);
        }
        for record in all {
            self.came(rooms, node, record);
        }
    }
}

impl Relay for Board {
    fn up(&self) {
        self.say(Word::Ask { of: None });
        // Others may have taken this bridge for dead, or know nothing of it.
        self.say_all();
    }

    fn heard(&self, bytes: &[u8]) {
        match Said::read(bytes) {
            Some(said) if self.is_me(said.node) => {}
            Some(said) => self.take(said, Instant::now()),
            None => self.0.metrics.bad_input("signaling_word"),
        }
    }

    fn beat(&self) {
        self.bury(Instant::now());
        let last = self.rooms().last;
        self.say(Word::Beat { last });
    }
}

#[cfg(test)]
#[path = "across_scenes.rs"]
mod scenes;
