//! The lease: who may decide, and until when.

use std::collections::{BTreeMap, BTreeSet};

use suara_channel::Time;

use super::{Replica, Role};
use crate::ids::{Epoch, NodeId, Term};
use crate::output::{LeaseAnswer, LeaseAsk};
use crate::packet::Packet;

/// Questions that may be without an answer at a time; the oldest is given up. More than come up within the time in which each
/// has to have one.
const MAX_OPEN: usize = 8;

/// What was asked of Redis.
#[derive(Debug)]
pub(super) struct Asks {
    last: u64,
    open: BTreeMap<u64, (Time, LeaseAsk)>,
    /// When to ask for the lease again, where it isn't this node's.
    pub(super) take: Time,
}

impl Asks {
    /// Numbered from there on, so that no answer to another replica's question is taken for one of these.
    pub(super) fn new(first: u64) -> Self {
        Self { last: first, open: BTreeMap::new(), take: Time::default() }
    }
}

impl Replica {
    /// Redis answered a question, or didn't.
    pub fn leased(&mut self, now: Time, number: u64, answer: LeaseAnswer) {
        self.enter(now);
        if let Some((asked, ask)) = self.asks.open.remove(&number) {
            self.on_answer(asked, ask, answer);
        }
        self.tell();
    }

    /// Whether others are heard: the channel's topics are subscribed, or aren't any more. It is another thing than whether
    /// Redis answers: a node that hears nobody for a lease time neither takes the channel nor keeps it, and serves its own.
    pub fn hears(&mut self, now: Time, others: bool) {
        self.enter(now);
        if !others {
            self.is_deaf();
        } else if self.cut_off().is_some() {
            (self.away, self.deaf) = (None, None);
            self.comes_back();
        }
        self.tell();
    }

    pub(super) fn ask(&mut self, ask: LeaseAsk) {
        self.asks.last += 1;
        self.asks.open.insert(self.asks.last, (self.now, ask));
        if self.asks.open.len() > MAX_OPEN {
            self.asks.open.pop_first();
        }
        self.outputs.ask(self.asks.last, ask);
    }

    /// Asks to own the channel, unless it couldn't hear what is asked of its owner.
    pub(super) fn take(&mut self) {
        if self.deaf.is_some() {
            return;
        }
        self.asks.take = self.now + self.rules.renew;
        self.ask(LeaseAsk::Take { wanted: self.seen.next() });
    }

    fn on_answer(&mut self, asked: Time, ask: LeaseAsk, answer: LeaseAnswer) {
        if let (LeaseAsk::Bump { .. }, Role::Owner { bumping, .. }) = (ask, &mut self.role) {
            *bumping = false;
        }
        if answer == LeaseAnswer::Away {
            return self.is_away();
        }
        if self.away.take().is_some() {
            self.own.hurry();
        }
        let lease = asked + self.rules.trusted();
        match (ask, answer) {
            (LeaseAsk::Take { .. }, LeaseAnswer::Mine { epoch, clean }) => self.taken(lease, epoch, clean),
            (LeaseAsk::Take { .. }, LeaseAnswer::Held { by, epoch }) => self.is_held(by, epoch),
            (LeaseAsk::Renew { .. }, LeaseAnswer::Mine { epoch: of, .. }) => match &mut self.role {
                Role::Owner { epoch, lease: until, .. } if *epoch == of => *until = lease.max(*until),
                _ => {}
            },
            (LeaseAsk::Bump { .. }, LeaseAnswer::Mine { epoch: of, .. }) => match &self.role {
                Role::Owner { epoch, lease: until, .. } if *epoch < of => self.reign(of, lease.max(*until)),
                _ => {}
            },
            (LeaseAsk::Renew { epoch: of } | LeaseAsk::Bump { epoch: of, .. }, answer) => {
                if matches!(&self.role, Role::Owner { epoch, .. } if *epoch == of) {
                    self.is_deposed(answer);
                }
            }
            _ => {}
        }
    }

    fn is_deposed(&mut self, answer: LeaseAnswer) {
        self.role = Role::Seeking;
        match answer {
            LeaseAnswer::Held { by, epoch } => self.is_held(by, epoch),
            _ => self.take(),
        }
    }

    fn taken(&mut self, lease: Time, epoch: Epoch, clean: bool) {
        // What it doesn't keep alive is anybody's after a lease time.
        let is_deaf = self.deaf.is_some() && !matches!(self.role, Role::Owner { .. });
        if is_deaf || matches!(self.role, Role::Lone | Role::Out) {
            return;
        }
        if lease <= self.now
            || epoch <= self.seen
            || matches!(self.role, Role::Owner { epoch: own, .. } if own >= epoch)
        {
            // Too late, or others wouldn't listen to that one.
            if !matches!(self.role, Role::Owner { .. }) {
                self.take();
            }
            return;
        }
        self.seen = epoch;
        let last = self.state.term;
        let is_own = last == self.term(last.epoch) && last.epoch.next() == epoch;
        match self.role {
            Role::Owner { .. } | Role::Split { .. } => self.reign(epoch, lease),
            _ if is_own || clean => self.reign(epoch, lease),
            _ => {
                let ends = self.now + self.rules.recover;
                let silent = self.asked(epoch);
                self.role = Role::Recovering { epoch, lease, ends, again: self.now, silent, slept: false };
                self.recover();
            }
        }
    }

    /// Those who may know more, where that is known: one who has just heard the owner knows who is there. The owner isn't
    /// among them, for its time is over.
    ///
    /// After a stall what was said long ago is heard just now. So nobody may have owned the channel since that owner, or been
    /// told of: then this epoch is the one after its.
    fn asked(&self, next: Epoch) -> Option<BTreeSet<NodeId>> {
        let recent = self.rules.beat * 2;
        let Role::Follower { heard, hello: None, epoch, .. } = self.role else { return None };
        if !self.is_of_one_mind() || epoch.next() != next {
            return None;
        }
        let others = self.state.homes.values().copied();
        let others = others.filter(|node| *node != self.node && *node != self.state.term.by);
        (heard + recent > self.now).then(|| others.collect())
    }

    /// Asks the others, and begins to decide when they have answered or had their time.
    pub(super) fn recover(&mut self) {
        let (now, half) = (self.now, self.rules.recover / 2);
        let Role::Recovering { epoch, lease, ends, again, silent, slept } = &mut self.role else { return };
        let (epoch, lease) = (*epoch, *lease);
        let have_all = silent.as_ref().is_some_and(BTreeSet::is_empty);
        let overslept = *ends + half <= now && !*slept;
        if overslept && !have_all {
            // The answers are there, and weren't read.
            (*slept, *ends, *again) = (true, now + half, now);
        }
        if have_all || *ends <= now {
            if self.state.term.epoch >= epoch {
                // It was found on another side of a split, whose epoch is above this one.
                self.role = Role::Seeking;
                self.take();
            } else {
                self.reign(epoch, lease);
            }
        } else if *again <= now {
            *again = now + half;
            let (term, index) = (self.state.term, self.state.index);
            self.outputs.send(None, Packet::Taking { epoch, term, index });
        }
    }

    /// One who is about to decide asks what is known here.
    pub(super) fn on_taking(&mut self, from: NodeId, epoch: Epoch, term: Term, index: u64) {
        let knows_more = self.state.progress() > (term.epoch, index);
        match &self.role {
            // Its state is another's business, unless there is none at all.
            Role::Split { .. } if index > 0 => return,
            Role::Owner { epoch: own, .. } if *own >= epoch => return,
            Role::Owner { .. } => self.role = Role::Seeking,
            _ => {}
        }
        self.seen = self.seen.max(epoch);
        let answer = match knows_more {
            true => Packet::Snapshot { epoch, at: self.time(self.now), state: Box::new(self.state.clone()) },
            false => Packet::Same { epoch },
        };
        self.outputs.send(Some(from), answer);
    }

    pub(super) fn on_same(&mut self, from: NodeId, of: Epoch) {
        if let Role::Recovering { epoch, silent, .. } = &mut self.role
            && *epoch == of
        {
            if let Some(silent) = silent {
                silent.remove(&from);
            }
            self.recover();
        }
    }

    fn is_held(&mut self, by: NodeId, epoch: Epoch) {
        let now = self.now;
        if by == self.node {
            return;
        }
        let inherits = self.inherits.is_some_and(|(from, until)| from == by && now < until);
        if inherits && matches!(self.role, Role::Follower { .. } | Role::Seeking) {
            // Its goodbye was faster than what it told Redis.
            self.role = Role::Seeking;
            self.asks.take = now + self.rules.resend;
            return;
        }
        match &mut self.role {
            Role::Split { host, .. } => *host = Some((by, now)),
            Role::Follower { owner, epoch: of, hello, .. } if *owner == by && *of >= epoch => {
                *hello = Some(now)
            }
            Role::Lone | Role::Out | Role::Owner { .. } => {}
            _ => self.follow(by, epoch, Some(now)),
        }
    }

    fn is_away(&mut self) {
        self.away.get_or_insert(self.now);
        if matches!(self.role, Role::Seeking) && self.state.is_blank() {
            self.split();
        }
    }

    fn is_deaf(&mut self) {
        self.deaf.get_or_insert(self.now);
        if matches!(self.role, Role::Recovering { .. }) {
            // It asked round, and doesn't hear the answers.
            self.role = Role::Seeking;
        }
        if matches!(self.role, Role::Seeking) && self.state.is_blank() {
            self.split();
        }
    }

    /// Redis answers, or brings something.
    pub(super) fn is_back(&mut self) {
        if self.away.take().is_some() {
            self.comes_back();
        }
    }

    fn comes_back(&mut self) {
        self.own.hurry();
        if matches!(self.role, Role::Seeking | Role::Split { .. }) {
            self.take();
        }
    }

    /// Since when the others are out of reach, one way or the other.
    pub(super) fn cut_off(&self) -> Option<Time> {
        [self.away, self.deaf].into_iter().flatten().min()
    }
}
