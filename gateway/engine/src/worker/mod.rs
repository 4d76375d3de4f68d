//! One worker: a thread, its sockets, its connections, its loop.
//!
//! Everything that happens to a connection happens here, in one order: *receive → inbox → timers → events → fan-out →
//! transmit → send → new handshakes*. Nothing in the loop waits but [`Worker::park`].

mod connection;
mod fanout;
mod inbox;
mod packets;
mod seed;
mod streams;
mod table;
mod timers;

pub(crate) use inbox::{Command, Inbox};
pub(crate) use seed::Seed;

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_proto::{Endpoint, Incoming};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::application::Application;
use crate::cid::CidKey;
use crate::udp::{ReceiveBatch, SendBatch, Source};
use crate::voice::{Cast, Tally};
use connection::Turn;
use inbox::Delivery;
use table::Table;

/// Handshakes that begin in one turn: some 300 µs of cryptography each. More wait for the next one, behind voice.
const HANDSHAKES_A_TURN: usize = 2;
/// Batches that are received in one turn, from each socket: what comes in is answered before more is taken.
const BATCHES_A_TURN: usize = 4;
/// The listeners of a frame acknowledge it in a trickle, and to be woken for each costs more than to read it.
const LINGER: Duration = Duration::from_millis(1);
/// After a stop, clients that don't answer are left behind.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Bounds that a worker keeps.
pub(crate) struct Bounds {
    /// Handshakes in progress above which addresses are validated.
    retry_above: usize,
    /// Connections at a time.
    max_connections: usize,
    /// Voice that is older is dropped.
    max_age: Duration,
    /// Bytes of datagrams that QUIC may hold.
    send_buffer: usize,
}

/// How a worker waits for what comes next.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Park {
    /// For anything.
    #[default]
    Wait,
    /// For nothing: there is more to do.
    Look,
    /// After packets none of which was urgent, more of their kind are left to come together before anybody looks.
    Linger,
}

/// How far a worker is on its way out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Ending(Instant),
}

/// One worker's everything.
pub(crate) struct Worker<A: Application> {
    number: u8,
    application: Arc<A>,
    endpoint: Endpoint,
    sources: Vec<Source>,
    batches: Vec<SendBatch>,
    cids: CidKey,
    inboxes: Arc<[Arc<Inbox>]>,
    bounds: Bounds,
    phase: Phase,
    table: Table<A::Peer>,
    incoming: VecDeque<(Incoming, u8)>,
    casts: Vec<Cast>,
    tally: Tally,
    delivery: Delivery,
    receive: ReceiveBatch,
    /// A packet that belongs to no connection.
    stray: Vec<u8>,
    /// Another thread has put something into the inbox.
    woken: bool,
}

impl<A: Application> Worker<A> {
    /// Serves until it is told to stop and all connections are gone.
    pub(crate) fn run(mut self) {
        let mut readable = vec![false; self.sources.len()];
        let mut next = Park::default();
        while !self.is_over() {
            self.park(next, &mut readable);
            let now = Instant::now();
            next = self.receive(now, &readable);
            self.collect(now);
            self.expire(now);
            self.settle(now);
            if self.begin_handshakes(now) {
                self.settle(now);
            }
            if !self.incoming.is_empty() {
                next = Park::Look;
            }
            self.tally.unsent = self.batches.iter_mut().map(SendBatch::take_lost).sum();
            self.tally.crowded_out = self.inboxes[usize::from(self.number)].take_lost();
            if !self.tally.is_empty() {
                self.application.tally(&self.tally);
                self.tally.clear();
            }
        }
    }

    fn is_over(&self) -> bool {
        match self.phase {
            // What is closed has said so, and needs nobody to hear the answer.
            Phase::Ending(deadline) => self.table.all_closed() || deadline <= Instant::now(),
            Phase::Serving => false,
        }
    }

    /// Waits for packets, other threads or the next deadline.
    fn park(&mut self, park: Park, readable: &mut [bool]) {
        if park == Park::Linger {
            self.linger();
        }
        let timeout = if park == Park::Look { Some(Duration::ZERO) } else { self.next_deadline() };
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let inbox = &self.inboxes[usize::from(self.number)];
        let fds = self.sources.iter().map(|source| source.socket.as_fd()).chain([inbox.as_fd()]);
        let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        // An interrupted wait is a short one.
        poll(&mut fds, timeout.as_ref()).unwrap_or_default();
        for (readable, fd) in readable.iter_mut().zip(&fds) {
            *readable = !fd.revents().is_empty();
        }
        self.woken = fds.last().is_some_and(|fd| !fd.revents().is_empty());
    }

    /// Lets packets come together for a moment; other threads aren't kept waiting.
    fn linger(&self) {
        let inbox = &self.inboxes[usize::from(self.number)];
        let timeout = self.next_deadline().map_or(LINGER, |deadline| deadline.min(LINGER));
        let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        poll(&mut [PollFd::from_borrowed_fd(inbox.as_fd(), PollFlags::IN)], Some(&timeout))
            .unwrap_or_default();
    }

    fn next_deadline(&self) -> Option<Duration> {
        let ending = match self.phase {
            Phase::Ending(deadline) => Some(deadline),
            Phase::Serving => None,
        };
        let next = [self.table.next_deadline(), ending].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Takes what other threads have sent.
    fn collect(&mut self, now: Instant) {
        let mut delivery = std::mem::take(&mut self.delivery);
        self.inboxes[usize::from(self.number)].collect(self.woken, &mut delivery);
        for forwarded in delivery.packets.drain(..) {
            self.handle(now, forwarded.socket, forwarded.packet);
        }
        for command in delivery.commands.drain(..) {
            self.command(now, command);
        }
        self.casts.append(&mut delivery.casts);
        self.delivery = delivery;
    }

    fn command(&mut self, now: Instant, command: Command) {
        let seat = match &command {
            Command::Shutdown => return self.shut_down(now),
            Command::Write(seat, _)
            | Command::Read(seat, _)
            | Command::Reset(seat, ..)
            | Command::Stop(seat, ..)
            | Command::Close(seat, _) => *seat,
        };
        let Some(connection) = self.table.at(seat) else { return };
        match command {
            Command::Write(_, id) => connection.write(id),
            Command::Read(_, id) => connection.resume(id),
            Command::Reset(_, id, code) => connection.reset(id, code),
            Command::Stop(_, id, code) => connection.stop(id, code),
            Command::Close(_, closing) => connection.close_session(now, &closing),
            Command::Shutdown => {}
        }
        self.table.mark(seat.slot);
    }

    fn shut_down(&mut self, now: Instant) {
        self.phase = Phase::Ending(now + SHUTDOWN);
        for incoming in std::mem::take(&mut self.incoming) {
            self.endpoint.ignore(incoming.0);
        }
        for slot in self.table.slots() {
            if let Some(connection) = self.table.get(slot) {
                connection.shut_down(now);
                self.table.mark(slot);
            }
        }
    }

    /// Does what is due.
    fn expire(&mut self, now: Instant) {
        self.table.end_rest(now);
        while let Some(slot) = self.table.timers.pop(now) {
            let slot = slot as u32;
            if let Some(connection) = self.table.get(slot) {
                connection.catch_up(now);
                connection.deadline_passed(now);
                connection.voice.expire(now, self.bounds.max_age, &mut self.tally);
                self.table.mark(slot);
            }
        }
    }

    /// Carries out all that has come: events of connections, frames for listeners, packets for the network.
    fn settle(&mut self, now: Instant) {
        let mut index = 0;
        while let Some(&slot) = self.table.marked.get(index) {
            index += 1;
            self.events(now, slot);
        }
        self.fan_out(now);
        let mut marked = std::mem::take(&mut self.table.marked);
        for slot in marked.drain(..) {
            self.transmit(now, slot);
        }
        self.table.marked = marked;
        for (batch, source) in self.batches.iter_mut().zip(&self.sources) {
            batch.flush(&source.socket);
        }
    }

    fn events(&mut self, now: Instant, slot: u32) {
        let Some(connection) = self.table.get(slot) else { return };
        connection.catch_up(now);
        let handshaking = connection.is_handshaking();
        connection.exchange_events(&mut self.endpoint);
        let turn = Turn {
            now,
            application: &*self.application,
            inbox: &self.inboxes[usize::from(self.number)],
            casts: &mut self.casts,
        };
        connection.events(turn);
        if handshaking && !connection.is_handshaking() {
            self.table.handshaking -= 1;
        }
    }
}
