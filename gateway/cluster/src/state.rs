//! What all nodes hold alike, and how an entry changes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;

use serde::{Deserialize, Serialize};
use suara_channel::{Channel, Effect, Settings, TalkerNumber, Time};

use crate::entry::{Entry, Step};
use crate::grants::NUMBERS;
use crate::ids::{Epoch, NodeId, OpId, Term};
use crate::op::{Op, Outcome, Say};
use crate::packet::MAX_IN_FLIGHT;

/// Shared facts of one channel at a time.
pub const MAX_SHARED: usize = 64;

/// Bytes of a shared fact, and of its key.
pub const MAX_SHARED_BYTES: usize = 4_096;

/// Nodes that are remembered: as many as there may ever be in one channel, and those that were restarted of late.
const MAX_NODES: usize = 1_024;

/// A channel and what is known of its nodes. The same entries lead to the same state on every node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub(crate) channel: Channel,
    /// By which node a member, or a guest, is here.
    pub(crate) homes: BTreeMap<TalkerNumber, NodeId>,
    nodes: BTreeMap<NodeId, Done>,
    pub(crate) shared: BTreeMap<String, Vec<u8>>,
    /// Of the last entry.
    pub(crate) at: Time,
    pub(crate) term: Term,
    pub(crate) index: u64,
}

/// How far a node's operations have come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Done {
    applied: u64,
    /// What the last of them came to: a node that gets this state instead of the entries finds its answers here.
    outcomes: VecDeque<(u64, Outcome)>,
    /// The entry of the last.
    at: u64,
    /// No other that is remembered has it.
    number: Option<u8>,
}

/// What came of an entry, for those who carry it out.
#[derive(Debug)]
pub(crate) enum Consequence {
    Effect(Effect),
    Said { by: NodeId, to: Say, bytes: Vec<u8> },
    Shared { key: String, value: Option<Vec<u8>> },
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            channel: Channel::new(0, settings),
            homes: BTreeMap::new(),
            nodes: BTreeMap::new(),
            shared: BTreeMap::new(),
            at: Time::default(),
            term: Term::default(),
            index: 0,
        }
    }

    /// Nothing ever happened.
    pub(crate) fn is_blank(&self) -> bool {
        self.index == 0
    }

    /// How much is known here: of two states the greater has all that was ever decided in the later term.
    pub(crate) fn progress(&self) -> (Epoch, u64) {
        (self.term.epoch, self.index)
    }

    /// The highest number of that node's operations that are applied.
    pub(crate) fn applied(&self, node: NodeId) -> Option<u64> {
        self.nodes.get(&node).map(|done| done.applied)
    }

    /// What an operation that is applied came to, if that is remembered still.
    pub(crate) fn outcome(&self, id: OpId) -> Option<Outcome> {
        let mut outcomes = self.nodes.get(&id.node)?.outcomes.iter();
        outcomes.find(|(number, _)| *number == id.number).map(|(_, outcome)| *outcome)
    }

    /// Members and guests of a node.
    pub(crate) fn of(&self, node: NodeId) -> impl Iterator<Item = TalkerNumber> {
        self.homes.iter().filter(move |(_, home)| **home == node).map(|(talker, _)| *talker)
    }

    /// Applies an entry; `say` hears what came of it, an operation's outcome first of all.
    pub(crate) fn apply(
        &mut self,
        entry: &Entry,
        answer: impl FnOnce(OpId, Outcome),
        mut say: impl FnMut(Consequence),
    ) {
        self.index += 1;
        self.at = self.at.max(entry.at);
        let at = self.at;
        match &entry.step {
            Step::Op { id, op } => {
                if self.applied(id.node).is_none_or(|applied| id.number > applied) {
                    let outcome = self.operate(id.node, op, &mut say);
                    self.note(*id, outcome);
                    answer(*id, outcome);
                }
            }
            Step::Tick { media } => {
                media.iter().for_each(|(grant, heard)| self.channel.media(*grant, *heard));
                self.channel.handle_timeout(at);
            }
            Step::Term { term, first } => {
                self.term = *term;
                self.channel.open_term(*first);
            }
            Step::NodeGone(node) => self.abandon(*node),
        }
        // At the same points everywhere: what is told at once comes to rest at once.
        for effect in iter::from_fn(|| self.channel.poll_effect()) {
            if let Effect::Gone { talker } = effect {
                self.homes.remove(&talker);
            }
            say(Consequence::Effect(effect));
        }
    }

    fn operate(&mut self, by: NodeId, op: &Op, say: &mut impl FnMut(Consequence)) -> Outcome {
        let (now, channel) = (self.at, &mut self.channel);
        match op {
            Op::Join { who, rights, claim } => {
                let (who, rights) = (who.clone(), *rights);
                let joined = match claim {
                    Some(number) => channel.claim(now, who, rights, *number),
                    None => channel.join(now, who, rights),
                };
                self.homes.extend(joined.ok().map(|talker| (talker, by)));
                return Outcome::Joined(joined);
            }
            Op::Admit => {
                let guest = channel.admit(now);
                self.homes.extend(guest.map(|guest| (guest, by)));
                return Outcome::Admitted(guest);
            }
            Op::Administer { action, talker } => {
                return Outcome::Dispatched(channel.administer(now, *action, *talker));
            }
            Op::Share { key, value } => return Outcome::Done(self.share(key, value.as_deref(), say)),
            Op::Say { to, bytes } => {
                say(Consequence::Said { by, to: to.clone(), bytes: bytes.clone() });
                return Outcome::None;
            }
            _ => {}
        }
        self.operate_own(by, op)
    }

    /// What a member, or a guest, of that node does.
    fn operate_own(&mut self, node: NodeId, op: &Op) -> Outcome {
        let (now, channel) = (self.at, &mut self.channel);
        let is_own = |talker: &TalkerNumber| self.homes.get(talker) == Some(&node);
        match op {
            Op::Dispatch { by, action, talker } if is_own(by) => {
                return Outcome::Dispatched(channel.dispatch(now, *by, *action, *talker));
            }
            Op::Leave { talker, reason } if is_own(talker) => {
                let left = channel.leave(now, *talker, *reason);
                if left {
                    self.homes.remove(talker);
                }
                return Outcome::Done(left);
            }
            Op::Lose { talker } if is_own(talker) => return Outcome::Done(channel.lose(now, *talker)),
            Op::Resume { talker } | Op::Return { talker } if is_own(talker) => {
                return Outcome::Done(channel.resume(now, *talker));
            }
            Op::FloorRequest { talker, asking } if is_own(talker) => {
                channel.floor_request(now, *talker, *asking)
            }
            Op::FloorCancel { talker, request } if is_own(talker) => {
                channel.floor_cancel(now, *talker, *request)
            }
            Op::FloorRelease { talker, grant, road } if is_own(talker) => {
                channel.floor_release(now, *talker, *grant, *road);
            }
            Op::GuestRequest { guest, who, asking } if is_own(guest) => {
                channel.guest_request(now, *guest, who.clone(), *asking);
            }
            Op::GuestRelease { guest } if is_own(guest) => channel.guest_release(now, *guest),
            Op::Dismiss { guest } if is_own(guest) => {
                channel.dismiss(now, *guest);
                self.homes.remove(guest);
            }
            // Nobody of that node.
            _ => return Outcome::Done(false),
        }
        Outcome::None
    }

    fn share(&mut self, key: &str, value: Option<&[u8]>, say: &mut impl FnMut(Consequence)) -> bool {
        let fits = key.len().max(value.map_or(0, <[u8]>::len)) <= MAX_SHARED_BYTES;
        let has_room = self.shared.len() < MAX_SHARED || self.shared.contains_key(key);
        if value.is_some() && !(fits && has_room) || self.shared.get(key).map(Vec::as_slice) == value {
            return false;
        }
        match value {
            Some(value) => drop(self.shared.insert(key.to_owned(), value.to_vec())),
            None => drop(self.shared.remove(key)),
        }
        say(Consequence::Shared { key: key.to_owned(), value: value.map(<[u8]>::to_vec) });
        true
    }

    fn abandon(&mut self, node: NodeId) {
        for talker in self.of(node).collect::<Vec<_>>() {
            if self.channel.is_guest(talker) {
                self.channel.dismiss(self.at, talker);
                self.homes.remove(&talker);
            } else {
                self.channel.lose(self.at, talker);
            }
        }
    }

    fn note(&mut self, id: OpId, outcome: Outcome) {
        let at = self.index;
        if !self.nodes.contains_key(&id.node) {
            let number = self.free_number();
            self.nodes.insert(id.node, Done { number, ..Done::default() });
        }
        let done = self.nodes.entry(id.node).or_default();
        done.applied = id.number;
        done.at = at;
        done.outcomes.push_back((id.number, outcome));
        if done.outcomes.len() > MAX_IN_FLIGHT {
            done.outcomes.pop_front();
        }
        if self.nodes.len() > MAX_NODES {
            self.oldest_absent(|_| true).map(|node| self.nodes.remove(&node));
        }
    }

    /// The one that did nothing for longest, of those that have nobody here.
    fn oldest_absent(&self, is_one: impl Fn(&Done) -> bool) -> Option<NodeId> {
        let absent = self.nodes.iter().filter(|(node, _)| !self.homes.values().any(|home| home == *node));
        absent.filter(|(_, done)| is_one(done)).min_by_key(|(_, done)| done.at).map(|(node, _)| *node)
    }

    /// A number for one more node: when all are taken, that of one that is long gone.
    fn free_number(&mut self) -> Option<u8> {
        let taken: BTreeSet<_> = self.nodes.values().filter_map(|done| done.number).collect();
        (0..NUMBERS).find(|number| !taken.contains(number)).or_else(|| {
            let oldest = self.oldest_absent(|done| done.number.is_some())?;
            self.nodes.get_mut(&oldest)?.number.take()
        })
    }

    /// What tells a node's grants from others' when it is on its own; none before it has done anything here.
    pub(crate) fn number(&self, node: NodeId) -> Option<u8> {
        self.nodes.get(&node)?.number
    }

    pub(crate) fn is_bounded(&self) -> bool {
        let facts = self.shared.iter().all(|(key, value)| key.len().max(value.len()) <= MAX_SHARED_BYTES);
        facts
            && self.shared.len() <= MAX_SHARED
            && self.nodes.len() <= MAX_NODES
            && self.nodes.values().all(|done| done.outcomes.len() <= MAX_IN_FLIGHT)
    }
}
