//! When a lost Redis is tried again.

use std::time::Duration;

/// First and longest wait between attempts to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The wait after so many failures in a row; `random` is evenly spread between 0 and 1. Full jitter: nodes that lost one Redis
/// don't come back in step.
#[must_use]
pub fn backoff(failures: u32, random: f64) -> Duration {
    let ceiling = BACKOFF.0.saturating_mul(1 << failures.min(16)).min(BACKOFF.1);
    ceiling.mul_f64(random.clamp(0.1, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_and_is_spread() {
        let waits: Vec<_> = (0..8).map(|failures| backoff(failures, 1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff(7, 0.5), Duration::from_millis(2500));
    }
}
