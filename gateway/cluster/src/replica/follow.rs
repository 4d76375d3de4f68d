//! One who follows: applies what the owner says, in order, and asks for what is missing.

use std::collections::BTreeMap;

use suara_channel::Time;

use super::{Replica, Role};
use crate::entry::Entry;
use crate::ids::{Epoch, NodeId, Term};
use crate::log::term_after;
use crate::packet::Packet;

/// Packets that came before their turn, at most; those that are missing are asked for soon.
const MAX_HELD: usize = 32;

/// By the number of their first entry: the term before it, and the entries.
pub(super) type Held = BTreeMap<u64, (Term, Vec<Entry>)>;

impl Replica {
    pub(super) fn take_in(&mut self, from: NodeId, packet: Packet) {
        if matches!(self.role, Role::Lone | Role::Out) {
            return;
        }
        // It came by way of Redis.
        self.is_back();
        self.dead.remove(&from);
        self.peers.insert(from, self.now);
        match packet {
            Packet::Hello { term, index, seen } => self.on_hello(from, term, index, seen),
            Packet::Submit { epoch, term, settled, ops } => self.on_submit(from, (epoch, term), settled, ops),
            Packet::Log { epoch, prior, first, entries } => {
                if self.accept(from, epoch) {
                    self.on_log(prior, first, entries);
                }
            }
            Packet::Beat { epoch, term, head, at } => {
                if self.accept(from, epoch) {
                    self.set_time(at);
                    self.on_beat(term, head);
                    self.say_here(from, epoch);
                }
            }
            Packet::Snapshot { epoch, at, state } => self.on_snapshot(from, epoch, at, *state),
            Packet::Taking { epoch, term, index } => self.on_taking(from, epoch, term, index),
            Packet::Same { epoch } => self.on_same(from, epoch),
            Packet::Bye { heir } => self.on_bye(from, heir),
        }
    }

    /// Whether an owner's word counts here; if so, that is whom this node follows.
    pub(super) fn accept(&mut self, from: NodeId, of: Epoch) -> bool {
        let now = self.now;
        if let Role::Split { host, .. } = &mut self.role {
            // Somebody decides on a side that counts, be its epoch lower so far.
            host.get_or_insert((from, now)).0 = from;
            self.seen = self.seen.max(of);
            return false;
        }
        if of < self.seen {
            return false;
        }
        match &mut self.role {
            Role::Follower { owner, epoch, heard, .. } if *epoch == of => {
                if *owner == from {
                    *heard = now;
                }
                *owner == from
            }
            Role::Owner { epoch, .. } | Role::Recovering { epoch, .. } if *epoch >= of => false,
            _ => {
                self.follow(from, of, None);
                true
            }
        }
    }

    /// Somebody else decides from now on.
    pub(super) fn follow(&mut self, owner: NodeId, epoch: Epoch, hello: Option<Time>) {
        self.seen = self.seen.max(epoch);
        self.role = Role::Follower { owner, epoch, heard: self.now, hello };
        self.held.clear();
        self.own.hurry();
    }

    fn on_log(&mut self, prior: Term, first: u64, entries: Vec<Entry>) {
        if !self.take_entries(prior, first, entries) {
            return;
        }
        // What came before its turn may have it now.
        while let Some(slot) = self.held.first_entry()
            && *slot.key() <= self.state.index + 1
        {
            let (first, (prior, entries)) = slot.remove_entry();
            if !self.take_entries(prior, first, entries) {
                return;
            }
        }
        if self.held.is_empty() {
            self.miss(None);
        }
    }

    /// Applies those that are next; `false` when this isn't the log that leads on from here.
    fn take_entries(&mut self, prior: Term, first: u64, entries: Vec<Entry>) -> bool {
        if first > self.state.index + 1 {
            if self.held.len() < MAX_HELD {
                self.held.insert(first, (prior, entries));
            }
            self.miss(Some(self.now + self.rules.resend / 5));
            return false;
        }
        let mut term = prior;
        let known = usize::try_from(self.state.index + 1 - first).unwrap_or(usize::MAX).min(entries.len());
        for entry in &entries[..known] {
            term = term_after(term, entry);
        }
        let reaches = first + known as u64 == self.state.index + 1;
        let agrees = if reaches { term == self.state.term } else { term <= self.state.term };
        if !agrees {
            self.miss(Some(self.now));
            return false;
        }
        for entry in entries.into_iter().skip(known) {
            self.set_time(entry.at);
            self.apply(entry);
        }
        true
    }

    fn on_beat(&mut self, term: Term, head: u64) {
        let (own, index) = (self.state.term, self.state.index);
        if (term, head) == (own, index) {
            self.held.clear();
            self.miss(None);
        } else if head > index {
            self.miss(Some(self.now + self.rules.resend / 5));
        } else if term != own {
            // Something was applied here that the owner never knew of.
            self.miss(Some(self.now));
        }
    }

    /// Says that this node lives, when it had nothing else to say for a while.
    fn say_here(&mut self, owner: NodeId, epoch: Epoch) {
        if self.spoke + self.rules.lease <= self.now {
            self.spoke = self.now;
            self.outputs.send(Some(owner), Packet::Same { epoch });
        }
    }

    /// Something is missing, and is asked for at that time unless it comes before; or nothing is.
    fn miss(&mut self, at: Option<Time>) {
        if let Role::Follower { hello, .. } = &mut self.role {
            *hello = at.map(|at| hello.map_or(at, |before| before.min(at)));
        }
    }

    pub(super) fn say_hello(&mut self) {
        let (now, again) = (self.now, self.now + self.rules.resend);
        let (seen, term, index) = (self.seen, self.state.term, self.state.index);
        let (to, hello) = match &mut self.role {
            Role::Follower { owner, hello: Some(at), .. } if *at <= now => {
                *at = again;
                (*owner, Packet::Hello { term, index, seen })
            }
            Role::Split { epoch, host: Some((host, at)), .. } if *at <= now => {
                *at = again;
                let seen = seen.max(epoch.next());
                (*host, Packet::Hello { term: Term::default(), index: 0, seen })
            }
            _ => return,
        };
        self.outputs.send(Some(to), hello);
    }

    pub(super) fn set_time(&mut self, channel: Time) {
        self.ahead = i128::from(channel.as_millis()) - i128::from(self.now.as_millis());
    }
}
