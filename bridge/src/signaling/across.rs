//! Rooms across nodes: what this bridge says to others of its peers, and what comes of what they say.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::others::Step;
use super::table::Member;
use super::word::{NodeTag, PART, Record, Said, Word, peer_id};
use super::{Board, Rooms};
use crate::bus::Relay;
use crate::channel::Seat;

/// The way to other bridges. Nothing in it may block.
pub(crate) trait Speak: Send + Sync + 'static {
    /// `false` where it is lost.
    fn speak(&self, bytes: Vec<u8>) -> bool;
}

/// The way, and by which name this bridge uses it.
pub(super) struct Link {
    node: NodeTag,
    speak: Box<dyn Speak>,
}

impl Board {
    /// From now on there are other bridges.
    pub(crate) fn speaks_by(&self, speak: impl Speak) {
        // 53 bits: any reader of JSON has it whole.
        let node = NodeTag(rand::random::<u64>() >> 11);
        self.0.link.set(Link { node, speak: Box::new(speak) }).unwrap_or_default();
    }

    pub(super) fn say(&self, word: Word) -> bool {
        let Some(Link { node, speak }) = self.0.link.get() else { return false };
        speak.speak(Said { node: *node, word }.bytes())
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
                if of.is_none_or(|of| self.0.link.get().is_some_and(|link| link.node == of)) {
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

    /// Who wasn't heard for too long is gone.
    fn bury(&self, now: Instant) {
        let mut rooms = self.rooms();
        for node in rooms.others.dead(now) {
            tracing::info!(node = node.0, "a bridge is gone, and its peers with it");
            self.replace(&mut rooms, node, Vec::new());
        }
    }

    fn ask_if(&self, step: Step, node: NodeTag) {
        if step == Step::Ask {
            self.say(Word::Ask { of: Some(node) });
        }
    }

    fn came(&self, rooms: &mut Rooms, node: NodeTag, record: Record) {
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

    fn went(&self, rooms: &mut Rooms, node: NodeTag, id: &str, left: &BTreeSet<String>) {
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
    fn replace(&self, rooms: &mut Rooms, node: NodeTag, all: Vec<Record>) {
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
        self.rooms().others.forgive(Instant::now());
        self.say(Word::Ask { of: None });
        // Others may have taken this bridge for dead, or know nothing of it.
        self.say_all();
    }

    fn heard(&self, bytes: &[u8]) {
        let own = self.0.link.get().map(|link| link.node);
        match Said::read(bytes) {
            Some(said) if Some(said.node) == own => {}
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
