//! To take over another's whole state, and to bring this node's members into it.

use std::collections::BTreeMap;
use std::mem;

use suara_channel::{LeaveReason, Member, TalkerNumber, Time};

use super::{Replica, Role};
use crate::entry::{Entry, Step};
use crate::ids::{Epoch, NodeId};
use crate::op::Op;
use crate::output::Output;
use crate::state::State;

impl Replica {
    pub(super) fn on_snapshot(&mut self, from: NodeId, of: Epoch, at: Time, state: State) {
        match &self.role {
            Role::Recovering { epoch, .. } if *epoch == of => {
                if state.progress() > self.state.progress() {
                    self.adopt(at, state);
                }
                self.on_same(from, of);
            }
            Role::Split { epoch, .. } => {
                if of > *epoch && of >= self.seen {
                    self.follow(from, of, None);
                    self.adopt(at, state);
                }
            }
            _ => {
                let news = |own: &State| state.term != own.term || state.index > own.index;
                if self.accept(from, of) && state.term.epoch == of && news(&self.state) {
                    self.adopt(at, state);
                    self.own.hurry();
                }
            }
        }
    }

    fn adopt(&mut self, at: Time, state: State) {
        self.set_time(at.max(state.at));
        let before = mem::replace(&mut self.state, state);
        self.seen = self.seen.max(self.state.term.epoch);
        self.log.reset((self.state.term, self.state.index));
        self.sent = self.state.index;
        self.held.clear();
        if let Role::Follower { hello, .. } = &mut self.role {
            *hello = None;
        }
        let (mut mine, guests) = (self.members_of(&before), self.guests_of(&before));
        self.outputs.fence(Output::Adopted { before: Box::new(before.channel) });
        let (leaving, given) = (self.own.leaving(), self.given());
        let known = self.members_of(&self.state);
        // Those who came in by an operation whose answer is said only now are others than who had their numbers.
        let is_same = |talker: &TalkerNumber, member: &Member| {
            let now = known.get(talker).filter(|_| !given.contains(talker));
            now.is_some_and(|now| now.who.user == member.who.user)
        };
        let lost: BTreeMap<_, _> = mine.extract_if(.., |talker, member| !is_same(talker, member)).collect();
        let hosted = self.guests_of(&self.state);
        let stays =
            |talker| mine.contains_key(&talker) || (hosted.contains(&talker) && guests.contains(&talker));
        let lost: Vec<_> = lost.into_values().filter(|member| !leaving.contains(&member.talker)).collect();
        lost.iter().for_each(|member| self.outputs.answer(Output::Lost { talker: member.talker }));
        self.give_up(stays);
        self.own.keep_ghosts(stays);
        self.answer_applied();
        let guests = hosted.iter().filter(|guest| !guests.contains(guest));
        let ghosts = known.keys().filter(|talker| !mine.contains_key(talker)).chain(guests);
        ghosts.filter(|talker| !given.contains(talker)).for_each(|talker| self.drop_ghost(*talker));
        // Who came in by an operation may have been taken for gone since, before the answer was heard of.
        let is_here = |talker: &TalkerNumber| mine.contains_key(talker) || given.contains(talker);
        for member in known.values().filter(|member| is_here(&member.talker)) {
            self.bring_back(member);
        }
        for Member { talker, who, rights, .. } in lost {
            self.rejoin(talker, Op::Join { who, rights, claim: Some(talker) });
        }
    }

    /// Members of this node whose places others don't keep any longer when this takes effect, though they are here.
    pub(super) fn held_for_lost(&self, entry: &Entry) -> BTreeMap<TalkerNumber, Member> {
        if matches!(self.role, Role::Lone) || !matches!(entry.step, Step::Tick { .. }) {
            return BTreeMap::new();
        }
        let lost = self.state.channel.members().filter(|member| member.unreachable);
        let here = lost.filter(|member| self.is_local(member.talker) && !self.own.is_away(member.talker));
        here.map(|member| (member.talker, member.clone())).collect()
    }

    /// Those of them that were given up join again.
    pub(super) fn rejoin_expired(&mut self, held_for_lost: BTreeMap<TalkerNumber, Member>) {
        if held_for_lost.is_empty() {
            return;
        }
        let leaving = self.own.leaving();
        for (talker, Member { who, rights, .. }) in held_for_lost {
            if self.state.channel.member(talker).is_none() && !leaving.contains(&talker) {
                self.outputs.answer(Output::Lost { talker });
                self.rejoin(talker, Op::Join { who, rights, claim: Some(talker) });
            }
        }
    }

    /// A member that nobody here knows of goes.
    pub(super) fn drop_ghost(&mut self, talker: TalkerNumber) {
        self.own.add_ghost(talker);
        self.drop_ghosts();
    }

    /// All that may go now.
    pub(super) fn drop_ghosts(&mut self) {
        for talker in self.own.take_ghosts() {
            if self.is_local(talker) {
                self.wish_silently(if self.state.channel.is_guest(talker) {
                    Op::Dismiss { guest: talker }
                } else {
                    Op::Leave { talker, reason: LeaveReason::Disconnected }
                });
            }
        }
    }

    /// A member of this node that is held for unreachable says that it isn't; one that talks hears what it has.
    fn bring_back(&mut self, member: &Member) {
        let talker = member.talker;
        let talks = || self.state.channel.all_talking(self.now).any(|talking| talking.talker == talker);
        if (member.unreachable || talks()) && !self.own.is_away(talker) {
            self.wish_silently(Op::Return { talker });
        }
    }

    /// Others took this node for dead.
    pub(super) fn return_all(&mut self) {
        for member in self.members_of(&self.state).values() {
            self.bring_back(member);
        }
    }

    fn members_of(&self, state: &State) -> BTreeMap<TalkerNumber, Member> {
        let members = state.of(self.node).filter_map(|talker| state.channel.member(talker));
        members.map(|member| (member.talker, member.clone())).collect()
    }

    fn guests_of(&self, state: &State) -> Vec<TalkerNumber> {
        state.of(self.node).filter(|talker| state.channel.is_guest(*talker)).collect()
    }
}
