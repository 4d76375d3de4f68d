//! A channel with a clock in hand, and short words for what it should say.

use std::iter;
use std::time::Duration;

use suara_channel::*;

/// Every scenario's channel is in this epoch.
pub(crate) const EPOCH: u16 = 3;

pub(crate) struct Drive {
    pub(crate) channel: Channel,
    pub(crate) now: u64,
}

impl Drive {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { channel: Channel::new(EPOCH, settings), now: 0 }
    }

    /// A channel as it is by default, with members of these names who may do everything, and nothing left to drain.
    pub(crate) fn of<const N: usize>(names: [&str; N]) -> (Self, [TalkerNumber; N]) {
        Self::with(Settings::default(), names)
    }

    pub(crate) fn with<const N: usize>(settings: Settings, names: [&str; N]) -> (Self, [TalkerNumber; N]) {
        let mut drive = Self::new(settings);
        let talkers = names.map(|name| drive.join(name, Rights::all()).expect("there is room"));
        drive.drain();
        (drive, talkers)
    }

    /// Members of these priorities.
    pub(crate) fn ranked<const N: usize>(members: [(&str, u8); N]) -> (Self, [TalkerNumber; N]) {
        let mut drive = Self::new(Settings::default());
        let talkers = members.map(|(name, priority)| {
            let who = who(name).with_priority(priority);
            drive.channel.join(drive.time(), who, Rights::all()).expect("there is room")
        });
        drive.drain();
        (drive, talkers)
    }

    pub(crate) fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    pub(crate) fn join(&mut self, name: &str, rights: Rights) -> Result<TalkerNumber, JoinError> {
        self.channel.join(self.time(), who(name), rights)
    }

    pub(crate) fn leave(&mut self, talker: TalkerNumber) -> Vec<Effect> {
        assert!(self.channel.leave(self.time(), talker, LeaveReason::Left));
        self.drain().into_iter().filter(|effect| !matches!(effect, Effect::Roster(_))).collect()
    }

    pub(crate) fn request(&mut self, talker: TalkerNumber, request: u32) -> Vec<Effect> {
        self.channel.floor_request(self.time(), talker, RequestId(request));
        self.drain()
    }

    pub(crate) fn ask(&mut self, talker: TalkerNumber, asking: Asking) -> Vec<Effect> {
        self.channel.floor_request(self.time(), talker, asking);
        self.drain()
    }

    pub(crate) fn cancel(&mut self, talker: TalkerNumber, request: u32) -> Vec<Effect> {
        self.channel.floor_cancel(self.time(), talker, RequestId(request));
        self.drain()
    }

    pub(crate) fn dispatch(
        &mut self,
        by: TalkerNumber,
        action: DispatchAction,
        talker: Option<TalkerNumber>,
    ) -> Result<Vec<Effect>, ErrorCode> {
        self.channel.dispatch(self.time(), by, action, talker)?;
        Ok(self.drain())
    }

    pub(crate) fn release(&mut self, talker: TalkerNumber, counter: u16) -> Vec<Effect> {
        self.channel.floor_release(self.time(), talker, grant(counter), Road::Stream);
        self.drain()
    }

    pub(crate) fn release_by_datagram(&mut self, talker: TalkerNumber, counter: u16) -> Vec<Effect> {
        self.channel.floor_release(self.time(), talker, grant(counter), Road::Datagram);
        self.drain()
    }

    /// Voice under a grant, now.
    pub(crate) fn talk(&mut self, counter: u16) {
        self.channel.media(grant(counter), self.time());
    }

    /// Time passes and every deadline is met. Renewals of Taken and warnings are left out: they
    /// have scenarios of their own.
    pub(crate) fn wait(&mut self, millis: u64) -> Vec<Effect> {
        self.wait_with_renewals(millis)
            .into_iter()
            .filter(|effect| !matches!(effect, Effect::Taken(_) | Effect::Warning { .. }))
            .collect()
    }

    pub(crate) fn wait_with_renewals(&mut self, millis: u64) -> Vec<Effect> {
        let end = self.now + millis;
        let mut said = Vec::new();
        while let Some(due) = self.channel.poll_timeout().filter(|due| due.as_millis() <= end) {
            self.now = due.as_millis();
            said.extend(self.fire());
            assert!(self.channel.poll_timeout().is_none_or(|next| next > due), "a busy loop at {due:?}");
        }
        self.now = end;
        said
    }

    /// Time passes, the voice of a grant all through it.
    pub(crate) fn wait_talking(&mut self, counter: u16, millis: u64) -> Vec<Effect> {
        self.channel.media(grant(counter), Time::from_millis(self.now + millis));
        self.wait(millis)
    }

    /// The deadlines that are due, met at this moment and no sooner.
    pub(crate) fn fire(&mut self) -> Vec<Effect> {
        self.channel.handle_timeout(self.time());
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Effect> {
        iter::from_fn(|| self.channel.poll_effect()).collect()
    }
}

pub(crate) fn who(name: &str) -> Identity {
    Identity::new(name, name.to_uppercase(), "guard")
}

pub(crate) fn grant(counter: u16) -> Grant {
    Grant::new(EPOCH, counter)
}

pub(crate) fn granted(talker: TalkerNumber, request: u32, counter: u16, millis: u64) -> Effect {
    let (request, duration) = (RequestId(request), Duration::from_millis(millis));
    Effect::Granted { talker, request, grant: grant(counter), duration }
}

pub(crate) fn deny(talker: TalkerNumber, request: u32, cause: DenyCause) -> Effect {
    Effect::Deny { talker, request: RequestId(request), cause }
}

pub(crate) fn waiting(request: u32) -> Asking {
    Asking { queue: true, ..RequestId(request).into() }
}

pub(crate) fn by_datagram(request: u32) -> Asking {
    Asking { road: Road::Datagram, ..RequestId(request).into() }
}

pub(crate) fn queued(talker: TalkerNumber, request: u32, position: usize, size: usize) -> Effect {
    Effect::Queued { talker, request: RequestId(request), position, size }
}

pub(crate) fn cancelled(talker: TalkerNumber, request: u32) -> Effect {
    Effect::Cancelled { talker, request: RequestId(request) }
}

pub(crate) fn revoke(talker: TalkerNumber, counter: u16, grace: u64) -> Effect {
    let (cause, grace) = (RevokeCause::MediaBurstTooLong, Duration::from_millis(grace));
    Effect::Revoke { talker, grant: grant(counter), cause, grace }
}

pub(crate) fn talking(talker: TalkerNumber, name: &str, counter: u16, millis: u64) -> Talking {
    let remaining = Duration::from_millis(millis);
    Talking { talker, who: who(name), grant: grant(counter), remaining, level: Level::Normal }
}

pub(crate) fn taken(talker: TalkerNumber, name: &str, counter: u16, millis: u64) -> Effect {
    Effect::Taken(talking(talker, name, counter, millis))
}

pub(crate) fn idle(counter: u16) -> Effect {
    Effect::Idle { grant: grant(counter) }
}

pub(crate) fn speaker(talker: TalkerNumber, counter: u16) -> Effect {
    Effect::Speakers(vec![Speaker { talker, grant: grant(counter) }])
}

pub(crate) const SILENCE: Effect = Effect::Speakers(Vec::new());

pub(crate) fn wrong_grant(talker: TalkerNumber) -> Effect {
    Effect::Refused { talker, code: ErrorCode::WrongGrant }
}
