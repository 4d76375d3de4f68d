//! To take over another's whole state, and to bring this node's members into it.

use std::collections::BTreeMap;
use std::mem;

use suara_channel::{LeaveReason, Member, TalkerNumber};

use super::{Replica, Role};
use crate::ids::{Epoch, NodeId};
use crate::op::Op;
use crate::output::Output;
use crate::state::State;

impl Replica {
    pub(super) fn on_snapshot(&mut self, from: NodeId, of: Epoch, state: State) {
        match &self.role {
            Role::Recovering { epoch, .. } if *epoch == of => {
                if state.progress() > self.state.progress() {
                    self.adopt(state);
                }
                self.on_same(from, of);
            }
            Role::Split { epoch, .. } => {
                if of > *epoch && of >= self.seen {
                    self.follow(from, of, None);
                    self.adopt(state);
                }
            }
            _ => {
                let news = |own: &State| state.term != own.term || state.index > own.index;
                if self.accept(from, of) && state.term.epoch == of && news(&self.state) {
                    self.adopt(state);
                    self.own.hurry();
                }
            }
        }
    }

    fn adopt(&mut self, state: State) {
        let before = mem::replace(&mut self.state, state);
        self.seen = self.seen.max(self.state.term.epoch);
        self.log.reset((self.state.term, self.state.index));
        self.sent = self.state.index;
        self.held.clear();
        if let Role::Follower { hello, .. } = &mut self.role {
            *hello = None;
        }
        let (mine, guests) = (self.members_of(&before), self.guests_of(&before));
        self.outputs.fence(Output::Adopted { before: Box::new(before.channel) });
        let known = self.members_of(&self.state);
        let hosted = self.guests_of(&self.state);
        // Those who came in by an operation whose answer is said only now are no ghosts.
        let answered = self.answer_applied();
        for (talker, member) in &known {
            let is_mine = mine.get(talker).is_some_and(|mine| mine.who.user == member.who.user);
            if !is_mine && !answered.contains(talker) {
                self.drop_ghost(*talker);
            } else if is_mine {
                self.bring_back(member);
            }
        }
        for guest in hosted.iter().filter(|guest| !guests.contains(guest) && !answered.contains(guest)) {
            self.wish_silently(Op::Dismiss { guest: *guest });
        }
        for (talker, member) in mine {
            let is_there = known.get(&talker).is_some_and(|known| known.who.user == member.who.user);
            if !is_there && !self.own.rejoins(talker) {
                self.outputs.push(Output::Lost { talker });
                let Member { who, rights, .. } = member;
                self.rejoin(talker, Op::Join { who, rights, claim: Some(talker) });
            }
        }
    }

    /// A member that nobody here knows of goes.
    pub(super) fn drop_ghost(&mut self, talker: TalkerNumber) {
        self.wish_silently(if self.state.channel.is_guest(talker) {
            Op::Dismiss { guest: talker }
        } else {
            Op::Leave { talker, reason: LeaveReason::Disconnected }
        });
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
