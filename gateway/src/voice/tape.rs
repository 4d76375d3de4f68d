//! The last bursts of a channel, for those who want to hear them again. Bounded, and written without a lock: each frame
//! has a place of its own, which is written once.

use std::array;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use suara_channel::{Talking, Time};
use suara_engine::Frame;
use suara_proto::Grant;

/// Frames of a burst that are kept: 41 s of 20 ms, more than T2 allows. An emergency's first ones.
const FRAMES: usize = REELS * REEL;
/// Frames that room is made for at a time: a short word costs no more than that.
const REEL: usize = 64;
const REELS: usize = 32;

type Reel = Box<[OnceLock<Frame>; REEL]>;

/// One burst.
pub struct Tape {
    grant: Grant,
    began: Time,
    talking: OnceLock<Talking>,
    reels: [OnceLock<Reel>; REELS],
    next: AtomicUsize,
    over: AtomicBool,
}

impl Tape {
    /// An empty one, of a grant that begins at `now`.
    #[must_use]
    pub fn new(grant: Grant, now: Time) -> Self {
        let reels = array::from_fn(|_| OnceLock::new());
        let (talking, next, over) = (OnceLock::new(), AtomicUsize::new(0), AtomicBool::new(false));
        Self { grant, began: now, talking, reels, next, over }
    }

    /// Keeps a frame, if there is a place for it.
    pub fn record(&self, frame: &Frame) {
        let place = self.next.fetch_add(1, Relaxed);
        let Some(reel) = self.reels.get(place / REEL) else {
            // So that it can't come round.
            self.next.store(FRAMES, Relaxed);
            return;
        };
        let reel = reel.get_or_init(|| Box::new(array::from_fn(|_| OnceLock::new())));
        reel[place % REEL].set(frame.clone()).unwrap_or_default();
    }

    /// Whose burst it is.
    pub fn names(&self, talking: &Talking) {
        self.talking.get_or_init(|| talking.clone());
    }

    /// Nothing more will come.
    pub fn ends(&self) {
        self.over.store(true, Relaxed);
    }

    /// The grant.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.grant
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> Time {
        self.began
    }

    /// Who talks, once that is known.
    #[must_use]
    pub fn talking(&self) -> Option<&Talking> {
        self.talking.get()
    }

    /// Whether more may come.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.over.load(Relaxed)
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames().next().is_none()
    }

    /// What was said so far.
    pub fn frames(&self) -> impl Iterator<Item = &Frame> {
        let reels = self.reels.iter().map_while(OnceLock::get);
        reels.flat_map(|reel| reel.iter().filter_map(OnceLock::get))
    }
}

/// A channel's newest bursts: the present one or the last, and the one before it.
#[derive(Clone, Default)]
pub struct Tapes(Arc<ArcSwap<Vec<Arc<Tape>>>>);

impl Tapes {
    /// Bursts that are kept.
    const KEPT: usize = 2;

    /// Begins a new one. Those that nothing was said in are forgotten.
    pub fn begin(&self, tape: Arc<Tape>) {
        let before = self.0.load();
        let spoken = before.iter().filter(|tape| !tape.is_empty() || tape.is_live()).cloned();
        let mut all: Vec<_> = [tape].into_iter().chain(spoken).collect();
        all.truncate(Self::KEPT);
        self.0.store(Arc::new(all));
    }

    /// The newest that has any voice, or that of a grant.
    #[must_use]
    pub fn find(&self, grant: Option<Grant>) -> Option<Arc<Tape>> {
        let fits = |tape: &&Arc<Tape>| grant.is_none_or(|grant| tape.grant() == grant) && !tape.is_empty();
        self.0.load().iter().find(fits).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tape(counter: u16, frames: usize) -> Arc<Tape> {
        let tape = Tape::new(Grant::new(1, counter), Time::default());
        (0..frames).for_each(|frame| tape.record(&Frame::new(&frame.to_be_bytes())));
        Arc::new(tape)
    }

    #[test]
    fn frames_come_back_in_their_order_and_the_first_are_kept() {
        let tape = tape(1, FRAMES + 10);
        let frames: Vec<_> = tape.frames().map(Frame::payload).collect();
        assert_eq!(frames.len(), FRAMES);
        assert!(frames.iter().enumerate().all(|(at, frame)| *frame == at.to_be_bytes()));
    }

    #[test]
    fn a_burst_in_which_nothing_was_said_hides_none() {
        let tapes = Tapes::default();
        tapes.begin(tape(1, 3));
        for counter in 2..5 {
            let silent = tape(counter, 0);
            silent.ends();
            tapes.begin(silent);
        }
        assert_eq!(tapes.find(None).map(|tape| tape.grant()), Some(Grant::new(1, 1)));
        assert!(tapes.find(Some(Grant::new(1, 4))).is_none());
    }

    #[test]
    fn two_are_kept() {
        let tapes = Tapes::default();
        (1..=3).for_each(|counter| tapes.begin(tape(counter, 1)));
        let found = |counter| tapes.find(Some(Grant::new(1, counter))).is_some();
        assert_eq!([found(1), found(2), found(3)], [false, true, true]);
        assert_eq!(tapes.find(None).map(|tape| tape.grant()), Some(Grant::new(1, 3)));
    }
}
