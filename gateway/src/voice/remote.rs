//! Voice of members who are at other nodes: what comes is looked up like any other, stamped with this node's number of the
//! channel, and handed to the listeners here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use suara_channel::Time;
use suara_engine::Sender;
use suara_proto::voice::{Header, VoiceFrame};
use suara_proto::{ChannelNumber, Grant, TalkerNumber};
use tokio::sync::mpsc;

use super::outlet::{Elsewhere, Outlet as _};
use super::route::{Route, RouteCell, Speaker};
use super::said::Spoken;
use crate::clock::Clock;
use crate::metrics::{DropReason, VoiceMetrics};
use crate::nodes::{NodeId, VoiceSink};
use crate::session::SessionId;

/// A grant is decided and its first frames are sent at the same moment, by two roads. What overtakes the decision waits for so
/// long; what waits longer is of no grant that will ever be known.
const MAX_EARLY_AGE: Duration = Duration::from_millis(100);
/// Frames that wait so at most, of all talkers: five of 20 ms in the ordinary case.
const MAX_EARLY: usize = 8;

/// Where voice of other nodes comes in.
pub struct Remote {
    /// Stands for all other nodes, as a listener and as those whose voice comes from there.
    pub session: SessionId,
    /// The channel's number here.
    pub channel: ChannelNumber,
    /// Who may be heard.
    pub route: RouteCell,
    /// What tells the time.
    pub clock: Clock,
    /// What counts.
    pub metrics: VoiceMetrics,
    /// The way to the listeners.
    pub sender: Sender,
    /// Where frames of grants go that aren't known yet.
    pub early: mpsc::Sender<Bytes>,
}

impl VoiceSink for Remote {
    fn voice(&self, _: NodeId, datagram: &[u8], now: Instant) {
        let done = match VoiceFrame::decode(datagram) {
            Ok(frame) => self.forward(now, &frame, datagram),
            Err(_) => Err(DropReason::Malformed),
        };
        if let Err(reason) = done {
            self.metrics.dropped(reason);
        }
    }
}

impl Remote {
    fn forward(&self, now: Instant, frame: &VoiceFrame<'_>, datagram: &[u8]) -> Result<(), DropReason> {
        let route = self.route.load();
        let of = (self.session, frame.header.talker, frame.header.grant);
        match route.speakers.iter().find(|it| (it.session, it.talker, it.grant) == of) {
            Some(speaker) => self.say(now, &route, speaker, frame),
            // The channel knows what is too old.
            None => self.early.try_send(Bytes::copy_from_slice(datagram)).map_err(|_| DropReason::NoGrant),
        }
    }

    /// Hands a speaker's frame to every listener here.
    ///
    /// # Errors
    /// What becomes of it if nothing.
    fn say(
        &self,
        now: Instant,
        route: &Route,
        speaker: &Speaker,
        frame: &VoiceFrame<'_>,
    ) -> Result<(), DropReason> {
        let at = self.clock.at(now);
        if !speaker.heard(at) {
            return Err(DropReason::Rate);
        }
        let header = Header { channel: self.channel, ..frame.header };
        let heard = speaker.take(&VoiceFrame { header, ..*frame })?;
        for spoken in heard.repaired.iter().flatten().chain([&heard.spoken]) {
            self.hand(now, route, speaker, spoken);
        }
        Ok(())
    }

    fn hand(&self, now: Instant, route: &Route, speaker: &Speaker, spoken: &Spoken) {
        speaker.tape.record(&spoken.frame);
        Elsewhere(&self.sender, now).send(&route.listeners.audience, spoken);
        for (_, queue) in route.listeners.queues.iter().filter(|(session, _)| *session != self.session) {
            queue.push(now, spoken.frame.clone());
        }
        for relay in route.relays.iter() {
            relay.pass_on(&spoken.frame, speaker.grant, self.clock.at(now), now);
        }
    }
}

/// Frames that came before their grant was known. Pure.
#[derive(Debug, Default)]
pub struct Early {
    frames: VecDeque<(Time, Grant, TalkerNumber, Bytes)>,
}

impl Early {
    /// Keeps a frame; says how many fell out, this one among them if it is none.
    pub fn keep(&mut self, now: Time, datagram: Bytes) -> usize {
        let Ok(frame) = VoiceFrame::decode(&datagram) else { return 1 };
        let Header { grant, talker, .. } = frame.header;
        let before = self.frames.len();
        self.frames.push_back((now, grant, talker, datagram));
        self.drop_old(now);
        if self.frames.len() > MAX_EARLY {
            self.frames.pop_front();
        }
        before + 1 - self.frames.len()
    }

    /// Gives those of a grant that is known now, in the order in which they came.
    pub fn take(&mut self, now: Time, grant: Grant, talker: TalkerNumber) -> Vec<Bytes> {
        self.drop_old(now);
        let is_of = |(_, by, whose, _): &(Time, Grant, TalkerNumber, Bytes)| (*by, *whose) == (grant, talker);
        let (due, rest) = std::mem::take(&mut self.frames).into_iter().partition::<VecDeque<_>, _>(is_of);
        self.frames = rest;
        due.into_iter().map(|(.., datagram)| datagram).collect()
    }

    fn drop_old(&mut self, now: Time) {
        while self.frames.front().is_some_and(|(at, ..)| now.saturating_since(*at) > MAX_EARLY_AGE) {
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use suara_proto::voice::{Flags, Redundant};

    use super::*;

    fn frame(grant: u32, talker: u16, sequence: u16) -> Bytes {
        let (channel, talker, grant) = (ChannelNumber(9), TalkerNumber(talker), Grant(grant));
        let header = Header { flags: Flags::default(), sequence, talker, timestamp: 0, channel, grant };
        let mut bytes = [0; 64];
        let frame = VoiceFrame { header, redundant: Redundant::default(), packet: &[0x78, 1, 2] };
        let length = frame.encode(&mut bytes).unwrap();
        Bytes::copy_from_slice(&bytes[..length])
    }

    #[test]
    fn frames_that_overtook_their_grant_leave_with_it_and_in_order() {
        let (mut early, at) = (Early::default(), Time::from_millis);
        for (time, grant, sequence) in [(0, 7, 1), (20, 8, 50), (40, 7, 2)] {
            assert_eq!(early.keep(at(time), frame(grant, 3, sequence)), 0);
        }
        assert_eq!(early.take(at(50), Grant(7), TalkerNumber(3)), [frame(7, 3, 1), frame(7, 3, 2)]);
        assert!(early.take(at(50), Grant(7), TalkerNumber(3)).is_empty(), "once");
        assert!(early.take(at(50), Grant(8), TalkerNumber(4)).is_empty(), "another's number");
        assert_eq!(early.take(at(120), Grant(8), TalkerNumber(3)).len(), 1);
    }

    #[test]
    fn they_wait_neither_long_nor_in_numbers_and_nonsense_not_at_all() {
        let (mut early, at) = (Early::default(), Time::from_millis);
        for sequence in 0..MAX_EARLY as u16 {
            assert_eq!(early.keep(at(0), frame(7, 3, sequence)), 0);
        }
        assert_eq!(early.keep(at(0), frame(7, 3, 99)), 1, "the oldest falls out");
        assert_eq!(early.keep(at(101), frame(7, 3, 100)), MAX_EARLY, "too old");
        assert_eq!(early.keep(at(101), Bytes::from_static(b"no frame")), 1);
        assert_eq!(early.take(at(110), Grant(7), TalkerNumber(3)), [frame(7, 3, 100)]);
    }
}
