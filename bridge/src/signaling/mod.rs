//! WebRTC signaling: who is in which room, and one peer's word to another.
//!
//! A room is no Socket.IO room: it lives in a table of its own, and each event goes to the sockets that the table names.
//! So no name that a client chooses can reach anybody's notifications or voice. Knows seats and payloads; whether somebody
//! may enter was asked before.

mod payload;
mod table;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::{Value, json};

use crate::channel::Seat;
use crate::metrics::Metrics;
use table::{Member, Table};

pub(crate) use payload::{Enter, Fault, enter, is_oversized};

/// Rooms that a socket may be in at a time; lower would refuse a dispatcher with a desk full of them.
const MAX_ROOMS: usize = 16;

/// Signals a second and at once: a connection that is set up brings an offer and some twenty candidates, and a room of
/// many as much for each of its peers.
const SIGNALS_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
const SIGNALS_AT_ONCE: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// Joins and leaves a second, and at once: each of them is told to all who are there.
const MOVES_PER_SECOND: NonZeroU32 = NonZeroU32::new(5).unwrap();
const MOVES_AT_ONCE: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// What a client can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Enter,
    Leave,
    Signal,
}

/// The way to one socket. Nothing in it may block.
pub(crate) trait Wire: Send + Sync + 'static {
    /// Sends an event; `false` where the socket is gone or can take no more.
    fn deliver(&self, seat: Seat, event: &'static str, payload: &Value) -> bool;
}

/// All rooms.
#[derive(Clone)]
pub(crate) struct Board(Arc<Inner>);

struct Inner {
    table: Mutex<Table>,
    wire: Box<dyn Wire>,
    metrics: Metrics,
}

/// Who a peer is, by its token.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) user: Arc<str>,
    pub(crate) role: Arc<str>,
}

/// One socket's part in signaling; it leaves all rooms when it is dropped.
pub(crate) struct Peer {
    board: Board,
    seat: Seat,
    identity: Identity,
    rooms: BTreeSet<String>,
    signals: DefaultDirectRateLimiter,
    moves: DefaultDirectRateLimiter,
}

impl Board {
    pub(crate) fn new(wire: impl Wire, metrics: Metrics) -> Self {
        Self(Arc::new(Inner { table: Mutex::default(), wire: Box::new(wire), metrics }))
    }

    pub(crate) fn peer(&self, seat: Seat, identity: Identity) -> Peer {
        let rate = |a_second, at_once| RateLimiter::direct(Quota::per_second(a_second).allow_burst(at_once));
        Peer {
            board: self.clone(),
            seat,
            identity,
            rooms: BTreeSet::new(),
            signals: rate(SIGNALS_PER_SECOND, SIGNALS_AT_ONCE),
            moves: rate(MOVES_PER_SECOND, MOVES_AT_ONCE),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, seat: Seat, event: &'static str, payload: &Value) {
        if !self.0.wire.deliver(seat, event, payload) {
            tracing::debug!(sid = %seat.sid, event, "an event found no room");
        }
    }
}

impl Peer {
    /// Whether this may be asked now.
    pub(crate) fn affords(&self, ask: Ask) -> Result<(), Fault> {
        let rate = if ask == Ask::Signal { &self.signals } else { &self.moves };
        rate.check().map_err(|_| Fault::TooFast)
    }

    /// Enters a room that it may enter. Who is there is told to it as an event and to `answer`, before anything that
    /// happens there later; then the others are told of it.
    pub(crate) fn enter(&mut self, enter: &Enter, answer: impl FnOnce(&Value)) -> Result<(), Fault> {
        let room = &enter.room;
        if !self.rooms.contains(room) && self.rooms.len() >= MAX_ROOMS {
            return Err(Fault::TooMany);
        }
        let Identity { user, role } = &self.identity;
        if enter.is_forged(user, role) {
            self.board.0.metrics.bad_input("identity");
        }
        let card = json!({ "peerId": self.seat.sid, "role": &**role, "userId": enter.spelling(user) });
        let mut table = self.board.table();
        let (others, is_new) = table.enter(room, Member { seat: self.seat, card: card.clone() })?;
        let cards = Value::Array(others.iter().map(|other| other.card.clone()).collect());
        self.board.tell(self.seat, "existing_peers", &cards);
        answer(&cards);
        if is_new {
            for other in &others {
                self.board.tell(other.seat, "new_peer", &card);
            }
        }
        self.rooms.insert(room.clone());
        Ok(())
    }

    /// Leaves a room, or all of them where the payload names none.
    pub(crate) fn leave(&mut self, payload: &Value) -> Result<(), Fault> {
        let rooms = match payload::leave(payload)? {
            Some(room) => BTreeSet::from([self.rooms.take(&room).ok_or(Fault::NotInRoom)?]),
            None if self.rooms.is_empty() => return Err(Fault::NotInRoom),
            None => std::mem::take(&mut self.rooms),
        };
        self.go(&rooms);
        Ok(())
    }

    /// Passes a signal on to a peer in one of its rooms.
    pub(crate) fn signal(&self, payload: &Value) -> Result<(), Fault> {
        let (target, signal) = payload::signal(payload)?;
        let table = self.board.table();
        let found = self.rooms.iter().find_map(|room| table.find(room, self.seat, target));
        let seat = found.ok_or(Fault::NoPeer)?;
        let payload = json!({ "fromId": self.seat.sid, "signal": signal });
        if !self.board.0.wire.deliver(seat, "signal", &payload) {
            return Err(Fault::Stalled);
        }
        self.board.0.metrics.signal();
        Ok(())
    }

    /// Tells everybody in these rooms, once each.
    fn go(&self, rooms: &BTreeSet<String>) {
        let mut table = self.board.table();
        let mut told = Vec::new();
        let gone = json!({ "peerId": self.seat.sid });
        for seat in rooms.iter().filter_map(|room| table.leave(room, self.seat)).flatten() {
            if !told.contains(&seat) {
                self.board.tell(seat, "peer_disconnected", &gone);
                told.push(seat);
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let rooms = std::mem::take(&mut self.rooms);
        self.go(&rooms);
    }
}

#[cfg(test)]
mod scenes;
