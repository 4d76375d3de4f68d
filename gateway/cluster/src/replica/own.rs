//! This node's own operations, until they took effect.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::Duration;

use suara_channel::{JoinError, LeaveReason, TalkerNumber, Time};

use super::{Replica, Role};
use crate::entry::Step;
use crate::ids::OpId;
use crate::op::{Op, Outcome};
use crate::output::Output;
use crate::packet::{MAX_IN_FLIGHT, Packet};

/// So often the time between two tries doubles; it is bounded by [`Rules::renew`](crate::Rules::renew), too.
const MAX_DOUBLINGS: u32 = 8;

#[derive(Debug)]
pub(super) struct Own {
    next: u64,
    pending: VecDeque<(u64, Op)>,
    /// Operations up to this number are under way to the owner.
    sent: u64,
    /// When what is under way is sent again.
    again: Option<Time>,
    /// How often it was, since something took effect.
    tries: u32,
    /// Joins by which lost members come back.
    rejoins: BTreeMap<u64, Rejoin>,
    /// What the replica wanted by itself: nobody waits for an answer.
    silent: BTreeSet<u64>,
    /// Members that the state has for this node's and nobody here knows of. They go when no join is under way: one of those may
    /// be given such a number once its place was given up, and isn't to be sent away by it.
    ghosts: BTreeSet<TalkerNumber>,
    /// Members whose transport is lost: they don't return by themselves.
    away: BTreeSet<TalkerNumber>,
}

/// What an operation was that is over now.
#[derive(Debug)]
pub(super) enum Settled {
    Asked,
    Rejoin(Rejoin),
    Silent,
}

/// A lost member on its way back.
#[derive(Debug)]
pub(super) struct Rejoin {
    was: TalkerNumber,
    /// It has left meanwhile.
    left: Option<LeaveReason>,
    /// Its transport is lost, too.
    is_away: bool,
}

impl Own {
    pub(super) fn new(next: u64) -> Self {
        Self {
            next,
            pending: VecDeque::new(),
            sent: 0,
            again: None,
            tries: 0,
            rejoins: BTreeMap::new(),
            silent: BTreeSet::new(),
            ghosts: BTreeSet::new(),
            away: BTreeSet::new(),
        }
    }

    /// An operation is over. None when it was before.
    pub(super) fn settle(&mut self, number: u64) -> Option<Settled> {
        let index = self.pending.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.pending.remove(index)?;
        if let Some(rejoin) = self.rejoins.remove(&number) {
            return Some(Settled::Rejoin(rejoin));
        }
        Some(if self.silent.remove(&number) { Settled::Silent } else { Settled::Asked })
    }

    pub(super) fn pending(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.pending.iter().map(|(number, _)| *number)
    }

    pub(super) fn is_away(&self, talker: TalkerNumber) -> bool {
        self.away.contains(&talker)
    }

    /// Members that are on their way out.
    pub(super) fn leaving(&self) -> BTreeSet<TalkerNumber> {
        let leaves = |(_, op): &(u64, Op)| match op {
            Op::Leave { talker, .. } => Some(*talker),
            _ => None,
        };
        self.pending.iter().filter_map(leaves).chain(self.ghosts.iter().copied()).collect()
    }

    pub(super) fn add_ghost(&mut self, talker: TalkerNumber) {
        self.ghosts.insert(talker);
    }

    /// Those that are none any more: their number was given to somebody, or another state doesn't have them.
    pub(super) fn keep_ghosts(&mut self, is_one: impl Fn(TalkerNumber) -> bool) {
        self.ghosts.retain(|talker| is_one(*talker));
    }

    /// Those that may go.
    pub(super) fn take_ghosts(&mut self) -> BTreeSet<TalkerNumber> {
        let joins = |(_, op): &(u64, Op)| matches!(op, Op::Join { .. } | Op::Admit);
        if self.pending.iter().any(joins) { BTreeSet::new() } else { mem::take(&mut self.ghosts) }
    }

    /// All that waits is sent anew: to another owner, or to one who may not have heard it.
    pub(super) fn hurry(&mut self) {
        (self.sent, self.again, self.tries) = (0, None, 0);
    }

    /// Of the first that wait, those that aren't under way.
    fn unsent(&self) -> Vec<(u64, Op)> {
        let first = self.pending.iter().take(MAX_IN_FLIGHT);
        first.filter(|(number, _)| *number > self.sent).cloned().collect()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) const fn again(&self) -> Option<Time> {
        self.again
    }
}

impl Replica {
    /// Takes an operation of this node.
    pub(super) fn wish(&mut self, op: Op) -> OpId {
        let id = OpId { node: self.node, number: self.own.next };
        self.own.next += 1;
        self.own.pending.push_back((id.number, op));
        if self.role.decides() {
            self.carry_out_own();
        }
        id
    }

    /// The same by the replica itself.
    pub(super) fn wish_silently(&mut self, op: Op) {
        self.own.silent.insert(self.own.next);
        self.wish(op);
    }

    pub(super) fn rejoin(&mut self, was: TalkerNumber, op: Op) {
        let is_away = self.own.away.remove(&was);
        self.own.rejoins.insert(self.own.next, Rejoin { was, left: None, is_away });
        self.wish(op);
    }

    /// What the room wants, the replica doesn't undo.
    pub(super) fn note(&mut self, op: &Op) {
        let Some(talker) = op.talker() else { return };
        let mut lost = self.own.rejoins.values_mut().filter(|rejoin| rejoin.was == talker);
        match (op, lost.next().filter(|_| !self.state.homes.contains_key(&talker))) {
            (Op::Leave { reason, .. }, Some(rejoin)) => rejoin.left = Some(*reason),
            (Op::Lose { .. }, Some(rejoin)) => rejoin.is_away = true,
            (Op::Resume { .. }, Some(rejoin)) => rejoin.is_away = false,
            (Op::Lose { .. }, None) => drop(self.own.away.insert(talker)),
            (Op::Resume { .. } | Op::Leave { .. }, None) => drop(self.own.away.remove(&talker)),
            _ => {}
        }
    }

    /// Puts what waits in order, where this node decides.
    pub(super) fn carry_out_own(&mut self) {
        while self.role.decides()
            && let Some((number, op)) = self.own.pending.front().cloned()
        {
            let id = OpId { node: self.node, number };
            if self.state.applied(self.node).is_some_and(|applied| number <= applied) {
                let outcome = self.state.outcome(id).unwrap_or(Outcome::Lost);
                self.answered(number, outcome);
            } else {
                self.order(Step::Op { id, op });
            }
        }
        self.own.again = None;
    }

    /// What took effect though its entries weren't seen here.
    fn unanswered(&self) -> Vec<(u64, Outcome)> {
        let Some(applied) = self.state.applied(self.node) else { return vec![] };
        let over = self.own.pending().filter(|number| *number <= applied);
        // Who came in by it may be gone again: it was held for dead meanwhile.
        let is_there = |outcome: &Outcome| outcome.talker().is_none_or(|talker| self.is_local(talker));
        let outcome = |number| {
            let outcome = self.state.outcome(OpId { node: self.node, number });
            outcome.filter(is_there).unwrap_or(Outcome::Lost)
        };
        over.map(|number| (number, outcome(number))).collect()
    }

    /// The numbers that were given by that.
    pub(super) fn given(&self) -> BTreeSet<TalkerNumber> {
        self.unanswered().into_iter().filter_map(|(_, outcome)| outcome.talker()).collect()
    }

    /// Answers that.
    pub(super) fn answer_applied(&mut self) {
        for (number, outcome) in self.unanswered() {
            self.answered(number, outcome);
        }
    }

    /// Gives up what was meant for those who aren't in the channel any more, or not by these numbers.
    pub(super) fn give_up(&mut self, stays: impl Fn(TalkerNumber) -> bool) {
        let applied = self.state.applied(self.node).unwrap_or_default();
        let mut lost = Vec::new();
        for (number, op) in self.own.pending.iter_mut().filter(|(number, _)| *number > applied) {
            if op.talker().is_some_and(|talker| !stays(talker)) {
                // The numbers go on without gaps.
                *op = Op::Nothing;
                if self.own.silent.insert(*number) {
                    lost.push(OpId { node: self.node, number: *number });
                }
            }
        }
        for id in lost {
            self.outputs.answer(Output::Applied { id, outcome: Outcome::Lost });
        }
    }

    pub(super) fn say_answer(&mut self, number: u64, settled: Settled, outcome: Outcome) {
        match settled {
            Settled::Silent => {}
            Settled::Asked => {
                // The number was another's before.
                outcome.talker().map(|talker| self.own.away.remove(&talker));
                let id = OpId { node: self.node, number };
                self.outputs.answer(Output::Applied { id, outcome });
            }
            Settled::Rejoin(rejoin) => self.rejoined(rejoin, outcome),
        }
    }

    fn rejoined(&mut self, Rejoin { was, left, is_away }: Rejoin, outcome: Outcome) {
        let now = match outcome {
            Outcome::Joined(joined) => joined,
            _ => Err(JoinError::Full),
        };
        now.ok().map(|talker| self.own.away.remove(&talker));
        match (now, left) {
            // It left while it was asked for again.
            (Ok(talker), Some(reason)) => self.wish_silently(Op::Leave { talker, reason }),
            (Err(_), Some(_)) => {}
            (now, None) => {
                self.outputs.answer(Output::Rejoined { was, now });
                if let (Ok(talker), true) = (now, is_away) {
                    self.own.away.insert(talker);
                    self.wish_silently(Op::Lose { talker });
                }
            }
        }
    }

    /// Whether it is known what the owner decides on: before that it isn't known whom the numbers mean there.
    pub(super) fn is_of_one_mind(&self) -> bool {
        let of = (self.state.term.epoch, self.state.term.by);
        match self.role {
            Role::Follower { owner, epoch, .. } => self.state.is_blank() || of == (epoch, owner),
            _ => false,
        }
    }

    /// Sends to the owner what isn't under way yet; and all again, when it is time.
    pub(super) fn send_own(&mut self) {
        let Role::Follower { owner, epoch, .. } = self.role else { return };
        if !self.is_of_one_mind() {
            return;
        }
        if self.resends().is_some_and(|again| again <= self.now) {
            (self.own.sent, self.own.again) = (0, None);
            self.own.tries = self.own.tries.saturating_add(1);
        }
        let ops = self.own.unsent();
        let (Some((first, _)), Some((last, _))) = (self.own.pending.front(), ops.last()) else { return };
        let settled = *first - 1;
        (self.own.sent, self.spoke) = (*last, self.now);
        self.outputs.send(Some(owner), Packet::Submit { epoch, term: self.state.term, settled, ops });
        // What is new doesn't put off what was sent before it, and is lost.
        self.own.again.get_or_insert(self.now + self.patience());
    }

    /// Something took effect: the owner hears, and what else is under way has its time from here.
    pub(super) fn moved_on(&mut self) {
        self.own.tries = 0;
        self.own.again = self.own.pending.front().map(|_| self.now + self.patience());
    }

    /// Whoever doesn't answer at once may not hear anything: it isn't talked to ever and ever as often.
    fn patience(&self) -> Duration {
        let wait = self.rules.resend.saturating_mul(1 << self.own.tries.min(MAX_DOUBLINGS));
        wait.min(self.rules.renew).max(self.rules.resend)
    }
}
