//! The one who decides: puts operations in order, sends what was decided, and hands over.

use std::collections::BTreeSet;

use suara_channel::{Grant, Time};

use super::{Replica, Role};
use crate::entry::Step;
use crate::grants;
use crate::ids::{Epoch, NodeId, OpId, Term};
use crate::log::Mark;
use crate::op::Op;
use crate::output::LeaseAsk;
use crate::packet::{MAX_ENTRIES, Packet};

/// Lease times that a node may be silent for: it speaks in each.
const SILENT: u32 = 3;

impl Replica {
    /// Begins to decide.
    pub(super) fn reign(&mut self, epoch: Epoch, lease: Time) {
        let (renew, beat) = (self.now + self.rules.renew, self.now + self.rules.beat);
        self.role = Role::Owner { epoch, lease, renew, beat, bumping: false };
        self.open(epoch, grants::leased(epoch));
        self.tick();
    }

    /// Begins to decide for its own members alone: Redis is away, or brings nothing of the others.
    pub(super) fn split(&mut self) {
        let number = self.state.number(self.node);
        let first = grants::apart(self.seen, self.node, self.first, number);
        let epoch = Epoch(first.epoch());
        self.role = Role::Split { epoch, first, host: None };
        let others: BTreeSet<_> =
            self.state.homes.values().copied().filter(|home| *home != self.node).collect();
        self.open(epoch, first);
        others.into_iter().for_each(|node| self.order(Step::NodeGone(node)));
        self.tick();
    }

    /// On its own for long, it has given as many grants as are its.
    pub(super) fn renew_share(&mut self) {
        let next = self.state.channel.next_grant();
        let Role::Split { epoch, first, .. } = &mut self.role else { return };
        let Some(renewed) = grants::renewed(*first, next) else { return };
        (*epoch, *first) = (Epoch(renewed.epoch()), renewed);
        let epoch = *epoch;
        self.seen = self.seen.max(epoch);
        self.order(Step::Term { term: self.term(epoch), first: renewed });
    }

    fn open(&mut self, epoch: Epoch, first: Grant) {
        self.seen = self.seen.max(epoch);
        self.held.clear();
        let (now, homes) = (self.now, self.state.homes.values().filter(|home| **home != self.node));
        self.peers.extend(homes.map(|home| (*home, now)));
        self.sent = self.state.index;
        // Time goes on from the last entry, however old what was heard of it is.
        if self.to_channel(self.now) < self.state.at {
            self.set_time(self.state.at);
        }
        self.order(Step::Term { term: self.term(epoch), first });
        let dead: Vec<_> =
            self.dead.iter().copied().filter(|dead| self.state.of(*dead).next().is_some()).collect();
        dead.into_iter().for_each(|node| self.order(Step::NodeGone(node)));
        self.carry_out_own();
    }

    /// Lets take effect what is due, after the newest voice.
    pub(super) fn tick(&mut self) {
        let now = self.time(self.now);
        if !self.role.decides() || self.state.channel.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        let held: BTreeSet<Grant> =
            self.state.channel.all_talking(now).map(|talking| talking.grant).collect();
        self.heard.retain(|grant, _| held.contains(grant));
        let media = self.heard.iter().map(|(grant, at)| (*grant, self.to_channel(*at))).collect();
        self.order(Step::Tick { media });
    }

    pub(super) fn on_submit(
        &mut self,
        from: NodeId,
        (of, term): (Epoch, Term),
        settled: u64,
        ops: Vec<(u64, Op)>,
    ) {
        let is_of_one_mind = term == Term::default() || term == self.state.term;
        if !is_of_one_mind || !matches!(self.role, Role::Owner { epoch, .. } if epoch == of) {
            return;
        }
        for (number, op) in ops {
            let next = self.state.applied(from).unwrap_or(0).max(settled).saturating_add(1);
            if number > next {
                break;
            }
            if number == next {
                self.order(Step::Op { id: OpId { node: from, number }, op });
            }
        }
    }

    /// Somebody new, or one who lost the thread.
    pub(super) fn on_hello(&mut self, from: NodeId, term: Term, index: u64, wanted: Epoch) {
        let Role::Owner { epoch, .. } = self.role else { return };
        self.seen = self.seen.max(wanted);
        if wanted > epoch {
            // It wouldn't listen to this one.
            self.bump();
            return;
        }
        self.publish();
        if !self.send_after(from, epoch, (term, index)) {
            let state = Box::new(self.state.clone());
            self.outputs.send(Some(from), Packet::Snapshot { epoch, at: self.time(self.now), state });
        }
    }

    /// Sends the entries after a mark; `false` when it isn't one of this log.
    fn send_after(&mut self, to: NodeId, epoch: Epoch, (term, index): Mark) -> bool {
        if index == 0 || self.log.term(index) != Some(term) {
            return false;
        }
        let mut from = index;
        while from < self.state.index {
            let Some((prior, entries)) = self.log.after(from, MAX_ENTRIES) else { return false };
            let first = from + 1;
            from += entries.len() as u64;
            self.outputs.send(Some(to), Packet::Log { epoch, prior, first, entries });
        }
        if index == self.state.index {
            self.outputs.send(Some(to), self.beat(epoch));
        }
        true
    }

    fn beat(&self, epoch: Epoch) -> Packet {
        Packet::Beat { epoch, term: self.state.term, head: self.state.index, at: self.time(self.now) }
    }

    /// Sends what was decided since.
    pub(super) fn publish(&mut self) {
        self.send_own();
        let Role::Owner { epoch, .. } = self.role else { return };
        while self.sent < self.state.index {
            let Some((prior, entries)) = self.log.after(self.sent, MAX_ENTRIES) else {
                self.sent = self.state.index;
                return;
            };
            let first = self.sent + 1;
            self.sent += entries.len() as u64;
            let is_news = matches!(entries.first().map(|entry| &entry.step), Some(Step::Term { .. }));
            if is_news || self.other_nodes() {
                self.outputs.send(None, Packet::Log { epoch, prior, first, entries });
            }
        }
    }

    /// What the owner has to do from time to time.
    pub(super) fn reign_on(&mut self) {
        let (now, audience) = (self.now, self.other_nodes());
        let Role::Owner { epoch, renew, beat, .. } = &mut self.role else { return };
        let epoch = *epoch;
        let (renews, beats) = (*renew <= now, *beat <= now);
        if renews {
            *renew = now + self.rules.renew;
        }
        if beats {
            *beat = now + self.rules.beat;
        }
        if renews {
            self.ask(LeaseAsk::Renew { epoch });
        }
        if beats && audience {
            self.outputs.send(None, self.beat(epoch));
            self.miss_nodes();
        }
        // Its grants are about to run into those of others, or others have seen a higher epoch.
        let next = self.state.channel.next_grant();
        self.seen = next.map_or(self.seen, |next| self.seen.max(Epoch(next.epoch())));
        if renews && (self.seen > epoch || next.is_some_and(grants::is_long)) {
            self.bump();
        }
    }

    /// A node that has said nothing for so long isn't in the channel any more, though it may live.
    fn miss_nodes(&mut self) {
        let (now, silence) = (self.now, self.rules.lease * SILENT);
        let silent = self.peers.iter().filter(|(_, heard)| **heard + silence <= now).map(|(node, _)| *node);
        silent.collect::<Vec<_>>().into_iter().for_each(|node| self.bury(node));
    }

    fn bump(&mut self) {
        let seen = self.seen;
        let Role::Owner { epoch, bumping, .. } = &mut self.role else { return };
        let epoch = *epoch;
        if !*bumping {
            *bumping = true;
            self.ask(LeaseAsk::Bump { epoch, above: Epoch(seen.0.saturating_sub(1)) });
        }
    }

    /// A node is no more.
    pub(super) fn bury(&mut self, node: NodeId) {
        self.peers.remove(&node);
        let channel = &self.state.channel;
        let is_news = |talker| channel.member(talker).is_none_or(|member| !member.unreachable);
        let has_members = self.state.of(node).any(is_news);
        if has_members || matches!(self.role, Role::Follower { owner, .. } if owner == node) {
            self.dead.insert(node);
        }
        match &mut self.role {
            Role::Owner { .. } | Role::Split { .. } if has_members => self.order(Step::NodeGone(node)),
            Role::Follower { owner, .. } if *owner == node => self.take(),
            Role::Recovering { silent: Some(silent), .. } => {
                silent.remove(&node);
                self.recover();
            }
            _ => {}
        }
    }

    pub(super) fn on_bye(&mut self, from: NodeId, heir: Option<NodeId>) {
        let follows = matches!(self.role, Role::Follower { owner, .. } if owner == from);
        self.bury(from);
        if heir == Some(self.node) {
            self.inherits = Some((from, self.now + self.rules.lease));
            if !follows {
                self.take();
            }
        }
    }

    /// Says goodbye, and leaves the lease to another; `false` when there is none.
    fn hand_over(&mut self, epoch: Epoch) -> bool {
        let homes = self.state.homes.values().chain(self.peers.keys());
        let others = homes.filter(|node| **node != self.node && !self.dead.contains(node));
        // Who was heard last is the least likely to have been cut off, and to have missed what was decided since.
        let heir = others.max_by_key(|node| self.peers.get(node)).copied();
        self.outputs.send(None, Packet::Bye { heir });
        heir.into_iter().for_each(|to| self.ask(LeaseAsk::HandOver { epoch, to }));
        heir.is_some()
    }

    /// It has heard nobody for so long that another is to decide, and serves its own members from now on.
    pub(super) fn abdicate(&mut self) {
        if let Role::Owner { epoch, .. } = self.role {
            self.publish();
            self.hand_over(epoch);
            self.split();
        }
    }

    /// This node has no members in the channel any more, or stops: it hands over what it has, and says goodbye. The replica
    /// is of no use after that but to be drained.
    pub fn quit(&mut self, now: Time) {
        self.enter(now);
        self.publish();
        if let Role::Owner { epoch, .. } = self.role {
            if !self.hand_over(epoch) {
                self.ask(LeaseAsk::Release { epoch });
            }
        } else if !matches!(self.role, Role::Lone | Role::Out) {
            self.outputs.send(None, Packet::Bye { heir: None });
        }
        self.role = Role::Out;
        self.tell();
    }
}
