//! Those who wait for the floor: TS 24.380's active floor request queue.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use suara_proto::{RequestId, TalkerNumber};

use super::Step;
use super::burst::Claim;
use crate::effect::Effect;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Queue {
    /// The next first: by rank, then by arrival.
    waiting: Vec<Waiting>,
    arrivals: u64,
    /// Members who can't talk for now: they keep their places, and others are let in.
    passed_over: BTreeSet<TalkerNumber>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    claim: Claim,
    arrival: u64,
    /// The position that it was told last.
    told: Option<usize>,
}

impl Queue {
    /// Puts a claim in; who waits already has asked anew and keeps its arrival. Says who has no room, which may be the
    /// newcomer.
    pub(crate) fn put(&mut self, claim: Claim, arrival: Option<u64>, room: usize) -> Vec<Claim> {
        let arrival = arrival.unwrap_or_else(|| {
            self.arrivals += 1;
            self.arrivals
        });
        self.waiting.push(Waiting { claim, arrival, told: None });
        self.waiting.sort_by(|a, b| b.claim.rank.cmp(&a.claim.rank).then(a.arrival.cmp(&b.arrival)));
        let beyond = self.waiting.len().min(room)..;
        self.waiting.drain(beyond).map(|waiting| waiting.claim).collect()
    }

    /// Takes a member's claim out, with its arrival.
    pub(crate) fn remove(&mut self, talker: TalkerNumber) -> Option<(Claim, u64)> {
        let index = self.position(talker)? - 1;
        let Waiting { claim, arrival, .. } = self.waiting.remove(index);
        Some((claim, arrival))
    }

    /// The next of those who can talk.
    pub(crate) fn first(&self) -> Option<&Claim> {
        let can_talk = |claim: &&Claim| !self.passed_over.contains(&claim.talker);
        self.waiting.iter().map(|waiting| &waiting.claim).find(can_talk)
    }

    pub(crate) fn pass_over(&mut self, talker: TalkerNumber, so: bool) {
        if so {
            self.passed_over.insert(talker);
        } else {
            self.passed_over.remove(&talker);
        }
    }

    pub(crate) fn claim(&self, talker: TalkerNumber) -> Option<&Claim> {
        self.waiting.iter().map(|waiting| &waiting.claim).find(|claim| claim.talker == talker)
    }

    pub(crate) fn drain(&mut self) -> Vec<Claim> {
        self.waiting.drain(..).map(|waiting| waiting.claim).collect()
    }

    /// 1 is next.
    pub(crate) fn position(&self, talker: TalkerNumber) -> Option<usize> {
        self.waiting.iter().position(|waiting| waiting.claim.talker == talker).map(|index| index + 1)
    }

    pub(crate) fn request(&self, talker: TalkerNumber) -> Option<RequestId> {
        self.claim(talker).map(|claim| claim.request)
    }

    /// Forgets what a member was told, so that it is told again.
    pub(crate) fn remind(&mut self, talker: TalkerNumber) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.claim.talker == talker) {
            waiting.told = None;
        }
    }

    /// Tells those whose position changed.
    pub(crate) fn tell(&mut self, step: &mut Step<'_>) {
        let size = self.waiting.len();
        for (index, waiting) in self.waiting.iter_mut().enumerate() {
            let position = index + 1;
            if waiting.told.replace(position) != Some(position) {
                let Claim { talker, request, .. } = waiting.claim;
                step.say(Effect::Queued { talker, request, position, size });
            }
        }
    }
}
