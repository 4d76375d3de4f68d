//! Who is connected by RTC, what each produces, and the way to tell them things. What goes by here is control: the voice path
//! takes no lock of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use socketioxide::socket::Sid;
use suara_proto::{MemberRef, TalkerNumber};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::hall::{Hall, Recast, described};
use super::messages::frame;
use super::port::Listens;
use crate::trunk::Who;

/// Frames that wait for a client: some seconds of the busiest channel's events. One that has more waiting doesn't read.
const MAX_WAITING: usize = 256;

/// What is to be said to a client.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    frames: mpsc::Sender<Message>,
    /// The client doesn't read.
    pub(super) full: CancellationToken,
}

impl Outbox {
    pub(super) fn new() -> (Self, mpsc::Receiver<Message>) {
        let (frames, queue) = mpsc::channel(MAX_WAITING);
        (Self { frames, full: CancellationToken::new() }, queue)
    }

    pub(super) fn say(&self, text: impl Into<Utf8Bytes>) {
        self.put(Message::Text(text.into()));
    }

    pub(super) fn put(&self, message: Message) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.frames.try_send(message) {
            self.full.cancel();
        }
    }
}

#[derive(Debug)]
struct Peer {
    room: Box<str>,
    member: MemberRef,
    who: Who,
    outbox: Outbox,
    /// By which names back ends reach it.
    addresses: Vec<String>,
    producer: Option<String>,
    /// Whether it was told who is there, and wants to know of changes.
    welcomed: bool,
}

#[derive(Debug, Default)]
struct Table {
    peers: HashMap<Sid, Peer>,
    rooms: HashMap<Box<str>, Hall>,
    addressed: HashMap<String, BTreeSet<Sid>>,
}

/// All clients; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers(Arc<Mutex<Table>>);

/// A client among the others, until this is dropped.
#[derive(Debug)]
pub(super) struct Presence {
    peers: Peers,
    pub(super) sid: Sid,
}

impl Peers {
    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(
        &self,
        sid: Sid,
        room: Box<str>,
        member: MemberRef,
        who: Who,
        outbox: Outbox,
        addresses: Vec<String>,
    ) -> Presence {
        let mut table = self.lock();
        table.rooms.entry(room.clone()).or_default().peers.insert(sid);
        for address in &addresses {
            table.addressed.entry(address.clone()).or_default().insert(sid);
        }
        let (producer, welcomed) = (None, false);
        table.peers.insert(sid, Peer { room, member, who, outbox, addresses, producer, welcomed });
        Presence { peers: self.clone(), sid }
    }

    /// Says the same to everybody in a room.
    pub(super) fn announce(&self, room: &str, kind: &str, data: &Value) {
        let text = Utf8Bytes::from(frame(kind, data, None));
        self.lock().others(room, None, |peer| peer.outbox.say(text.clone()));
    }

    /// Says something to one.
    pub(super) fn tell(&self, sid: Sid, kind: &str, data: &Value) {
        if let Some(peer) = self.lock().peers.get(&sid) {
            peer.outbox.say(frame(kind, data, None));
        }
    }

    /// Says the same to everybody who has one of the addresses `to`, and none of `except`.
    pub(super) fn spread(&self, to: &[String], except: &[String], text: &Utf8Bytes) {
        let table = self.lock();
        let those = |addresses: &[String]| -> BTreeSet<Sid> {
            addresses.iter().filter_map(|name| table.addressed.get(name)).flatten().copied().collect()
        };
        let spared = those(except);
        for peer in those(to).difference(&spared).filter_map(|sid| table.peers.get(sid)) {
            peer.outbox.say(text.clone());
        }
    }

    /// These are the producers of a room that are no clients of RTC; returns those who are it no more.
    pub(super) fn cast(&self, room: &str, cast: &[(TalkerNumber, Who)]) -> Vec<TalkerNumber> {
        let mut table = self.lock();
        let Some(hall) = table.rooms.get_mut(room) else { return Vec::new() };
        let Recast { new, gone } = hall.recast(cast);
        for (_, closed) in &gone {
            table.say_in(room, None, "producer-closed", closed);
        }
        for producer in &new {
            table.say_in(room, None, "new-producer", producer);
        }
        gone.into_iter().map(|(talker, _)| talker).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let table = self.lock();
        assert_eq!(table.rooms.values().map(|hall| hall.peers.len()).sum::<usize>(), table.peers.len());
        table.peers.len()
    }
}

impl Table {
    fn others(&self, room: &str, except: Option<Sid>, each: impl Fn(&Peer)) {
        let there = self.rooms.get(room).into_iter().flat_map(|hall| &hall.peers);
        for peer in there.filter(|sid| Some(**sid) != except).filter_map(|sid| self.peers.get(sid)) {
            each(peer);
        }
    }

    fn say_of(&self, sid: Sid, kind: &str, data: &Value) {
        let Some(peer) = self.peers.get(&sid) else { return };
        self.say_in(&peer.room, Some(sid), kind, data);
    }

    /// What changes a list is said to those who have it.
    fn say_in(&self, room: &str, except: Option<Sid>, kind: &str, data: &Value) {
        let text = Utf8Bytes::from(frame(kind, data, None));
        self.others(room, except, |other| {
            if other.welcomed {
                other.outbox.say(text.clone());
            }
        });
    }

    /// A producer, as the others are told.
    fn producer(&self, sid: Sid) -> Option<Value> {
        let peer = self.peers.get(&sid)?;
        let producer = peer.producer.as_deref()?;
        Some(described(producer, json!(sid), &peer.who))
    }

    fn close_producer(&mut self, sid: Sid) -> Option<String> {
        let producer = self.peers.get_mut(&sid)?.producer.take()?;
        self.say_of(sid, "producer-closed", &json!({ "producerId": producer, "peerId": sid }));
        Some(producer)
    }
}

impl Presence {
    /// Those who produce in the client's channel; it is told of changes from now on.
    pub(super) fn welcome(&self) -> Vec<Value> {
        let mut table = self.peers.lock();
        if let Some(peer) = table.peers.get_mut(&self.sid) {
            peer.welcomed = true;
        }
        self.list(&table)
    }

    /// Those who produce in the client's channel.
    pub(super) fn producers(&self) -> Vec<Value> {
        self.list(&self.peers.lock())
    }

    fn list(&self, table: &Table) -> Vec<Value> {
        let Some(peer) = table.peers.get(&self.sid) else { return Vec::new() };
        let Some(hall) = table.rooms.get(&peer.room) else { return Vec::new() };
        let others = hall.peers.iter().filter(|sid| **sid != self.sid);
        others.filter_map(|sid| table.producer(*sid)).chain(hall.cast()).collect()
    }

    /// The client produces; the others are told.
    pub(super) fn produce(&self, producer: String) {
        let mut table = self.peers.lock();
        if let Some(peer) = table.peers.get_mut(&self.sid) {
            peer.producer = Some(producer);
        }
        if let Some(new) = table.producer(self.sid) {
            table.say_of(self.sid, "new-producer", &new);
        }
    }

    /// It doesn't any more; in which room that was, and what its name was. `None` where it didn't.
    pub(super) fn close_producer(&self) -> Option<(Box<str>, String)> {
        let mut table = self.peers.lock();
        let room = table.peers.get(&self.sid)?.room.clone();
        Some((room, table.close_producer(self.sid)?))
    }

    /// Whose producer that is, in the client's own channel.
    pub(super) fn producer(&self, producer: &str) -> Option<Listens> {
        let table = self.peers.lock();
        let hall = table.rooms.get(&table.peers.get(&self.sid)?.room)?;
        let mut there = hall.peers.iter().filter_map(|sid| table.peers.get(sid));
        let peer = there.find(|peer| peer.producer.as_deref() == Some(producer));
        let talker = || hall.talker(producer).map(Listens::Talker);
        peer.map(|peer| Listens::Member(peer.member)).or_else(talker)
    }

    /// Passes a message on to all others in the channel.
    pub(super) fn broadcast(&self, data: &Value) {
        let table = self.peers.lock();
        let Some(peer) = table.peers.get(&self.sid) else { return };
        let message = json!({ "type": "broadcast", "data": data, "from": self.sid });
        let text = Utf8Bytes::from(message.to_string());
        table.others(&peer.room, Some(self.sid), |other| other.outbox.say(text.clone()));
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut table = self.peers.lock();
        table.close_producer(self.sid);
        let Some(Peer { room, addresses, .. }) = table.peers.remove(&self.sid) else { return };
        if let Some(hall) = table.rooms.get_mut(&room) {
            hall.peers.remove(&self.sid);
            if hall.peers.is_empty() {
                table.rooms.remove(&room);
            }
        }
        for address in addresses {
            if let Some(there) = table.addressed.get_mut(&address) {
                there.remove(&self.sid);
                if there.is_empty() {
                    table.addressed.remove(&address);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
