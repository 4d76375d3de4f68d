//! What a client says before it has the floor: the newest of it, bounded in time and in bytes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// What is said before the grant is kept for so long: the protocol's bound on talk-ahead. More would be heard late.
pub(super) const HOLD: Duration = Duration::from_millis(300);

/// Bytes that are kept before the grant; 300 ms of 48 kHz are 28 800. Bounds a client that sends faster than it speaks.
const HOLD_BYTES: usize = 128 * 1024;

/// Chunks that wait for the grant.
#[derive(Debug, Default)]
pub(super) struct Held {
    chunks: VecDeque<(Instant, Bytes)>,
    bytes: usize,
}

impl Held {
    /// Keeps `chunk`, and returns how many older ones went for it.
    pub(super) fn push(&mut self, now: Instant, chunk: Bytes) -> usize {
        self.bytes += chunk.len();
        self.chunks.push_back((now, chunk));
        let mut gone = 0;
        while self.chunks.len() > 1
            && self
                .chunks
                .front()
                .is_some_and(|(at, _)| now.saturating_duration_since(*at) > HOLD || self.bytes > HOLD_BYTES)
        {
            let (_, old) = self.chunks.pop_front().unwrap_or((now, Bytes::new()));
            self.bytes -= old.len();
            gone += 1;
        }
        gone
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// What is kept, the oldest first.
    pub(super) fn into_chunks(self) -> impl Iterator<Item = Bytes> {
        self.chunks.into_iter().map(|(_, chunk)| chunk)
    }
}
