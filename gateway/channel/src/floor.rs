//! The right to talk: TS 24.380's floor control server, for one channel with one talker at a time.
//!
//! Knows talkers by number, and trusts the channel that they are members with the right to talk. The states are those
//! of the general floor control operation (clause 6.3.4); the idle one is two here, for after a Release frames are
//! still under way.

use std::collections::VecDeque;
use std::mem;

use suara_proto::{DenyCause, ErrorCode, Grant, RequestId, RevokeCause, TalkerNumber};

use crate::effect::{Effect, Speaker, Talking};
use crate::roster::Identity;
use crate::settings::Settings;
use crate::time::Time;

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

/// A member that asks for the floor.
pub(crate) struct Claim {
    pub(crate) talker: TalkerNumber,
    pub(crate) who: Identity,
    pub(crate) request: RequestId,
}

#[derive(Debug)]
pub(crate) struct Floor {
    state: State,
    /// `None` once the last was given: one that compares lower would be taken for out of date.
    next_grant: Option<Grant>,
    /// The newest grant that a timer ended, so that its holder's Release may be under way.
    lapsed: Option<Speaker>,
}

impl Floor {
    pub(crate) fn new(epoch: u16) -> Self {
        Self { state: State::Idle, next_grant: Some(Grant::new(epoch, 1)), lapsed: None }
    }

    pub(crate) fn request(&mut self, mut step: Step<'_>, claim: Claim) {
        let asks_again = |burst: &Burst| burst.speaker.talker == claim.talker;
        let Claim { talker, request, .. } = claim;
        let cause = match &self.state {
            State::Idle | State::Tail { .. } => match self.take_grant() {
                Some(grant) => {
                    self.state = State::grant(&mut step, claim, grant);
                    return;
                }
                None => DenyCause::NoResources,
            },
            State::Taken { burst, limit } if asks_again(burst) => {
                step.say(burst.granted(request, *limit, step.now));
                return;
            }
            // Its grant is over but for the grace time, and the next one can't begin within it.
            State::Revoked { burst, .. } if asks_again(burst) => DenyCause::Other,
            State::Taken { .. } | State::Revoked { .. } => DenyCause::AnotherHasPermission,
        };
        step.say(Effect::Deny { talker, request, cause });
    }

    pub(crate) fn release(&mut self, mut step: Step<'_>, by: Speaker) {
        if self.state.holder() == Some(by) {
            self.state = mem::take(&mut self.state).release(&mut step);
        } else if self.lapsed != Some(by) {
            step.say(Effect::Refused { talker: by.talker, code: ErrorCode::WrongGrant });
        }
    }

    pub(crate) fn leave(&mut self, mut step: Step<'_>, talker: TalkerNumber) {
        if self.speaker().is_some_and(|speaker| speaker.talker == talker) {
            self.state = mem::take(&mut self.state).end(&mut step);
        }
    }

    pub(crate) fn media(&mut self, grant: Grant, at: Time) {
        if let State::Taken { burst, .. } | State::Revoked { burst, .. } = &mut self.state
            && burst.speaker.grant == grant
        {
            burst.heard = burst.heard.max(at);
        }
    }

    pub(crate) fn poll_timeout(&self, settings: &Settings) -> Option<Time> {
        [self.state.expires(settings), self.state.renews()].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, mut step: Step<'_>) {
        // Several in a row when the caller comes late; each expiry leads nearer to idle.
        while self.state.expires(step.settings).is_some_and(|deadline| deadline <= step.now) {
            let holder = self.state.holder();
            self.state = mem::take(&mut self.state).expire(&mut step);
            if self.state.holder() != holder {
                self.lapsed = holder;
            }
        }
        if self.state.renews().is_some_and(|deadline| deadline <= step.now) {
            self.state.announce(&mut step);
        }
    }

    pub(crate) fn talking(&self, now: Time) -> Option<Talking> {
        self.state.talking(now)
    }

    pub(crate) fn speaker(&self) -> Option<Speaker> {
        self.state.speaker()
    }

    fn take_grant(&mut self) -> Option<Grant> {
        let grant = self.next_grant?;
        self.next_grant = Some(grant.next()).filter(|next| *next > grant);
        Some(grant)
    }
}

#[derive(Debug, Default)]
enum State {
    /// `G: Floor Idle` (6.3.4.3).
    #[default]
    Idle,
    /// `G: Floor Idle`, while the released grant's last frames come in.
    Tail { speaker: Speaker, until: Time },
    /// `G: Floor Taken` (6.3.4.4). T1 runs from the burst's last voice; `limit` is T2's end.
    Taken { burst: Burst, limit: Time },
    /// `G: pending Floor Revoke` (6.3.4.5). T1 runs on; `grace` is T3's end.
    Revoked { burst: Burst, grace: Time },
}

/// One talker's time with the floor.
#[derive(Debug)]
struct Burst {
    speaker: Speaker,
    who: Identity,
    /// Its newest voice; before there is any, the grant.
    heard: Time,
    /// When Taken is to be repeated.
    renewal: Option<Time>,
}

impl State {
    fn grant(step: &mut Step<'_>, claim: Claim, grant: Grant) -> Self {
        let speaker = Speaker { talker: claim.talker, grant };
        let burst = Burst { speaker, who: claim.who, heard: step.now, renewal: None };
        let limit = step.now + step.settings.t2;
        step.say(Effect::Speaker(Some(speaker)));
        step.say(burst.granted(claim.request, limit, step.now));
        let mut taken = Self::Taken { burst, limit };
        taken.announce(step);
        taken
    }

    /// The holder is done: what it said last may still be under way.
    fn release(self, step: &mut Step<'_>) -> Self {
        match self {
            Self::Taken { burst, .. } | Self::Revoked { burst, .. } => {
                let speaker = burst.speaker;
                step.say(Effect::Idle { grant: speaker.grant });
                Self::Tail { speaker, until: step.now + step.settings.release_tail }
            }
            idle @ (Self::Idle | Self::Tail { .. }) => idle,
        }
    }

    fn revoke(self, step: &mut Step<'_>, cause: RevokeCause) -> Self {
        match self {
            Self::Taken { burst, .. } => {
                let Speaker { talker, grant } = burst.speaker;
                step.say(Effect::Revoke { talker, grant, cause, grace: step.settings.t3 });
                // From now and not from the moment that was due: the talker is promised the whole of it.
                let mut revoked = Self::Revoked { burst, grace: step.now + step.settings.t3 };
                revoked.announce(step);
                revoked
            }
            other => other,
        }
    }

    /// Nobody is heard from now on.
    fn end(self, step: &mut Step<'_>) -> Self {
        if self.speaker().is_some() {
            step.say(Effect::Speaker(None));
        }
        if let Some(Speaker { grant, .. }) = self.holder() {
            step.say(Effect::Idle { grant });
        }
        Self::Idle
    }

    /// Its deadline, [`Self::expires`], is over.
    fn expire(self, step: &mut Step<'_>) -> Self {
        match &self {
            // At a tie the talker is taken for gone: there is nobody to revoke.
            Self::Taken { burst, limit } if *limit < burst.heard + step.settings.t1 => {
                self.revoke(step, RevokeCause::MediaBurstTooLong)
            }
            _ => self.end(step),
        }
    }

    /// T1, T2, T3 or the tail's end, whichever comes first.
    fn expires(&self, settings: &Settings) -> Option<Time> {
        match self {
            Self::Idle => None,
            Self::Tail { until, .. } => Some(*until),
            Self::Taken { burst, limit: last } | Self::Revoked { burst, grace: last } => {
                Some((*last).min(burst.heard + settings.t1))
            }
        }
    }

    fn renews(&self) -> Option<Time> {
        match self {
            Self::Idle | Self::Tail { .. } => None,
            Self::Taken { burst, .. } | Self::Revoked { burst, .. } => burst.renewal,
        }
    }

    /// Says Taken, and when to say it again.
    fn announce(&mut self, step: &mut Step<'_>) {
        if let Some(talking) = self.talking(step.now) {
            step.say(Effect::Taken(talking));
        }
        if let Self::Taken { burst, .. } | Self::Revoked { burst, .. } = self {
            let every = step.settings.renewal;
            burst.renewal = (!every.is_zero()).then(|| step.now + every);
        }
    }

    fn talking(&self, now: Time) -> Option<Talking> {
        match self {
            Self::Idle | Self::Tail { .. } => None,
            Self::Taken { burst, limit: until } | Self::Revoked { burst, grace: until } => Some(Talking {
                talker: burst.speaker.talker,
                who: burst.who.clone(),
                grant: burst.speaker.grant,
                remaining: until.saturating_since(now),
            }),
        }
    }

    fn holder(&self) -> Option<Speaker> {
        match self {
            Self::Idle | Self::Tail { .. } => None,
            Self::Taken { burst, .. } | Self::Revoked { burst, .. } => Some(burst.speaker),
        }
    }

    fn speaker(&self) -> Option<Speaker> {
        match self {
            Self::Tail { speaker, .. } => Some(*speaker),
            other => other.holder(),
        }
    }
}

impl Burst {
    fn granted(&self, request: RequestId, limit: Time, now: Time) -> Effect {
        let Speaker { talker, grant } = self.speaker;
        Effect::Granted { talker, request, grant, duration: limit.saturating_since(now) }
    }
}
