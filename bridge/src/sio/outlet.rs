//! The way from channels to sockets: events are encoded once per room, and each socket gets the same bytes.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde::Serialize;
use serde_json::Value;
use socketioxide::extract::SocketRef;
use socketioxide::operators::BroadcastOperators;
use socketioxide::socket::Sid;
use socketioxide::{BroadcastError, SocketIo};

use crate::channel::{Outlet, Room, Seat, Sender};
use crate::notify::{self, OrderKind, Spread};
use crate::signaling::Wire;

use super::SPACES;

/// Sends by Socket.IO.
#[derive(Clone)]
pub(crate) struct SocketOutlet(SocketIo);

/// The room of one socket alone, by which it can be left out of another.
pub(super) fn own_room(sid: Sid) -> String {
    notify::socket_room(sid.as_str())
}

impl SocketOutlet {
    pub(super) const fn new(io: SocketIo) -> Self {
        Self(io)
    }

    fn room(&self, room: &Room) -> Option<BroadcastOperators> {
        Some(self.0.of(room.space)?.within(room.name.clone()))
    }

    fn socket(&self, seat: Seat) -> Option<SocketRef> {
        self.0.of(seat.space)?.get_socket(seat.sid).filter(|socket| socket.connected())
    }
}

impl Outlet for SocketOutlet {
    fn enter(&self, seat: Seat, room: &Room) {
        if let Some(socket) = self.socket(seat) {
            socket.join(room.name.clone());
        }
    }

    fn leave(&self, seat: Seat, room: &Room) {
        if let Some(socket) = self.socket(seat) {
            socket.leave(room.name.clone());
        }
    }

    fn voice(&self, room: &Room, except: &[Seat], chunk: &Bytes, sender: &Sender<'_>) -> usize {
        let Some(mut room) = self.room(room) else { return 0 };
        if !except.is_empty() {
            let except: Vec<_> = except.iter().map(|seat| Cow::Owned(own_room(seat.sid))).collect();
            room = room.except(except);
        }
        emit(room, "voice_packet", &(chunk, sender))
    }

    fn announce(&self, room: &Room, event: &'static str, payload: &Value) {
        if let Some(room) = self.room(room) {
            emit(room, event, payload);
        }
    }

    fn tell(&self, seat: Seat, event: &'static str, payload: &Value) {
        if let Some(socket) = self.socket(seat)
            && let Err(error) = socket.emit(event, payload)
        {
            tracing::debug!(%error, event, "an event found no room");
        }
    }
}

impl notify::Outlet for SocketOutlet {
    fn spread(&self, spread: &Spread) {
        for space in
            SPACES.iter().filter(|space| spread.space.as_deref().is_none_or(|wanted| wanted == **space))
        {
            let Some(io) = self.0.of(space) else { continue };
            let room = io.within(spread.rooms.clone()).except(spread.except.clone()).local();
            let missed = emit(room, &spread.event, &spread.args);
            if missed > 0 {
                tracing::debug!(missed, event = %spread.event, "some sockets could take no more");
            }
        }
    }

    fn order(&self, kind: OrderKind, rooms: Vec<String>, to: Vec<String>, space: &str) {
        let Some(io) = self.0.of(space) else { return };
        let sockets = io.within(to).local();
        match kind {
            OrderKind::Join => now(sockets.join(rooms)),
            OrderKind::Leave => now(sockets.leave(rooms)),
            OrderKind::Disconnect => now(sockets.disconnect()),
        }
    }
}

/// Carries an order out: within one process it is done when it returns.
fn now<E: std::fmt::Display>(done: impl Future<Output = Result<(), E>>) {
    if let Some(Err(error)) = done.now_or_never() {
        tracing::debug!(%error, "an order to sockets was not carried out");
    }
}

impl Wire for SocketOutlet {
    fn deliver(&self, seat: Seat, event: &'static str, payload: &Value) -> bool {
        self.socket(seat).is_some_and(|socket| socket.emit(event, payload).is_ok())
    }
}

/// Sends to the room's sockets, and counts those that couldn't take it.
fn emit<T: Serialize + ?Sized>(room: BroadcastOperators, event: &str, payload: &T) -> usize {
    // Within one process it is done when it returns.
    match room.emit(event, payload).now_or_never() {
        Some(Err(BroadcastError::Socket(refused))) => refused.len(),
        Some(Err(error)) => {
            tracing::debug!(%error, event, "an event could not be sent");
            0
        }
        Some(Ok(())) | None => 0,
    }
}
