//! The way of a frame into a channel that its own is patched to: stamped anew once, and sent to all who hear it there.

use std::sync::Arc;
use std::time::Instant;

use suara_channel::Time;
use suara_engine::{Frame, Sender};
use suara_proto::voice::{Header, VoiceFrame};
use suara_proto::{ChannelNumber, Grant, TalkerNumber};

use super::route::{Listeners, RouteCell};
use super::said::{Heard, Spoken};

/// From one channel into another.
pub struct Relay {
    /// The other's: whether the guest talks there at this moment, and by which grant, is its own to say.
    pub route: RouteCell,
    /// The other's number.
    pub channel: ChannelNumber,
    /// The guest there.
    pub talker: TalkerNumber,
    /// Who hears it there and not here.
    pub listeners: Arc<Listeners>,
    /// The way to them: a trunk may have members on both sides, so its own connection is none that is left out.
    pub sender: Sender,
}

impl Relay {
    /// Passes a frame on that listeners got under `grant`, if the other channel gave its guest the floor for that.
    pub fn pass_on(&self, frame: &Frame, grant: Grant, at: Time, now: Instant) {
        let Ok(frame) = VoiceFrame::decode(frame.payload()) else { return };
        let there = self.route.load();
        let guest = there
            .speakers
            .iter()
            .find(|speaker| (speaker.talker, speaker.origin) == (self.talker, Some(grant)));
        let Some(guest) = guest.filter(|guest| guest.heard(at)) else { return };
        let (channel, talker) = (self.channel, self.talker);
        let header = Header { channel, talker, ..frame.header };
        let Ok(Heard { spoken: Spoken { frame, earlier }, .. }) = guest.take(&VoiceFrame { header, ..frame })
        else {
            return;
        };
        guest.tape.record(&frame);
        self.sender.send_after(&self.listeners.audience, &frame, &earlier, now);
        for (_, queue) in &self.listeners.queues {
            queue.push(now, frame.clone());
        }
    }
}
