//! No faster than the gateway takes messages from a trunk, on all of its streams together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The gateway takes 1 000 messages a second from a trunk, and 2 000 at once; a trunk that brings everybody back after
/// a loss stays below.
const MESSAGE_SPACING: Duration = Duration::from_micros(1250);
const MESSAGE_BURST: u32 = 1200;

/// One session's allowance; clones share it.
#[derive(Clone)]
pub(super) struct Pace(Arc<Mutex<Instant>>);

impl Pace {
    pub(super) fn start() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Waits until another message may go.
    pub(super) async fn turn(&self) {
        let slack = MESSAGE_SPACING * MESSAGE_BURST;
        let now = Instant::now();
        let rested_at = {
            let mut rested_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *rested_at = (*rested_at).max(now) + MESSAGE_SPACING;
            *rested_at
        };
        if rested_at > now + slack {
            sleep_until(rested_at - slack).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_pace_of_all_together() {
        let (pace, begun) = (Pace::start(), Instant::now());
        let other = pace.clone();
        for _ in 0..MESSAGE_BURST / 2 {
            pace.turn().await;
            other.turn().await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for _ in 0..400 {
            pace.turn().await;
            other.turn().await;
        }
        let took = begun.elapsed();
        assert!((990..1010).contains(&took.as_millis()), "{took:?}");
    }
}
