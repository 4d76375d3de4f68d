//! The right to talk: TS 24.380's floor control server, for one channel.
//!
//! Knows talkers by number, and trusts the channel that they are members with the right to talk. A [`Burst`] is one
//! grant from its Granted to its Idle; the mode says how many there may be at a time.

mod away;
mod burst;
mod dispatch;
mod inactivity;
mod memory;
mod queue;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use suara_proto::message::{ChannelMode, Level};
use suara_proto::{DenyCause, ErrorCode, Grant, RequestId, RevokeCause, TalkerNumber};

pub(crate) use burst::Claim;

use crate::asking::{Rank, Road};
use crate::effect::{Effect, Speaker, Talking};
use crate::settings::Settings;
use crate::time::Time;
use burst::Burst;
use inactivity::Inactivity;
use memory::{Known, Memory};
use queue::Queue;

/// What a transition works with: the moment, the rules, and where its decisions go.
pub(crate) struct Step<'a> {
    pub(crate) now: Time,
    pub(crate) settings: &'a Settings,
    pub(crate) effects: &'a mut VecDeque<Effect>,
}

impl Step<'_> {
    fn say(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }
}

/// A released grant's last frames, which are still under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tail {
    speaker: Speaker,
    until: Time,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// By grant.
    bursts: Vec<Burst>,
    tails: Vec<Tail>,
    queue: Queue,
    memory: Memory,
    /// The speakers that the data plane was told of last.
    told: Vec<Speaker>,
    /// `None` once the last was given: one that compares lower would be taken for out of date.
    next_grant: Option<Grant>,
    /// The newest grants that a timer or a dispatcher ended, so that their holders' Releases may be under way: as many as
    /// there may be talkers.
    lapsed: VecDeque<Speaker>,
    inactivity: Inactivity,
}

impl Floor {
    pub(crate) fn new(epoch: u16) -> Self {
        Self {
            bursts: Vec::new(),
            tails: Vec::new(),
            queue: Queue::default(),
            memory: Memory::default(),
            told: Vec::new(),
            next_grant: Some(Grant::new(epoch, 1)),
            lapsed: VecDeque::new(),
            inactivity: Inactivity::default(),
        }
    }

    pub(crate) fn open_term(&mut self, first: Grant) {
        self.next_grant = self.next_grant.map(|next| next.max(first));
    }

    pub(crate) fn next_grant(&self) -> Option<Grant> {
        self.next_grant
    }

    pub(crate) fn waits(&self, talker: TalkerNumber) -> Option<RequestId> {
        self.queue.request(talker)
    }

    /// Whether this request was here before; then it is answered as it was.
    pub(crate) fn repetition(
        &mut self,
        step: &mut Step<'_>,
        talker: TalkerNumber,
        request: RequestId,
        road: Road,
    ) -> bool {
        let Some(known) = self.memory.note(talker, request, road) else { return false };
        let own = self.bursts.iter_mut().find(|burst| burst.speaker.talker == talker);
        match (known, own.filter(|burst| burst.request == request && !burst.is_revoked())) {
            (_, Some(burst)) => burst.confirm(step, request),
            (Known::Denied(cause), None) => step.say(Effect::Deny { talker, request, cause }),
            (Known::Otherwise, None) if self.queue.request(talker) == Some(request) => {
                self.queue.remind(talker);
                self.queue.tell(step);
            }
            // It was granted, and that is over.
            (Known::Otherwise, None) => {}
        }
        true
    }

    pub(crate) fn request(&mut self, step: &mut Step<'_>, claim: Claim) {
        if let Some(burst) = self.bursts.iter_mut().find(|burst| burst.speaker.talker == claim.talker) {
            if burst.is_revoked() {
                // Its grant is over but for the grace time, and the next one can't begin within it.
                return self.deny(step, claim.talker, claim.request, DenyCause::Other);
            }
            let raised = burst.raise(claim.rank);
            burst.confirm(step, claim.request);
            return if raised {
                burst.announce(step)
            };
        }
        // Who asks from the queue keeps its arrival: the newest request counts, whatever it asks for.
        let arrival = self.queue.remove(claim.talker).map(|(_, arrival)| arrival);
        if self.next_grant.is_none() {
            self.deny(step, claim.talker, claim.request, DenyCause::NoResources);
        } else if self.may_enter(step.settings, claim.rank) && self.is_next(claim.rank) {
            self.grant(step, claim);
        } else {
            self.wait(step, claim, arrival);
        }
        self.queue.tell(step);
    }

    /// Takes a request back: out of the queue, or its grant.
    pub(crate) fn cancel(&mut self, step: &mut Step<'_>, talker: TalkerNumber, request: RequestId) {
        // One that comes later by another road has to find it known; so has a Release that crossed this.
        self.memory.note(talker, request, Road::Datagram);
        if self.queue.request(talker) == Some(request) {
            self.queue.remove(talker);
            self.queue.tell(step);
        }
        let own = self.bursts.iter().find(|burst| burst.speaker.talker == talker && burst.request == request);
        if let Some(by) = own.map(|burst| burst.speaker) {
            self.release(step, by, Road::Datagram);
        }
        step.say(Effect::Cancelled { talker, request });
    }

    /// `false` when this is nobody's grant to release.
    pub(crate) fn release(&mut self, step: &mut Step<'_>, by: Speaker, road: Road) -> bool {
        let Some(index) = self.bursts.iter().position(|burst| burst.speaker == by) else {
            return self.lapsed.contains(&by) || self.memory.knows_released(by);
        };
        self.bursts.remove(index);
        if road == Road::Datagram {
            self.memory.released(by);
        }
        self.rest(step.now);
        // What it said last may still be under way.
        self.tails.push(Tail { speaker: by, until: step.now + step.settings.release_tail });
        step.say(Effect::Idle { grant: by.grant });
        self.admit(step);
        true
    }

    /// Gives back all that a talker has.
    pub(crate) fn release_all(&mut self, step: &mut Step<'_>, talker: TalkerNumber) {
        self.queue.remove(talker);
        for speaker in self.bursts_of(talker) {
            self.release(step, speaker, Road::Stream);
        }
        self.queue.tell(step);
    }

    /// The first member is there: T4 begins.
    pub(crate) fn open(&mut self, now: Time) {
        self.inactivity.opens(now, !self.bursts.is_empty());
    }

    /// The last member is gone.
    pub(crate) fn close(&mut self) {
        self.inactivity.closes();
    }

    /// A burst is over: perhaps it was the last.
    fn rest(&mut self, now: Time) {
        if self.bursts.is_empty() {
            self.inactivity.begins(now);
        }
    }

    pub(crate) fn media(&mut self, grant: Grant, at: Time) {
        if let Some(burst) = self.bursts.iter_mut().find(|burst| burst.speaker.grant == grant) {
            burst.heard(at);
        }
    }

    pub(crate) fn poll_timeout(&self, settings: &Settings) -> Option<Time> {
        let ends = self.bursts.iter().map(|burst| burst.expires(settings));
        let words = self.bursts.iter().filter_map(|burst| burst.speaks_at(settings));
        let tails = self.tails.iter().map(|tail| tail.until);
        ends.chain(words).chain(tails).chain(self.inactivity.poll_timeout(settings)).min()
    }

    pub(crate) fn handle_timeout(&mut self, step: &mut Step<'_>) {
        self.tails.retain(|tail| tail.until > step.now);
        // Several in a row when the caller comes late; each expiry leads nearer to idle.
        while let Some(index) = self.first_expired(step) {
            let burst = &mut self.bursts[index];
            if burst.expires_by_limit(step.settings) {
                burst.revoke(step, RevokeCause::MediaBurstTooLong, step.settings.t3);
            } else {
                let speaker = burst.speaker;
                self.lapse(step, speaker.talker);
                self.admit(step);
            }
        }
        self.say_speakers(step);
        self.bursts.iter_mut().for_each(|burst| burst.speak(step));
        self.inactivity.handle_timeout(step);
    }

    /// Who holds the floor, the newest grant last.
    pub(crate) fn talking(&self, now: Time) -> impl DoubleEndedIterator<Item = Talking> {
        self.bursts.iter().map(move |burst| burst.talking(now))
    }

    /// Whose frames are forwarded, by grant.
    pub(crate) fn speakers(&self) -> Vec<Speaker> {
        let tails = self.tails.iter().map(|tail| tail.speaker);
        let mut all: Vec<_> = self.bursts.iter().map(|burst| burst.speaker).chain(tails).collect();
        all.sort();
        all
    }

    fn first_expired(&self, step: &Step<'_>) -> Option<usize> {
        let due = |burst: &Burst| burst.expires(step.settings);
        let first = self.bursts.iter().enumerate().min_by_key(|(_, burst)| due(burst))?;
        (due(first.1) <= step.now).then_some(first.0)
    }

    /// Whether there is room for another talker of that rank.
    fn may_enter(&self, settings: &Settings, rank: Rank) -> bool {
        match (settings.mode, &self.bursts[..]) {
            (_, []) => true,
            // An override talks with the overridden.
            (ChannelMode::Dual, [other]) => rank.pre_empts(other.rank, settings.pre_emption),
            (ChannelMode::Open, bursts) => bursts.len() < settings.talkers(),
            _ => false,
        }
    }

    /// Whether nobody waits who comes before that rank. In `dual` some wait though there is room for the more urgent.
    fn is_next(&self, rank: Rank) -> bool {
        self.queue.first().is_none_or(|first| rank > first.rank)
    }

    fn grant(&mut self, step: &mut Step<'_>, claim: Claim) {
        let Some(grant) = self.next_grant else { return };
        self.next_grant = Some(grant.next()).filter(|next| *next > grant);
        let (talker, request) = (claim.talker, claim.request);
        let alone = step.settings.talkers() == 1;
        self.tails.retain(|tail| !alone && tail.speaker.talker != talker);
        self.inactivity.ends();
        self.bursts.push(Burst::new(step, claim, Speaker { talker, grant }));
        self.say_speakers(step);
        if let Some(burst) = self.bursts.last_mut() {
            burst.confirm(step, request);
            burst.announce(step);
        }
    }

    /// A claim that can't be granted now: it takes the floor from somebody, waits, or is denied.
    fn wait(&mut self, step: &mut Step<'_>, claim: Claim, arrival: Option<u64>) {
        let Settings { pre_emption, queue_depth, t3, emergency_grace, .. } = *step.settings;
        let (talker, request, rank) = (claim.talker, claim.request, claim.rank);
        let takes_precedence = self.bursts.iter().any(|burst| rank.pre_empts(burst.rank, pre_emption));
        let would_wait = claim.queue && queue_depth > 0;
        if !(takes_precedence || would_wait) {
            return self.deny(step, talker, request, DenyCause::AnotherHasPermission);
        }
        for denied in self.queue.put(claim, arrival, queue_depth.max(1)) {
            self.deny(step, denied.talker, denied.request, DenyCause::QueueFull);
        }
        let Some(position) = self.queue.position(talker) else { return };
        let emergency = rank.level == Level::Emergency;
        let grace = if emergency { t3.min(emergency_grace) } else { t3 };
        let ending = self.bursts.iter().filter(|burst| burst.is_revoked()).count();
        let beneath = self.bursts.iter_mut().filter(|burst| rank.pre_empts(burst.rank, pre_emption));
        if position > ending {
            // The lowest, and of several the one that has talked the longest.
            let victim = beneath.filter(|burst| !burst.is_revoked()).min_by_key(|burst| burst.rank);
            victim.into_iter().for_each(|burst| burst.revoke(step, RevokeCause::PreEmpted, grace));
        } else if emergency {
            let victim = beneath.filter(|burst| burst.is_revoked()).min_by_key(|burst| burst.rank);
            victim.into_iter().for_each(|burst| burst.revoke(step, RevokeCause::PreEmpted, grace));
        }
    }

    /// Lets in who waits, as far as there is room.
    fn admit(&mut self, step: &mut Step<'_>) {
        while let Some(first) = self.queue.first()
            && self.may_enter(step.settings, first.rank)
        {
            let Some((claim, _)) = self.queue.remove(first.talker) else { break };
            if self.next_grant.is_none() {
                self.deny(step, claim.talker, claim.request, DenyCause::NoResources);
            } else {
                self.grant(step, claim);
            }
        }
        self.queue.tell(step);
    }

    /// Answers a request with a denial, and keeps that for its repetitions.
    pub(crate) fn deny(
        &mut self,
        step: &mut Step<'_>,
        talker: TalkerNumber,
        request: RequestId,
        cause: DenyCause,
    ) {
        self.memory.denied(talker, request, cause);
        step.say(Effect::Deny { talker, request, cause });
    }

    fn bursts_of(&self, talker: TalkerNumber) -> Vec<Speaker> {
        let speakers = self.bursts.iter().map(|burst| burst.speaker);
        speakers.filter(|speaker| speaker.talker == talker).collect()
    }

    /// A member's grant ends, and its Release may be under way.
    fn lapse(&mut self, step: &mut Step<'_>, talker: TalkerNumber) {
        for speaker in self.bursts_of(talker) {
            self.end(step, speaker);
            self.lapsed.push_front(speaker);
            self.lapsed.truncate(step.settings.talkers());
        }
    }

    /// Nothing of this grant is heard from now on.
    fn end(&mut self, step: &mut Step<'_>, speaker: Speaker) {
        self.bursts.retain(|burst| burst.speaker != speaker);
        self.rest(step.now);
        self.say_speakers(step);
        step.say(Effect::Idle { grant: speaker.grant });
    }

    fn say_speakers(&mut self, step: &mut Step<'_>) {
        let speakers = self.speakers();
        if speakers != self.told {
            self.told.clone_from(&speakers);
            step.say(Effect::Speakers(speakers));
        }
    }

    /// What a release of another's grant is answered with.
    pub(crate) fn wrong(step: &mut Step<'_>, talker: TalkerNumber) {
        step.say(Effect::Refused { talker, code: ErrorCode::WrongGrant });
    }
}
