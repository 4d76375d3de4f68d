//! What the threads of a run share: when voice begins, who is where, and how far it has come.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::measure::{Clock, Phase, Tally};

/// Shared by all threads of a run.
#[derive(Debug)]
pub struct Shared {
    /// The run's clock.
    pub clock: Clock,
    /// Which part of the run counts.
    pub phase: Phase,
    /// Sessions that are in their channel.
    pub up: AtomicU64,
    /// Sessions that failed.
    pub failed: AtomicU64,
    /// Frames sent so far.
    pub sent: AtomicU64,
    /// Frames heard so far.
    pub heard: AtomicU64,
    /// Everybody ends.
    pub stop: AtomicBool,
    /// Frames of other sources than these many talkers were forged.
    pub talkers: u32,
    /// Talkers are Socket.IO clients, whose stamps don't survive the codec: frames are known by their sequence number.
    /// A channel has one of them, of the channel's own number.
    pub legacy_talkers: bool,
    /// Members of each channel that stay for the whole run.
    members: Vec<AtomicU64>,
}

impl Shared {
    /// For a run in so many channels with so many talkers.
    #[must_use]
    pub fn new(channels: usize, talkers: u32) -> Self {
        Self {
            clock: Clock::start(),
            phase: Phase::default(),
            up: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            talkers,
            legacy_talkers: false,
            members: (0..channels).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// One more is in this channel, and stays.
    pub fn came(&self, channel: usize) {
        self.members[channel].fetch_add(1, Ordering::Relaxed);
        self.up.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a session that is in its channel, and how long it took since it `began`.
    pub fn entered(&self, tally: &RefCell<Tally>, channel: usize, began: Instant) {
        let mut tally = tally.borrow_mut();
        tally.handshake.saturating_record(began.elapsed().as_micros() as u64);
        tally.sessions += 1;
        self.came(channel);
    }

    /// Counts a session that never came up.
    pub fn gave_up(&self, tally: &RefCell<Tally>, why: impl FnOnce() -> String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        tally.borrow_mut().fault(why);
    }

    /// Counts a session that ended; before the run did, that is a fault.
    pub fn ended(&self, tally: &RefCell<Tally>, why: impl FnOnce() -> String) {
        if !self.stopped() {
            let mut tally = tally.borrow_mut();
            tally.dropped += 1;
            tally.fault(why);
        }
    }

    /// How many others a member of this channel is heard by.
    #[must_use]
    pub fn others(&self, channel: usize) -> u64 {
        self.members[channel].load(Ordering::Relaxed).saturating_sub(1)
    }

    /// Whether the run is over.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
