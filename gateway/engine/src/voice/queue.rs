//! Where a listener's voice waits for its path: bounded by age, oldest dropped first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::tally::Tally;

/// Frames that wait at most: 120 ms of a dispatcher who hears several channels. Reached only by a flood.
const MAX_FRAMES: usize = 64;

/// One connection's queue. Takes no memory while nothing waits.
#[derive(Default)]
pub(crate) struct VoiceQueue {
    frames: VecDeque<(Instant, Bytes)>,
}

impl VoiceQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Puts a frame in that came at `since`; what is too much falls out at the other end.
    pub(crate) fn push(&mut self, since: Instant, frame: Bytes, tally: &mut Tally) {
        if self.frames.len() == MAX_FRAMES {
            self.frames.pop_front();
            tally.overflow += 1;
        }
        self.frames.push_back((since, frame));
    }

    /// Drops what has got too old.
    pub(crate) fn expire(&mut self, now: Instant, max_age: Duration, tally: &mut Tally) {
        while self.frames.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) > max_age) {
            self.frames.pop_front();
            tally.stale += 1;
        }
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
    }

    /// Takes the oldest frame, unless it has more bytes than `space`, and when it came.
    pub(crate) fn pop_within(&mut self, space: usize) -> Option<(Instant, Bytes)> {
        self.frames.pop_front_if(|(_, frame)| frame.len() <= space)
    }

    /// When the oldest frame gets too old.
    pub(crate) fn deadline(&self, max_age: Duration) -> Option<Instant> {
        self.frames.front().map(|(since, _)| *since + max_age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_AGE: Duration = Duration::from_millis(120);

    #[test]
    fn old_voice_is_dropped_and_new_voice_kept() {
        let (mut queue, mut tally, start) = (VoiceQueue::default(), Tally::default(), Instant::now());
        for ms in [0, 50, 100] {
            queue.push(start + Duration::from_millis(ms), Bytes::from(vec![ms as u8]), &mut tally);
        }
        queue.expire(start + MAX_AGE + Duration::from_millis(1), MAX_AGE, &mut tally);
        assert_eq!(queue.pop_within(10).unwrap().1[..], [50]);
        assert_eq!(queue.pop_within(10).unwrap().1[..], [100]);
        assert!(queue.pop_within(10).is_none());
        assert_eq!(tally.stale, 1);
    }

    #[test]
    fn a_flood_pushes_out_the_oldest() {
        let (mut queue, mut tally, now) = (VoiceQueue::default(), Tally::default(), Instant::now());
        for byte in 0..=MAX_FRAMES as u8 {
            queue.push(now, Bytes::from(vec![byte]), &mut tally);
        }
        assert_eq!(queue.pop_within(10).unwrap().1[..], [1]);
        assert_eq!(tally.overflow, 1);
    }
}
