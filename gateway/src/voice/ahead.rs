//! Talk-ahead: voice that came before its grant, held until there is a decision. Pure: time comes in, frames go out.
//!
//! A talker speaks from the press on. What it says travels along with its request and would come too early by as long as
//! the decision takes; after a wait in the queue, by all of that. Here it waits, and leaves in order and spaced once it is
//! granted: no syllable is lost and no listener's jitter buffer overflows.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use suara_channel::Time;
use suara_proto::{Grant, RequestId, TalkerNumber};

/// Sound that is held of each talker. More would make its listeners hear the past; less would clip a word when a lost
/// request has to be sent again.
const MAX_HELD: Duration = Duration::from_millis(300);
/// What came longer ago is not said any more: its talker fell silent while it waited. A held press of a stalled network is
/// younger.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Bytes that are held of each talker: [`MAX_HELD`] at 64 kbit/s with two earlier packets in each frame is 8 KB.
const MAX_BYTES: usize = 16 * 1024;
/// Frames that are held of each talker: [`MAX_HELD`] in the shortest there are. An END may be empty and sound for nothing.
const MAX_FRAMES: usize = 120;
/// Between two held frames that leave. Half as long would be a burst to a jitter buffer of 60 ms; twice as long takes half
/// a second to catch up.
const SPACING: Duration = Duration::from_millis(5);

/// All that is held in one channel.
#[derive(Debug, Default)]
pub struct Ahead {
    holds: BTreeMap<TalkerNumber, Hold>,
}

/// One talker's newest request, and its voice.
#[derive(Debug)]
struct Hold {
    request: RequestId,
    state: State,
    frames: VecDeque<Held>,
    bytes: usize,
    sound: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Undecided,
    /// Granted; the next frame may leave then.
    Granted(Grant, Time),
    /// Denied, taken back, or the grant is over.
    Over,
}

#[derive(Debug)]
struct Held {
    at: Time,
    frame: Bytes,
    sound: Duration,
}

/// A held frame whose time has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose it is.
    pub talker: TalkerNumber,
    /// What it is to be stamped with.
    pub grant: Grant,
    /// As it came.
    pub frame: Bytes,
}

impl Ahead {
    /// Takes a frame of so much sound, said under a request. Says how many frames were dropped, which may be this one: of
    /// a request that is over or older than the talker's newest, or the oldest beyond the bounds.
    pub fn hold(
        &mut self,
        now: Time,
        talker: TalkerNumber,
        request: RequestId,
        frame: Bytes,
        sound: Duration,
    ) -> usize {
        let hold = self.holds.entry(talker).or_insert_with(|| Hold::new(request));
        let mut dropped = 0;
        if hold.request != request {
            if !is_newer(request, hold.request) {
                return 1;
            }
            dropped += hold.frames.len();
            *hold = Hold::new(request);
        }
        if hold.state == State::Over {
            return dropped + 1;
        }
        hold.push(Held { at: now, frame, sound });
        dropped + hold.trim(now)
    }

    /// The request is granted: its voice leaves from now on. Says how many frames were dropped.
    pub fn granted(&mut self, now: Time, talker: TalkerNumber, request: RequestId, grant: Grant) -> usize {
        let hold = self.holds.entry(talker).or_insert_with(|| Hold::new(request));
        match hold.state {
            // The holder asked anew: its voice goes on under the same grant.
            State::Granted(present, _) if present == grant => {
                hold.request = request;
                0
            }
            State::Undecided if hold.request == request => {
                let dropped = hold.trim(now);
                hold.state = State::Granted(grant, now);
                dropped
            }
            _ if is_newer(request, hold.request) => {
                let dropped = hold.end();
                (hold.request, hold.state) = (request, State::Granted(grant, now));
                dropped
            }
            _ => 0,
        }
    }

    /// The request came to nothing: its voice reaches nobody. Says how many frames were dropped.
    pub fn refused(&mut self, talker: TalkerNumber, request: RequestId) -> usize {
        let hold = self.holds.entry(talker).or_insert_with(|| Hold::new(request));
        hold.close(request)
    }

    /// Only these grants are in force: voice held under another is dropped. Says how many frames.
    pub fn in_force(&mut self, grants: impl Fn(Grant) -> bool) -> usize {
        let over = |hold: &&mut Hold| matches!(hold.state, State::Granted(grant, _) if !grants(grant));
        self.holds.values_mut().filter(over).map(Hold::end).sum()
    }

    /// The talker is gone. Says how many frames were dropped.
    pub fn leave(&mut self, talker: TalkerNumber) -> usize {
        self.holds.remove(&talker).map_or(0, |hold| hold.frames.len())
    }

    /// Whether frames of this talker's grant still wait, so that newer ones have to queue behind them.
    #[must_use]
    pub fn is_draining(&self, talker: TalkerNumber) -> bool {
        let draining = |hold: &Hold| matches!(hold.state, State::Granted(..)) && !hold.frames.is_empty();
        self.holds.get(&talker).is_some_and(draining)
    }

    /// When the next frame may leave.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.holds.values().filter_map(Hold::due).min()
    }

    /// A frame that may leave by now. Call until `None`.
    pub fn poll(&mut self, now: Time) -> Option<Due> {
        let due = |hold: &Hold| hold.due().is_some_and(|due| due <= now);
        let (&talker, hold) = self.holds.iter_mut().find(|(_, hold)| due(hold))?;
        let State::Granted(grant, _) = hold.state else { return None };
        hold.state = State::Granted(grant, now + SPACING);
        hold.pop().map(|frame| Due { talker, grant, frame })
    }
}

impl Hold {
    fn new(request: RequestId) -> Self {
        let frames = VecDeque::new();
        Self { request, state: State::Undecided, frames, bytes: 0, sound: Duration::ZERO }
    }

    fn due(&self) -> Option<Time> {
        match self.state {
            State::Granted(_, next) if !self.frames.is_empty() => Some(next),
            _ => None,
        }
    }

    fn push(&mut self, held: Held) {
        self.bytes += held.frame.len();
        self.sound += held.sound;
        self.frames.push_back(held);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let held = self.frames.pop_front()?;
        self.bytes -= held.frame.len();
        self.sound -= held.sound;
        Some(held.frame)
    }

    /// Drops the oldest beyond the bounds. What is granted gets no older: it is leaving.
    fn trim(&mut self, now: Time) -> usize {
        let before = self.frames.len();
        let is_old = |held: &Held| self.state == State::Undecided && now.saturating_since(held.at) > MAX_AGE;
        let old = self.frames.iter().take_while(|held| is_old(held)).count();
        for _ in 0..old {
            self.pop();
        }
        while self.bytes > MAX_BYTES || self.sound > MAX_HELD || self.frames.len() > MAX_FRAMES {
            self.pop();
        }
        before - self.frames.len()
    }

    /// Nothing that is said under that request is wanted.
    fn close(&mut self, request: RequestId) -> usize {
        if self.request == request || is_newer(request, self.request) {
            self.request = request;
            return self.end();
        }
        0
    }

    fn end(&mut self) -> usize {
        self.state = State::Over;
        let dropped = self.frames.len();
        (self.bytes, self.sound) = (0, Duration::ZERO);
        self.frames.clear();
        dropped
    }
}

/// Requests of a talker who talks ahead are numbered upwards, round the end.
const fn is_newer(request: RequestId, than: RequestId) -> bool {
    request.0.wrapping_sub(than.0) as i32 > 0
}

#[cfg(test)]
#[path = "ahead_tests.rs"]
mod tests;
