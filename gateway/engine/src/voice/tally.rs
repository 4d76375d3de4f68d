//! What became of the frames of one turn of a worker: counted here, told at once.

use std::time::Duration;

/// What became of frames since the last time that it was told.
#[derive(Debug, Default)]
pub struct Tally {
    /// Frames that went out.
    pub frames: u64,
    /// Their payloads' bytes.
    pub bytes: u64,
    /// Frames that got too old before their listener's path took them.
    pub stale: u64,
    /// Frames that others pushed out of a full queue.
    pub overflow: u64,
    /// Frames that were larger than their listener's path or client takes.
    pub too_large: u64,
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
        self.frames == 0 && self.stale == 0 && self.overflow == 0 && self.too_large == 0
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { ages: std::mem::take(&mut self.ages), ..Self::default() };
        self.ages.clear();
    }
}
