//! From what a path loses to how many earlier packets its frames carry. Pure: reports in, a level out.
//!
//! It rises with the first report that says so and falls one step at a time, after seconds without need: a level too many
//! costs bytes, one too few costs words.

use suara_proto::report::Report;

/// Losses are judged over so many frames, 4 s of voice. Fewer would make two unlucky ones a bad path, more would forget a
/// path's past too slowly.
const WINDOW: u32 = 200;
/// A frame's weight in the window's sums, so that scaling them down loses little.
const ONE: u32 = 16;
/// Percent of loss from which one earlier packet isn't enough: of 5 %, lost again with the next frame, 0.25 % are left on
/// each leg.
const HEAVY: u32 = 3;
/// A single lost frame is no percentage.
const HEAVY_AT_LEAST: u32 = 2;
/// Half of that, in per mille, so that a path at the limit doesn't go to and fro.
const LIGHT: u32 = 15;
/// Lost in a row, more than this is an outage that no redundancy reaches, and says nothing of the path after it.
const OUTAGE: u16 = 10;
/// Frames without need until two become one: 5 s.
const CALM_AT_TWO: u16 = 250;
/// And until one becomes none: 10 s.
const CALM_AT_ONE: u16 = 500;

/// One path's level, and what it follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Redundancy {
    level: u8,
    /// Frames that would have been enough with less, in a row.
    calm: u16,
    /// Sums over the window, in units of [`ONE`].
    expected: u32,
    lost: u32,
}

impl Redundancy {
    /// Earlier packets that each frame shall carry: 0, 1 or 2.
    #[must_use]
    pub(super) const fn level(&self) -> u8 {
        self.level
    }

    /// Takes a report; gives the level from now on.
    pub(super) fn report(&mut self, report: &Report) -> u8 {
        let outage = match report.gap {
            u8::MAX => report.lost,
            gap if u16::from(gap) > OUTAGE => gap.into(),
            _ => 0,
        };
        let (expected, lost) =
            (report.expected - outage.min(report.expected), report.lost - outage.min(report.lost));
        let burst = report.gap >= 2 && outage == 0;
        self.remember(expected, lost);
        let need = match lost {
            _ if burst || self.is_heavy() => 2,
            0 => 0,
            _ => 1,
        };
        self.level = self.level.max(need);
        let is_calm = need < self.level && (self.level < 2 || self.lost * 1000 < LIGHT * self.expected);
        self.calm = if is_calm { self.calm.saturating_add(expected) } else { 0 };
        if self.level > 0 && self.calm >= [CALM_AT_ONE, CALM_AT_TWO][usize::from(self.level - 1)] {
            self.level -= 1;
            self.calm = 0;
        }
        self.level
    }

    fn remember(&mut self, expected: u16, lost: u16) {
        self.expected += u32::from(expected) * ONE;
        self.lost += u32::from(lost) * ONE;
        if self.expected > WINDOW * ONE {
            // 2^16 frames of 16, times the window of 3 200: just below 2^32.
            self.lost = self.lost * (WINDOW * ONE) / self.expected;
            self.expected = WINDOW * ONE;
        }
    }

    fn is_heavy(&self) -> bool {
        self.lost >= HEAVY_AT_LEAST * ONE && self.lost * 100 >= HEAVY * self.expected
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    /// A second of voice of which so many frames were lost, so many in a row.
    fn second(lost: u16, gap: u8) -> Report {
        Report { expected: 50, lost, gap, earlier: 0 }
    }

    fn levels(path: &mut Redundancy, reports: impl IntoIterator<Item = Report>) -> Vec<u8> {
        reports.into_iter().map(|report| path.report(&report)).collect()
    }

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let mut path = Redundancy::default();
        assert_eq!(path.report(&second(0, 0)), 0);
        assert_eq!(path.report(&second(1, 1)), 1);
        assert_eq!(path.report(&second(4, 1)), 2);
        let falling = levels(&mut path, (0..20).map(|_| second(0, 0)));
        let (two, one) = (
            falling.iter().filter(|level| **level == 2).count(),
            falling.iter().filter(|level| **level == 1).count(),
        );
        assert!((5..10).contains(&two) && one == 10, "{falling:?}");
        assert_eq!(path.level(), 0);
    }

    #[test]
    fn two_in_a_row_take_two() {
        assert_eq!(Redundancy::default().report(&second(2, 2)), 2);
        assert_eq!(Redundancy::default().report(&Report { expected: 500, lost: 3, gap: 3, earlier: 0 }), 2);
    }

    #[test]
    fn an_outage_is_nothing_that_redundancy_mends() {
        let mut path = Redundancy::default();
        assert_eq!(path.report(&second(40, 40)), 0);
        assert_eq!(path.report(&Report { expected: 900, lost: 700, gap: 255, earlier: 0 }), 0);
        assert_eq!(path.report(&second(41, 40)), 1, "and one more");
    }

    #[test]
    fn a_path_at_its_limit_does_not_go_to_and_fro() {
        let mut path = Redundancy::default();
        // 2 %: sometimes two in a second, sometimes none.
        let seconds = [2, 0, 1, 1, 2, 0, 1, 1];
        let all =
            levels(&mut path, seconds.iter().cycle().take(80).map(|&lost| second(lost, u8::from(lost > 0))));
        let changes = all.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 2, "{all:?}");
    }

    #[test]
    fn a_report_of_nothing_changes_nothing() {
        let mut path = Redundancy::default();
        path.report(&second(4, 1));
        assert!((0..1000).all(|_| path.report(&Report::default()) == 2));
    }

    /// The same rule in JavaScript, which the client's simulation runs.
    #[test]
    fn the_vectors_hold() {
        #[derive(Deserialize)]
        struct Vector {
            name: String,
            /// Expected, lost, gap, and the level after it.
            reports: Vec<(u16, u16, u8, u8)>,
        }
        let text = include_str!("../../web/test/redundancy.json");
        for Vector { name, reports } in serde_json::from_str::<Vec<Vector>>(text).expect("vectors") {
            let mut path = Redundancy::default();
            for (index, (expected, lost, gap, level)) in reports.into_iter().enumerate() {
                let report = Report { expected, lost, gap, earlier: 0 };
                assert_eq!(path.report(&report), level, "{name}, report {index}");
            }
        }
    }

    proptest! {
        /// Whatever is claimed: no panic, a level that exists, and no fall by more than one.
        #[test]
        fn forged_reports_do_no_harm(reports in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u8>()), 0..60)) {
            let mut path = Redundancy::default();
            for (expected, lost, gap) in reports {
                let before = path.level();
                let level = path.report(&Report { expected, lost: lost.min(expected), gap, earlier: 0 });
                prop_assert!(level <= 2 && level + 1 >= before);
            }
        }
    }
}
