//! Who of this bridge hears the channel, in groups that get the very same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use socketioxide::socket::Sid;
use suara_proto::{MemberRef, TalkerNumber};

use super::chunk::{Chunk, Stand};
use super::press::Press;
use crate::audio::Format;
use crate::edge::Line;
use crate::metrics::{DropReason, Metrics};
use crate::trunk::Who;

/// The space of the clients that come by RTC: no namespace of Socket.IO is called so.
pub(crate) const RTC: &str = "rtc";

/// A client of RTC says when it stops, and sends next to nothing while it is silent (DTX: a packet each 400 ms). This is
/// for one whose road is gone; as long as the gateway's own T1.
const RTC_PATIENCE: Duration = Duration::from_secs(4);

/// Where a listener is: its namespace, or [`RTC`], and its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) space: &'static str,
    pub(crate) sid: Sid,
}

/// Listeners of one namespace, format and spelling of the channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Room {
    pub(crate) space: &'static str,
    pub(crate) name: String,
}

/// Who said a chunk, as a listener is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Sender<'a> {
    /// As the listener spelt it.
    pub(crate) channel_id: &'a Value,
    pub(crate) user_id: &'a str,
    pub(crate) name: &'a str,
    /// Raised by one per chunk of a talkspurt.
    pub(crate) seq: u64,
    /// When the bridge passed it on, in milliseconds since 1970 (UTC).
    pub(crate) timestamp: u64,
    /// For transports that number packets by themselves.
    #[serde(skip)]
    pub(crate) stand: Stand,
}

/// The way out to the clients; the Socket.IO edge is one. Nothing in it may block.
pub(crate) trait Outlet: Send + Sync + 'static {
    /// Puts a client into a room.
    fn enter(&self, seat: Seat, room: &Room);
    /// Takes it out again.
    fn leave(&self, seat: Seat, room: &Room);
    /// Sends a chunk to everybody in `room` but `except`; returns how many of them couldn't take it.
    fn voice(&self, room: &Room, except: &[Seat], chunk: &Bytes, sender: &Sender<'_>) -> usize;
    /// Sends an event to everybody in `room`.
    fn announce(&self, room: &Room, event: &'static str, payload: &Value);
    /// Says who of a channel in which several may talk is to be heard by itself: all of them, again with each change.
    fn cast(&self, _room: &Room, _cast: &[(TalkerNumber, Who)]) {}
    /// Sends an event to one client.
    fn tell(&self, seat: Seat, event: &'static str, payload: &Value);
}

/// One client in the channel.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    pub(crate) seat: Seat,
    pub(crate) line: Arc<Line>,
    pub(crate) format: Format,
    /// The channel's name as this client spelt it: a number or a string.
    pub(crate) spelling: Value,
}

impl Listener {
    pub(crate) fn room(&self) -> Room {
        Room { space: self.seat.space, name: format!("voice:{}:{}", self.format, self.spelling) }
    }

    /// No press yet, of a client of this kind.
    pub(super) fn press(&self) -> Press<Chunk> {
        if self.seat.space == RTC { Press::streaming(RTC_PATIENCE) } else { Press::default() }
    }
}

/// By what those came whom a chunk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    All,
    Rtc,
    Sockets,
}

/// A chunk on its way to the listeners of one format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Utterance<'a> {
    pub(super) format: Format,
    pub(super) to: To,
    pub(super) who: &'a Who,
    pub(super) seq: u64,
    pub(super) stand: Stand,
    pub(super) chunk: &'a Bytes,
}

/// The groups, and the way to them.
pub(super) struct Audience {
    outlet: Arc<dyn Outlet>,
    metrics: Metrics,
    groups: BTreeMap<Room, Group>,
}

struct Group {
    format: Format,
    spelling: Value,
    seats: BTreeMap<MemberRef, (Seat, Arc<Line>)>,
}

impl Audience {
    pub(super) fn new(outlet: Arc<dyn Outlet>, metrics: Metrics) -> Self {
        Self { outlet, metrics, groups: BTreeMap::new() }
    }

    pub(super) fn enter(&mut self, member: MemberRef, listener: &Listener) {
        let room = listener.room();
        self.outlet.enter(listener.seat, &room);
        let group = self.groups.entry(room).or_insert_with(|| Group {
            format: listener.format,
            spelling: listener.spelling.clone(),
            seats: BTreeMap::new(),
        });
        group.seats.insert(member, (listener.seat, Arc::clone(&listener.line)));
    }

    pub(super) fn leave(&mut self, member: MemberRef, listener: &Listener) {
        let room = listener.room();
        let Some(group) = self.groups.get_mut(&room) else {
            return self.outlet.leave(listener.seat, &room);
        };
        group.seats.remove(&member);
        // One that left its namespace and came back is another member on the same seat, perhaps before the first's exit.
        if !group.seats.values().any(|(seat, _)| *seat == listener.seat) {
            self.outlet.leave(listener.seat, &room);
        }
        if group.seats.is_empty() {
            self.groups.remove(&room);
        }
    }

    /// The formats that somebody other than `talker` listens in.
    pub(super) fn formats(&self, talker: Option<MemberRef>) -> Vec<Format> {
        let mut formats = Vec::new();
        for group in self.groups.values() {
            let somebody = group.seats.keys().any(|member| Some(*member) != talker);
            if somebody && !formats.contains(&group.format) {
                formats.push(group.format);
            }
        }
        formats
    }

    /// Sends a chunk to everybody who listens in its format, but not to its talker and to nobody who would have it
    /// late.
    pub(super) fn hear(&self, now: Instant, utterance: Utterance<'_>) {
        let timestamp = unix_ms();
        let meant = |room: &Room| match utterance.to {
            To::All => true,
            To::Rtc => room.space == RTC,
            To::Sockets => room.space != RTC,
        };
        let all = self.groups.iter().filter(|(_, group)| group.format == utterance.format);
        for (room, group) in all.filter(|(room, _)| meant(room)) {
            let (mut except, mut late) = (Vec::new(), 0);
            for (member, (seat, line)) in &group.seats {
                if Some(*member) == utterance.stand.talker {
                    except.push(*seat);
                } else if line.is_late(now) {
                    except.push(*seat);
                    late += 1;
                }
            }
            self.metrics.dropped(DropReason::Stale, late);
            let listeners = group.seats.len() - except.len();
            if listeners == 0 {
                continue;
            }
            let Who { user, name, .. } = utterance.who;
            let Utterance { seq, stand, .. } = utterance;
            let channel_id = &group.spelling;
            let sender = Sender { channel_id, user_id: user, name, seq, timestamp, stand };
            let refused = self.outlet.voice(room, &except, utterance.chunk, &sender);
            self.metrics.dropped(DropReason::QueueFull, refused);
            let heard = listeners.saturating_sub(refused);
            self.metrics.voice("to_client", heard, heard * utterance.chunk.len());
        }
    }

    /// Tells everybody.
    pub(super) fn announce(&self, event: &'static str, payload: &Value) {
        for (room, group) in &self.groups {
            self.outlet.announce(room, event, &with_channel(payload, &group.spelling));
        }
    }

    /// Whether a client of RTC listens.
    pub(super) fn has_rtc(&self) -> bool {
        self.groups.keys().any(|room| room.space == RTC)
    }

    /// Says who is to be heard by itself, where that makes a difference.
    pub(super) fn cast(&self, cast: &[(TalkerNumber, Who)]) {
        for room in self.groups.keys().filter(|room| room.space == RTC) {
            self.outlet.cast(room, cast);
        }
    }

    /// Tells one.
    pub(super) fn tell(&self, listener: &Listener, event: &'static str, payload: &Value) {
        self.outlet.tell(listener.seat, event, &with_channel(payload, &listener.spelling));
    }
}

fn with_channel(payload: &Value, spelling: &Value) -> Value {
    let mut payload = payload.clone();
    if let Some(fields) = payload.as_object_mut() {
        fields.insert("channel_id".to_owned(), spelling.clone());
        return payload;
    }
    json!({ "channel_id": spelling })
}

fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
