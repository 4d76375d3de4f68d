//! Who talks, and who hears it.

use suara_channel::{Grant, TalkerNumber};
use suara_cluster::Op;

use crate::room::Client;
use crate::world::{Event, Outcome, World};

/// Between two frames of a talker. Ten times as long as in truth: nothing here depends on how many there are.
const FRAME: u64 = 200;

impl World<'_> {
    pub(crate) fn speak(&mut self, slot: usize, client: Client) -> Outcome {
        let quiet = self.quiet;
        let Some(room) = &mut self.processes[slot].room else { return Ok(()) };
        let Some(seat) = room.seats.get_mut(&client).filter(|seat| seat.here && !quiet) else {
            return Ok(());
        };
        let (Some(talker), Some(grant)) = (seat.talker, seat.grant) else { return Ok(()) };
        if seat.breath == 0 {
            return Ok(());
        }
        seat.breath -= 1;
        let is_last = seat.breath == 0;
        self.later(slot, FRAME, Event::Speak(client));
        self.voice(slot, talker, grant, self.now)?;
        // Some forget their thumb on the button, or vanish: T1 and T2 are for them.
        if is_last && self.random.chance(700) {
            let road = suara_channel::Road::Stream;
            self.submit(slot, Op::FloorRelease { talker, grant, road })?;
        }
        Ok(())
    }

    /// A frame comes to a node, from its talker or from the talker's node.
    pub(crate) fn voice(&mut self, slot: usize, talker: TalkerNumber, grant: Grant, sent: u64) -> Outcome {
        let (node, clock) = (self.processes[slot].node, self.processes[slot].clock(self.now));
        let is_own = sent == self.now;
        let Some(room) = &mut self.processes[slot].room else { return Ok(()) };
        if !room.hears(talker, grant)? {
            return Ok(());
        }
        room.replica.media(grant, clock);
        let goes_on = room.replica.head().0.epoch.0 > grant.epoch();
        let others = room.replica.other_nodes();
        self.check_heard(slot, grant)?;
        self.log(|| format!("{node} hears {talker} by {grant:?}"));
        if goes_on {
            self.note("burst went on in a new term");
        }
        if !is_own {
            self.note("heard on another node");
        } else if others && self.processes[slot].linked && !self.redis.down {
            self.publish(slot, |_| Event::Voice { talker, grant, sent });
        }
        Ok(())
    }
}
