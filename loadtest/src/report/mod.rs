//! What a run comes to: an object for machines, a table for a terminal, a page for people.

mod html;
mod plot;
mod table;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::measure::{Sample, Tally};

pub use html::html;
pub(crate) use table::micros;
pub use table::table;

/// The figures of a run: exactly what `--json` writes.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Which scenario.
    pub scenario: &'static str,
    /// Sessions that took part.
    pub sessions: u64,
    /// How long was measured.
    pub seconds: f64,
    /// Frames that talkers sent.
    pub sent: u64,
    /// Deliveries that these should have been.
    pub expected: u64,
    /// Deliveries that were.
    pub delivered: u64,
    /// Deliveries that never were.
    pub lost: u64,
    /// Deliveries later than 150 ms.
    pub late: u64,
    /// From a frame's intended sending to its arrival.
    pub latency_us: Quantiles,
    /// From a session's first packet until it was in its channel.
    pub handshake_ms: Handshake,
    /// What the watched process paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
}

/// Where a distribution's weight is.
#[derive(Debug, Clone, Copy, Serialize)]
#[allow(missing_docs)]
pub struct Quantiles {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// How long log-ins took, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
#[allow(missing_docs)]
pub struct Handshake {
    pub p50: f64,
    pub p99: f64,
}

/// What the watched process paid.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Server {
    /// Its time on the cores over the measured seconds, divided by deliveries.
    pub cpu_us_per_delivered: f64,
    /// What it grew by from before the first session until all were there and idle, divided by sessions.
    pub rss_bytes_idle_per_session: u64,
}

/// Everything that is known of a run, for the table and the page.
pub struct Outcome {
    /// The figures.
    pub report: Report,
    /// What was asked for, in words.
    pub settings: Vec<(&'static str, String)>,
    /// All counts.
    pub tally: Tally,
    /// The watched process over time.
    pub samples: Vec<Sample>,
    /// When measuring began, on the run's clock.
    pub from: u64,
    /// The load generator's own share of a core while it was measured.
    pub own_cpu: f64,
    /// Microseconds of CPU a delivered frame of each of the watched process's threads that carry voice, by name.
    pub workers: Vec<(String, f64)>,
    /// Further results of the scenario: what, how it went, and whether that is as it should be.
    pub checks: Vec<Check>,
}

/// A result with a verdict.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was done.
    pub what: String,
    /// What came of it.
    pub result: String,
    /// Whether it is as it should be.
    pub good: bool,
}

impl Outcome {
    /// Puts the figures of a run together.
    #[must_use]
    pub fn new(scenario: &'static str, seconds: f64, tally: Tally, server: Option<Server>) -> Self {
        let report = Report {
            scenario,
            sessions: tally.sessions,
            seconds,
            sent: tally.sent,
            expected: tally.expected,
            delivered: tally.delivered,
            lost: tally.lost(),
            late: tally.late,
            latency_us: quantiles(&tally.latency),
            handshake_ms: Handshake {
                p50: tally.handshake.value_at_quantile(0.5) as f64 / 1000.0,
                p99: tally.handshake.value_at_quantile(0.99) as f64 / 1000.0,
            },
            server,
        };
        let (settings, samples, workers, checks) = Default::default();
        Self { report, settings, tally, samples, from: 0, own_cpu: 0.0, workers, checks }
    }

    /// Whether everything is as it should be.
    #[must_use]
    pub fn good(&self) -> bool {
        self.checks.iter().all(|check| check.good)
    }
}

pub(crate) fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    let at = |quantile| histogram.value_at_quantile(quantile);
    Quantiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(value: &serde_json::Value) -> Vec<&str> {
        let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn the_object_has_exactly_the_keys_that_were_promised() {
        let server = Server { cpu_us_per_delivered: 3.5, rss_bytes_idle_per_session: 18_000 };
        let with = Outcome::new("flood", 10.0, Tally::default(), Some(server));
        let json = serde_json::to_value(&with.report).unwrap();
        let mut all = vec![
            "scenario",
            "sessions",
            "seconds",
            "sent",
            "expected",
            "delivered",
            "lost",
            "late",
            "latency_us",
            "handshake_ms",
            "server",
        ];
        all.sort_unstable();
        assert_eq!(keys(&json), all);
        assert_eq!(keys(&json["latency_us"]), ["max", "p50", "p90", "p99", "p999"]);
        assert_eq!(keys(&json["handshake_ms"]), ["p50", "p99"]);
        assert_eq!(keys(&json["server"]), ["cpu_us_per_delivered", "rss_bytes_idle_per_session"]);
        let without = Outcome::new("flood", 10.0, Tally::default(), None);
        assert!(serde_json::to_value(&without.report).unwrap().get("server").is_none());
    }
}
