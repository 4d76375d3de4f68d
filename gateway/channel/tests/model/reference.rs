//! What a channel should have said and be, worked out from the log of all that happened to it.
//!
//! No state is carried from step to step. A grant's whole fate is read off the log that follows it; what is true after
//! a step is looked up among those fates.

use std::collections::BTreeMap;
use std::time::Duration;

use suara_channel::*;

/// One thing that happened.
#[derive(Debug)]
pub(crate) struct Entry {
    /// In milliseconds, never less than in the entry before.
    pub(crate) now: u64,
    pub(crate) event: Event,
}

#[derive(Debug)]
pub(crate) enum Event {
    Joined(Member),
    Left(TalkerNumber),
    Request(TalkerNumber, RequestId),
    Release(Speaker),
    Media(Grant, u64),
    Fire,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Release,
    Timer,
    Leave,
}

/// One grant, from the step that gave it.
#[derive(Debug)]
pub(crate) struct Burst {
    pub(crate) who: Member,
    pub(crate) grant: Grant,
    pub(crate) from: usize,
    pub(crate) revoked: Option<usize>,
    pub(crate) over: Option<(usize, End)>,
    /// The steps at which Taken was said.
    pub(crate) told: Vec<usize>,
}

impl Burst {
    pub(crate) fn speaker(&self) -> Speaker {
        Speaker { talker: self.who.talker, grant: self.grant }
    }

    fn is_over_by(&self, step: usize) -> bool {
        self.over.is_some_and(|(end, _)| end <= step)
    }

    fn is_over_before(&self, step: usize) -> bool {
        self.over.is_some_and(|(end, _)| end < step)
    }
}

pub(crate) struct Story<'a> {
    pub(crate) log: &'a [Entry],
    pub(crate) rules: &'a Settings,
    pub(crate) bursts: Vec<Burst>,
}

impl<'a> Story<'a> {
    pub(crate) fn tell(epoch: u16, rules: &'a Settings, log: &'a [Entry]) -> Self {
        let mut story = Self { log, rules, bursts: Vec::new() };
        for (step, entry) in log.iter().enumerate() {
            if let Event::Request(talker, _) = entry.event
                && let Some(who) = story.member_before(step, talker)
                && who.rights.has(Right::Talk)
                && story.bursts.last().is_none_or(|last| last.is_over_before(step))
            {
                let grant = Grant(Grant::new(epoch, 1).0 + story.bursts.len() as u32);
                let burst = story.fate(who.clone(), grant, step);
                story.bursts.push(burst);
            }
        }
        story
    }

    /// Everything but Speaker and Roster that the step should have made the channel say.
    pub(crate) fn said_at(&self, step: usize) -> Vec<Effect> {
        let held = self.bursts.iter().find(|burst| burst.from < step && !burst.is_over_before(step));
        match self.log[step].event {
            Event::Request(talker, request) => self.answer(step, talker, request, held),
            Event::Release(by) => match held {
                _ if self.member_before(step, by.talker).is_none() => vec![],
                Some(burst) if burst.speaker() == by => vec![Effect::Idle { grant: by.grant }],
                _ if self.lapsed_before(step) == Some(by) => vec![],
                _ => vec![Effect::Refused { talker: by.talker, code: ErrorCode::WrongGrant }],
            },
            Event::Left(_) | Event::Fire => held.map_or(vec![], |burst| self.progress(step, burst)),
            Event::Joined(_) | Event::Media(..) | Event::Nothing => vec![],
        }
    }

    /// Who holds the floor once the step is done.
    pub(crate) fn talking_after(&self, step: usize) -> Option<Talking> {
        let burst = self.bursts.iter().find(|burst| burst.from <= step && !burst.is_over_by(step))?;
        Some(self.talking(step, burst))
    }

    /// Whose frames are forwarded once the step is done.
    pub(crate) fn speaker_after(&self, step: usize) -> Option<Speaker> {
        let last = self.bursts.iter().rfind(|burst| burst.from <= step)?;
        let heard = match last.over {
            Some((end, how)) if end <= step => how == End::Release && self.tail_end(last, end) > step,
            _ => true,
        };
        heard.then(|| last.speaker())
    }

    /// The step at which nothing of a released burst is forwarded any more, were there no other grant.
    pub(crate) fn tail_end(&self, burst: &Burst, released: usize) -> usize {
        let until = self.log[released].now + millis(self.rules.release_tail);
        let ends = |entry: &Entry| match entry.event {
            Event::Fire => entry.now >= until,
            Event::Left(talker) => talker == burst.who.talker,
            _ => false,
        };
        self.log[released..].iter().position(ends).map_or(self.log.len(), |steps| released + steps)
    }

    pub(crate) fn members_after(&self, step: usize) -> BTreeMap<TalkerNumber, Member> {
        let mut members = BTreeMap::new();
        for entry in &self.log[..=step] {
            if let Event::Joined(member) = &entry.event {
                members.insert(member.talker, member.clone());
            } else if let Event::Left(talker) = &entry.event {
                members.remove(talker);
            }
        }
        members
    }

    pub(crate) fn version_after(&self, step: usize) -> u64 {
        let changes =
            self.log[..=step].iter().filter(|entry| matches!(entry.event, Event::Joined(_) | Event::Left(_)));
        changes.count() as u64
    }

    fn fate(&self, who: Member, grant: Grant, from: usize) -> Burst {
        let start = self.log[from].now;
        let limit = start + millis(self.rules.t2);
        let mut heard = start;
        let mut burst = Burst { who, grant, from, revoked: None, over: None, told: vec![from] };
        for (step, entry) in self.log.iter().enumerate().skip(from + 1) {
            let end = match entry.event {
                Event::Media(of, at) if of == grant => {
                    heard = heard.max(at);
                    None
                }
                Event::Release(by) => (by == burst.speaker()).then_some(End::Release),
                Event::Left(talker) => (talker == burst.who.talker).then_some(End::Leave),
                Event::Fire => {
                    let silent = heard + millis(self.rules.t1);
                    if burst.revoked.is_none() && limit <= entry.now && limit < silent {
                        burst.revoked = Some(step);
                        burst.told.push(step);
                    }
                    (silent <= entry.now || self.grace_is_over(&burst, entry.now)).then_some(End::Timer)
                }
                _ => None,
            };
            if let Some(how) = end {
                burst.over = Some((step, how));
                break;
            }
            if matches!(entry.event, Event::Fire) && self.is_renewal_due(&burst, entry.now) {
                burst.told.push(step);
            }
        }
        burst
    }

    fn grace_is_over(&self, burst: &Burst, now: u64) -> bool {
        burst.revoked.is_some_and(|revoked| self.log[revoked].now + millis(self.rules.t3) <= now)
    }

    fn is_renewal_due(&self, burst: &Burst, now: u64) -> bool {
        let told = burst.told.last().map_or(0, |step| self.log[*step].now);
        !self.rules.renewal.is_zero() && told + millis(self.rules.renewal) <= now
    }

    fn answer(
        &self,
        step: usize,
        talker: TalkerNumber,
        request: RequestId,
        held: Option<&Burst>,
    ) -> Vec<Effect> {
        let deny = |cause| vec![Effect::Deny { talker, request, cause }];
        let Some(who) = self.member_before(step, talker) else { return vec![] };
        if !who.rights.has(Right::Talk) {
            return deny(DenyCause::ReceiveOnly);
        }
        let new = self.bursts.iter().find(|burst| burst.from == step);
        match (new, held) {
            (Some(burst), _) => {
                let talking = self.talking(step, burst);
                let granted =
                    Effect::Granted { talker, request, grant: talking.grant, duration: talking.remaining };
                vec![granted, Effect::Taken(talking)]
            }
            (None, Some(burst)) if burst.who.talker != talker => deny(DenyCause::AnotherHasPermission),
            (None, Some(burst)) if burst.revoked.is_some_and(|revoked| revoked < step) => {
                deny(DenyCause::Other)
            }
            (None, Some(burst)) => {
                let Talking { grant, remaining: duration, .. } = self.talking(step, burst);
                vec![Effect::Granted { talker, request, grant, duration }]
            }
            (None, None) => unreachable!("an idle floor is granted"),
        }
    }

    /// What a leave or a look at the clock does to the burst that lasted until then.
    fn progress(&self, step: usize, burst: &Burst) -> Vec<Effect> {
        let mut said = Vec::new();
        if burst.revoked == Some(step) {
            let (cause, grace) = (RevokeCause::MediaBurstTooLong, self.rules.t3);
            said.push(Effect::Revoke { talker: burst.who.talker, grant: burst.grant, cause, grace });
        }
        if burst.told.contains(&step) {
            said.push(Effect::Taken(self.talking(step, burst)));
        }
        if burst.is_over_by(step) {
            said.push(Effect::Idle { grant: burst.grant });
        }
        said
    }

    fn talking(&self, step: usize, burst: &Burst) -> Talking {
        let until = match burst.revoked {
            Some(revoked) if revoked <= step => self.log[revoked].now + millis(self.rules.t3),
            _ => self.log[burst.from].now + millis(self.rules.t2),
        };
        let remaining = Duration::from_millis(until.saturating_sub(self.log[step].now));
        Talking { talker: burst.who.talker, who: burst.who.who.clone(), grant: burst.grant, remaining }
    }

    pub(crate) fn lapsed_before(&self, step: usize) -> Option<Speaker> {
        let lapsed = |burst: &&Burst| matches!(burst.over, Some((end, End::Timer)) if end < step);
        self.bursts.iter().rfind(lapsed).map(Burst::speaker)
    }

    fn member_before(&self, step: usize, talker: TalkerNumber) -> Option<&'a Member> {
        self.log[..step].iter().rev().find_map(|entry| match &entry.event {
            Event::Joined(member) if member.talker == talker => Some(Some(member)),
            Event::Left(gone) if *gone == talker => Some(None),
            _ => None,
        })?
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
