//! The KPIs of TS 22.179, clause 6.15, of every burst that both ends report: `report` puts what they saw together, `score`
//! sums it up for the console, and the histograms are in `metrics`. Nothing here is on the voice path.

mod score;
mod table;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use score::{Row, Scorecard};
pub use table::{Burst, Fault, Pairs, Report, Sample, Seen, Table};

use crate::metrics::KpiMetrics;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kpi {
    /// KPI 1: from the press to the grant.
    Access,
    /// KPI 2: from the press to the first sound at a listener.
    EndToEndAccess,
    /// KPI 3: from a mouth to an ear.
    MouthToEar,
    /// KPI 4: from entering during a burst to hearing it.
    LateEntry,
}

impl Kpi {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Access, Self::EndToEndAccess, Self::MouthToEar, Self::LateEntry];

    /// Its number in the standard.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::EndToEndAccess => "end_to_end_access",
            Self::MouthToEar => "mouth_to_ear",
            Self::LateEntry => "late_entry",
        }
    }

    /// What 95 % of bursts stay below by the standard; KPI 4 without encryption by the application, which we have none of.
    #[must_use]
    pub const fn threshold(self) -> Duration {
        Duration::from_millis(match self {
            Self::Access | Self::MouthToEar => 300,
            Self::EndToEndAccess => 1000,
            Self::LateEntry => 150,
        })
    }
}

/// How a member of a channel is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// By UDP.
    WebTransport,
    /// By TCP.
    WebSocket,
    /// By a bridge.
    SocketIo,
}

impl Transport {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebTransport => "webtransport",
            Self::WebSocket => "websocket",
            Self::SocketIo => "socketio",
        }
    }
}

/// The gateway's KPIs.
pub struct Kpis {
    state: Mutex<State>,
    metrics: KpiMetrics,
}

#[derive(Default)]
struct State {
    table: Table,
    scorecard: Scorecard,
}

impl Kpis {
    /// With nothing measured, counting into `metrics`.
    #[must_use]
    pub fn new(metrics: KpiMetrics) -> Self {
        Self { state: Mutex::default(), metrics }
    }

    /// Takes a report that came at `now_us`, in microseconds on the gateway's clock.
    pub fn report(&self, now_us: u64, burst: Burst, report: Report) {
        let mut state = self.state();
        match state.table.report(now_us, burst, report) {
            Ok(samples) => {
                for sample in samples {
                    self.metrics.observe(sample);
                    state.scorecard.add(sample);
                }
            }
            Err(fault) => self.refuse(fault),
        }
        self.metrics.heard(state.table.pairs(now_us));
    }

    /// Counts a report that can't be true.
    pub fn refuse(&self, fault: Fault) {
        self.metrics.refused(fault);
    }

    /// What became of listeners' reports until `now_us`.
    #[must_use]
    pub fn pairs(&self, now_us: u64) -> Pairs {
        let pairs = self.state().table.pairs(now_us);
        self.metrics.heard(pairs);
        pairs
    }

    /// What was measured since the start.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.state().scorecard.rows()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and each half is whole after each step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
