//! One legacy client's push of its button: when it asks for the floor, what becomes of its chunks, when it is over.
//!
//! Pure logic: time is an argument, and what is to be done comes back as [`Act`]s, in the order in which it is to be
//! done. Knows no codec, no socket and no other client.

use std::time::{Duration, Instant};

use bytes::Bytes;
use suara_proto::{DenyCause, Grant, RequestId, RevokeCause};

use super::held::Held;
use super::wish::Wish;
use crate::metrics::DropReason;

/// Without a chunk for so long, a press is over: a legacy client says nothing when it stops. Less would cut a press in
/// two whenever the road hiccups, more would keep others waiting.
pub(super) const SILENCE: Duration = Duration::from_millis(600);

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
    Request(RequestId, Wish),
    /// Take that request back, whatever became of it.
    Cancel(RequestId),
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
    Queued { position: u16, size: u16 },
    /// Tell the client.
    Warned { remaining_ms: u32 },
    /// Tell the client.
    Revoked { cause: RevokeCause, grace_ms: u32 },
    /// Chunks that won't be heard.
    Drop(DropReason, usize),
}

#[derive(Debug)]
enum State<C> {
    /// No press.
    Idle,
    /// Asked; the answer isn't there yet.
    Asking { request: RequestId, wish: Wish, retry_at: Instant, held: Held<C> },
    /// Asked, and in the gateway's queue.
    Queued { request: RequestId, held: Held<C> },
    /// Denied all the same while the client keeps on: the first chunk from then on asks again. A chunk, and not the moment itself,
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
    /// Whether the client asked in so many words: then it says when it is done, and silence means nothing before the
    /// gateway's T1.
    explicit: bool,
    /// The first request of this press: a grant for any since is for this press.
    first: Option<RequestId>,
    /// When its first one did.
    first_chunk: Option<Instant>,
    told_denied: bool,
    /// Whether it had to wait for its grant: in the queue, or denied before.
    waited: bool,
    /// Without a chunk for so long, a press is over.
    patience: Duration,
    /// Whether the client sends all the while: what it says after a denial asks for nothing, if it had asked in so many words.
    streams: bool,
}

impl<C> Default for Press<C> {
    fn default() -> Self {
        Self {
            state: State::Idle,
            last_chunk: None,
            first_chunk: None,
            explicit: false,
            first: None,
            told_denied: false,
            waited: false,
            patience: SILENCE,
            streams: false,
        }
    }
}

impl<C: AsRef<[u8]>> Press<C> {
    /// Of a client that says when it stops, may be silent for a while before, and sends whether it may talk or not.
    pub(super) fn streaming(patience: Duration) -> Self {
        Self { patience, streams: true, ..Self::default() }
    }

    /// The client sent a chunk. `request` is a number for a floor request, should one be needed.
    pub(super) fn chunk(&mut self, now: Instant, chunk: C, request: RequestId) -> Vec<Act<C>> {
        let mut acts = self.tick(now, request);
        self.last_chunk = Some(now);
        self.first_chunk.get_or_insert(now);
        match &mut self.state {
            State::Idle => {
                let mut held = Held::default();
                held.push(now, chunk);
                self.ask(now, request, Wish::UNSAID, held, &mut acts);
            }
            State::Asking { held, .. } | State::Queued { held, .. } => {
                let gone = held.push(now, chunk);
                drop_some(DropReason::NoFloor, gone, &mut acts);
            }
            State::Waiting { retry_at, held } => {
                let gone = held.push(now, chunk);
                drop_some(DropReason::NoFloor, gone, &mut acts);
                if *retry_at <= now {
                    let held = std::mem::take(held);
                    self.ask(now, request, Wish::UNSAID, held, &mut acts);
                }
            }
            State::Talking { .. } => acts.push(Act::Voice(chunk)),
            State::Blocked => acts.push(Act::Drop(DropReason::Blocked, 1)),
        }
        acts
    }

    /// The client asked for the floor in so many words, perhaps in the midst of a press: a talker that asks again keeps
    /// its grant, and may raise its level.
    pub(super) fn request(&mut self, now: Instant, wish: Wish, request: RequestId) -> Vec<Act<C>> {
        let mut acts = self.tick(now, request);
        match &mut self.state {
            State::Idle | State::Blocked => {
                self.over();
                self.ask(now, request, wish, Held::default(), &mut acts);
            }
            State::Asking { held, .. } | State::Queued { held, .. } | State::Waiting { held, .. } => {
                let held = std::mem::take(held);
                self.ask(now, request, wish, held, &mut acts);
            }
            State::Talking { .. } => acts.push(Act::Request(request, wish)),
        }
        self.explicit = true;
        self.told_denied = false;
        acts
    }

    /// The client gave the floor back in so many words, or takes its request back, or is gone.
    pub(super) fn release(&mut self) -> Vec<Act<C>> {
        let acts = match &self.state {
            State::Talking { grant } => vec![Act::End(*grant)],
            State::Asking { request, held, .. } | State::Queued { request, held } => {
                let mut acts = dropped(held);
                acts.push(Act::Cancel(*request));
                acts
            }
            State::Waiting { held, .. } => dropped(held),
            State::Idle | State::Blocked => Vec::new(),
        };
        self.over();
        acts
    }

    pub(super) fn granted(&mut self, request: RequestId, grant: Grant, duration_ms: u32) -> Vec<Act<C>> {
        let ours = self.is_ours(request);
        match &mut self.state {
            State::Asking { held, .. } | State::Queued { held, .. } if ours => {
                let held = std::mem::take(held);
                self.state = State::Talking { grant };
                let mut acts = vec![Act::Granted { duration_ms }, Act::Begin(grant)];
                acts.extend(held.into_chunks().map(Act::Voice));
                acts
            }
            // It asked again while it talked.
            State::Talking { grant: held } if *held == grant => vec![Act::Granted { duration_ms }],
            _ => vec![Act::Release(grant)],
        }
    }

    /// The request waits; said again when its place changes. A client that didn't ask to wait doesn't know that it does,
    /// and is told, once, that another talks.
    pub(super) fn queued(&mut self, request: RequestId, position: u16, size: u16) -> Vec<Act<C>> {
        match &mut self.state {
            State::Asking { request: asked, held, .. } if *asked == request => {
                let held = std::mem::take(held);
                self.state = State::Queued { request, held };
            }
            State::Queued { request: asked, .. } if *asked == request => {}
            _ => return Vec::new(),
        }
        self.waited = true;
        let mut acts = Vec::new();
        if !self.explicit && !std::mem::replace(&mut self.told_denied, true) {
            acts.push(Act::Denied(DenyCause::AnotherHasPermission));
        }
        acts.push(Act::Queued { position, size });
        acts
    }

    /// The talk limit is near.
    pub(super) fn warned(&self, grant: Grant, remaining_ms: u32) -> Vec<Act<C>> {
        match self.state {
            State::Talking { grant: held } if held == grant => vec![Act::Warned { remaining_ms }],
            _ => Vec::new(),
        }
    }

    pub(super) fn denied(&mut self, now: Instant, request: RequestId, cause: DenyCause) -> Vec<Act<C>> {
        let (State::Asking { request: asked, held, .. } | State::Queued { request: asked, held }) =
            &mut self.state
        else {
            return Vec::new();
        };
        if *asked != request {
            return Vec::new();
        }
        let held = std::mem::take(held);
        let mut acts = Vec::new();
        self.state = if cause == DenyCause::ReceiveOnly || (self.explicit && self.streams) {
            acts.extend(dropped(&held));
            State::Blocked
        } else {
            let busy = matches!(cause, DenyCause::AnotherHasPermission | DenyCause::QueueFull);
            State::Waiting { retry_at: now + if busy { RETRY_BUSY } else { RETRY }, held }
        };
        self.waited = true;
        if !std::mem::replace(&mut self.told_denied, true) {
            acts.push(Act::Denied(cause));
        }
        // What asked in so many words is told so, and asks again in so many. What it says all the same is taken as a
        // client's that knows no floor, which ends with silence.
        self.explicit = false;
        self.last_chunk.get_or_insert(now);
        acts
    }

    pub(super) fn revoked(
        &mut self,
        now: Instant,
        grant: Grant,
        cause: RevokeCause,
        grace_ms: u32,
    ) -> Vec<Act<C>> {
        match self.state {
            State::Talking { grant: held } if held == grant => {
                self.state = State::Blocked;
                self.explicit = false;
                self.last_chunk.get_or_insert(now);
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
            State::Idle
            | State::Asking { .. }
            | State::Queued { .. }
            | State::Talking { .. }
            | State::Blocked => {}
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
            State::Asking { held, .. } | State::Queued { held, .. } | State::Waiting { held, .. } => {
                dropped(held)
            }
            State::Idle | State::Talking { .. } | State::Blocked => Vec::new(),
        };
        self.over();
        acts
    }

    /// What is due by now.
    pub(super) fn tick(&mut self, now: Instant, request: RequestId) -> Vec<Act<C>> {
        if self.silent_at().is_some_and(|at| at <= now) {
            return self.release();
        }
        let mut acts = Vec::new();
        if let State::Asking { retry_at, wish, held, .. } = &mut self.state
            && *retry_at <= now
        {
            let (wish, held) = (*wish, std::mem::take(held));
            self.ask(now, request, wish, held, &mut acts);
        }
        acts
    }

    /// When [`tick`](Self::tick) has something to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let silence = self.silent_at();
        match &self.state {
            State::Idle => None,
            State::Asking { retry_at, .. } => Some(silence.map_or(*retry_at, |at| at.min(*retry_at))),
            State::Queued { .. } | State::Waiting { .. } | State::Talking { .. } | State::Blocked => silence,
        }
    }

    /// When this press' first chunk came.
    pub(super) const fn first_chunk(&self) -> Option<Instant> {
        self.first_chunk
    }

    /// Whether this press had to wait for its grant.
    pub(super) const fn has_waited(&self) -> bool {
        self.waited
    }

    /// Whether there is no press.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    fn ask(&mut self, now: Instant, request: RequestId, wish: Wish, held: Held<C>, acts: &mut Vec<Act<C>>) {
        self.first.get_or_insert(request);
        self.state = State::Asking { request, wish, retry_at: now + ASK_AGAIN, held };
        acts.push(Act::Request(request, wish));
    }

    /// When silence ends this press; `None` where it doesn't.
    fn silent_at(&self) -> Option<Instant> {
        self.last_chunk.filter(|_| !self.explicit).map(|at| at + self.patience)
    }

    /// Whether this press asked by that number, or by an earlier one that it has asked again for.
    fn is_ours(&self, request: RequestId) -> bool {
        self.first.is_some_and(|first| request.0.wrapping_sub(first.0) <= u32::MAX / 2)
    }

    fn over(&mut self) {
        *self = Self { patience: self.patience, streams: self.streams, ..Self::default() };
    }
}

fn dropped<C>(held: &Held<C>) -> Vec<Act<C>> {
    let mut acts = Vec::new();
    drop_some(DropReason::NoFloor, held.len(), &mut acts);
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
