//! Roster and floor put together: who is asked, in which order, and what the caller gets to see.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use suara_proto::message::{DispatchAction, Level, Right, Rights};
use suara_proto::{DenyCause, ErrorCode, Grant, LeaveReason, RequestId, TalkerNumber};

use crate::asking::{Asking, Rank, Road};
use crate::effect::{Effect, Speaker, Talking};
use crate::floor::{Claim, Floor, Step};
use crate::roster::{Identity, JoinError, Member, Roster};
use crate::settings::Settings;
use crate::time::Time;

/// One channel. See the [crate's page](crate) for the contract: mutate, then drain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Channel {
    pub(crate) settings: Settings,
    /// The latest time that was seen: it doesn't run backwards in here.
    pub(crate) now: Time,
    pub(crate) roster: Roster,
    pub(crate) guests: BTreeSet<TalkerNumber>,
    floor: Floor,
    /// Carried out where it was decided, and no part of what another machine has to know.
    #[serde(skip)]
    effects: VecDeque<Effect>,
}

impl Channel {
    /// An empty channel, whose grants start at `Grant::new(epoch, 1)`. An epoch that is above every earlier one of this
    /// channel makes its grants greater than all that were given before.
    #[must_use]
    pub fn new(epoch: u16, settings: Settings) -> Self {
        Self {
            settings,
            now: Time::default(),
            roster: Roster::default(),
            guests: BTreeSet::new(),
            floor: Floor::new(epoch),
            effects: VecDeque::new(),
        }
    }

    /// Lets somebody in, and gives it its number.
    ///
    /// # Errors
    /// Without the right to listen, and when there is no room.
    pub fn join(&mut self, now: Time, who: Identity, rights: Rights) -> Result<TalkerNumber, JoinError> {
        self.enter(now, who, rights, None)
    }

    /// The same with the talker number that somebody had in this channel before, on another side of a network that was
    /// split: it gets that one if nobody has it now, and another if somebody does.
    ///
    /// # Errors
    /// As [`join`](Self::join) has them.
    pub fn claim(
        &mut self,
        now: Time,
        who: Identity,
        rights: Rights,
        number: TalkerNumber,
    ) -> Result<TalkerNumber, JoinError> {
        self.enter(now, who, rights, Some(number).filter(|number| number.0 > 0))
    }

    fn enter(
        &mut self,
        now: Time,
        who: Identity,
        rights: Rights,
        claim: Option<TalkerNumber>,
    ) -> Result<TalkerNumber, JoinError> {
        self.advance(now);
        let talker = self.roster.join(self.now, &self.settings, who, rights, claim)?;
        if self.len() == 1 {
            self.floor.open(self.now);
        }
        Ok(talker)
    }

    /// A member goes, or is gone; `false` when it wasn't here. A holder's floor is idle at once, and nothing of it is
    /// forwarded any more.
    pub fn leave(&mut self, now: Time, talker: TalkerNumber, reason: LeaveReason) -> bool {
        self.advance(now);
        let was_here = self.roster.leave(talker, reason);
        // A guest's number is no member's to leave by.
        if was_here {
            let (mut step, floor) = self.step();
            floor.leave(&mut step, talker);
            if self.is_empty() {
                self.floor.close();
            }
        }
        was_here
    }

    /// A member's transport is lost. It is told to all as unreachable, and for [`Settings::presence_grace`] it keeps its
    /// number, its place in the queue and its grant; as long as it is away no request of it is granted, and T1 goes on.
    /// After that it is gone, by [`Effect::Gone`]. `false` when it is no member, or is away already.
    pub fn lose(&mut self, now: Time, talker: TalkerNumber) -> bool {
        self.advance(now);
        let until = self.now + self.settings.presence_grace;
        let lost = self.roster.lose(talker, until);
        if lost {
            self.floor.lose(talker);
        }
        lost
    }

    /// A member is here again, or has another transport. It is told anew what it has of the floor: `Granted`, and `Revoke`
    /// if that was said, or `Queued`; what neither is said of is over. A request that waits is looked at as if it had
    /// just come, but for its arrival. `false` when it is no member.
    pub fn resume(&mut self, now: Time, talker: TalkerNumber) -> bool {
        self.advance(now);
        let is_here = self.roster.get(talker).is_some();
        if is_here {
            self.roster.find(talker);
            let (mut step, floor) = self.step();
            floor.resume(&mut step, talker);
        }
        is_here
    }

    /// Floor Request (TS 24.380, 8.2.4). Answered by `Granted`, `Queued` or `Deny`:
    ///
    /// - a member without the right to talk, or muted: [`DenyCause::ReceiveOnly`];
    /// - more urgent than normal, without the right to raise an emergency: [`DenyCause::Other`];
    /// - the holder asks again: the same grant, and what is left of T2; a more urgent level holds from then on;
    /// - the holder asks again after its Revoke: [`DenyCause::Other`], for its next grant can't begin before this one's
    ///   end;
    /// - all talkers that there may be hold the floor: it is revoked from one whom the request takes precedence of, and
    ///   the request waits for it; else it waits if it wants to; else [`DenyCause::AnotherHasPermission`];
    /// - no place in the queue: [`DenyCause::QueueFull`], to whoever comes last in it;
    /// - the epoch's and all later epochs' grants are used up: [`DenyCause::NoResources`].
    ///
    /// A request that came before, by a datagram on either side, gets the answer that it had.
    pub fn floor_request(&mut self, now: Time, talker: TalkerNumber, asking: impl Into<Asking>) {
        self.advance(now);
        let Asking { request, level, priority, queue, road } = asking.into();
        let Some(member) = self.roster.get(talker) else { return };
        let denied = if member.is_listen_only() || member.muted {
            Some(DenyCause::ReceiveOnly)
        } else {
            (level > Level::Normal && !member.rights.has(Right::Emergency)).then_some(DenyCause::Other)
        };
        let (who, rank) = (member.who.clone(), Rank { level, priority: priority.min(member.who.priority) });
        let (mut step, floor) = self.step();
        if floor.repetition(&mut step, talker, request, road) {
            return;
        }
        match denied {
            Some(cause) => floor.deny(&mut step, talker, request, cause),
            None => floor.request(&mut step, Claim { talker, who, request, rank, queue, road }),
        }
    }

    /// Takes a request back, whatever became of it: out of the queue, or its grant released. Always answered by
    /// `Cancelled`; when the request comes later than this, by a datagram, it is not granted.
    pub fn floor_cancel(&mut self, now: Time, talker: TalkerNumber, request: RequestId) {
        self.advance(now);
        if self.roster.get(talker).is_some() {
            let (mut step, floor) = self.step();
            floor.cancel(&mut step, talker, request);
        }
    }

    /// Floor Release (TS 24.380, 8.2.8). The grant is idle; its late frames are forwarded for
    /// [`Settings::release_tail`], where there is one talker at a time unless the floor is granted again before. A grant
    /// that the member doesn't hold is refused with `wrong_grant`, but for its own one that a timer or a dispatcher ended
    /// last, whose Release crossed the Idle on its way, and for its last eight that a datagram or a cancel released: those
    /// Releases come again on the stream. By datagram nothing is refused: it may be a repetition.
    pub fn floor_release(&mut self, now: Time, talker: TalkerNumber, grant: Grant, road: Road) {
        self.advance(now);
        if self.roster.get(talker).is_some() {
            let (mut step, floor) = self.step();
            if !floor.release(&mut step, Speaker { talker, grant }, road) && road == Road::Stream {
                Floor::wrong(&mut step, talker);
            }
        }
    }

    /// A member with the right to dispatch does something to the floor of others. A revoked talker has T3, one who is
    /// muted or cleared away has nothing. A mute is a user's: it holds for all its members, and for those that come back.
    ///
    /// # Errors
    /// `forbidden` without the right; `unknown_talker` when there is no such member, or none is named and one is needed.
    pub fn dispatch(
        &mut self,
        now: Time,
        by: TalkerNumber,
        action: DispatchAction,
        talker: Option<TalkerNumber>,
    ) -> Result<(), ErrorCode> {
        self.advance(now);
        if !self.roster.get(by).is_some_and(|member| member.rights.has(Right::Dispatch)) {
            return Err(ErrorCode::Forbidden);
        }
        self.administer(now, action, talker)
    }

    /// The same by one who is no member: whoever runs this.
    ///
    /// # Errors
    /// `unknown_talker` when there is no such member, or none is named and one is needed.
    pub fn administer(
        &mut self,
        now: Time,
        action: DispatchAction,
        talker: Option<TalkerNumber>,
    ) -> Result<(), ErrorCode> {
        self.advance(now);
        let present = talker.filter(|talker| self.roster.get(*talker).is_some());
        let target = present.ok_or(ErrorCode::UnknownTalker);
        let silenced = match action {
            DispatchAction::Mute => self.roster.mute(target?, true),
            DispatchAction::Unmute => {
                self.roster.mute(target?, false);
                vec![]
            }
            DispatchAction::Revoke | DispatchAction::Clear => vec![],
        };
        let (mut step, floor) = self.step();
        match action {
            DispatchAction::Revoke => floor.revoke(&mut step, target?),
            DispatchAction::Clear => floor.clear(&mut step),
            DispatchAction::Mute => floor.mute(&mut step, &silenced),
            DispatchAction::Unmute => {}
        }
        Ok(())
    }

    /// The newest voice that the data plane forwarded under `grant`, from which T1 counts. To be told lazily: before
    /// [`handle_timeout`](Self::handle_timeout) is enough. Never moves T1 backwards; other grants than the one in force
    /// are ignored.
    pub fn media(&mut self, grant: Grant, at: Time) {
        self.floor.media(grant, at);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, if nothing else happens before. Right after a
    /// `handle_timeout(now)` this is later than `now`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        [self.floor.poll_timeout(&self.settings), self.roster.poll_timeout()].into_iter().flatten().min()
    }

    /// Lets take effect what is due at `now`: the end of the places that are kept for the unreachable, T1, T2 and its warning, T3, T4, the end of a tail, the repetitions of Taken and of
    /// Granted. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        // Who is gone is granted nothing by what else is due.
        while let Some(talker) = self.roster.expired(self.now) {
            self.leave(now, talker, LeaveReason::Disconnected);
            self.effects.push_back(Effect::Gone { talker });
        }
        let (mut step, floor) = self.step();
        floor.handle_timeout(&mut step);
    }

    /// The next decision to carry out. Call until `None` after each mutation or batch of mutations.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        match self.roster.take_delta(self.now, self.settings.talker_reuse) {
            Some(delta) => Some(Effect::Roster(delta)),
            None => self.effects.pop_front(),
        }
    }

    /// Everybody who is here, by talker number.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.roster.members()
    }

    /// One who is here.
    #[must_use]
    pub fn member(&self, talker: TalkerNumber) -> Option<&Member> {
        self.roster.get(talker)
    }

    /// How many are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members().len()
    }

    /// Whether nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The roster's version: each join, each leave, each mute and each change of presence raises it by one.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.roster.version()
    }

    /// From here on `first` is the next grant: somebody else decides now, whose grants are to be greater than all that were
    /// given before, and the roster's versions too. Bursts and the queue go on as they are. One that isn't above is ignored.
    pub fn open_term(&mut self, first: Grant) {
        self.floor.open_term(first);
        self.roster.open_epoch(first.epoch());
    }

    /// The next grant: of an epoch above the one that was opened when its counter has run over. None when all are used up.
    #[must_use]
    pub fn next_grant(&self) -> Option<Grant> {
        self.floor.next_grant()
    }

    /// The latest time that was seen.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Which request of a member waits in the queue, if any.
    #[must_use]
    pub fn waits(&self, talker: TalkerNumber) -> Option<RequestId> {
        self.floor.waits(talker)
    }

    /// Who holds the floor, and for how much longer at most; of several the one with the newest grant.
    #[must_use]
    pub fn talking(&self, now: Time) -> Option<Talking> {
        self.all_talking(now).next_back()
    }

    /// Everybody who holds the floor, the newest grant last.
    pub fn all_talking(&self, now: Time) -> impl DoubleEndedIterator<Item = Talking> {
        self.floor.talking(now.max(self.now))
    }

    /// Whose frames are forwarded at this moment: the holder's or, after a Release, those of the last one. Of several the
    /// one with the newest grant.
    #[must_use]
    pub fn speaker(&self) -> Option<Speaker> {
        self.speakers().pop()
    }

    /// Everybody whose frames are forwarded at this moment, by grant.
    #[must_use]
    pub fn speakers(&self) -> Vec<Speaker> {
        self.floor.speakers()
    }

    /// What this channel was made with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    pub(crate) fn step(&mut self) -> (Step<'_>, &mut Floor) {
        let step = Step { now: self.now, settings: &self.settings, effects: &mut self.effects };
        (step, &mut self.floor)
    }
}
