//! Where a listener's voice waits for a transport other than the engine: bounded by age, oldest dropped first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use suara_engine::Frame;

use crate::metrics::{DropReason, VoiceMetrics};

/// Older voice is worth less than none. Lower would drop frames at an ordinary hiccup of a scheduler or a radio link;
/// higher makes a conversation stumble.
const MAX_AGE: Duration = Duration::from_millis(120);

/// Frames that wait at most: [`MAX_AGE`] of a dispatcher who hears several channels. Reached only by a flood.
const MAX_FRAMES: usize = 64;

/// A queue of one session. Touched by the data plane alone.
pub struct VoiceQueue {
    frames: Mutex<VecDeque<(Instant, Frame)>>,
    ready: Notify,
    metrics: VoiceMetrics,
}

impl VoiceQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(metrics: VoiceMetrics) -> Self {
        Self { frames: Mutex::default(), ready: Notify::new(), metrics }
    }

    /// Puts a frame in; what is too old or too much falls out at the other end.
    pub fn push(&self, now: Instant, frame: Frame) {
        let mut frames = self.lock();
        self.drop_stale(&mut frames, now);
        if frames.len() == MAX_FRAMES {
            frames.pop_front();
            self.metrics.dropped(DropReason::Overflow);
        }
        frames.push_back((now, frame));
        drop(frames);
        self.ready.notify_one();
    }

    /// Takes the oldest frame that is still worth sending.
    pub fn pop(&self, now: Instant) -> Option<Frame> {
        let mut frames = self.lock();
        self.drop_stale(&mut frames, now);
        let (since, frame) = frames.pop_front()?;
        drop(frames);
        self.metrics.queue_age.observe(now.saturating_duration_since(since));
        Some(frame)
    }

    /// Waits for the next frame. Cancel-safe. For one consumer.
    pub async fn next(&self) -> Frame {
        loop {
            if let Some(frame) = self.pop(Instant::now()) {
                return frame;
            }
            self.ready.notified().await;
        }
    }

    /// Counts a frame that its transport has taken.
    pub fn sent(&self, frame: &Frame) {
        self.metrics.frames_out.inc();
        self.metrics.bytes_out.inc_by(frame.payload().len() as u64);
    }

    fn drop_stale(&self, frames: &mut VecDeque<(Instant, Frame)>, now: Instant) {
        while frames.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) > MAX_AGE) {
            frames.pop_front();
            self.metrics.dropped(DropReason::Stale);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Frame)>> {
        // Nothing panics while it is held, and a queue of frames has no state that could be left half done.
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8) -> Frame {
        Frame::new(&[byte])
    }

    #[test]
    fn old_voice_is_dropped_and_new_voice_kept() {
        let queue = VoiceQueue::new(VoiceMetrics::default());
        let start = Instant::now();
        for ms in [0, 50, 100] {
            queue.push(start + Duration::from_millis(ms), frame(ms as u8));
        }
        let later = start + MAX_AGE + Duration::from_millis(1);
        assert_eq!(queue.pop(later).unwrap().payload(), [50]);
        assert_eq!(queue.pop(later).unwrap().payload(), [100]);
        assert!(queue.pop(later).is_none());
    }

    #[test]
    fn a_flood_pushes_out_the_oldest() {
        let queue = VoiceQueue::new(VoiceMetrics::default());
        let now = Instant::now();
        for byte in 0..=MAX_FRAMES as u8 {
            queue.push(now, frame(byte));
        }
        assert_eq!(queue.pop(now).unwrap().payload(), [1]);
    }

    #[tokio::test]
    async fn a_frame_pushed_before_the_wait_is_not_missed() {
        let queue = VoiceQueue::new(VoiceMetrics::default());
        queue.push(Instant::now(), frame(7));
        assert_eq!(queue.next().await.payload(), [7]);
    }
}
