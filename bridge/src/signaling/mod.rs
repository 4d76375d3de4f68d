//! WebRTC signaling: who is in which room, and one peer's word to another.
//!
//! A room is no Socket.IO room: it lives in a table of its own, and each event goes to the sockets that the table names.
//! So no name that a client chooses can reach anybody's notifications or voice. Rooms are the same on all bridges that share a
//! Redis (`across`): each knows who is in them, and passes on what is for another's peers. Knows seats and payloads; whether
//! somebody may enter was asked before.

mod across;
mod others;
mod payload;
mod table;
mod word;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::{Value, json};

use crate::channel::Seat;
use crate::metrics::Metrics;
use across::Link;
use others::Others;
use table::{Member, Place, Table};
use word::{Word, id_of};

pub(crate) use across::{Living, Speak};
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
    rooms: Mutex<Rooms>,
    wire: Box<dyn Wire>,
    link: OnceLock<Link>,
    metrics: Metrics,
}

/// Who is where.
#[derive(Default)]
struct Rooms {
    table: Table,
    others: Others,
    /// The number of the last change that was this bridge's.
    last: u64,
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
        let (rooms, link) = (Mutex::default(), OnceLock::new());
        Self(Arc::new(Inner { rooms, wire: Box::new(wire), link, metrics }))
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

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut rooms = self.board.rooms();
        let (others, new) = rooms.table.enter(room, Member::here(self.seat, card.clone()))?;
        let cards = Value::Array(others.iter().map(|other| other.card.clone()).collect());
        self.board.tell(self.seat, "existing_peers", &cards);
        answer(&cards);
        if let Some(record) = new {
            for seat in others.iter().filter_map(Member::seat) {
                self.board.tell(seat, "new_peer", &card);
            }
            self.board.say_came(&mut rooms, record);
        }
        drop(rooms);
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
        let rooms = self.board.rooms();
        let found = self.rooms.iter().find_map(|room| rooms.table.find(room, self.seat, target));
        let target = found.ok_or(Fault::NoPeer)?;
        let passed_on = match target.place {
            Place::Here(seat) => {
                let payload = json!({ "fromId": self.seat.sid, "signal": signal });
                self.board.0.wire.deliver(seat, "signal", &payload)
            }
            Place::There(_) => {
                let (to, from, signal) = (target.id.clone(), id_of(self.seat), signal.clone());
                self.board.say(Word::Signal { to, from, signal })
            }
        };
        if !passed_on {
            return Err(Fault::Stalled);
        }
        self.board.0.metrics.signal();
        Ok(())
    }

    /// Tells everybody in these rooms, once each.
    fn go(&self, left: &BTreeSet<String>) {
        if left.is_empty() {
            return;
        }
        let (mut rooms, id) = (self.board.rooms(), id_of(self.seat));
        let mut told = Vec::new();
        let gone = json!({ "peerId": self.seat.sid });
        for seat in left.iter().filter_map(|room| rooms.table.leave(room, &id)).flatten() {
            if !told.contains(&seat) {
                self.board.tell(seat, "peer_disconnected", &gone);
                told.push(seat);
            }
        }
        self.board.say_gone(&mut rooms, id, left.clone());
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
