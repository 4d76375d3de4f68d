//! The scorecard: what was measured since the start, for each KPI and pair of transports. Pure, and of a fixed size.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::table::Sample;
use super::{Kpi, Transport};

/// Percentiles are told to this.
const STEP: Duration = Duration::from_millis(5);
/// Up to 2 s; what takes longer is beyond every threshold.
const STEPS: usize = 400;

/// All that was measured.
#[derive(Debug, Default)]
pub struct Scorecard {
    scores: BTreeMap<(Kpi, Option<Transport>, Option<Transport>), Score>,
}

#[derive(Debug)]
struct Score {
    /// Of each step its samples, those at its upper end included; the last has all beyond.
    steps: Box<[u32; STEPS + 1]>,
    count: u64,
    within: u64,
}

/// One line of the scorecard.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = KpiRow)]
pub struct Row {
    /// 1 to 4.
    pub kpi: u8,
    /// Its name in metrics.
    pub name: &'static str,
    /// The talker's transport, where it matters.
    pub talker: Option<&'static str>,
    /// The listener's, where it matters.
    pub listener: Option<&'static str>,
    /// Samples.
    pub count: u64,
    /// In milliseconds, rounded up to 5.
    pub p50_ms: u64,
    /// The same of the 95th percentile.
    pub p95_ms: u64,
    /// The standard's.
    pub threshold_ms: u64,
    /// The share of samples that is not above it.
    pub within: f64,
}

impl Scorecard {
    /// Counts a sample.
    pub fn add(&mut self, sample: Sample) {
        let score = self.scores.entry((sample.kpi, sample.talker, sample.listener)).or_default();
        let step = sample.value.as_micros().div_ceil(STEP.as_micros()).saturating_sub(1);
        let step = usize::try_from(step).unwrap_or(STEPS).min(STEPS);
        score.steps[step] = score.steps[step].saturating_add(1);
        score.count += 1;
        score.within += u64::from(sample.value <= sample.kpi.threshold());
    }

    /// A line for each KPI and pair that has samples.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let row = |((kpi, talker, listener), score): (&(Kpi, _, _), &Score)| Row {
            kpi: kpi.number(),
            name: kpi.name(),
            talker: Option::map(*talker, Transport::name),
            listener: Option::map(*listener, Transport::name),
            count: score.count,
            p50_ms: score.percentile(50),
            p95_ms: score.percentile(95),
            threshold_ms: kpi.threshold().as_millis() as u64,
            within: score.within as f64 / score.count.max(1) as f64,
        };
        self.scores.iter().map(row).collect()
    }
}

impl Default for Score {
    fn default() -> Self {
        Self { steps: Box::new([0; STEPS + 1]), count: 0, within: 0 }
    }
}

impl Score {
    /// By the nearest rank.
    fn percentile(&self, percent: u64) -> u64 {
        let total: u64 = self.steps.iter().copied().map(u64::from).sum();
        let rank = (total * percent).div_ceil(100);
        let mut seen = 0;
        let step = self.steps.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        (step.unwrap_or(STEPS) as u64 + 1) * STEP.as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(kpi: Kpi, millis: u64) -> Sample {
        let (talker, listener) = (Some(Transport::WebTransport), Some(Transport::SocketIo));
        Sample { kpi, talker, listener, value: Duration::from_millis(millis) }
    }

    #[test]
    fn a_line_tells_percentiles_and_the_share_within_the_threshold() {
        let mut card = Scorecard::default();
        (1..=90).for_each(|_| card.add(sample(Kpi::MouthToEar, 100)));
        (1..=10).for_each(|_| card.add(sample(Kpi::MouthToEar, 301)));
        card.add(sample(Kpi::LateEntry, 9000));
        let [mouth, late] = &card.rows()[..] else { panic!("two lines") };
        assert_eq!((mouth.kpi, mouth.count, mouth.p50_ms, mouth.p95_ms), (3, 100, 100, 305));
        assert!((mouth.within - 0.9).abs() < 1e-9);
        assert_eq!((mouth.talker, mouth.listener), (Some("webtransport"), Some("socketio")));
        assert_eq!((late.p95_ms, late.within), (2005, 0.0), "beyond all steps");
    }

    #[test]
    fn what_took_as_long_as_the_threshold_is_within() {
        let mut card = Scorecard::default();
        card.add(sample(Kpi::Access, 300));
        assert_eq!((card.rows()[0].within, card.rows()[0].p95_ms), (1.0, 300));
        card.add(sample(Kpi::Access, 0));
        assert_eq!(card.rows()[0].p50_ms, 5);
    }
}
