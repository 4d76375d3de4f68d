//! The way from channels to clients of RTC: events to their WebSockets, voice to the port.

use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;
use suara_proto::TalkerNumber;

use super::messages::notification;
use super::peers::Peers;
use super::port::{Listens, Port, Said};
use crate::channel::{Outlet, RTC, Room, Seat, Sender};
use crate::notify::{self, OrderKind, Spread};
use crate::trunk::Who;

/// Socket.IO's main namespace.
const MAIN: &str = "/";

/// Sends to clients of RTC.
#[derive(Debug, Clone)]
pub(crate) struct RtcOutlet {
    pub(super) peers: Peers,
    pub(super) port: Port,
}

impl Outlet for RtcOutlet {
    // Sessions enter the rooms by themselves.
    fn enter(&self, _seat: Seat, _room: &Room) {}

    fn leave(&self, _seat: Seat, _room: &Room) {}

    fn voice(&self, room: &Room, except: &[Seat], chunk: &Bytes, sender: &Sender<'_>) -> usize {
        // Nobody of these is ever late for the channel: the port drops what got old. So it is the talker, if anybody.
        let except = except.first().map(|seat| seat.sid);
        let said = Said {
            at: Instant::now(),
            room: room.name.as_str().into(),
            except,
            // A chunk's number within its talkspurt counts on where it wraps.
            sequence: sender.seq as u16,
            stand: sender.stand,
            packet: chunk.as_ref().into(),
        };
        self.port.say(said);
        0
    }

    fn announce(&self, room: &Room, event: &'static str, payload: &Value) {
        self.peers.announce(&room.name, event, payload);
    }

    fn cast(&self, room: &Room, cast: &[(TalkerNumber, Who)]) {
        for talker in self.peers.cast(&room.name, cast) {
            self.port.gone(&room.name, Listens::Talker(talker));
        }
    }

    fn tell(&self, seat: Seat, event: &'static str, payload: &Value) {
        self.peers.tell(seat.sid, event, payload);
    }
}

impl RtcOutlet {
    /// Tells those clients who are meant. Namespaces are of Socket.IO; emitters that know nothing else mean its main one. What has
    /// binary in it can't be said in JSON.
    fn notify(&self, spread: &Spread) {
        if spread.space.as_deref().is_some_and(|space| space != MAIN) {
            return;
        }
        if let Some(payload) = spread.args.payload() {
            let text = notification(&spread.event, &payload).into();
            self.peers.spread(&spread.rooms, &spread.except, &text);
        }
    }
}

/// Sends to each client by what it came by.
#[derive(Clone)]
pub(crate) struct Outlets<S> {
    pub(crate) sockets: S,
    pub(crate) rtc: Option<RtcOutlet>,
}

impl<S: Outlet> Outlets<S> {
    fn of(&self, space: &str) -> &dyn Outlet {
        match &self.rtc {
            Some(rtc) if space == RTC => rtc,
            _ => &self.sockets,
        }
    }
}

impl<S: Outlet> Outlet for Outlets<S> {
    fn enter(&self, seat: Seat, room: &Room) {
        self.of(seat.space).enter(seat, room);
    }

    fn leave(&self, seat: Seat, room: &Room) {
        self.of(seat.space).leave(seat, room);
    }

    fn voice(&self, room: &Room, except: &[Seat], chunk: &Bytes, sender: &Sender<'_>) -> usize {
        self.of(room.space).voice(room, except, chunk, sender)
    }

    fn announce(&self, room: &Room, event: &'static str, payload: &Value) {
        self.of(room.space).announce(room, event, payload);
    }

    fn cast(&self, room: &Room, cast: &[(TalkerNumber, Who)]) {
        self.of(room.space).cast(room, cast);
    }

    fn tell(&self, seat: Seat, event: &'static str, payload: &Value) {
        self.of(seat.space).tell(seat, event, payload);
    }
}

impl<S: notify::Outlet> notify::Outlet for Outlets<S> {
    fn spread(&self, spread: &Spread) {
        self.sockets.spread(spread);
        if let Some(rtc) = &self.rtc {
            rtc.notify(spread);
        }
    }

    // Rooms that a back end makes are Socket.IO's.
    fn order(&self, kind: OrderKind, rooms: Vec<String>, to: Vec<String>, space: &str) {
        self.sockets.order(kind, rooms, to, space);
    }
}
