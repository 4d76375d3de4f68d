//! What listeners report of their paths, and what is done about losses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use suara_engine::MAX_EARLIER;

/// Upper bounds of the share that was lost: nothing, where redundancy sets in and is raised, where it no longer helps.
const BOUNDS: [f64; 8] = [0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Earlier {
    earlier: usize,
}

/// Counters of losses; plain atomics.
#[derive(Clone)]
pub struct LossMetrics {
    reported: RatioHistogram,
    repaired: Counter,
    sent: Family<Earlier, Counter>,
    by_count: [Counter; MAX_EARLIER],
}

impl Default for LossMetrics {
    fn default() -> Self {
        let sent = Family::<Earlier, Counter>::default();
        let by_count = [1, 2].map(|earlier| sent.get_or_create(&Earlier { earlier }).clone());
        Self { reported: RatioHistogram::default(), repaired: Counter::default(), sent, by_count }
    }
}

impl LossMetrics {
    /// Counts a listener's report.
    pub fn reported(&self, expected: u16, lost: u16) {
        self.reported.observe(f64::from(lost) / f64::from(expected.max(1)));
    }

    /// Counts a frame that a talker's path lost and a later one carried.
    pub fn repaired(&self) {
        self.repaired.inc();
    }

    pub(super) fn sent(&self, with_earlier: [u64; MAX_EARLIER]) {
        for (counter, count) in self.by_count.iter().zip(with_earlier) {
            counter.inc_by(count);
        }
    }

    pub(super) fn register(&self, suara: &mut Registry) {
        suara.register("voice_reported_loss", "Share that listeners report as lost", self.reported.clone());
        suara.register(
            "voice_frames_repaired",
            "Talkers' lost frames that later ones made up for",
            self.repaired.clone(),
        );
        suara.register(
            "voice_frames_sent_with_earlier",
            "Voice frames handed to listeners with earlier ones in them",
            self.sent.clone(),
        );
    }
}

/// A histogram of ratios that is all atomics.
#[derive(Debug, Clone, Default)]
struct RatioHistogram(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    buckets: [AtomicU64; BOUNDS.len()],
    sum_ppm: AtomicU64,
}

impl RatioHistogram {
    fn observe(&self, ratio: f64) {
        let bucket = BOUNDS.iter().position(|bound| ratio <= *bound).unwrap_or(BOUNDS.len() - 1);
        self.0.buckets[bucket].fetch_add(1, Relaxed);
        self.0.sum_ppm.fetch_add((ratio * 1e6) as u64, Relaxed);
    }
}

impl EncodeMetric for RatioHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let cells = BOUNDS.into_iter().zip(&self.0.buckets);
        let mut buckets: Vec<(f64, u64)> = cells.map(|(bound, cell)| (bound, cell.load(Relaxed))).collect();
        buckets.push((f64::INFINITY, 0));
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.0.sum_ppm.load(Relaxed) as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
