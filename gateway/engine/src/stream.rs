//! A client's stream as the application's tasks see it, and the pipes between them and the worker.
//!
//! Both directions are bounded in bytes, and nobody waits for the other with a lock in hand: a task that doesn't read
//! stops its own client (by QUIC's flow control), and a client that doesn't read stops its own task.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use quinn_proto::StreamId;
use thiserror::Error;

use crate::voice::Seat;
use crate::worker::{Command, Inbox};

/// Bytes that may wait for a task, and as many for the worker: a message of the largest usual size.
const PIPE: usize = 64 * 1024;
/// What a piece of a stream costs beside its bytes.
const PIECE: usize = 64;

/// Why a stream ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StreamError {
    /// The client reset it, or asked to stop it, with this code of its own.
    #[error("the client gave the stream up with code {0}")]
    Abandoned(u32),
    /// The session is over.
    #[error("the session is over")]
    SessionOver,
}

/// A bidirectional stream that the client opened.
pub struct Stream {
    /// To write to.
    pub send: SendStream,
    /// To read from.
    pub receive: ReceiveStream,
}

/// The direction to the client. Dropped before [`finish`](Self::finish), it is reset.
pub struct SendStream {
    pipe: Arc<Pipe>,
}

/// The direction from the client. Dropped before its end, the client is asked to stop.
pub struct ReceiveStream {
    pipe: Arc<Pipe>,
}

/// What both sides of a stream share.
pub(crate) struct Pipe {
    seat: Seat,
    id: StreamId,
    inbox: Arc<Inbox>,
    up: Mutex<Up>,
    down: Mutex<Down>,
}

/// From the client.
#[derive(Default)]
struct Up {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    end: Option<Result<(), StreamError>>,
    /// The worker stopped reading for want of room.
    stalled: bool,
    waker: Option<Waker>,
}

/// To the client.
#[derive(Default)]
struct Down {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    /// The task has said all.
    finished: bool,
    /// The worker knows that there is something.
    announced: bool,
    /// How it ended for the client: all acknowledged, or not wanted.
    end: Option<Result<(), StreamError>>,
    waker: Option<Waker>,
}

impl Pipe {
    pub(crate) fn new(seat: Seat, id: StreamId, inbox: Arc<Inbox>) -> Arc<Self> {
        Arc::new(Self { seat, id, inbox, up: Mutex::default(), down: Mutex::default() })
    }

    pub(crate) fn stream(self: Arc<Self>) -> Stream {
        Stream { send: SendStream { pipe: self.clone() }, receive: ReceiveStream { pipe: self } }
    }

    fn up(&self) -> MutexGuard<'_, Up> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn down(&self) -> MutexGuard<'_, Down> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Worker: whether there is room for what the client has sent; if not, the task says when there is.
    pub(crate) fn has_room(&self) -> bool {
        let mut up = self.up();
        up.stalled = up.bytes >= PIPE;
        !up.stalled
    }

    /// Worker: puts in what the client has sent.
    pub(crate) fn received(&self, chunk: Bytes) {
        // It is a part of a packet, which would be kept with it.
        let chunk = Bytes::copy_from_slice(&chunk);
        let mut up = self.up();
        up.bytes += chunk.len() + PIECE;
        up.chunks.push_back(chunk);
        wake(&mut up.waker);
    }

    /// Worker: nothing more comes.
    pub(crate) fn receive_ended(&self, end: Result<(), StreamError>) {
        let mut up = self.up();
        up.end.get_or_insert(end);
        wake(&mut up.waker);
    }

    /// Worker: takes what is to be written next.
    pub(crate) fn to_send(&self) -> ToSend {
        let mut down = self.down();
        match down.chunks.pop_front() {
            Some(chunk) => {
                down.bytes -= chunk.len();
                wake(&mut down.waker);
                ToSend::Chunk(chunk)
            }
            None => {
                down.announced = false;
                if down.finished { ToSend::Finish } else { ToSend::Nothing }
            }
        }
    }

    /// Worker: puts back what QUIC didn't take.
    pub(crate) fn not_sent(&self, chunk: Bytes) {
        let mut down = self.down();
        down.bytes += chunk.len();
        down.chunks.push_front(chunk);
    }

    /// Worker: the client has it all, or will have no more.
    pub(crate) fn send_ended(&self, end: Result<(), StreamError>) {
        let mut down = self.down();
        down.end.get_or_insert(end);
        down.chunks.clear();
        wake(&mut down.waker);
    }
}

impl Pipe {
    /// Worker: whether both directions are over.
    pub(crate) fn is_over(&self) -> bool {
        self.up().end.is_some() && self.down().end.is_some()
    }
}

/// What a worker finds in a pipe.
pub(crate) enum ToSend {
    Chunk(Bytes),
    Nothing,
    Finish,
}

impl ReceiveStream {
    /// The next piece of what the client sent, however it was cut; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// When the client reset the stream or the session is over.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StreamError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
        let mut up = self.pipe.up();
        let Some(chunk) = up.chunks.pop_front() else {
            if let Some(end) = up.end {
                return Poll::Ready(end.map(|()| None));
            }
            up.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        up.bytes -= chunk.len() + PIECE;
        let resume = up.stalled && up.bytes < PIPE / 2;
        if resume {
            up.stalled = false;
        }
        drop(up);
        if resume {
            self.pipe.inbox.command(Command::Read(self.pipe.seat, self.pipe.id));
        }
        Poll::Ready(Ok(Some(chunk)))
    }

    /// Asks the client to stop, with a code of the application's.
    pub fn stop(self, code: u32) {
        self.abandon(code);
    }

    fn abandon(&self, code: u32) {
        let mut up = self.pipe.up();
        if up.end.is_none() {
            up.end = Some(Err(StreamError::SessionOver));
            (up.chunks, up.bytes) = (VecDeque::new(), 0);
            drop(up);
            self.pipe.inbox.command(Command::Stop(self.pipe.seat, self.pipe.id, code));
        }
    }
}

impl Drop for ReceiveStream {
    fn drop(&mut self) {
        self.abandon(0);
    }
}

impl SendStream {
    /// Puts `chunk` in line, once there is room. Cancelled before that, nothing of it is sent.
    ///
    /// # Errors
    /// When the client doesn't want more or the session is over.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), StreamError> {
        let mut chunk = Some(chunk);
        poll_fn(|context| {
            let mut down = self.pipe.down();
            if let Some(end) = down.end {
                return Poll::Ready(end);
            }
            if down.bytes >= PIPE {
                down.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            if let Some(chunk) = chunk.take().filter(|chunk| !chunk.is_empty()) {
                down.bytes += chunk.len();
                down.chunks.push_back(chunk);
                self.announce(down);
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Says that this was all, and waits until the client has it.
    ///
    /// # Errors
    /// When the client doesn't want it all or the session is over.
    pub async fn finish(&mut self) -> Result<(), StreamError> {
        self.say_finished();
        poll_fn(|context| {
            let mut down = self.pipe.down();
            if let Some(end) = down.end {
                return Poll::Ready(end);
            }
            down.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits until the client wants no more, or the session is over. Cancel-safe.
    pub async fn stopped(&mut self) {
        poll_fn(|context| {
            let mut down = self.pipe.down();
            if let Some(Err(_)) = down.end {
                return Poll::Ready(());
            }
            down.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Gives the stream up, with a code of the application's.
    pub fn reset(self, code: u32) {
        self.abandon(code);
    }

    fn say_finished(&self) {
        let mut down = self.pipe.down();
        if !std::mem::replace(&mut down.finished, true) {
            self.announce(down);
        }
    }

    fn announce(&self, mut down: MutexGuard<'_, Down>) {
        if !std::mem::replace(&mut down.announced, true) {
            drop(down);
            self.pipe.inbox.command(Command::Write(self.pipe.seat, self.pipe.id));
        }
    }

    fn abandon(&self, code: u32) {
        let mut down = self.pipe.down();
        if down.end.is_none() && !down.finished {
            down.end = Some(Err(StreamError::SessionOver));
            down.chunks.clear();
            drop(down);
            self.pipe.inbox.command(Command::Reset(self.pipe.seat, self.pipe.id, code));
        }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        self.abandon(0);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
