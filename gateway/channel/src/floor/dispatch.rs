//! What a dispatcher does to the floor of others: revoke, mute, clear.

use std::time::Duration;

use suara_proto::{DenyCause, RevokeCause, TalkerNumber};

use super::{Floor, Step};

impl Floor {
    /// A dispatcher takes back what a member has of the floor: its grant after T3, its place in the queue at once.
    pub(crate) fn revoke(&mut self, step: &mut Step<'_>, talker: TalkerNumber) {
        self.take_back(step, talker, step.settings.t3, DenyCause::Other);
    }

    fn take_back(&mut self, step: &mut Step<'_>, talker: TalkerNumber, grace: Duration, cause: DenyCause) {
        if let Some((claim, _)) = self.queue.remove(talker) {
            self.deny(step, talker, claim.request, cause);
            self.queue.tell(step);
        }
        let own = self.bursts.iter_mut().filter(|burst| burst.speaker.talker == talker);
        own.for_each(|burst| burst.revoke(step, RevokeCause::NoPermission, grace));
    }

    /// A dispatcher lets members talk no more, from now on. All of them are out before anybody comes in their place.
    pub(crate) fn mute(&mut self, step: &mut Step<'_>, talkers: &[TalkerNumber]) {
        for talker in talkers {
            self.take_back(step, *talker, Duration::ZERO, DenyCause::ReceiveOnly);
        }
        for talker in talkers {
            self.lapse(step, *talker);
            self.tails.retain(|tail| tail.speaker.talker != *talker);
        }
        self.say_speakers(step);
        self.admit(step);
    }

    /// A dispatcher ends everything.
    pub(crate) fn clear(&mut self, step: &mut Step<'_>) {
        for claim in self.queue.drain() {
            self.deny(step, claim.talker, claim.request, DenyCause::Other);
        }
        let talkers: Vec<_> = self.bursts.iter().map(|burst| burst.speaker.talker).collect();
        for talker in talkers {
            self.take_back(step, talker, Duration::ZERO, DenyCause::Other);
            self.lapse(step, talker);
        }
        self.tails.clear();
        self.say_speakers(step);
    }
}
