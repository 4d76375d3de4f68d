//! What a talker has said so far: in order, once, and whole where earlier packets make up for what its path lost. Pure.

use suara_engine::{Earlier, Frame, MAX_EARLIER};
use suara_proto::Grant;
use suara_proto::limits::MAX_DATAGRAM;
use suara_proto::opus;
use suara_proto::reception::{Arrival, Window};
use suara_proto::voice::{Flags, Header, Redundant, VoiceFrame};

use crate::metrics::DropReason;

/// A talkspurt's first frames, and its last one, carry what they can to every listener, as a talker's do to us: of what is lost
/// nobody can have reported yet, and a first syllable is what is missed most.
const OPENING: u16 = 10;

/// Frames that each new listener gets with all that may ride along, 3 s of voice and 10 KB more once: a path that loses tells in
/// less, but what it loses until then would be lost for good, and with one packet alone every hundredth frame of a path of 10 % is.
const TRIAL: u8 = 150;

/// Frames that are remembered to ride along with later ones; two would do if none overtook another.
const RECENT: usize = 4;

/// One grant's voice.
#[derive(Default)]
pub(super) struct Said {
    window: Window,
    /// Its first number.
    first: u16,
    /// The last number that was sent together with what it repaired, in one packet that may be lost: those after it carry all.
    bunched: Option<u16>,
    /// The newest frames, each in the place of its number.
    recent: [Option<(u16, Frame)>; RECENT],
}

/// A frame for listeners, with those right before it for whoever needs them.
pub struct Spoken {
    /// By itself.
    pub frame: Frame,
    /// Those right before it.
    pub earlier: Earlier,
}

/// What comes of one datagram.
pub struct Heard {
    /// Frames that were lost and are in it, in their order. They go first.
    pub repaired: [Option<Spoken>; MAX_EARLIER],
    /// The one that it was sent for.
    pub spoken: Spoken,
}

impl Said {
    /// Takes a datagram that came under a grant, or under its request. The earlier packets in it are for us: listeners get
    /// their own.
    ///
    /// # Errors
    /// [`DropReason::Duplicate`] for what was forwarded already, but for an END: its repeats are for the listeners.
    pub(super) fn take(&mut self, frame: &VoiceFrame<'_>, grant: Grant) -> Result<Heard, DropReason> {
        let Header { flags, sequence, .. } = frame.header;
        let arrival = self.window.arrive(sequence, flags.start);
        match arrival {
            Arrival::Repeat if !flags.end => return Err(DropReason::Duplicate),
            Arrival::First => {
                self.recent = Default::default();
                self.first = sequence.wrapping_sub(frame.redundant.as_slice().len() as u16);
            }
            _ => {}
        }
        let wants_repair = arrival != Arrival::Repeat && !flags.start;
        let repaired = if wants_repair { self.repair(frame, grant)? } else { Default::default() };
        if repaired.iter().any(Option::is_some) {
            self.bunched = Some(sequence);
        }
        let header = Header { flags: Flags { talk_ahead: false, ..flags }, grant, ..frame.header };
        Ok(Heard { repaired, spoken: self.say(header, frame.packet)? })
    }

    /// The frames before this one that didn't come and that it carries.
    fn repair(
        &mut self,
        frame: &VoiceFrame<'_>,
        grant: Grant,
    ) -> Result<[Option<Spoken>; MAX_EARLIER], DropReason> {
        let mut repaired = [const { None }; MAX_EARLIER];
        let packets = frame.redundant.as_slice();
        let sounds: u32 = packets.iter().map(|packet| opus::ticks(packet).unwrap_or_default()).sum();
        let mut timestamp = frame.header.timestamp.wrapping_sub(sounds);
        let mut sequence = frame.header.sequence.wrapping_sub(packets.len() as u16);
        for (slot, packet) in repaired.iter_mut().zip(packets) {
            if self.window.mark(sequence) {
                let header = Header { flags: Flags::default(), sequence, timestamp, grant, ..frame.header };
                *slot = Some(self.say(header, packet)?);
            }
            timestamp = timestamp.wrapping_add(opus::ticks(packet).unwrap_or_default());
            sequence = sequence.wrapping_add(1);
        }
        Ok(repaired)
    }

    fn say(&mut self, header: Header, packet: &[u8]) -> Result<Spoken, DropReason> {
        let mut bytes = [0; MAX_DATAGRAM];
        let length = VoiceFrame { header, redundant: Redundant::default(), packet }.encode(&mut bytes);
        let frame = Frame::new(&bytes[..length.ok_or(DropReason::Malformed)?]);
        let before = |back: u16| self.recent(header.sequence.wrapping_sub(back)).cloned();
        let frames = if header.flags.start { [None, None] } else { [before(1), before(2)] };
        let behind_bunch = |bunched: u16| header.sequence.wrapping_sub(bunched) <= MAX_EARLIER as u16;
        let is_edge = header.flags.end
            || header.sequence.wrapping_sub(self.first) < OPENING
            || self.bunched.is_some_and(behind_bunch);
        let earlier = Earlier { frames, least: if is_edge { MAX_EARLIER as u8 } else { 0 }, trial: TRIAL };
        self.recent[usize::from(header.sequence) % RECENT] = Some((header.sequence, frame.clone()));
        Ok(Spoken { frame, earlier })
    }

    fn recent(&self, sequence: u16) -> Option<&Frame> {
        let (number, frame) = self.recent[usize::from(sequence) % RECENT].as_ref()?;
        (*number == sequence).then_some(frame)
    }
}

/// A frame with some of those right before it, the nearest first; `None` where that is no voice datagram any more.
pub(crate) fn with_earlier(frame: &Frame, earlier: &[&Frame]) -> Option<Frame> {
    let frame = VoiceFrame::decode(frame.payload()).ok()?;
    let mut packets = [&[][..]; MAX_EARLIER];
    let packets = packets.get_mut(..earlier.len())?;
    for (slot, earlier) in packets.iter_mut().zip(earlier.iter().rev()) {
        *slot = VoiceFrame::decode(earlier.payload()).ok()?.packet;
        if slot.is_empty() {
            return None;
        }
    }
    let mut bytes = [0; MAX_DATAGRAM];
    let length = VoiceFrame { redundant: Redundant::new(packets)?, ..frame }.encode(&mut bytes)?;
    Some(Frame::new(&bytes[..length]))
}

#[cfg(test)]
#[path = "said_tests.rs"]
mod tests;
