//! Carries a schedule out on a real channel, keeps the log of it, and looks at what must hold on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};
use suara_channel::*;

use crate::compare::{self, Answered};
use crate::reference::{After, Entry, Event, Story};
use crate::schedule::{May, Number, Op, Pick, Schedule, Which, Wish};
use crate::stream::Stream;
use crate::tally;
use crate::view::View;

pub(crate) type Outcome = Result<(), TestCaseError>;

const EPOCH: u16 = 7;
/// Enough to come to rest: the longest T2 and T3 over the shortest renewal are 170, for each who holds or waits.
const SETTLING: usize = 2_000;

/// Runs one schedule, and says to `tally` what happened in it.
pub(crate) fn run(schedule: &Schedule, tally: &mut dyn FnMut(&'static str)) -> Outcome {
    let mut world = World::new(schedule.settings.clone());
    for op in &schedule.ops {
        world.carry_out(*op)?;
    }
    world.settle()?;
    let mut story = Story::new(EPOCH, world.channel.settings());
    compare::all(&mut story, &world.log, &world.answered, &world.effects)?;
    tally::count(&story, &world.effects, tally);
    Ok(())
}

struct World {
    channel: Channel,
    now: u64,
    latest: u64,
    log: Vec<Entry>,
    answered: Vec<Answered>,
    effects: Vec<Effect>,
    stream: Stream,
    views: BTreeMap<TalkerNumber, View>,
    guests: BTreeSet<TalkerNumber>,
    newest: Grant,
    requests: u32,
    ever: u16,
    /// Whether nothing happened since the deadlines were looked at.
    just_fired: bool,
}

impl World {
    fn new(settings: Settings) -> Self {
        let stream = Stream::new(&settings);
        Self {
            channel: Channel::new(EPOCH, settings),
            now: 1_000,
            latest: 0,
            log: Vec::new(),
            answered: Vec::new(),
            effects: Vec::new(),
            stream,
            requests: 0,
            views: BTreeMap::new(),
            guests: BTreeSet::new(),
            newest: Grant::new(EPOCH, 0),
            ever: 0,
            just_fired: false,
        }
    }

    fn carry_out(&mut self, op: Op) -> Outcome {
        let due = |world: &Self| world.channel.poll_timeout().map_or(world.now, Time::as_millis);
        match op {
            Op::Wait(millis) => self.now += millis,
            Op::WaitUntilDue(off) => self.now = self.now.max(due(self).saturating_add_signed(off)),
            Op::Back(millis) => self.now = self.now.saturating_sub(millis),
            Op::Drain => return self.drain(),
            Op::Refresh(who) => {
                if let Some(view) = self.views.get_mut(&self.pick(who)) {
                    view.refresh(&self.channel);
                }
            }
            Op::Media(which, lag) => {
                let (grant, at) = (self.which(which), self.now.saturating_add_signed(-lag));
                self.channel.media(grant, Time::from_millis(at));
                self.done(Event::Media(grant, at));
            }
            Op::Fire => self.fire()?,
            Op::Join(may, priority) => self.join(may, priority)?,
            Op::Leave(who, reason) => self.leave(who, reason)?,
            Op::Lose(who) => self.lose(who)?,
            Op::Resume(who) => self.resume(who)?,
            Op::Request(who, wish) => self.request(who, wish),
            Op::Cancel(who, number) => self.cancel(who, number),
            Op::Release(who, which, road) => {
                let (now, talker, grant) = (self.touch(), self.pick(who), self.which(which));
                self.channel.floor_release(now, talker, grant, road);
                self.done(Event::Release(Speaker { talker, grant }, road));
            }
            Op::Dispatch(by, action, whom) => {
                let by = self.pick(by);
                let whom = whom.map(|whom| self.pick(whom));
                self.dispatch(by, action, whom)?;
            }
            guests => self.of_guests(guests)?,
        }
        Ok(())
    }

    fn of_guests(&mut self, op: Op) -> Outcome {
        match op {
            Op::Admit => self.admit()?,
            Op::GuestRequest(who, wish, priority) => self.guest_request(who, wish, priority),
            Op::GuestRelease(who) => {
                let (now, guest) = (self.touch(), self.pick(who));
                self.channel.guest_release(now, guest);
                self.done(Event::GuestRelease(guest));
            }
            Op::Dismiss(who) => {
                let (now, guest) = (self.touch(), self.pick(who));
                self.channel.dismiss(now, guest);
                self.guests.remove(&guest);
                self.done(Event::Dismissed(guest));
            }
            _ => {}
        }
        Ok(())
    }

    fn request(&mut self, who: Pick, wish: Wish) {
        let (now, talker) = (self.touch(), self.pick(who));
        let Wish { number, level, priority, queue, road } = wish;
        let asking = Asking { request: self.number(number), level, priority, queue, road };
        self.channel.floor_request(now, talker, asking);
        self.done(Event::Request(talker, asking));
    }

    /// It has a number of its own, as a member has, and nobody sees it.
    fn admit(&mut self) -> Outcome {
        let (now, expected) = (self.touch(), TalkerNumber(self.ever + 1));
        prop_assert_eq!(self.channel.admit(now), Some(expected));
        prop_assert!(self.channel.is_guest(expected) && self.channel.member(expected).is_none());
        self.ever += 1;
        self.guests.insert(expected);
        self.done(Event::Admitted(expected));
        Ok(())
    }

    fn guest_request(&mut self, who: Pick, wish: Wish, own: u8) {
        let (now, guest) = (self.touch(), self.pick(who));
        let Wish { number, level, priority, queue, road } = wish;
        let asking = Asking { request: self.number(number), level, priority, queue, road };
        let who = Identity::new("far", "far", "guard").with_priority(own);
        self.channel.guest_request(now, guest, who.clone(), asking);
        self.done(Event::GuestRequest(guest, who, asking));
    }

    fn cancel(&mut self, who: Option<Pick>, number: Number) {
        let (now, request) = (self.touch(), self.number(number));
        let asked = |entry: &Entry| match entry.event {
            Event::Request(talker, asking) if asking.request == request => Some(talker),
            _ => None,
        };
        let asker = || self.log.iter().rev().find_map(asked).unwrap_or(TalkerNumber(0));
        let talker = who.map_or_else(asker, |who| self.pick(who));
        self.channel.floor_cancel(now, talker, request);
        self.done(Event::Cancel(talker, request));
    }

    fn dispatch(&mut self, by: TalkerNumber, action: DispatchAction, whom: Option<TalkerNumber>) -> Outcome {
        let now = self.touch();
        let may = self.channel.member(by).is_some_and(|member| member.rights.has(Right::Dispatch));
        let whom = whom.filter(|whom| self.channel.member(*whom).is_some());
        let expected = match (may, action, whom) {
            (false, ..) => Err(ErrorCode::Forbidden),
            (true, DispatchAction::Clear, _) | (true, _, Some(_)) => Ok(()),
            (true, _, None) => Err(ErrorCode::UnknownTalker),
        };
        prop_assert_eq!(self.channel.dispatch(now, by, action, whom), expected);
        let whom = whom.unwrap_or(TalkerNumber(0));
        self.done(if expected.is_ok() { Event::Dispatch(action, whom) } else { Event::Nothing });
        Ok(())
    }

    fn number(&mut self, number: Number) -> RequestId {
        match number {
            Number::New => {
                self.requests += 1;
                RequestId(self.requests)
            }
            Number::Before(count) => RequestId(self.requests.saturating_sub(count)),
        }
    }

    fn join(&mut self, may: May, priority: u8) -> Outcome {
        let rights = Rights::from(match may {
            May::Everything => Right::ALL.to_vec(),
            May::Talk => vec![Right::Listen, Right::Talk],
            May::Listen => vec![Right::Listen],
            May::NotEvenListen => vec![Right::Talk],
        });
        // Some come back, or have several devices.
        let name = format!("user {}", self.ever % 5);
        let who = Identity::new(name.as_str(), name.as_str(), "guard").with_priority(priority);
        let expected = match may {
            May::NotEvenListen => Err(JoinError::MayNotListen),
            _ if self.views.len() >= self.channel.settings().max_members => Err(JoinError::Full),
            _ => Ok(TalkerNumber(self.ever + 1)),
        };

        let now = self.touch();
        let joined = self.channel.join(now, who.clone(), rights);

        prop_assert_eq!(joined, expected);
        if let Ok(talker) = joined {
            self.ever += 1;
            let view = View::snapshot(&self.channel, talker, Time::from_millis(self.latest));
            self.views.insert(talker, view);
            self.done(Event::Joined(Member { talker, who, rights, muted: false, unreachable: false }));
        } else {
            self.done(Event::Nothing);
        }
        Ok(())
    }

    fn leave(&mut self, who: Pick, reason: LeaveReason) -> Outcome {
        let (now, talker) = (self.touch(), self.pick(who));
        let was_here = self.channel.leave(now, talker, reason);
        prop_assert_eq!(was_here, self.views.remove(&talker).is_some());
        self.done(if was_here { Event::Left(talker) } else { Event::Nothing });
        Ok(())
    }

    /// The member hears nothing from now on.
    fn lose(&mut self, who: Pick) -> Outcome {
        let (now, talker) = (self.touch(), self.pick(who));
        let lost = self.channel.lose(now, talker);
        let view = self.views.get_mut(&talker).filter(|view| !view.deaf);
        prop_assert_eq!(lost, view.map(|view| view.deaf = true).is_some());
        self.done(if lost { Event::Lost(talker) } else { Event::Nothing });
        Ok(())
    }

    /// What it knew is forgotten: all that it needs is said anew.
    fn resume(&mut self, who: Pick) -> Outcome {
        let (now, talker) = (self.touch(), self.pick(who));
        let resumed = self.channel.resume(now, talker);
        prop_assert_eq!(resumed, self.views.contains_key(&talker));
        if resumed {
            let view = View::snapshot(&self.channel, talker, Time::from_millis(self.latest));
            self.views.insert(talker, view);
        }
        self.done(if resumed { Event::Resumed(talker) } else { Event::Nothing });
        Ok(())
    }

    fn fire(&mut self) -> Outcome {
        let now = self.touch();
        self.channel.handle_timeout(now);
        let channel = &self.channel;
        self.views.retain(|talker, view| !view.deaf || channel.member(*talker).is_some());
        let latest = Time::from_millis(self.latest);
        let due = self.channel.poll_timeout();
        prop_assert!(due.is_none_or(|due| due > latest), "{due:?} at {latest:?} would be a busy loop");
        for talking in self.channel.all_talking(latest) {
            prop_assert!(!talking.remaining.is_zero(), "taken past its deadline");
            let renewal = self.channel.settings().renewal;
            let in_time = due.is_some_and(|due| renewal.is_zero() || due <= latest + renewal);
            prop_assert!(in_time, "{due:?} at {latest:?} is too late to say Taken again");
        }
        self.done(Event::Fire);
        self.just_fired = true;
        Ok(())
    }

    fn drain(&mut self) -> Outcome {
        let effects: Vec<_> = iter::from_fn(|| self.channel.poll_effect()).take(10_000).collect();
        prop_assert!(effects.len() < 10_000, "no end of effects");
        self.stream.drained(&effects)?;
        prop_assert_eq!(&self.stream.speakers, &self.channel.speakers(), "the data plane's view");
        let latest = Time::from_millis(self.latest);
        for view in self.views.values_mut().filter(|view| !view.deaf) {
            effects.iter().try_for_each(|effect| view.hear(effect, latest))?;
        }
        self.effects.extend(effects);
        self.compare_views(latest)?;
        self.done(Event::Nothing);
        Ok(())
    }

    fn compare_views(&self, now: Time) -> Outcome {
        let truth: Vec<_> =
            self.channel.all_talking(now).map(|talking| (talking.grant, talking.talker)).collect();
        for (me, view) in self.views.iter().filter(|(_, view)| !view.deaf) {
            prop_assert_eq!(view.version, self.channel.version(), "{}'s version", me);
            prop_assert!(view.members.values().eq(self.channel.members()), "{me}'s roster");
            let talking = view.talking.iter().map(|(grant, heard)| (*grant, heard.talker));
            prop_assert_eq!(talking.collect::<Vec<_>>(), truth.clone(), "{}'s talkers", me);
            let mine = truth.iter().find(|(_, talker)| talker == me).map(|(grant, _)| *grant);
            prop_assert_eq!(view.mine, mine, "{}'s own grant", me);
            for heard in view.talking.values().filter(|_| self.just_fired) {
                prop_assert!(heard.until > now, "{me} would clear a talker who is heard");
                let renewal = self.channel.settings().renewal;
                prop_assert!(renewal.is_zero() || heard.at + renewal > now, "{me} wasn't told again");
            }
        }
        Ok(())
    }

    /// Nobody says anything any more: T1 after the last voice, or the tail after the release, all is idle.
    fn settle(&mut self) -> Outcome {
        self.now = self.now.max(self.latest);
        let voice = self.log.iter().filter_map(|entry| match entry.event {
            Event::Media(_, at) => Some(at),
            _ => None,
        });
        let last = Time::from_millis(voice.fold(self.now, u64::max));
        let settings = self.channel.settings();
        // Each who waits may have the floor as long as one who holds it.
        let turns = 1 + (self.views.len() + self.guests.len()) as u32;
        let bound = last
            + settings.t1.max(settings.release_tail) * turns
            + settings.presence_grace
            + settings.t4.unwrap_or_default();
        self.fire()?;
        for _ in 0..SETTLING {
            let Some(due) = self.channel.poll_timeout() else { break };
            self.now = due.as_millis();
            self.fire()?;
        }
        self.drain()?;
        prop_assert!(Time::from_millis(self.now) <= bound, "idle at {}, not by {bound:?}", self.now);
        prop_assert_eq!(self.channel.poll_timeout(), None);
        prop_assert_eq!(self.channel.speaker(), None);
        prop_assert_eq!(self.channel.talking(Time::from_millis(self.now)), None);
        Ok(())
    }

    /// The caller's time for a call that counts as one.
    fn touch(&mut self) -> Time {
        self.just_fired = false;
        self.latest = self.latest.max(self.now);
        Time::from_millis(self.now)
    }

    fn done(&mut self, event: Event) {
        // As often as needed and no more: it makes a map of all of them.
        let members = matches!(event, Event::Nothing)
            .then(|| self.channel.members().map(|member| (member.talker, member.clone())).collect());
        self.newest = self.newest.max(self.channel.speaker().map_or(self.newest, |speaker| speaker.grant));
        self.log.push(Entry { now: self.latest, event });
        self.answered.push(Answered {
            after: After {
                talking: self.channel.all_talking(Time::from_millis(self.latest)).collect(),
                speakers: self.channel.speakers(),
                version: self.channel.version(),
            },
            members,
        });
    }

    fn pick(&self, pick: Pick) -> TalkerNumber {
        let member = |index: usize| self.views.keys().nth(index % self.views.len().max(1)).copied();
        match pick {
            Pick::Member(index) => member(index).unwrap_or(TalkerNumber(0)),
            Pick::Speaker => {
                let speaker = self.channel.speaker().map(|speaker| speaker.talker);
                speaker.or(member(0)).unwrap_or(TalkerNumber(0))
            }
            Pick::Guest(index) => {
                let guest = self.guests.iter().nth(index % self.guests.len().max(1));
                guest.copied().unwrap_or(TalkerNumber(0))
            }
            Pick::Known(index) => TalkerNumber(1 + index as u16 % self.ever.max(1)),
            Pick::Anybody(number) => TalkerNumber(number),
        }
    }

    fn which(&self, which: Which) -> Grant {
        match which {
            Which::Given(before) => Grant(self.newest.0 - before),
            Which::NotGivenYet => self.newest.next(),
            Which::Any(number) => Grant(number),
        }
    }
}
