//! Spaces a talker's datagrams out: a chunk of 112 ms makes six frames at once, and what waited for the grant up to
//! fifteen; the gateway takes a few at a time and 100 a second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Datagrams that go at once.
const BURST: usize = 3;

/// Between those after them. Four times as fast as speech, so that a burst is soon caught up with.
const SPACING: Duration = Duration::from_millis(5);

/// Datagrams that wait at most: two seconds of speech. Bounds a client that sends faster than it speaks.
const MAX_WAITING: usize = 100;

/// What is to go to the gateway, in order.
#[derive(Debug)]
pub(super) struct Pace<T = Bytes> {
    waiting: VecDeque<(Instant, T)>,
    /// When the whole burst is to be had again.
    rested_at: Option<Instant>,
}

impl<T> Default for Pace<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), rested_at: None }
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

    /// What may go now, one at a time.
    pub(super) fn pop(&mut self, now: Instant) -> Option<T> {
        if self.deadline(now)? > now {
            return None;
        }
        let rested_at = self.rested_at.filter(|at| *at > now).unwrap_or(now);
        self.rested_at = Some(rested_at + SPACING);
        self.waiting.pop_front().map(|(_, item)| item)
    }

    /// When the next one may go.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let (not_before, _) = self.waiting.front()?;
        let slack = SPACING * (BURST as u32 - 1);
        let paced = self.rested_at.and_then(|at| at.checked_sub(slack)).unwrap_or(now);
        Some(paced.max(*not_before))
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

    #[test]
    fn a_burst_goes_three_at_once_then_every_5_ms() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for item in 0..8 {
            assert!(pace.push(start, item));
        }
        let mut sent = Vec::new();
        let mut now = start;
        while let Some(at) = pace.deadline(now) {
            now = now.max(at);
            while let Some(item) = pace.pop(now) {
                sent.push((item, now.duration_since(start).as_millis()));
            }
        }
        assert_eq!(sent, [(0, 0), (1, 0), (2, 0), (3, 5), (4, 10), (5, 15), (6, 20), (7, 25)]);
    }

    #[test]
    fn frames_at_the_speed_of_speech_never_wait() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for frame in 0..50_u32 {
            let now = start + Duration::from_millis(20) * frame;
            pace.push(now, frame);
            assert_eq!(pace.pop(now), Some(frame));
        }
    }

    #[test]
    fn a_repeat_waits_for_its_time() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let later = start + Duration::from_millis(20);
        pace.push(later, 1);
        assert_eq!(pace.pop(start), None);
        assert_eq!(pace.deadline(start), Some(later));
        assert_eq!(pace.pop(later), Some(1));
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
