//! What comes to a worker from other threads, and how they wake it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use quinn_proto::StreamId;
use rustix::event::{EventfdFlags, eventfd};

use crate::h3::Closing;
use crate::udp::Received;
use crate::voice::{Cast, Seat};

/// Frames of other threads that may wait for a busy worker; more are lost. A turn takes all that is there, so this is
/// a worker that stands still: 4 096 frames are 80 s of one talker.
const MAX_CASTS: usize = 4096;
/// Packets that came to the wrong worker and may wait for the right one; more are lost, as at a full socket.
const MAX_PACKETS: usize = 4096;

/// What the application asks of a connection. Each is sent once until it was carried out, so that there are no more
/// than the connection's streams have ends.
pub(crate) enum Command {
    /// There is something to write.
    Write(Seat, StreamId),
    /// There is room for what can be read.
    Read(Seat, StreamId),
    /// Nothing more is written: the stream is reset with this code of the application's.
    Reset(Seat, StreamId, u32),
    /// Nothing more is read: the client is asked to stop, with this code of the application's.
    Stop(Seat, StreamId, u32),
    /// The session ends.
    Close(Seat, Closing),
    /// The worker ends.
    Shutdown,
}

/// A packet on its way to the right worker.
pub(crate) struct Forwarded {
    /// The number of the address that it came to.
    pub(crate) socket: u8,
    pub(crate) packet: Received,
}

/// What has come, to be used again and again.
#[derive(Default)]
pub(crate) struct Delivery {
    pub(crate) commands: Vec<Command>,
    pub(crate) casts: Vec<Cast>,
    pub(crate) packets: Vec<Forwarded>,
}

/// One worker's inbox. Whoever puts something in holds a lock for the length of a push.
pub(crate) struct Inbox {
    queues: Mutex<Delivery>,
    signalled: AtomicBool,
    wake: OwnedFd,
    /// No more connections are accepted. A flag and no command: it holds from the moment that it is set.
    draining: AtomicBool,
    /// Frames and packets that were lost because the worker didn't come to them.
    lost: AtomicU64,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let (signalled, draining) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { queues: Mutex::default(), signalled, wake, draining, lost: AtomicU64::new(0) })
    }

    pub(crate) fn command(&self, command: Command) {
        self.put(|queues| queues.commands.push(command));
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn cast(&self, cast: Cast) {
        self.put(|queues| match queues.casts.len() < MAX_CASTS {
            true => queues.casts.push(cast),
            false => self.lose(),
        });
    }

    pub(crate) fn packet(&self, packet: Forwarded) {
        self.put(|queues| match queues.packets.len() < MAX_PACKETS {
            true => queues.packets.push(packet),
            false => self.lose(),
        });
    }

    /// Takes what has come, if anything did; `woken` says that the descriptor is readable. Never waits longer than a push
    /// lasts.
    pub(crate) fn collect(&self, woken: bool, into: &mut Delivery) {
        if woken {
            // Also when all was taken before the signal came: else it would wake for ever.
            rustix::io::read(&self.wake, &mut [0; 8]).unwrap_or_default();
        }
        // Before the look: what is put in after it signals anew.
        if !self.signalled.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *queues, into);
    }

    fn put(&self, push: impl FnOnce(&mut Delivery)) {
        push(&mut self.queues.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.signalled.swap(true, Ordering::AcqRel) {
            // It can't be full: each write but one is followed by a read.
            rustix::io::write(&self.wake, &1_u64.to_ne_bytes()).unwrap_or_default();
        }
    }

    /// What was lost since the last call.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
