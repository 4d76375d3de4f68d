//! What became of the frames of one turn of a worker: counted here, told at once.

use std::time::Duration;

use super::variants::MAX_EARLIER;

/// What became of frames since the last time that it was told.
#[derive(Debug, Default)]
pub struct Tally {
    /// Frames that went out.
    pub frames: u64,
    /// Their payloads' bytes.
    pub bytes: u64,
    /// Those that went to their listener with one earlier frame, and with two.
    pub with_earlier: [u64; MAX_EARLIER],
    /// Frames that got too old before their listener's path took them.
    pub stale: u64,
    /// Frames that others pushed out of a full queue.
    pub overflow: u64,
    /// Frames that were larger than their listener's path or client takes.
    pub too_large: u64,
    /// Packets that the kernel didn't take; of whatever kind, QUIC sends what matters again.
    pub unsent: u64,
    /// Frames and packets of other workers that found this one's inbox full.
    pub crowded_out: u64,
    /// How long frames waited here: an age and how many had it.
    pub ages: Vec<(Duration, u64)>,
}

impl Tally {
    pub(crate) fn sent(&mut self, bytes: usize, age: Duration) {
        self.frames += 1;
        self.bytes += bytes as u64;
        match self.ages.last_mut() {
            // A frame's listeners are served in the same instant.
            Some((last, count)) if *last == age => *count += 1,
            _ => self.ages.push((age, 1)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let Self { frames, bytes: _, with_earlier, stale, overflow, too_large, unsent, crowded_out, ages: _ } =
            self;
        let [one, two] = with_earlier;
        [frames, one, two, stale, overflow, too_large, unsent, crowded_out]
            .into_iter()
            .all(|count| *count == 0)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { ages: std::mem::take(&mut self.ages), ..Self::default() };
        self.ages.clear();
    }
}
