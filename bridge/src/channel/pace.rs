//! Spaces a talker's datagrams out: a chunk of 112 ms makes six frames at once, and what waited for the grant up to
//! fifteen. Listeners get them as they were spoken, for their jitter buffers are made for networks, not for chunks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Between two frames of 20 ms. A little faster than speech, so that what waits gets less; not more, or a listener's
/// small jitter buffer would be filled by each chunk and empty before the next.
const SPACING: Duration = Duration::from_millis(18);

/// Between two frames while more than [`USUAL`] wait: what was held for a grant, or by a stalled road, is caught up with
/// four times as fast as speech.
const CATCHING_UP: Duration = Duration::from_millis(5);

/// Frames that wait in the ordinary course of things: one chunk of 224 ms, the largest that is common (3 584 bytes of
/// 8 kHz).
const USUAL: usize = 12;

/// Datagrams that wait at most: two seconds of speech. Bounds a client that sends faster than it speaks.
const MAX_WAITING: usize = 100;

/// What is to go to the gateway, in order.
#[derive(Debug)]
pub(super) struct Pace<T = Bytes> {
    waiting: VecDeque<(Instant, T)>,
    /// When the next one may go, whatever its own time.
    next_at: Option<Instant>,
}

impl<T> Default for Pace<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), next_at: None }
    }
}

impl<T> Pace<T> {
    /// Puts `item` at the end, to go at `not_before` at the soonest; `false` when too much waits already.
    pub(super) fn push(&mut self, not_before: Instant, item: T) -> bool {
        let fits = self.waiting.len() < MAX_WAITING;
        if fits {
            self.waiting.push_back((not_before, item));
        }
        fits
    }

    /// Puts `item` at the end however much waits: what it ends must not go missing.
    pub(super) fn push_anyway(&mut self, not_before: Instant, item: T) {
        self.waiting.push_back((not_before, item));
    }

    /// What may go now, one at a time. What is no frame keeps its place in the order, and holds nothing up.
    pub(super) fn pop(&mut self, now: Instant, is_frame: impl FnOnce(&T) -> bool) -> Option<T> {
        let due = self.deadline(now).filter(|due| *due <= now)?;
        let (_, item) = self.waiting.pop_front()?;
        if is_frame(&item) {
            // From when it was due: a timer that fires late doesn't make speech slower.
            let spacing = if self.waiting.len() > USUAL { CATCHING_UP } else { SPACING };
            self.next_at = Some(due + spacing);
        }
        Some(item)
    }

    /// When the next one may go.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let (not_before, _) = self.waiting.front()?;
        Some(self.next_at.unwrap_or(now).max(*not_before))
    }

    pub(super) fn clear(&mut self) -> usize {
        let gone = self.waiting.len();
        self.waiting.clear();
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `count` frames goes that come at once, in milliseconds.
    fn times(count: usize) -> Vec<u128> {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert!((0..count).all(|item| pace.push(start, item)));
        let mut sent = Vec::new();
        let mut now = start;
        while let Some(at) = pace.deadline(now) {
            now = now.max(at);
            while pace.pop(now, |_| true).is_some() {
                sent.push(now.duration_since(start).as_millis());
            }
        }
        sent
    }

    #[test]
    fn a_chunk_goes_nearly_as_slow_as_it_was_spoken() {
        assert_eq!(times(6), [0, 18, 36, 54, 72, 90]);
    }

    #[test]
    fn what_was_held_is_caught_up_with() {
        assert_eq!(times(16)[..6], [0, 5, 10, 15, 33, 51]);
    }

    #[test]
    fn what_is_no_frame_holds_nothing_up() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for item in 0..3 {
            pace.push(start, item);
        }
        let sent = (0..3).map(|_| pace.pop(start, |item| *item == 1)).collect::<Vec<_>>();
        assert_eq!(sent, [Some(0), Some(1), None]);
    }

    #[test]
    fn a_late_timer_does_not_slow_speech_down() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for item in 0..3 {
            pace.push(start, item);
        }
        assert_eq!(pace.pop(start, |_| true), Some(0));
        let late = start + Duration::from_millis(40);
        assert_eq!((0..3).map(|_| pace.pop(late, |_| true)).collect::<Vec<_>>(), [Some(1), Some(2), None]);
    }

    #[test]
    fn frames_at_the_speed_of_speech_never_wait() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for frame in 0..50_u32 {
            let now = start + Duration::from_millis(20) * frame;
            pace.push(now, frame);
            assert_eq!(pace.pop(now, |_| true), Some(frame));
        }
    }

    #[test]
    fn a_repeat_waits_for_its_time() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let later = start + Duration::from_millis(20);
        pace.push(later, 1);
        assert_eq!(pace.pop(start, |_| true), None);
        assert_eq!(pace.deadline(start), Some(later));
        assert_eq!(pace.pop(later, |_| true), Some(1));
    }

    #[test]
    fn what_waits_is_bounded() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let taken = (0..1000).filter(|item| pace.push(start, *item)).count();
        assert_eq!(taken, MAX_WAITING);
        assert_eq!(pace.clear(), MAX_WAITING);
    }
}
