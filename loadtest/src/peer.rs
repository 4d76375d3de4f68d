//! What the drivers of other servers have in common: when a talker talks, what a listener counts, and the run around them.
//!
//! A driver brings its transport alone. All its sessions live on one thread, so nothing here is locked.

use std::cell::RefCell;
use std::future::Future;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use crate::LoadError;
use crate::args::{Load, Output};
use crate::client::Shared;
use crate::error::Tried;
use crate::measure::{Seen, Tally};
use crate::scenario::{Run, look, write};
use crate::stamp::Stamp;

/// How often a talker looks whether voice has begun, and the thread whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// What all sessions of a driver share.
#[derive(Debug)]
pub struct Booth {
    load: Load,
    shared: Arc<Shared>,
    tally: RefCell<Tally>,
}

/// Runs a driver's sessions, talkers first, and writes what came of it as every scenario does.
///
/// # Errors
/// When too few sessions come up, or the report can't be written.
pub fn drive<S, F>(
    scenario: &'static str,
    load: Load,
    output: &Output,
    out: &mut dyn Write,
    session: S,
) -> Result<(), LoadError>
where
    S: Fn(Rc<Booth>, u32) -> F + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let before = look(output)?;
    let shared = Arc::new(Shared::new(1, load.talkers));
    let wanted = (load.talkers + load.listeners) as usize;
    let thread = {
        let (load, shared) = (load.clone(), shared.clone());
        std::thread::spawn(move || populate(load, shared, session))
    };
    let delay = Duration::ZERO;
    let run = Run { scenario, shared, threads: vec![thread], wanted, delay, before, relay: None };
    write(&run.conduct(&load, output)?, output, out)
}

fn populate<S, F>(load: Load, shared: Arc<Shared>, session: S) -> Result<Tally, LoadError>
where
    S: Fn(Rc<Booth>, u32) -> F,
    F: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().tried("no runtime")?;
    let booth = Rc::new(Booth { load, shared, tally: RefCell::default() });
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        for number in 0..booth.load.talkers + booth.load.listeners {
            tokio::task::spawn_local(session(booth.clone(), number));
        }
        while !booth.shared.stopped() {
            tokio::time::sleep(LOOK).await;
        }
    });
    drop(local);
    Ok(booth.tally.take())
}

impl Booth {
    /// When this session begins: they come one after the other.
    #[must_use]
    pub fn begin(&self, number: u32) -> Instant {
        let step = Duration::from_secs(1) / self.load.ramp;
        self.shared.clock.at((step * number).as_nanos() as u64)
    }

    /// Who talks under this number, if anybody.
    #[must_use]
    pub fn talker(&self, number: u32) -> Option<Talker> {
        (number < self.load.talkers).then_some(Talker { source: number as u16, frame: 0 })
    }

    /// A session is there, and hears what is said.
    pub fn came(&self, began: Instant) {
        self.shared.entered(&self.tally, 0, began);
    }

    /// A session never came up.
    pub fn failed(&self, why: impl FnOnce() -> String) {
        self.shared.gave_up(&self.tally, why);
    }

    /// A session ended; before the run did, that is a fault.
    pub fn ended(&self, why: impl FnOnce() -> String) {
        self.shared.ended(&self.tally, why);
    }

    /// A listener has a packet in hand, which lay at its socket for as long as `waited`, where that is known.
    pub fn heard(&self, seen: &mut Seen, packet: &[u8], waited: Duration) {
        let Some(stamp) = Stamp::read(packet) else { return };
        let Some(into) = self.shared.phase.counted(stamp.intended) else { return };
        let mut tally = self.tally.borrow_mut();
        if seen.first(stamp.source, stamp.frame) {
            let age = self.shared.clock.now().saturating_sub(stamp.intended);
            tally.delivered(into, Duration::from_nanos(age).saturating_sub(waited));
            self.shared.heard.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.duplicates += 1;
        }
    }
}

/// A talker's place in its voice.
#[derive(Debug)]
pub struct Talker {
    source: u16,
    frame: u32,
}

impl Talker {
    /// When to ask for the next packet.
    #[must_use]
    pub fn due(&self, booth: &Booth) -> Instant {
        let shared = &booth.shared;
        match shared.phase.voice().map(|voice| self.moment(booth, voice)) {
            Some(moment) if moment < shared.phase.until() => shared.clock.at(moment),
            _ => Instant::now() + LOOK,
        }
    }

    /// The next packet, if one is due, with its place among the talker's packets.
    pub fn next(&mut self, booth: &Booth) -> Option<(u32, Vec<u8>)> {
        let shared = &booth.shared;
        let intended = self.moment(booth, shared.phase.voice()?);
        let late = shared.clock.now().checked_sub(intended).filter(|_| intended < shared.phase.until())?;
        let (source, frame) = (self.source, self.frame);
        if let Some(into) = shared.phase.counted(intended) {
            booth.tally.borrow_mut().sent(into, Duration::from_nanos(late), shared.others(0));
        }
        let mut packet = vec![0; booth.load.size as usize];
        Stamp { source, frame, intended }.write(&mut packet);
        self.frame += 1;
        Some((frame, packet))
    }

    fn moment(&self, booth: &Booth, voice: u64) -> u64 {
        voice + (booth.load.voice().period * self.frame).as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booth(talkers: u32) -> Booth {
        let load = Load { listeners: 1, talkers, channels: 1, rate: 50, size: 100, seconds: 10, ramp: 200 };
        Booth { load, shared: Arc::new(Shared::new(1, talkers)), tally: RefCell::default() }
    }

    #[test]
    fn who_is_late_sends_every_packet_that_was_due_and_none_before_its_time() {
        let booth = booth(1);
        let mut talker = booth.talker(0).unwrap();
        assert!(booth.talker(1).is_none(), "one talks, the other listens");
        assert!(talker.next(&booth).is_none(), "voice hasn't begun");
        let hour = 3_600_000_000_000;
        while booth.shared.clock.now() < 50_000_000 {
            std::thread::sleep(Duration::from_millis(5));
        }
        booth.shared.phase.set(0, 0, hour);
        let frames: Vec<u32> =
            std::iter::from_fn(|| talker.next(&booth)).map(|(frame, _)| frame).take(3).collect();
        assert_eq!(frames, [0, 1, 2], "of 0, 20 and 40 ms");
        booth.shared.phase.set(hour, hour, 2 * hour);
        assert!(talker.next(&booth).is_none(), "not due for an hour");
        assert_eq!(booth.tally.borrow().sent, 3);
    }

    #[test]
    fn nobody_talks_after_the_end() {
        let booth = booth(1);
        let mut talker = booth.talker(0).unwrap();
        booth.shared.phase.set(0, 0, 1);
        assert!(talker.next(&booth).is_some());
        assert!(talker.next(&booth).is_none());
    }

    #[test]
    fn a_packet_is_heard_once_by_each() {
        let booth = booth(1);
        booth.shared.phase.set(0, 0, u64::MAX);
        let (_, packet) = booth.talker(0).unwrap().next(&booth).unwrap();
        let (mut one, mut other) = (Seen::default(), Seen::default());
        booth.heard(&mut one, &packet, Duration::ZERO);
        booth.heard(&mut one, &packet, Duration::ZERO);
        booth.heard(&mut other, &packet, Duration::ZERO);
        booth.heard(&mut other, b"something else", Duration::ZERO);
        let tally = booth.tally.borrow();
        assert_eq!((tally.delivered, tally.duplicates), (2, 1));
    }
}
