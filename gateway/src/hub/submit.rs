//! From what is asked for to what comes of it. The [`Replica`](suara_cluster::Replica) puts operations in order, with those of
//! other nodes where there are any; what follows from one waits until it has taken effect: at once, where nobody else is.

use suara_channel::{Channel, Effect, RosterDelta, Talking};
use suara_cluster::{Op, Outcome, Output, Standing};
use tokio::sync::oneshot;

use super::room::Room;
use super::view::addressee;

/// What is done once an operation has taken effect, before anything that it gave rise to is told.
pub(super) type Then = Box<dyn FnOnce(&mut Room, Outcome) + Send>;

/// An answer that is given when all is told that led to it.
pub(super) struct Answer {
    pub(super) to: oneshot::Sender<bool>,
    pub(super) is: bool,
    /// What is done when nobody waits for it any more.
    pub(super) otherwise: Option<suara_proto::TalkerNumber>,
}

impl Room {
    /// Asks for something from which nothing follows but what it decides.
    pub(super) fn order(&mut self, op: Op) {
        self.submit(op, |_, _| {});
    }

    /// Asks for something, and says what follows.
    pub(super) fn submit(&mut self, op: Op, then: impl FnOnce(&mut Self, Outcome) + Send + 'static) {
        let id = self.replica.submit(self.clock.now(), op);
        self.then.insert(id.number, Box::new(then));
        // On a lone node it has taken effect by now, and its answer is the first thing to do.
        if self.abroad.is_none()
            && let Some(output) = self.replica.poll_output()
        {
            self.take(output);
        }
    }

    /// Lets the decisions out.
    pub(super) fn decide(&mut self) {
        loop {
            while let Some(output) = self.replica.poll_output() {
                self.take(output);
            }
            // What it orders is decided, and told, before anybody hears voice by it.
            if !self.look_at_patches() {
                break;
            }
        }
        self.publish();
        self.answer();
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Effect(effect) => self.carry_out(&effect),
            Output::Applied { id, outcome } => {
                if let Some(then) = self.then.remove(&id.number) {
                    then(self, outcome);
                }
            }
            Output::Said { by: _, to, bytes } => self.said(&to, &bytes),
            Output::Shared { key, value } => self.shared(&key, value.as_deref()),
            Output::Adopted { before } => self.adopted(&before),
            Output::Lost { talker } => self.lost_sight(talker),
            Output::Rejoined { was, now } => self.rejoined(was, now),
            Output::Standing(standing) => self.stands(standing),
            Output::Send { to, packet } => self.send_abroad(to, &packet),
            Output::Lease { number, ask } => self.ask_lease(number, ask),
        }
    }

    fn answer(&mut self) {
        for Answer { to, is, otherwise } in std::mem::take(&mut self.answers) {
            if let (Err(true), Some(talker)) = (to.send(is), otherwise) {
                self.leave(talker, suara_proto::LeaveReason::Disconnected, false);
            }
        }
    }

    /// Those who left by another node's doing sit here no more.
    pub(super) fn heed(&mut self, delta: &RosterDelta) {
        for left in &delta.left {
            self.somebody_left = true;
            if let Some(seat) = self.forget(left.talker) {
                self.show_out(seat, left.reason);
            }
        }
    }

    /// Counts a decision, at one node of the channel's: the one where its member sits, or else the one that decides.
    pub(super) fn count(&self, effect: &Effect) {
        let decides = !matches!(self.replica.standing(), Standing::Seeking | Standing::Follower { .. });
        if !addressee(effect).map_or(decides, |talker| self.replica.is_local(talker)) {
            return;
        }
        match effect {
            Effect::Granted { .. } => self.metrics.granted(),
            Effect::Deny { cause, .. } => self.metrics.denied(*cause),
            Effect::Revoke { cause, .. } => self.metrics.revoked(*cause),
            Effect::Idle { .. } => self.metrics.idled(),
            Effect::Refused { code, .. } => self.metrics.refused(*code),
            Effect::Queued { .. } => self.metrics.queued(),
            Effect::Cancelled { .. } => self.metrics.cancelled(),
            _ => {}
        }
    }

    pub(super) fn channel(&self) -> &Channel {
        self.replica.channel()
    }

    /// Who talks at this moment, the newest grant last.
    pub(super) fn all_talking(&self) -> impl DoubleEndedIterator<Item = Talking> {
        self.channel().all_talking(self.replica.time(self.clock.now()))
    }
}
