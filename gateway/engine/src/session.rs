//! A WebTransport session as the application's tasks see it.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::h3::Closing;
use crate::stream::Stream;
use crate::voice::Handle;
use crate::worker::{Command, Inbox};

/// Streams that wait to be accepted; a client that opens more meanwhile finds them reset. QUIC allows it no more at a
/// time anyway, but one may be over before it was looked at.
const MAX_WAITING: usize = 16;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The client closed it, with a code and a reason of its own.
    ByClient {
        /// The code.
        code: u32,
        /// The reason.
        reason: String,
    },
    /// The connection was lost.
    Lost(String),
    /// It was closed here.
    Here,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByClient { code, reason } => write!(f, "closed by the client with code {code}: {reason:?}"),
            Self::Lost(reason) => write!(f, "connection lost: {reason}"),
            Self::Here => f.write_str("closed here"),
        }
    }
}

/// A session. Dropped, it is closed with code 0.
pub struct Session {
    shared: Arc<SessionShared>,
}

/// What both sides of a session share.
pub(crate) struct SessionShared {
    handle: Handle,
    remote: SocketAddr,
    inbox: Arc<Inbox>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    streams: VecDeque<Stream>,
    closed: Option<Closed>,
    accepting: Option<Waker>,
    closing: Option<Waker>,
}

impl SessionShared {
    pub(crate) fn new(handle: Handle, remote: SocketAddr, inbox: Arc<Inbox>) -> Arc<Self> {
        Arc::new(Self { handle, remote, inbox, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Worker: the client opened a stream; whether it can be served.
    pub(crate) fn opened(&self, stream: Stream) -> bool {
        let mut state = self.state();
        if state.closed.is_some() || state.streams.len() == MAX_WAITING {
            return false;
        }
        state.streams.push_back(stream);
        let waker = state.accepting.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Worker: the session is over.
    pub(crate) fn closed(&self, closed: Closed) {
        let mut state = self.state();
        state.closed.get_or_insert(closed);
        // Streams that nobody took end with it.
        let streams = std::mem::take(&mut state.streams);
        let wakers = [state.accepting.take(), state.closing.take()];
        drop(state);
        drop(streams);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Session {
    pub(crate) fn new(shared: Arc<SessionShared>) -> Self {
        Self { shared }
    }

    /// What audiences are made of.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.shared.handle
    }

    /// Where the client was when the session began; it may have moved since (RFC 9000, section 9).
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.shared.remote
    }

    /// The next stream that the client opens; `None` when the session is over. Cancel-safe, for one caller at a time.
    pub async fn accept(&self) -> Option<Stream> {
        poll_fn(|context| {
            let mut state = self.shared.state();
            if let Some(stream) = state.streams.pop_front() {
                return Poll::Ready(Some(stream));
            }
            if state.closed.is_some() {
                return Poll::Ready(None);
            }
            state.accepting = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits for the session's end. Cancel-safe, for one caller at a time.
    pub async fn closed(&self) -> Closed {
        poll_fn(|context| {
            let mut state = self.shared.state();
            if let Some(closed) = &state.closed {
                return Poll::Ready(closed.clone());
            }
            state.closing = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Closes it by the capsule `CLOSE_WEBTRANSPORT_SESSION` (draft-ietf-webtrans-http3, section 6): the client reads
    /// code and reason. The reason is cut at 1 024 bytes.
    pub fn close(self, code: u32, reason: &str) {
        self.end(Closing { code, reason: reason.to_owned() });
    }

    fn end(&self, closing: Closing) {
        let mut state = self.shared.state();
        if state.closed.is_none() {
            state.closed = Some(Closed::Here);
            let streams = std::mem::take(&mut state.streams);
            drop(state);
            drop(streams);
            self.shared.inbox.command(Command::Close(self.shared.handle.seat, closing));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end(Closing::default());
    }
}
