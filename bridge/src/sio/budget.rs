//! How much voice a client may send: somewhat more than a mouth can say. Everything beyond is dropped before anybody
//! spends a codec or a listener's road on it.

use std::time::{Duration, Instant};

use suara_proto::opus::{TICKS_PER_MS, ticks};

use crate::audio::Format;

/// How many times faster than it speaks a client may send. Real ones send at speaking pace, with a clock that may be
/// wrong by a little; the double is for small frames, each of which counts for [`LEAST`].
const SPEED: u32 = 2;

/// Audio that may come at once: what a stalled road lets loose, and more than the largest chunk holds. It is what a
/// talker's way to the gateway holds besides.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What a chunk counts for at least, be it ever so short: with [`SPEED`] a hundred chunks a second.
const LEAST: Duration = Duration::from_millis(20);

/// One client's allowance.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Duration,
    at: Instant,
}

impl Budget {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { left: AT_ONCE, at: now }
    }

    /// Whether a chunk in `format` may pass; if so it is taken off.
    pub(crate) fn spend(&mut self, now: Instant, format: Format, chunk: &[u8]) -> bool {
        let earned = now.saturating_duration_since(self.at).saturating_mul(SPEED);
        self.left = self.left.saturating_add(earned).min(AT_ONCE);
        self.at = self.at.max(now);
        let Some(left) = self.left.checked_sub(duration(format, chunk).clamp(LEAST, AT_ONCE)) else {
            return false;
        };
        self.left = left;
        true
    }
}

/// How long a chunk sounds. A packet that is none sounds for no time; whoever decodes it drops it.
fn duration(format: Format, chunk: &[u8]) -> Duration {
    match format {
        Format::Opus => Duration::from_millis((ticks(chunk).unwrap_or(0) / TICKS_PER_MS).into()),
        Format::Pcm16(rate) => {
            let samples = chunk.len() as u64 / 2;
            Duration::from_micros(samples * 1_000_000 / u64::from(rate.hz()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Rate;

    /// How many of `count` chunks pass that come `apart` from one another.
    fn passed(hz: u32, chunk: &[u8], count: u32, apart: Duration) -> u32 {
        let format = Format::Pcm16(Rate::new(hz).unwrap());
        let start = Instant::now();
        let mut budget = Budget::new(start);
        (0..count).map(|n| u32::from(budget.spend(start + apart * n, format, chunk))).sum()
    }

    #[test]
    fn whoever_speaks_at_speaking_pace_is_heard_whatever_the_chunks() {
        assert_eq!(passed(16_000, &[0; 640], 3000, Duration::from_millis(20)), 3000);
        assert_eq!(passed(16_000, &[0; 320], 3000, Duration::from_millis(10)), 3000);
        assert_eq!(passed(8000, &[0; 3584], 300, Duration::from_millis(224)), 300);
        assert_eq!(passed(8000, &[0; 16_384], 50, Duration::from_millis(1024)), 50);
    }

    #[test]
    fn what_was_held_up_on_the_road_is_heard() {
        assert_eq!(passed(16_000, &[0; 640], 100, Duration::ZERO), 100);
    }

    #[test]
    fn a_flood_is_cut_to_a_bound() {
        assert_eq!(passed(16_000, &[0; 2], 10_000, Duration::from_millis(1)), 1099);
        let large = passed(48_000, &[0; 16_384], 10_000, Duration::from_millis(1));
        assert!(large < 140, "{large} chunks of 171 ms in ten seconds");
    }
}
