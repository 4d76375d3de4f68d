//! Members that are lost, here again, or gone.

use suara_proto::TalkerNumber;

use super::{Floor, Step};

impl Floor {
    /// A member can't talk for now: nothing that it asked for is granted.
    pub(crate) fn lose(&mut self, talker: TalkerNumber) {
        self.queue.pass_over(talker, true);
    }

    /// It is here again, and may have missed anything: says what it has, and looks at what it waits for.
    pub(crate) fn resume(&mut self, step: &mut Step<'_>, talker: TalkerNumber) {
        self.queue.pass_over(talker, false);
        if let Some(burst) = self.bursts.iter_mut().find(|burst| burst.speaker.talker == talker) {
            burst.restate(step);
        } else if let Some(claim) = self.queue.claim(talker).cloned() {
            self.request(step, claim);
        }
    }

    pub(crate) fn leave(&mut self, step: &mut Step<'_>, talker: TalkerNumber) {
        self.memory.forget(talker);
        self.queue.remove(talker);
        self.queue.pass_over(talker, false);
        self.tails.retain(|tail| tail.speaker.talker != talker);
        self.bursts_of(talker).into_iter().for_each(|speaker| self.end(step, speaker));
        self.say_speakers(step);
        self.admit(step);
    }
}
