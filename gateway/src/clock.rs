//! The one clock of the gateway, and its translation for the pure core.

use std::time::Instant;

use suara_channel::Time;
use suara_proto::clock::MAX_TIME_US;

/// Counts from the gateway's start.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The time as the core takes it.
    #[must_use]
    pub fn now(&self) -> Time {
        self.at(Instant::now())
    }

    /// An instant as the core takes it.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Time {
        let since = instant.saturating_duration_since(self.origin);
        Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// An instant as clients are told it: in microseconds, which 53 bits hold for 285 years.
    #[must_use]
    pub fn micros(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.origin).as_micros();
        u64::try_from(since).unwrap_or(MAX_TIME_US).min(MAX_TIME_US)
    }

    /// A time of the core as an instant to wait for.
    #[must_use]
    pub fn instant(&self, time: Time) -> Instant {
        self.origin + std::time::Duration::from_millis(time.as_millis())
    }
}
