//! How long to wait before the next attempt: exponential, with full jitter, so that many bridges that lost one gateway
//! don't come back in step.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// A session that lasted so long was a good one: what follows is a new trouble.
const STABLE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after a session (or an attempt) that lasted `lasted`; `at_least` is the gateway's wish and `random`
    /// is evenly spread between 0 and 1.
    pub(super) fn after(&mut self, lasted: Duration, at_least: Option<Duration>, random: f64) -> Duration {
        if lasted >= STABLE {
            self.failures = 0;
        }
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        ceiling.mul_f64(random.clamp(0.0, 1.0)).max(at_least.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_half_a_minute_and_starts_over_after_a_stable_session() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.after(Duration::ZERO, None, 1.0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.after(Duration::from_secs(10), None, 1.0), FIRST);
    }

    #[test]
    fn the_wait_is_spread_and_never_shorter_than_the_gateway_wishes() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.after(Duration::ZERO, None, 0.0), Duration::ZERO);
        let wish = Some(Duration::from_secs(3));
        assert_eq!(backoff.after(Duration::ZERO, wish, 0.5), Duration::from_secs(3));
    }
}
