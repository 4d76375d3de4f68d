//! A worker's connections, and which of them have something to do.

use std::time::{Duration, Instant};

use quinn_proto::ConnectionHandle;

use super::connection::Connection;
use super::timers::Timers;
use crate::voice::Seat;

/// How long a connection rests at most: as long as QUIC lets an ACK wait (RFC 9000, section 18.2, `max_ack_delay`), and
/// longer than from one frame of voice to the next.
const REST: Duration = Duration::from_millis(25);

/// Connections by slot.
pub(super) struct Table<P> {
    slots: Vec<Option<Box<Connection<P>>>>,
    count: usize,
    generation: u32,
    /// Connections whose handshake is in progress.
    pub(super) handshaking: usize,
    /// Connections that have something to do, each once.
    pub(super) marked: Vec<u32>,
    /// Connections that rest, and until when.
    resting: Vec<u32>,
    rest_until: Option<Instant>,
    pub(super) timers: Timers,
}

impl<P> Default for Table<P> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            count: 0,
            generation: 0,
            handshaking: 0,
            marked: Vec::new(),
            resting: Vec::new(),
            rest_until: None,
            timers: Timers::default(),
        }
    }
}

impl<P> Table<P> {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn all_closed(&self) -> bool {
        self.slots.iter().flatten().all(|connection| connection.quic.is_closed())
    }

    pub(super) fn slots(&self) -> std::ops::Range<u32> {
        0..self.slots.len() as u32
    }

    /// The seat that the next connection with this handle gets.
    pub(super) fn seat(&mut self, handle: ConnectionHandle) -> Seat {
        self.generation = self.generation.wrapping_add(1);
        Seat { slot: handle.0 as u32, generation: self.generation }
    }

    pub(super) fn insert(&mut self, connection: Box<Connection<P>>) {
        let slot = connection.seat.slot;
        let index = slot as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        // QUIC gives a handle away when its connection is over, which is let go of in the same turn.
        if self.slots[index].is_some() {
            tracing::warn!(slot, "a seat was given away while somebody sat there");
            self.remove(slot);
        }
        self.handshaking += usize::from(connection.is_handshaking());
        self.slots[index] = Some(connection);
        self.count += 1;
        self.mark(slot);
    }

    pub(super) fn get(&mut self, slot: u32) -> Option<&mut Connection<P>> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// The connection that sits there, if it is still the same.
    pub(super) fn at(&mut self, seat: Seat) -> Option<&mut Connection<P>> {
        self.get(seat.slot).filter(|connection| connection.seat == seat)
    }

    /// It has something to do.
    pub(super) fn mark(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot as usize).and_then(Option::as_deref_mut) else {
            return;
        };
        if !std::mem::replace(&mut connection.marked, true) {
            self.marked.push(slot);
        }
    }

    /// It has something that can wait for a little.
    pub(super) fn rest(&mut self, now: Instant, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot as usize).and_then(Option::as_deref_mut) else {
            return;
        };
        if !std::mem::replace(&mut connection.resting, true) {
            self.resting.push(slot);
            self.rest_until.get_or_insert(now + REST);
        }
    }

    /// Marks those that have rested long enough.
    pub(super) fn end_rest(&mut self, now: Instant) {
        if self.rest_until.is_none_or(|until| until > now) {
            return;
        }
        self.rest_until = None;
        for slot in std::mem::take(&mut self.resting) {
            // Most have had something to do meanwhile.
            if self.get(slot).is_some_and(|connection| connection.resting) {
                self.mark(slot);
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [self.timers.next(), self.rest_until].into_iter().flatten().min()
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        self.handshaking -= usize::from(connection.is_handshaking());
        self.count -= 1;
        self.timers.set(slot as usize, None);
    }
}
