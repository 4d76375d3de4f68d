//! One legacy client's push of its button: when it asks for the floor, what becomes of its chunks, when it is over.
//!
//! Pure logic: time is an argument, and what is to be done comes back as [`Act`]s, in the order in which it is to be
//! done. Knows no codec, no socket and no other client.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use suara_proto::{DenyCause, Grant, RequestId, RevokeCause};

use crate::metrics::DropReason;

/// Without a chunk for so long, a press is over: a legacy client says nothing when it stops. Less would cut a press in
/// two whenever the road hiccups, more would keep others waiting.
pub(super) const SILENCE: Duration = Duration::from_millis(600);

/// What is said before the grant is kept for so long: the protocol's bound on talk-ahead. More would be heard late.
const HOLD: Duration = Duration::from_millis(300);

/// Bytes that are kept before the grant; 300 ms of 48 kHz are 28 800. Bounds a client that sends faster than it speaks.
const HOLD_BYTES: usize = 128 * 1024;

/// After a denial that no idle floor will follow, the next request waits this long.
const RETRY: Duration = Duration::from_millis(1000);

/// While another talks, the retry comes with the floor's going idle; this is for the case that the word was lost.
const RETRY_BUSY: Duration = Duration::from_secs(5);

/// A request that has no answer is asked again; its answer, or the request, may have been refused by a limit.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What is to be done; `C` is a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act<C = Bytes> {
    /// Ask the gateway for the floor.
    Request(RequestId),
    /// The press is granted: what follows is heard.
    Begin(Grant),
    /// A chunk to be heard.
    Voice(C),
    /// The last chunk was heard: send what is left, and release this grant.
    End(Grant),
    /// Give back a grant that nobody wants any more.
    Release(Grant),
    /// Tell the client.
    Granted { duration_ms: u32 },
    /// Tell the client; at most once per press.
    Denied(DenyCause),
    /// Tell the client.
    Revoked { cause: RevokeCause, grace_ms: u32 },
    /// Chunks that won't be heard.
    Drop(DropReason, usize),
}

/// Chunks that wait for the grant.
#[derive(Debug)]
struct Held<C> {
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
    fn push(&mut self, now: Instant, chunk: C) -> usize {
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

#[derive(Debug)]
enum State<C> {
    /// No press.
    Idle,
    /// Asked; the answer isn't there yet.
    Asking { request: RequestId, retry_at: Instant, held: Held<C> },
    /// Denied while the client keeps on: the first chunk from then on asks again. A chunk, and not the moment itself,
    /// for one who stopped talking meanwhile isn't known to have yet.
    Waiting { retry_at: Instant, held: Held<C> },
    /// Has the floor.
    Talking { grant: Grant },
    /// Won't have the floor in this press.
    Blocked,
}

/// One client's press, and between presses the wait for one.
#[derive(Debug)]
pub(super) struct Press<C = Bytes> {
    state: State<C>,
    /// When this press' last chunk came; `None` before its first, after an explicit request.
    last_chunk: Option<Instant>,
    told_denied: bool,
    /// Without a chunk for so long, a press is over.
    patience: Duration,
}

impl<C> Default for Press<C> {
    fn default() -> Self {
        Self { state: State::Idle, last_chunk: None, told_denied: false, patience: SILENCE }
    }
}

impl<C: AsRef<[u8]>> Press<C> {
    /// Of a client that says when it stops, and may be silent for a while before.
    pub(super) fn patient(patience: Duration) -> Self {
        Self { patience, ..Self::default() }
    }

    /// The client sent a chunk. `request` is a number for a floor request, should one be needed.
    pub(super) fn chunk(&mut self, now: Instant, chunk: C, request: RequestId) -> Vec<Act<C>> {
        let mut acts = self.tick(now, request);
        self.last_chunk = Some(now);
        match &mut self.state {
            State::Idle => {
                let mut held = Held::default();
                held.push(now, chunk);
                self.ask(now, request, held, &mut acts);
            }
            State::Asking { held, .. } => {
                let gone = held.push(now, chunk);
                drop_some(DropReason::NoFloor, gone, &mut acts);
            }
            State::Waiting { retry_at, held } => {
                let gone = held.push(now, chunk);
                drop_some(DropReason::NoFloor, gone, &mut acts);
                if *retry_at <= now {
                    let held = std::mem::take(held);
                    self.ask(now, request, held, &mut acts);
                }
            }
            State::Talking { .. } => acts.push(Act::Voice(chunk)),
            State::Blocked => acts.push(Act::Drop(DropReason::Blocked, 1)),
        }
        acts
    }

    /// The client asked for the floor in so many words.
    pub(super) fn request(&mut self, now: Instant, request: RequestId) -> Vec<Act<C>> {
        let mut acts = self.tick(now, request);
        match self.state {
            State::Idle | State::Blocked => {
                self.over();
                self.ask(now, request, Held::default(), &mut acts);
            }
            State::Asking { .. } | State::Waiting { .. } | State::Talking { .. } => {}
        }
        acts
    }

    /// The client gave the floor back in so many words, or is gone.
    pub(super) fn release(&mut self) -> Vec<Act<C>> {
        let acts = match &self.state {
            State::Talking { grant } => vec![Act::End(*grant)],
            State::Asking { held, .. } | State::Waiting { held, .. } => dropped(held),
            State::Idle | State::Blocked => Vec::new(),
        };
        self.over();
        acts
    }

    pub(super) fn granted(&mut self, request: RequestId, grant: Grant, duration_ms: u32) -> Vec<Act<C>> {
        match &mut self.state {
            State::Asking { request: asked, held, .. } if *asked == request => {
                let held = std::mem::take(held);
                self.state = State::Talking { grant };
                let mut acts = vec![Act::Granted { duration_ms }, Act::Begin(grant)];
                acts.extend(held.chunks.into_iter().map(|(_, chunk)| Act::Voice(chunk)));
                acts
            }
            State::Talking { grant: held } if *held == grant => Vec::new(),
            _ => vec![Act::Release(grant)],
        }
    }

    pub(super) fn denied(&mut self, now: Instant, request: RequestId, cause: DenyCause) -> Vec<Act<C>> {
        let State::Asking { request: asked, held, .. } = &mut self.state else { return Vec::new() };
        if *asked != request {
            return Vec::new();
        }
        let held = std::mem::take(held);
        let mut acts = Vec::new();
        self.state = if cause == DenyCause::ReceiveOnly {
            acts.extend(dropped(&held));
            State::Blocked
        } else {
            let busy = matches!(cause, DenyCause::AnotherHasPermission | DenyCause::QueueFull);
            State::Waiting { retry_at: now + if busy { RETRY_BUSY } else { RETRY }, held }
        };
        if !std::mem::replace(&mut self.told_denied, true) {
            acts.push(Act::Denied(cause));
        }
        if self.last_chunk.is_none() {
            // Asked in so many words and told so; nothing is said that would wait.
            self.over();
        }
        acts
    }

    pub(super) fn revoked(&mut self, grant: Grant, cause: RevokeCause, grace_ms: u32) -> Vec<Act<C>> {
        match self.state {
            State::Talking { grant: held } if held == grant => {
                self.state = State::Blocked;
                vec![Act::Revoked { cause, grace_ms }, Act::End(grant)]
            }
            _ => Vec::new(),
        }
    }

    /// The floor went idle: whoever waits for it may ask again.
    pub(super) fn floor_idle(&mut self, now: Instant, grant: Grant, request: RequestId) -> Vec<Act<C>> {
        let acts = self.tick(now, request);
        match &mut self.state {
            State::Waiting { retry_at, .. } => *retry_at = now,
            State::Talking { grant: held } if *held == grant => self.over(),
            State::Idle | State::Asking { .. } | State::Talking { .. } | State::Blocked => {}
        }
        acts
    }

    /// Somebody was granted the floor: a grant before that one is over.
    pub(super) fn floor_taken(&mut self, newer: Grant) -> Vec<Act<C>> {
        if matches!(self.state, State::Talking { grant } if grant < newer) {
            self.over();
        }
        Vec::new()
    }

    /// The gateway is out of reach: whatever was under way is lost, and the next chunk begins anew.
    pub(super) fn cut_off(&mut self) -> Vec<Act<C>> {
        let acts = match &self.state {
            State::Asking { held, .. } | State::Waiting { held, .. } => dropped(held),
            State::Idle | State::Talking { .. } | State::Blocked => Vec::new(),
        };
        self.over();
        acts
    }

    /// What is due by now.
    pub(super) fn tick(&mut self, now: Instant, request: RequestId) -> Vec<Act<C>> {
        let silent = self.last_chunk.is_some_and(|at| now.saturating_duration_since(at) >= self.patience);
        if silent {
            return self.release();
        }
        let mut acts = Vec::new();
        if let State::Asking { retry_at, held, .. } = &mut self.state
            && *retry_at <= now
        {
            let held = std::mem::take(held);
            self.ask(now, request, held, &mut acts);
        }
        acts
    }

    /// When [`tick`](Self::tick) has something to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let silence = self.last_chunk.map(|at| at + self.patience);
        match &self.state {
            State::Idle => None,
            State::Asking { retry_at, .. } => Some(silence.map_or(*retry_at, |at| at.min(*retry_at))),
            State::Waiting { .. } | State::Talking { .. } | State::Blocked => silence,
        }
    }

    /// Whether there is no press.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    fn ask(&mut self, now: Instant, request: RequestId, held: Held<C>, acts: &mut Vec<Act<C>>) {
        self.state = State::Asking { request, retry_at: now + ASK_AGAIN, held };
        acts.push(Act::Request(request));
    }

    fn over(&mut self) {
        *self = Self::patient(self.patience);
    }
}

fn dropped<C>(held: &Held<C>) -> Vec<Act<C>> {
    let mut acts = Vec::new();
    drop_some(DropReason::NoFloor, held.chunks.len(), &mut acts);
    acts
}

fn drop_some<C>(reason: DropReason, count: usize, acts: &mut Vec<Act<C>>) {
    if count > 0 {
        acts.push(Act::Drop(reason, count));
    }
}

#[cfg(test)]
#[path = "press_tests.rs"]
mod tests;
