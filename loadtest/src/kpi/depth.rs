//! How deep a listener's buffer is, by the rule of the JavaScript client (`gateway/web/lib/delay.js`). Pure.

/// Before anything is known of the path.
const START_MS: f64 = 60.0;
const SHALLOWEST_MS: f64 = 40.0;
const DEEPEST_MS: f64 = 240.0;
/// A repair, beyond the 95th percentile.
const REPAIRED_MS: f64 = 20.0;
const MARGIN_MS: f64 = 30.0;
const HYSTERESIS_MS: f64 = 15.0;
const STEP_DOWN_MS: f64 = 20.0;
const WINDOW: usize = 500;
const ENOUGH: usize = 25;

/// How deep a listener's buffer is; it lasts over bursts, as a client's does.
#[derive(Debug, Clone)]
pub(super) struct Depth {
    /// From a burst's first frame until it is played.
    pub(super) target_ms: f64,
    late: Vec<f64>,
    at: usize,
    /// The least transit of this burst so far.
    least: f64,
}

impl Default for Depth {
    fn default() -> Self {
        Self { target_ms: START_MS, late: Vec::new(), at: 0, least: f64::INFINITY }
    }
}

impl Depth {
    /// Between two bursts.
    pub(super) fn new_burst(&mut self) {
        self.least = f64::INFINITY;
        if self.late.len() < ENOUGH {
            return;
        }
        let mut sorted = self.late.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| sorted[sorted.len() * percent / 100];
        let change = at(99).min(at(95) + REPAIRED_MS) + MARGIN_MS - self.target_ms;
        if change.abs() >= HYSTERESIS_MS {
            self.target_ms = (self.target_ms + change.max(-STEP_DOWN_MS)).clamp(SHALLOWEST_MS, DEEPEST_MS);
        }
    }

    /// A packet came; how late is measured against the fastest one before it.
    pub(super) fn arrived(&mut self, transit: f64) {
        self.least = self.least.min(transit);
        let late = transit - self.least;
        if self.late.len() < WINDOW {
            self.late.push(late);
        } else {
            self.late[self.at % WINDOW] = late;
        }
        self.at += 1;
    }
}
