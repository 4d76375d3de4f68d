//! A worker's connections, and which of them have something to do.

use quinn_proto::ConnectionHandle;

use super::connection::Connection;
use super::timers::Timers;
use crate::voice::Seat;

/// Connections by slot.
pub(super) struct Table<P> {
    slots: Vec<Option<Box<Connection<P>>>>,
    count: usize,
    generation: u32,
    /// Connections whose handshake is in progress.
    pub(super) handshaking: usize,
    /// Connections that have something to do, each once.
    pub(super) marked: Vec<u32>,
    pub(super) timers: Timers,
}

impl<P> Default for Table<P> {
    fn default() -> Self {
        let (marked, timers) = (Vec::new(), Timers::default());
        Self { slots: Vec::new(), count: 0, generation: 0, handshaking: 0, marked, timers }
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

    pub(super) fn remove(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        self.handshaking -= usize::from(connection.is_handshaking());
        self.count -= 1;
        self.timers.set(slot as usize, None);
    }
}
