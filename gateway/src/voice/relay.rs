//! The way of a frame into a channel that its own is patched to: stamped anew once, and sent to all who hear it there.

use std::sync::Arc;
use std::time::Instant;

use suara_channel::Time;
use suara_engine::{Frame, Sender};
use suara_proto::limits::MAX_DATAGRAM;
use suara_proto::voice::{Flags, Header, VoiceFrame};
use suara_proto::{ChannelNumber, Grant, TalkerNumber};

use super::route::{Listeners, RouteCell};

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
    /// Passes a frame on that was said under `grant`, if the other channel gave its guest the floor for that.
    pub fn pass_on(&self, frame: &VoiceFrame<'_>, grant: Grant, at: Time, now: Instant) {
        let there = self.route.load();
        let guest = there
            .speakers
            .iter()
            .find(|speaker| (speaker.talker, speaker.origin) == (self.talker, Some(grant)));
        let Some(guest) = guest.filter(|guest| guest.heard(at)) else { return };
        let flags = Flags { talk_ahead: false, ..frame.header.flags };
        let (channel, talker, grant) = (self.channel, self.talker, guest.grant);
        let stamped =
            VoiceFrame { header: Header { flags, channel, talker, grant, ..frame.header }, ..*frame };
        let mut out = [0; MAX_DATAGRAM];
        let bytes = stamped.encode(&mut out).and_then(|length| out.get(..length));
        let Some(bytes) = bytes else { return };
        let frame = Frame::new(bytes);
        guest.tape.record(&frame);
        self.sender.send(&self.listeners.audience, &frame, now);
        for (_, queue) in &self.listeners.queues {
            queue.push(now, frame.clone());
        }
    }
}
