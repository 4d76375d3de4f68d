//! What waits to be written to one client's control stream.
//!
//! Control messages can't be dropped: a client that doesn't read them would see another world than the rest. So a
//! client that lets too much pile up is closed, and nobody waits for it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use suara_proto::CloseCode;
use suara_proto::limits::MAX_SERVER_MESSAGE;
use suara_proto::message::{ServerMessage, encode};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::metrics::Metrics;

/// Messages for which a line keeps its room when it is empty again.
const KEPT: usize = 8;
/// And for so long nothing may be taken while there is something: its transport lives, since QUIC would have noticed
/// otherwise, but nobody reads.
const MAX_STILL: Duration = Duration::from_secs(30);
/// Bytes that may wait. Holds the largest roster twice; a client that is this far behind has stopped reading.
const MAX_QUEUED: usize = 2 * MAX_SERVER_MESSAGE;

/// How a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The code, in `closing` and in the transport's close.
    pub code: CloseCode,
    /// The same in words, for a developer's eyes.
    pub reason: Cow<'static, str>,
    /// Not to be tried again sooner, in milliseconds.
    pub retry_after_ms: Option<u32>,
}

impl Closing {
    /// Without a word on when to come back.
    #[must_use]
    pub fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), retry_after_ms: None }
    }

    /// There is no room for another session.
    #[must_use]
    pub fn overloaded() -> Self {
        let reason = "the gateway has as many sessions as it may";
        Self { retry_after_ms: Some(5000), ..Self::new(CloseCode::Overloaded, reason) }
    }
}

/// One thing for the transport to do.
#[derive(Debug)]
pub enum Outgoing {
    /// A framed message to write.
    Message(Bytes),
    /// The last: write what `closing` says, then close.
    Close(Closing),
}

/// The writing side, shared by the session and the rooms that it is in.
#[derive(Clone)]
pub struct Outbox {
    line: Arc<Line>,
    /// Messages said, of all sessions: the one counter, since each session and each of its places holds an outbox.
    said: Counter,
}

/// The transport's side.
pub struct OutboxReader {
    line: Arc<Line>,
}

/// Hears of the end when it is queued, however much is queued before it.
pub struct ClosingWatch {
    line: Arc<Line>,
}

/// What both sides share. A channel of tokio's would do, but holds a kilobyte for each idle session.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    /// There is something to take.
    filled: Notify,
    /// The end is queued, or too much is.
    turned: Notify,
    /// Of another stream of the same session: the line whose client is closed when too much is queued here.
    main: Option<Arc<Line>>,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// When something was taken last, or put in first.
    moved: Option<Instant>,
    overflown: bool,
    closing: Option<Closing>,
    closed: bool,
}

/// Both ends of an empty outbox.
#[must_use]
pub(super) fn outbox(metrics: &Metrics) -> (Outbox, OutboxReader) {
    let line = Arc::<Line>::default();
    (Outbox { line: line.clone(), said: metrics.messages_out.clone() }, OutboxReader { line })
}

/// Both ends of an empty outbox of another stream beside `main`, whose session is closed when this one isn't read.
#[must_use]
pub(super) fn beside(main: &Outbox) -> (Outbox, OutboxReader) {
    let line = Arc::new(Line { main: Some(main.line.clone()), ..Line::default() });
    (Outbox { line: line.clone(), said: main.said.clone() }, OutboxReader { line })
}

impl Line {
    fn overflow(&self) {
        self.state().overflown = true;
        self.turned.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turns(&self, so: impl Fn(&State) -> bool) {
        let turned = self.turned.notified();
        let mut turned = std::pin::pin!(turned);
        while !so(&self.state()) {
            turned.as_mut().await;
            turned.set(self.turned.notified());
        }
    }
}

impl Outbox {
    /// Queues a message of this client's own.
    pub fn say(&self, message: &ServerMessage<'_>) {
        self.send(encode(message));
    }

    /// Whether an end was queued.
    pub(super) fn is_closed(&self) -> bool {
        self.line.state().closed
    }

    /// Queues a framed message, shared with others.
    pub fn send(&self, framed: Bytes) {
        let mut state = self.line.state();
        if state.closed || state.overflown {
            return;
        }
        let now = Instant::now();
        let moved = *state.moved.get_or_insert(now);
        state.bytes += framed.len();
        state.overflown = state.bytes > MAX_QUEUED || now - moved > MAX_STILL;
        if state.overflown {
            drop(state);
            if let Some(main) = &self.line.main {
                main.overflow();
            }
            return self.line.turned.notify_waiters();
        }
        state.messages.push_back(framed);
        drop(state);
        self.said.inc();
        self.line.filled.notify_one();
    }

    /// Queues the end. Later messages are dropped.
    pub fn close(&self, closing: Closing) {
        let mut state = self.line.state();
        if !std::mem::replace(&mut state.closed, true) {
            state.closing = Some(closing);
            drop(state);
            self.line.filled.notify_one();
            self.line.turned.notify_waiters();
        }
    }

    /// Waits until more has piled up than may.
    pub async fn overflowed(&self) {
        self.line.turns(|state| state.overflown).await;
    }
}

impl OutboxReader {
    /// The next thing to do; `None` after the end. Cancel-safe, for one caller at a time.
    pub async fn next(&mut self) -> Option<Outgoing> {
        loop {
            {
                let mut state = self.line.state();
                if let Some(framed) = state.messages.pop_front() {
                    state.bytes -= framed.len();
                    state.moved = (!state.messages.is_empty()).then(Instant::now);
                    if state.messages.is_empty() && state.messages.capacity() > KEPT {
                        state.messages = VecDeque::new();
                    }
                    return Some(Outgoing::Message(framed));
                }
                if state.closed {
                    return state.closing.take().map(Outgoing::Close);
                }
            }
            self.line.filled.notified().await;
        }
    }

    /// To hear of the end before its turn.
    #[must_use]
    pub fn closing(&self) -> ClosingWatch {
        ClosingWatch { line: self.line.clone() }
    }
}

impl ClosingWatch {
    /// Waits until an end is queued. Cancel-safe.
    pub async fn cancelled(&self) {
        self.line.turns(|state| state.closed).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(byte: u8) -> Bytes {
        Bytes::from(vec![byte; 100])
    }

    async fn bytes(reader: &mut OutboxReader) -> Vec<u8> {
        match reader.next().await {
            Some(Outgoing::Message(framed)) => framed.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_was_said_before_the_end_comes_before_it_and_nothing_after() {
        let (outbox, mut reader) = outbox(&Metrics::default());
        let watch = reader.closing();
        for byte in 0..20 {
            outbox.send(message(byte));
        }
        outbox.close(Closing::new(CloseCode::Kicked, "out"));
        outbox.close(Closing::new(CloseCode::Normal, "too late"));
        outbox.send(message(99));
        watch.cancelled().await;
        for byte in 0..20 {
            assert_eq!(bytes(&mut reader).await, message(byte));
        }
        match reader.next().await {
            Some(Outgoing::Close(closing)) => assert_eq!(closing.code, CloseCode::Kicked),
            other => panic!("{other:?}"),
        }
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (outbox, mut reader) = outbox(&Metrics::default());
        let reading = tokio::spawn(async move { bytes(&mut reader).await });
        tokio::task::yield_now().await;
        outbox.send(message(7));
        assert_eq!(reading.await.unwrap(), message(7));
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_takes_nothing_for_long_overflows_by_its_next_message() {
        let (outbox, mut reader) = outbox(&Metrics::default());
        outbox.send(message(1));
        outbox.send(message(2));
        tokio::time::advance(MAX_STILL).await;
        assert_eq!(bytes(&mut reader).await, message(1));
        tokio::time::advance(MAX_STILL).await;
        outbox.send(message(3));
        assert!(!outbox.line.state().overflown, "it moved just in time");
        tokio::time::advance(Duration::from_millis(1)).await;
        outbox.send(message(4));
        outbox.overflowed().await;
    }

    #[tokio::test]
    async fn one_who_reads_nothing_overflows_and_keeps_no_more() {
        let (outbox, reader) = outbox(&Metrics::default());
        let large = Bytes::from(vec![0; MAX_SERVER_MESSAGE]);
        let waiting = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.overflowed().await }
        });
        tokio::task::yield_now().await;
        for _ in 0..5 {
            outbox.send(large.clone());
        }
        waiting.await.unwrap();
        assert_eq!(reader.line.state().messages.len(), 2);
    }
}
