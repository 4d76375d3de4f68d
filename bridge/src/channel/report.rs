//! What this bridge saw of bursts, in its members' names (PROTOCOL.md, section 6.4). Its stamps begin and end at its own door:
//! a press is the first chunk that came, sound is heard when its first chunk goes.

use std::time::{Duration, Instant};

use suara_proto::message::{ClientMessage, Heard, Said};
use suara_proto::voice::Header;
use suara_proto::{ChannelNumber, Grant, MemberRef};

use crate::trunk::Link;

/// Ticks of 48 kHz in a frame of 20 ms.
const FRAME_TICKS: u32 = 960;

/// A burst of a member's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoken {
    /// When its first chunk came.
    pub(super) pressed: Instant,
    /// When its grant did; `None` when it had to wait, in the queue or denied.
    pub(super) granted: Option<Instant>,
    /// Of its first sample.
    pub(super) timestamp: u32,
}

/// A burst from the gateway that was passed on from its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed {
    at: Instant,
    timestamp: u32,
}

impl Spoken {
    /// Says what was seen, if the gateway's clock is known. What is older than `held` when the grant came was dropped, and the
    /// timestamp is of something later: nothing is said then.
    pub(super) fn report(
        self,
        link: &Link,
        channel: ChannelNumber,
        grant: Grant,
        member: MemberRef,
        held: Duration,
    ) {
        let Self { pressed, granted: Some(granted), timestamp } = self else { return };
        if granted.saturating_duration_since(pressed) > held {
            return;
        }
        let (Some(pressed_us), granted_us) = (link.gateway_time(pressed), link.gateway_time(granted)) else {
            return;
        };
        let said = Some(Said { pressed_us, granted_us, at_us: pressed_us, timestamp });
        say(link, &ClientMessage::BurstReport { channel, grant, member: Some(member), said, heard: None });
    }
}

impl Passed {
    /// The first chunks of a burst go out: those of `pieces` frames, of which `header` is the last one's. `None` for a burst
    /// whose start isn't there, for it may be another's that came late.
    pub(super) fn first(now: Instant, header: &Header, pieces: usize) -> Option<Self> {
        let before = u32::try_from(pieces.saturating_sub(1)).unwrap_or_default() * FRAME_TICKS;
        let timestamp = header.timestamp.wrapping_sub(before);
        header.flags.start.then_some(Self { at: now, timestamp })
    }

    /// Says when it was heard, in one listener's name.
    pub(super) fn report(self, link: &Link, channel: ChannelNumber, grant: Grant, member: MemberRef) {
        let Some(at_us) = link.gateway_time(self.at) else { return };
        let heard = Some(Heard { at_us, timestamp: self.timestamp, entered_us: None });
        let member = Some(member);
        say(link, &ClientMessage::BurstReport { channel, grant, member, said: None, heard });
    }
}

/// A report is worth nothing beside what people wait for.
fn say(link: &Link, report: &ClientMessage<'_>) {
    if !link.ask(report) {
        tracing::debug!("a burst is not reported: the trunk is busy");
    }
}
