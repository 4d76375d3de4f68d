//! The KPIs as histograms, with the standard's thresholds among the buckets. Observed once a burst, by the control plane.

use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::kpi::{Fault, Kpi, Pairs, Sample};

/// Upper bounds in seconds. TS 22.179, clause 6.15: 0.3 (KPI 1 and 3), 1 (KPI 2), 0.15 and 0.35 (KPI 4).
const BOUNDS: [f64; 12] = [0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.5, 1.0, 2.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TalkerLabel {
    talker: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PairLabels {
    talker: &'static str,
    listener: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JoinedLabel {
    joined: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The histograms, by pair of transports.
#[derive(Clone)]
pub struct KpiMetrics {
    access: Histograms<TalkerLabel>,
    end_to_end: Histograms<PairLabels>,
    mouth_to_ear: Histograms<PairLabels>,
    late_entry: Histograms<ListenerLabel>,
    refused: Family<FaultLabel, Counter>,
    heard: Family<JoinedLabel, Counter>,
}

impl Default for KpiMetrics {
    fn default() -> Self {
        let refused = Family::<FaultLabel, Counter>::default();
        let heard = Family::<JoinedLabel, Counter>::default();
        for joined in ["yes", "no"] {
            drop(heard.get_or_create(&JoinedLabel { joined }));
        }
        for fault in Fault::ALL {
            drop(refused.get_or_create(&FaultLabel { reason: fault.name() }));
        }
        Self {
            access: Family::new_with_constructor(histogram),
            end_to_end: Family::new_with_constructor(histogram),
            mouth_to_ear: Family::new_with_constructor(histogram),
            late_entry: Family::new_with_constructor(histogram),
            refused,
            heard,
        }
    }
}

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

impl KpiMetrics {
    /// Counts a sample.
    pub fn observe(&self, sample: Sample) {
        let (talker, listener) = (sample.talker.map(|by| by.name()), sample.listener.map(|by| by.name()));
        let seconds = sample.value.as_secs_f64();
        let (one, other) = (talker.unwrap_or_default(), listener.unwrap_or_default());
        let pair = PairLabels { talker: one, listener: other };
        match sample.kpi {
            Kpi::Access => self.access.get_or_create(&TalkerLabel { talker: one }).observe(seconds),
            Kpi::EndToEndAccess => self.end_to_end.get_or_create(&pair).observe(seconds),
            Kpi::MouthToEar => self.mouth_to_ear.get_or_create(&pair).observe(seconds),
            Kpi::LateEntry => {
                self.late_entry.get_or_create(&ListenerLabel { listener: other }).observe(seconds);
            }
        }
    }

    /// Counts a report that can't be true.
    pub fn refused(&self, fault: Fault) {
        self.refused.get_or_create(&FaultLabel { reason: fault.name() }).inc();
    }

    /// Says how many of listeners' reports were put together with their talker's by now.
    pub fn heard(&self, Pairs { joined, alone }: Pairs) {
        for (label, count) in [("yes", joined), ("no", alone)] {
            let counter = self.heard.get_or_create(&JoinedLabel { joined: label });
            // Two may say so at once, the older count last.
            counter.inner().fetch_max(count, Ordering::Relaxed);
        }
    }

    /// Names everything in `registry`, which prefixes `suara`.
    pub(super) fn register(&self, registry: &mut Registry) {
        let seconds = || Unit::Seconds;
        let access = "KPI 1: from the press to the grant";
        registry.register_with_unit("kpi_access", access, seconds(), self.access.clone());
        let end_to_end = "KPI 2: from the press to the first sound at a listener";
        registry.register_with_unit("kpi_end_to_end_access", end_to_end, seconds(), self.end_to_end.clone());
        let mouth_to_ear = "KPI 3: from a mouth to an ear";
        registry.register_with_unit("kpi_mouth_to_ear", mouth_to_ear, seconds(), self.mouth_to_ear.clone());
        let late_entry = "KPI 4: from entering during a burst to hearing it";
        registry.register_with_unit("kpi_late_entry", late_entry, seconds(), self.late_entry.clone());
        registry.register(
            "kpi_heard_reports",
            "Listeners' reports, by whether their talker's was joined with them",
            self.heard.clone(),
        );
        registry.register(
            "kpi_reports_refused",
            "Reports of bursts that can't be true",
            self.refused.clone(),
        );
    }
}
