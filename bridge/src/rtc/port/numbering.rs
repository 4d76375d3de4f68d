//! A consumer's own sequence numbers and timestamps (RFC 3550, section 5.1): continuous over talkspurts and talkers, so that
//! a receiver sees one stream. What was lost on the way here stays a gap, and silence stays a step in time. Pure.

use std::time::{Duration, Instant};

use suara_proto::Grant;

/// A talkspurt of which nothing came for so long makes way for an older one that goes on.
const SILENT: Duration = Duration::from_millis(600);

/// No packet of Opus sounds for longer (RFC 6716, section 2.1.4), here: 60 ms of 48 000 Hz. A larger step in time between
/// two numbers in a row is silence that wasn't sent.
const LONGEST: u32 = 60 * 48;

/// A packet that comes so much later than the time in it says is heard as said now. Otherwise a receiver would take the
/// delay for the road's, and keep all that follows back for as long: the last words of a client that says nothing at its
/// press' end come 600 ms after those before.
const LATE: u32 = 200 * 48;

/// Packets of 20 ms.
const USUAL: u32 = 20 * 48;

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// With the roll-over counter in its upper bits.
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    /// The first packet after silence (RFC 3551, section 4.1).
    pub(super) marker: bool,
}

/// What was sent last.
#[derive(Debug)]
pub(super) struct Numbering {
    sequence: u64,
    timestamp: u32,
    at: Option<Instant>,
    spurt: Option<Spurt>,
}

/// The talkspurt that goes on, and its newest packet as it came.
#[derive(Debug, Clone, Copy)]
struct Spurt {
    grant: Grant,
    sequence: u16,
    ticks: u32,
}

impl Numbering {
    /// Begins at `sequence` and `timestamp`. A sequence number near the wrap would, with the first packets lost, make the
    /// receiver guess the roll-over counter wrong: take one of the lower half.
    pub(super) const fn new(sequence: u16, timestamp: u32) -> Self {
        Self { sequence: (sequence >> 1) as u64, timestamp, at: None, spurt: None }
    }

    /// The place of the packet that came with this number and time in its talkspurt; `None` for one that comes after its
    /// successor, or that isn't to be heard beside a newer talkspurt.
    pub(super) fn next(&mut self, now: Instant, grant: Grant, sequence: u16, ticks: u32) -> Option<Place> {
        let elapsed = self.at.map(|at| now.saturating_duration_since(at));
        let marker = match self.spurt {
            Some(spurt) if spurt.grant == grant => {
                let ahead = sequence.wrapping_sub(spurt.sequence);
                if ahead == 0 || ahead > u16::MAX / 2 {
                    return None;
                }
                let step = ticks.wrapping_sub(spurt.ticks);
                let passed = ticks_in(elapsed.unwrap_or_default());
                let late = passed > step.saturating_add(LATE);
                self.sequence += u64::from(ahead);
                self.timestamp = self.timestamp.wrapping_add(if late { passed } else { step });
                late || step > LONGEST.saturating_mul(ahead.into())
            }
            Some(spurt) if spurt.grant > grant && elapsed.is_some_and(|elapsed| elapsed < SILENT) => {
                return None;
            }
            _ => {
                self.sequence += 1;
                self.timestamp = self.timestamp.wrapping_add(ticks_in(elapsed.unwrap_or_default()));
                true
            }
        };
        self.spurt = Some(Spurt { grant, sequence, ticks });
        self.at = Some(now);
        Some(Place { sequence: self.sequence, timestamp: self.timestamp, marker })
    }
}

/// Between two talkspurts the clock goes on; no two packets are at the same time.
fn ticks_in(elapsed: Duration) -> u32 {
    let ticks = elapsed.as_micros().saturating_mul(48) / 1000;
    // It wraps like a timestamp does, after a day.
    (ticks as u32).max(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(
        numbering: &mut Numbering,
        start: Instant,
        ms: u64,
        grant: u32,
        seq: u16,
        ticks: u32,
    ) -> Option<Place> {
        numbering.next(start + Duration::from_millis(ms), Grant(grant), seq, ticks)
    }

    #[test]
    fn a_talkspurt_is_numbered_as_it_came_and_gaps_stay() {
        let (mut own, start) = (Numbering::new(200, 1000), Instant::now());
        let first = at(&mut own, start, 0, 1, 65_535, u32::MAX).unwrap();
        assert_eq!(first, Place { sequence: 101, timestamp: 1960, marker: true });
        let second = at(&mut own, start, 20, 1, 0, 959).unwrap();
        assert_eq!(second, Place { sequence: 102, timestamp: 2920, marker: false });
        let behind_two_lost = at(&mut own, start, 80, 1, 3, 959 + 3 * 960).unwrap();
        assert_eq!(behind_two_lost, Place { sequence: 105, timestamp: 5800, marker: false });
    }

    #[test]
    fn late_and_double_packets_have_no_place() {
        let (mut own, start) = (Numbering::new(0, 0), Instant::now());
        at(&mut own, start, 0, 1, 10, 0).unwrap();
        assert_eq!(at(&mut own, start, 1, 1, 10, 0), None);
        assert_eq!(at(&mut own, start, 2, 1, 9, 0), None);
        assert!(at(&mut own, start, 3, 1, 11, 960).is_some());
    }

    #[test]
    fn silence_that_was_not_sent_is_a_step_in_time_and_no_loss() {
        let (mut own, start) = (Numbering::new(0, 0), Instant::now());
        let before = at(&mut own, start, 0, 1, 1, 0).unwrap();
        let after = at(&mut own, start, 400, 1, 2, 19_200).unwrap();
        assert_eq!(after.sequence, before.sequence + 1);
        assert_eq!(after.timestamp, before.timestamp + 19_200);
        assert!(after.marker);
    }

    #[test]
    fn what_was_held_up_is_heard_as_said_now() {
        let (mut own, start) = (Numbering::new(0, 0), Instant::now());
        let before = at(&mut own, start, 0, 1, 1, 0).unwrap();
        let held = at(&mut own, start, 620, 1, 2, 960).unwrap();
        assert_eq!(held, Place { sequence: 2, timestamp: before.timestamp + 620 * 48, marker: true });
        let next = at(&mut own, start, 621, 1, 3, 1920).unwrap();
        assert_eq!(next, Place { sequence: 3, timestamp: held.timestamp + 960, marker: false });
        let jitter = at(&mut own, start, 800, 1, 4, 2880).unwrap();
        assert_eq!(jitter.timestamp, next.timestamp + 960, "a little late is for the receiver to smooth");
    }

    #[test]
    fn talkers_follow_one_another_in_one_stream() {
        let (mut own, start) = (Numbering::new(0, 0), Instant::now());
        let last = at(&mut own, start, 0, 1, 500, 7).unwrap();
        let next = at(&mut own, start, 2000, 2, 9000, 123_456).unwrap();
        assert_eq!(next.sequence, last.sequence + 1);
        assert_eq!(next.timestamp, last.timestamp + 96_000);
        assert!(next.marker);
    }

    #[test]
    fn the_newest_talkspurt_is_heard_until_it_falls_silent() {
        let (mut own, start) = (Numbering::new(0, 0), Instant::now());
        at(&mut own, start, 0, 2, 1, 0).unwrap();
        assert_eq!(at(&mut own, start, 20, 1, 77, 0), None);
        assert!(at(&mut own, start, 700, 1, 112, 0).is_some());
    }

    #[test]
    fn the_first_number_leaves_room_before_the_wrap() {
        let mut own = Numbering::new(u16::MAX, 0);
        let place = own.next(Instant::now(), Grant(1), 0, 0).unwrap();
        assert!(place.sequence <= 32_768);
    }
}
