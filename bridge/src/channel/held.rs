//! What a client says before it has the floor: the newest of it, bounded in time and in bytes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is said before the grant is kept for so long: the protocol's bound on talk-ahead. More would be heard late.
pub(super) const HOLD: Duration = Duration::from_millis(300);

/// Bytes that are kept before the grant; 300 ms of 48 kHz are 28 800. Bounds a client that sends faster than it speaks.
const HOLD_BYTES: usize = 128 * 1024;

/// Chunks that wait for the grant.
#[derive(Debug)]
pub(super) struct Held<C> {
    chunks: VecDeque<(Instant, C)>,
    bytes: usize,
}

impl<C> Default for Held<C> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), bytes: 0 }
    }
}

impl<C: AsRef<[u8]>> Held<C> {
    /// Keeps `chunk`, and returns how many older ones went for it.
    pub(super) fn push(&mut self, now: Instant, chunk: C) -> usize {
        self.bytes += chunk.as_ref().len();
        self.chunks.push_back((now, chunk));
        let mut gone = 0;
        while self.chunks.len() > 1
            && self
                .chunks
                .front()
                .is_some_and(|(at, _)| now.saturating_duration_since(*at) > HOLD || self.bytes > HOLD_BYTES)
        {
            if let Some((_, old)) = self.chunks.pop_front() {
                self.bytes -= old.as_ref().len();
                gone += 1;
            }
        }
        gone
    }
}

impl<C> Held<C> {
    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// What is kept, the oldest first.
    pub(super) fn into_chunks(self) -> impl Iterator<Item = C> {
        self.chunks.into_iter().map(|(_, chunk)| chunk)
    }
}
