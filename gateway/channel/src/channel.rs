//! Roster and floor put together: who is asked, in which order, and what the caller gets to see.

use std::collections::VecDeque;

use suara_proto::message::Rights;
use suara_proto::{DenyCause, Grant, LeaveReason, RequestId, TalkerNumber};

use crate::effect::{Effect, Speaker, Talking};
use crate::floor::{Claim, Floor, Step};
use crate::roster::{Identity, JoinError, Member, Roster};
use crate::settings::Settings;
use crate::time::Time;

/// One channel. See the [crate's page](crate) for the contract: mutate, then drain.
#[derive(Debug)]
pub struct Channel {
    settings: Settings,
    /// The latest time that was seen: it doesn't run backwards in here.
    now: Time,
    roster: Roster,
    floor: Floor,
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
            floor: Floor::new(epoch),
            effects: VecDeque::new(),
        }
    }

    /// Lets somebody in, and gives it its number.
    ///
    /// # Errors
    /// Without the right to listen, and when there is no room.
    pub fn join(&mut self, now: Time, who: Identity, rights: Rights) -> Result<TalkerNumber, JoinError> {
        self.advance(now);
        self.roster.join(self.now, &self.settings, who, rights)
    }

    /// A member goes, or is gone; `false` when it wasn't here. A holder's floor is idle at once, and nothing of it is
    /// forwarded any more.
    pub fn leave(&mut self, now: Time, talker: TalkerNumber, reason: LeaveReason) -> bool {
        self.advance(now);
        let was_here = self.roster.leave(talker, reason);
        let (step, floor) = self.step();
        floor.leave(step, talker);
        was_here
    }

    /// Floor Request (TS 24.380, 8.2.4). Answered by `Granted` or `Deny`:
    ///
    /// - a member without the right to talk: [`DenyCause::ReceiveOnly`];
    /// - somebody else holds the floor: [`DenyCause::AnotherHasPermission`];
    /// - the holder asks again: the same grant, and what is left of T2;
    /// - the holder asks again after its Revoke: [`DenyCause::Other`], for its next grant can't begin before this one's
    ///   end;
    /// - the epoch's and all later epochs' grants are used up: [`DenyCause::NoResources`].
    pub fn floor_request(&mut self, now: Time, talker: TalkerNumber, request: RequestId) {
        self.advance(now);
        let Some(member) = self.roster.get(talker) else { return };
        if member.is_listen_only() {
            self.effects.push_back(Effect::Deny { talker, request, cause: DenyCause::ReceiveOnly });
            return;
        }
        let claim = Claim { talker, who: member.who.clone(), request };
        let (step, floor) = self.step();
        floor.request(step, claim);
    }

    /// Floor Release (TS 24.380, 8.2.8). The floor is idle; late frames of the grant are forwarded for
    /// [`Settings::release_tail`], unless it is granted again before. A grant that the member doesn't hold is refused
    /// with `wrong_grant`, but for its own one that T1 or T3 ended last: that Release crossed the Idle on its way.
    pub fn floor_release(&mut self, now: Time, talker: TalkerNumber, grant: Grant) {
        self.advance(now);
        if self.roster.get(talker).is_some() {
            let (step, floor) = self.step();
            floor.release(step, Speaker { talker, grant });
        }
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
        self.floor.poll_timeout(&self.settings)
    }

    /// Lets take effect what is due at `now`: T1, T2, T3, the end of a tail, the repetition of Taken. Harmless when
    /// nothing is.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        let (step, floor) = self.step();
        floor.handle_timeout(step);
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

    /// The roster's version: each join and each leave raises it by one.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.roster.version()
    }

    /// Who holds the floor, and for how much longer at most.
    #[must_use]
    pub fn talking(&self, now: Time) -> Option<Talking> {
        self.floor.talking(now.max(self.now))
    }

    /// Whose frames are forwarded at this moment: the holder's or, after a Release, those of the last one.
    #[must_use]
    pub fn speaker(&self) -> Option<Speaker> {
        self.floor.speaker()
    }

    /// What this channel was made with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    fn step(&mut self) -> (Step<'_>, &mut Floor) {
        let step = Step { now: self.now, settings: &self.settings, effects: &mut self.effects };
        (step, &mut self.floor)
    }
}
