//! What waits to be written to one client's control stream.
//!
//! Control messages can't be dropped: a client that doesn't read them would see another world than the rest. So a
//! client that lets too much pile up is closed, and nobody waits for it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use suara_proto::CloseCode;
use suara_proto::limits::MAX_SERVER_MESSAGE;
use suara_proto::message::{ServerMessage, encode};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

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
    sender: mpsc::UnboundedSender<Outgoing>,
    queued: Arc<AtomicUsize>,
    closing: CancellationToken,
    overflow: CancellationToken,
    metrics: Metrics,
}

/// The transport's side.
pub struct OutboxReader {
    receiver: mpsc::UnboundedReceiver<Outgoing>,
    queued: Arc<AtomicUsize>,
    closing: CancellationToken,
}

/// Both ends of an empty outbox.
#[must_use]
pub(super) fn outbox(metrics: Metrics) -> (Outbox, OutboxReader) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (queued, closing) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let reader = OutboxReader { receiver, queued: queued.clone(), closing: closing.clone() };
    (Outbox { sender, queued, closing, overflow: CancellationToken::new(), metrics }, reader)
}

impl Outbox {
    /// Queues a message of this client's own.
    pub fn say(&self, message: &ServerMessage<'_>) {
        self.send(encode(message));
    }

    /// Queues a framed message, shared with others.
    pub fn send(&self, framed: Bytes) {
        if self.closing.is_cancelled() {
            return;
        }
        let length = framed.len();
        if self.queued.fetch_add(length, Relaxed) + length > MAX_QUEUED {
            self.overflow.cancel();
            return;
        }
        self.metrics.messages_out.inc();
        // The transport has gone: the session is about to hear of it.
        self.sender.send(Outgoing::Message(framed)).unwrap_or_default();
    }

    /// Queues the end. Later messages are dropped.
    pub fn close(&self, closing: Closing) {
        if !self.closing.is_cancelled() {
            self.sender.send(Outgoing::Close(closing)).unwrap_or_default();
            self.closing.cancel();
        }
    }

    /// Waits until more has piled up than may.
    pub async fn overflowed(&self) {
        self.overflow.cancelled().await;
    }
}

impl OutboxReader {
    /// The next thing to do; `None` when the session is gone without a word.
    pub async fn next(&mut self) -> Option<Outgoing> {
        let next = self.receiver.recv().await;
        if let Some(Outgoing::Message(framed)) = &next {
            self.queued.fetch_sub(framed.len(), Relaxed);
        }
        next
    }

    /// Is cancelled when an end is queued, however much is queued before it.
    #[must_use]
    pub fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }
}
