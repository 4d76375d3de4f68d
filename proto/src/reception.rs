//! Which frames of a talkspurt came: what reports are made of, and what an earlier packet is needed for. Pure.

use std::time::Duration;

use crate::ids::{ChannelNumber, TalkerNumber};
use crate::report::Report;
use crate::voice::VoiceFrame;

/// Numbers that are remembered behind the newest: 1.3 s of 20 ms frames. What is farther away is no loss but another
/// stream, or an outage that no repair reaches.
const WINDOW: u16 = 64;
/// Talkers that are followed at a time; a client hears a few, a conference's others are left out of its report.
const STREAMS: usize = 4;

/// The newest sequence number of a talkspurt, and which of those before it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    newest: u16,
    /// Bit *i* stands for the number *i* below the newest. Zero when nothing came yet.
    seen: u64,
}

/// What a sequence number is to those that came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The first of a talkspurt, or so far away that nothing is known of what lies between.
    First,
    /// Newer than all, with so many missing between.
    Next {
        /// Numbers that were passed over, 0 in the ordinary case.
        missing: u16,
    },
    /// One that was missing until now.
    Late,
    /// One that came before.
    Repeat,
}

impl Window {
    /// Notes a frame; `start` is its flag, by which nothing is missing before it.
    pub fn arrive(&mut self, sequence: u16, start: bool) -> Arrival {
        let ahead = sequence.wrapping_sub(self.newest) as i16;
        if self.seen == 0 || ahead.unsigned_abs() >= WINDOW {
            *self = Self { newest: sequence, seen: 1 };
            return Arrival::First;
        }
        if ahead <= 0 {
            return if self.mark(sequence) { Arrival::Late } else { Arrival::Repeat };
        }
        let between = (1 << ahead) - 1;
        self.seen = self.seen << ahead | if start { between } else { 1 };
        self.newest = sequence;
        if start { Arrival::First } else { Arrival::Next { missing: ahead.unsigned_abs() - 1 } }
    }

    /// A frame at or below the newest has come by another way; `false` if it had come before or is out of reach.
    pub fn mark(&mut self, sequence: u16) -> bool {
        let behind = self.newest.wrapping_sub(sequence);
        let bit = if behind < WINDOW { 1 << behind } else { 0 };
        let is_new = self.seen != 0 && bit != 0 && self.seen & bit == 0;
        self.seen |= if is_new { bit } else { 0 };
        is_new
    }
}

/// Counts the voice of one path for its reports.
#[derive(Debug, Clone, Default)]
pub struct Reception {
    streams: [Stream; STREAMS],
    oldest: usize,
    expected: u16,
    lost: u16,
    gap: u16,
    redundant: bool,
    /// A loss was told of, and earlier packets have come in every interval since.
    told: bool,
}

/// Says when a report is due. Pure: time comes in, since any moment.
#[derive(Debug, Clone, Default)]
pub struct Reporter {
    reception: Reception,
    /// When the last interval began.
    since: Option<Duration>,
    /// Something was lost in the last one.
    lossy: bool,
}

impl Reporter {
    /// Between two reports.
    pub const INTERVAL: Duration = Duration::from_secs(1);
    /// Until the first report of a path that begins to lose: ten frames say enough.
    pub const FIRST: Duration = Duration::from_millis(200);

    /// A frame came; gives the report that is due by now. It is left out where it would say nothing that matters, unless it
    /// is wanted `anyway`.
    pub fn frame(&mut self, now: Duration, frame: &VoiceFrame<'_>, anyway: bool) -> Option<Report> {
        self.reception.frame(frame);
        let since = *self.since.get_or_insert(now);
        let early = self.reception.lost > 0 && !self.lossy;
        let interval = if early { Self::FIRST } else { Self::INTERVAL };
        if now.saturating_sub(since) < interval {
            return None;
        }
        let worth = anyway || self.reception.is_worth_telling();
        self.since = Some(now);
        let report = self.reception.report();
        self.lossy = report.is_some_and(|report| report.lost > 0);
        report.filter(|_| worth)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    of: Option<(ChannelNumber, TalkerNumber)>,
    window: Window,
}

impl Reception {
    /// A frame came in a datagram of its own.
    pub fn frame(&mut self, frame: &VoiceFrame<'_>) {
        let header = &frame.header;
        self.redundant |= !frame.redundant.as_slice().is_empty();
        match self.window((header.channel, header.talker)).arrive(header.sequence, header.flags.start) {
            Arrival::First => self.expected = self.expected.saturating_add(1),
            Arrival::Next { missing } => {
                self.expected = self.expected.saturating_add(1 + missing);
                self.lost = self.lost.saturating_add(missing);
                self.gap = self.gap.max(missing);
            }
            Arrival::Late => self.lost = self.lost.saturating_sub(1),
            Arrival::Repeat => {}
        }
    }

    /// Whether there is anything that the other side should know: a loss, or earlier packets that may not be needed any
    /// more. Those that come though no loss was told of come to everybody.
    #[must_use]
    pub const fn is_worth_telling(&self) -> bool {
        self.lost > 0 || (self.told && self.redundant && self.expected > 0)
    }

    /// What came since the last time; `None` when there was nothing.
    pub fn report(&mut self) -> Option<Report> {
        let Self { expected, lost, gap, .. } = *self;
        self.told = lost > 0 || (self.told && (self.redundant || expected == 0));
        (self.expected, self.lost, self.gap, self.redundant) = (0, 0, 0, false);
        // One that was taken for lost in the last report may have come since.
        let (gap, lost) = (gap.min(lost).min(u8::MAX.into()) as u8, lost.min(expected));
        let gap = if lost > 0 { gap.max(1) } else { 0 };
        (expected > 0).then_some(Report { expected, lost, gap, earlier: 0 })
    }

    fn window(&mut self, of: (ChannelNumber, TalkerNumber)) -> &mut Window {
        let found = self.streams.iter().position(|stream| stream.of == Some(of));
        let place = found.unwrap_or_else(|| {
            let place = self.oldest;
            self.oldest = (place + 1) % STREAMS;
            self.streams[place] = Stream { of: Some(of), ..Stream::default() };
            place
        });
        &mut self.streams[place].window
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Grant;
    use crate::voice::{Flags, Header, Redundant};

    fn hear(reception: &mut Reception, talker: u16, sequence: u16, start: bool) {
        let header = Header {
            flags: Flags { start, ..Flags::default() },
            sequence,
            timestamp: 0,
            channel: ChannelNumber(1),
            talker: TalkerNumber(talker),
            grant: Grant(1),
        };
        reception.frame(&VoiceFrame { header, redundant: Redundant::default(), packet: &[0x48] });
    }

    fn report(expected: u16, lost: u16, gap: u8) -> Option<Report> {
        Some(Report { expected, lost, gap, earlier: 0 })
    }

    #[test]
    fn what_is_missing_between_two_frames_is_lost() {
        let mut reception = Reception::default();
        for sequence in [65_534, 65_535, 2, 3, 5] {
            hear(&mut reception, 4, sequence, false);
        }
        assert!(reception.is_worth_telling());
        assert_eq!(reception.report(), report(8, 3, 2));
        assert_eq!(reception.report(), None, "nothing since");
    }

    #[test]
    fn what_comes_late_is_not_lost_and_what_comes_twice_counts_once() {
        let mut reception = Reception::default();
        for sequence in [1, 3, 2, 3, 2, 4] {
            hear(&mut reception, 4, sequence, false);
        }
        assert!(!reception.is_worth_telling());
        assert_eq!(reception.report(), report(4, 0, 0));
    }

    #[test]
    fn one_that_was_told_as_lost_and_comes_then_does_no_harm() {
        let mut reception = Reception::default();
        hear(&mut reception, 4, 1, false);
        hear(&mut reception, 4, 3, false);
        assert_eq!(reception.report(), report(3, 1, 1));
        hear(&mut reception, 4, 2, false);
        assert_eq!(reception.report(), None);
        hear(&mut reception, 4, 4, false);
        assert_eq!(reception.report(), report(1, 0, 0));
    }

    #[test]
    fn another_talkspurt_is_no_loss() {
        let mut reception = Reception::default();
        for (sequence, start) in
            [(7, true), (8, false), (20, true), (9_000, true), (9_001, false), (5, false)]
        {
            hear(&mut reception, 4, sequence, start);
        }
        assert_eq!(reception.report(), report(6, 0, 0));
    }

    #[test]
    fn talkers_are_told_apart_and_more_than_a_few_are_no_matter() {
        let mut reception = Reception::default();
        for sequence in 0..3 {
            (0..4).for_each(|talker| hear(&mut reception, talker, sequence * 2, false));
        }
        assert_eq!(reception.report(), report(20, 8, 1));
        for sequence in 0..3 {
            (0..6).for_each(|talker| hear(&mut reception, talker, sequence * 2, false));
        }
        assert!(reception.report().is_some_and(|report| report.lost <= report.expected));
    }

    fn at(reporter: &mut Reporter, ms: u64, sequence: u16, anyway: bool) -> Option<Report> {
        let header = Header {
            flags: Flags::default(),
            sequence,
            timestamp: 0,
            channel: ChannelNumber(1),
            talker: TalkerNumber(4),
            grant: Grant(1),
        };
        let frame = VoiceFrame { header, redundant: Redundant::default(), packet: &[0x48] };
        reporter.frame(Duration::from_millis(ms), &frame, anyway)
    }

    #[test]
    fn a_path_that_loses_nothing_has_nothing_to_say() {
        let mut reporter = Reporter::default();
        assert!((0..200).all(|frame| at(&mut reporter, u64::from(frame) * 20, frame, false).is_none()));
        let told = (200..300).filter_map(|frame| at(&mut reporter, u64::from(frame) * 20, frame, true));
        assert_eq!(told.count(), 2, "one a second where it is wanted");
    }

    #[test]
    fn the_first_loss_is_told_soon_and_others_once_a_second() {
        let mut reporter = Reporter::default();
        let heard = (0..160).filter(|frame| frame % 10 != 5);
        let times: Vec<_> = heard
            .filter_map(|frame| at(&mut reporter, u64::from(frame) * 20, frame, false).map(|_| frame * 20))
            .collect();
        assert_eq!(times, [200, 1_200, 2_200]);
    }

    #[test]
    fn a_repaired_frame_makes_its_original_a_repeat() {
        let mut window = Window::default();
        assert!(!window.mark(3), "nothing came yet");
        assert_eq!(window.arrive(10, true), Arrival::First);
        assert_eq!(window.arrive(13, false), Arrival::Next { missing: 2 });
        assert!(window.mark(12) && !window.mark(12) && !window.mark(13));
        assert_eq!(window.arrive(12, false), Arrival::Repeat);
        assert_eq!(window.arrive(11, false), Arrival::Late);
        assert_eq!(window.arrive(11, false), Arrival::Repeat);
        assert!(!window.mark(14), "it is not there yet");
    }

    #[test]
    fn nothing_is_missing_before_a_start() {
        let mut window = Window::default();
        window.arrive(10, true);
        assert_eq!(window.arrive(20, true), Arrival::First);
        assert_eq!(window.arrive(10, false), Arrival::Repeat, "an END that is said again");
        assert_eq!(window.arrive(15, false), Arrival::Repeat);
    }

    #[test]
    fn the_window_has_an_end_on_both_sides() {
        let mut window = Window::default();
        window.arrive(0, false);
        assert_eq!(window.arrive(63, false), Arrival::Next { missing: 62 });
        assert_eq!(window.arrive(0, false), Arrival::Repeat);
        assert_eq!(window.arrive(127, false), Arrival::First, "an outage");
        assert_eq!(window.arrive(63, false), Arrival::First);
    }
}
