//! The run's clock, and the part of the run that counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Nanoseconds since the run began: what stamps carry.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// What a moment is on this clock; zero before its start.
    #[must_use]
    pub fn of(&self, moment: Instant) -> u64 {
        moment.saturating_duration_since(self.start).as_nanos() as u64
    }

    /// The moment of a time on this clock.
    #[must_use]
    pub fn at(&self, nanos: u64) -> Instant {
        self.start + Duration::from_nanos(nanos)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.of(Instant::now())
    }
}

/// When voice begins, and which of it counts; set once all sessions are there, read by every thread.
#[derive(Debug)]
pub struct Phase {
    voice: AtomicU64,
    from: AtomicU64,
    until: AtomicU64,
}

impl Default for Phase {
    fn default() -> Self {
        let unset = || AtomicU64::new(u64::MAX);
        Self { voice: unset(), from: unset(), until: unset() }
    }
}

impl Phase {
    /// Says that voice begins at `voice`, and that what is stamped in `from..until` counts.
    pub fn set(&self, voice: u64, from: u64, until: u64) {
        self.until.store(until, Ordering::Release);
        self.from.store(from, Ordering::Release);
        self.voice.store(voice, Ordering::Release);
    }

    /// When voice begins, once that is known.
    #[must_use]
    pub fn voice(&self) -> Option<u64> {
        let voice = self.voice.load(Ordering::Acquire);
        (voice != u64::MAX).then_some(voice)
    }

    /// When voice ends.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Acquire)
    }

    /// How long into the part that counts a frame was due; `None` when it doesn't count.
    #[must_use]
    pub fn counted(&self, intended: u64) -> Option<Duration> {
        let from = self.from.load(Ordering::Relaxed);
        (intended >= from && intended < self.until.load(Ordering::Relaxed))
            .then(|| Duration::from_nanos(intended - from))
    }
}
