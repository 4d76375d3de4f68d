//! One talker's time with the floor.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use suara_proto::limits::UNLIMITED;
use suara_proto::message::Level;
use suara_proto::{RequestId, RevokeCause};

use super::Step;
use crate::asking::{Rank, Road};
use crate::effect::{Effect, Speaker, Talking};
use crate::roster::Identity;
use crate::settings::Settings;
use crate::time::Time;

/// From its Granted to its Idle: `U: permitted` and `U: pending Floor Revoke` of TS 24.380, 6.3.5.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Burst {
    pub(crate) speaker: Speaker,
    pub(crate) who: Identity,
    pub(crate) request: RequestId,
    pub(crate) rank: Rank,
    /// Its newest voice; before there is any, the grant. T1 runs from here.
    heard: Time,
    /// T2's end.
    limit: Option<Time>,
    /// T3's end, once it is revoked.
    grace: Option<Time>,
    /// Why it was, the last time.
    cause: RevokeCause,
    warned: bool,
    renewal: Option<Time>,
    /// When Granted is said again (T20), and how often still (C20).
    repeat: Option<(Time, u8)>,
}

/// One that asks for the floor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) talker: suara_proto::TalkerNumber,
    pub(crate) who: Identity,
    pub(crate) request: RequestId,
    pub(crate) rank: Rank,
    pub(crate) queue: bool,
    pub(crate) road: Road,
}

impl Burst {
    pub(crate) fn new(step: &Step<'_>, claim: Claim, speaker: Speaker) -> Self {
        let Settings { t2, repeat, repeats, .. } = *step.settings;
        let repeats_at_all = claim.road == Road::Datagram && !repeat.is_zero() && repeats > 0;
        Self {
            speaker,
            who: claim.who,
            request: claim.request,
            rank: claim.rank,
            heard: step.now,
            limit: (claim.rank.level < Level::Emergency).then(|| step.now + t2),
            grace: None,
            cause: RevokeCause::Other,
            warned: false,
            renewal: None,
            repeat: repeats_at_all.then(|| (step.now + repeat, repeats)),
        }
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.grace.is_some()
    }

    pub(crate) fn heard(&mut self, at: Time) {
        self.heard = self.heard.max(at);
        // Its talker knows of the grant.
        self.repeat = None;
    }

    /// Says Granted for `request`, which is the grant's from now on.
    pub(crate) fn confirm(&mut self, step: &mut Step<'_>, request: RequestId) {
        self.request = request;
        let Speaker { talker, grant } = self.speaker;
        step.say(Effect::Granted { talker, request, grant, duration: self.remaining(step.now) });
    }

    /// Says again all that its talker has to know.
    pub(crate) fn restate(&mut self, step: &mut Step<'_>) {
        self.confirm(step, self.request);
        if let Some(until) = self.grace {
            let (Speaker { talker, grant }, cause) = (self.speaker, self.cause);
            step.say(Effect::Revoke { talker, grant, cause, grace: until.saturating_since(step.now) });
        }
    }

    /// Its talker says how urgent it is; `true` when that is more than it was.
    pub(crate) fn raise(&mut self, rank: Rank) -> bool {
        let raised = rank.level > self.rank.level;
        if raised {
            self.rank = rank;
            self.limit = self.limit.filter(|_| rank.level < Level::Emergency);
        }
        raised
    }

    /// Says Taken, and when to say it again.
    pub(crate) fn announce(&mut self, step: &mut Step<'_>) {
        step.say(Effect::Taken(self.talking(step.now)));
        let every = step.settings.renewal;
        self.renewal = (!every.is_zero()).then(|| step.now + every);
    }

    /// Says Revoke; once more, when what is left of the grace time becomes less.
    pub(crate) fn revoke(&mut self, step: &mut Step<'_>, cause: RevokeCause, grace: Duration) {
        // From now and not from the moment that was due: the talker is promised the whole of it.
        let until = step.now + grace;
        if self.grace.is_some_and(|present| present <= until) {
            return;
        }
        let Speaker { talker, grant } = self.speaker;
        (self.grace, self.cause) = (Some(until), cause);
        step.say(Effect::Revoke { talker, grant, cause, grace });
        if !grace.is_zero() {
            self.announce(step);
        }
    }

    /// T1's, T2's or T3's end, whichever comes first.
    pub(crate) fn expires(&self, settings: &Settings) -> Time {
        let silent = self.heard + settings.t1;
        self.grace.or(self.limit).map_or(silent, |end| end.min(silent))
    }

    /// Whether it is T2 that ends first. At a tie with T1 the talker is taken for gone: there is nobody to revoke.
    pub(crate) fn expires_by_limit(&self, settings: &Settings) -> bool {
        let silent = self.heard + settings.t1;
        self.grace.is_none() && self.limit.is_some_and(|limit| limit < silent)
    }

    /// When something is to be said, though nothing ends.
    pub(crate) fn speaks_at(&self, settings: &Settings) -> Option<Time> {
        let repeat = self.repeat.map(|(at, _)| at);
        [self.warns_at(settings), self.renewal, repeat].into_iter().flatten().min()
    }

    /// Says what is due.
    pub(crate) fn speak(&mut self, step: &mut Step<'_>) {
        let Speaker { talker, grant } = self.speaker;
        if self.warns_at(step.settings).is_some_and(|at| at <= step.now) {
            self.warned = true;
            step.say(Effect::Warning { talker, grant, remaining: self.remaining(step.now) });
        }
        if self.renewal.is_some_and(|at| at <= step.now) {
            self.announce(step);
        }
        if let Some((at, times)) = self.repeat
            && at <= step.now
        {
            let (request, duration) = (self.request, self.remaining(step.now));
            step.say(Effect::Repeat { talker, request, grant, duration });
            self.repeat = (times > 1).then(|| (step.now + step.settings.repeat, times - 1));
        }
    }

    pub(crate) fn talking(&self, now: Time) -> Talking {
        let Speaker { talker, grant } = self.speaker;
        let (who, remaining, level) = (self.who.clone(), self.remaining(now), self.rank.level);
        Talking { talker, who, grant, remaining, level }
    }

    fn remaining(&self, now: Time) -> Duration {
        self.grace.or(self.limit).map_or(UNLIMITED, |until| until.saturating_since(now))
    }

    fn warns_at(&self, settings: &Settings) -> Option<Time> {
        let limit = self.limit.filter(|_| !self.warned && self.grace.is_none())?;
        let early = settings.warning;
        (!early.is_zero() && early < settings.t2).then(|| limit.before(early))
    }
}
