//! Who is connected by RTC, what each produces, and the way to tell them things. What goes by here is control: the voice path
//! takes no lock of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use socketioxide::socket::Sid;
use suara_proto::MemberRef;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::messages::frame;
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
    producer: Option<String>,
    /// Whether it was told who is there, and wants to know of changes.
    welcomed: bool,
}

#[derive(Debug, Default)]
struct Table {
    peers: HashMap<Sid, Peer>,
    rooms: HashMap<Box<str>, BTreeSet<Sid>>,
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
    ) -> Presence {
        let mut table = self.lock();
        table.rooms.entry(room.clone()).or_default().insert(sid);
        table.peers.insert(sid, Peer { room, member, who, outbox, producer: None, welcomed: false });
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

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let table = self.lock();
        assert_eq!(table.rooms.values().map(BTreeSet::len).sum::<usize>(), table.peers.len());
        table.peers.len()
    }
}

impl Table {
    fn others(&self, room: &str, except: Option<Sid>, each: impl Fn(&Peer)) {
        let there = self.rooms.get(room).into_iter().flatten();
        for peer in there.filter(|sid| Some(**sid) != except).filter_map(|sid| self.peers.get(sid)) {
            each(peer);
        }
    }

    fn say_of(&self, sid: Sid, kind: &str, data: &Value) {
        let Some(peer) = self.peers.get(&sid) else { return };
        let text = Utf8Bytes::from(frame(kind, data, None));
        self.others(&peer.room, Some(sid), |other| {
            if other.welcomed {
                other.outbox.say(text.clone());
            }
        });
    }

    /// A producer, as the others are told.
    fn producer(&self, sid: Sid) -> Option<Value> {
        let peer = self.peers.get(&sid)?;
        let Who { user, name, .. } = &peer.who;
        let producer = peer.producer.as_deref()?;
        Some(
            json!({ "producerId": producer, "peerId": sid, "kind": "audio", "userId": &**user, "name": &**name }),
        )
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
        let there = table.rooms.get(&peer.room).into_iter().flatten();
        there.filter(|sid| **sid != self.sid).filter_map(|sid| table.producer(*sid)).collect()
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

    /// It doesn't any more; `None` where it didn't.
    pub(super) fn close_producer(&self) -> Option<String> {
        self.peers.lock().close_producer(self.sid)
    }

    /// Whose producer that is, in the client's own channel.
    pub(super) fn producer(&self, producer: &str) -> Option<MemberRef> {
        let table = self.peers.lock();
        let room = &table.peers.get(&self.sid)?.room;
        let mut there = table.rooms.get(room)?.iter().filter_map(|sid| table.peers.get(sid));
        there.find(|peer| peer.producer.as_deref() == Some(producer)).map(|peer| peer.member)
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
        let Some(Peer { room, .. }) = table.peers.remove(&self.sid) else { return };
        if let Some(there) = table.rooms.get_mut(&room) {
            there.remove(&self.sid);
            if there.is_empty() {
                table.rooms.remove(&room);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Client {
        presence: Presence,
        queue: mpsc::Receiver<Message>,
    }

    impl Client {
        fn enter(peers: &Peers, number: u32, room: &str) -> Self {
            let (outbox, queue) = Outbox::new();
            let who =
                Who { user: format!("u{number}").into(), name: format!("U{number}").into(), role: "".into() };
            let presence = peers.enter(Sid::new(), room.into(), MemberRef(number), who, outbox);
            Self { presence, queue }
        }

        fn heard(&mut self) -> Vec<Value> {
            let texts = std::iter::from_fn(|| self.queue.try_recv().ok());
            texts.map(|text| serde_json::from_str(text.to_text().unwrap()).unwrap()).collect()
        }
    }

    fn kinds(heard: &[Value]) -> Vec<&str> {
        heard.iter().filter_map(|frame| frame["type"].as_str()).collect()
    }

    #[test]
    fn producers_are_listed_or_announced_and_never_both() {
        let peers = Peers::default();
        let early = Client::enter(&peers, 1, "a");
        let mut late = Client::enter(&peers, 2, "a");
        let mut elsewhere = Client::enter(&peers, 3, "b");
        assert!(early.presence.welcome().is_empty());
        assert!(elsewhere.presence.welcome().is_empty());
        late.presence.produce("p2".to_owned());
        early.presence.produce("p1".to_owned());
        assert_eq!(late.heard(), Vec::<Value>::new(), "it isn't welcome yet");
        assert_eq!(late.presence.welcome()[0]["producerId"], "p1");
        assert_eq!(late.presence.producer("p1"), Some(MemberRef(1)));
        assert_eq!(elsewhere.presence.producer("p1"), None, "another channel's");
        drop(early.presence);
        assert_eq!(kinds(&late.heard()), ["producer-closed"]);
        let mut seen = early.queue;
        assert!(seen.try_recv().unwrap().to_text().unwrap().contains("new-producer"));
        assert!(elsewhere.heard().is_empty());
    }

    #[test]
    fn a_broadcast_reaches_the_channels_others_as_it_was() {
        let peers = Peers::default();
        let mut all =
            [1, 2, 3].map(|number| Client::enter(&peers, number, if number < 3 { "a" } else { "b" }));
        all[0].presence.broadcast(&json!({"text": "hi"}));
        let [own, other, elsewhere] = &mut all;
        assert!(own.heard().is_empty() && elsewhere.heard().is_empty());
        assert_eq!(other.heard()[0]["data"], json!({"text": "hi"}));
    }

    #[test]
    fn nothing_is_left_of_those_who_went() {
        let peers = Peers::default();
        let clients: Vec<_> = (0..10).map(|number| Client::enter(&peers, number, "a")).collect();
        assert_eq!(peers.len(), 10);
        drop(clients);
        assert_eq!(peers.len(), 0);
        assert!(peers.lock().rooms.is_empty());
    }

    #[test]
    fn one_who_does_not_read_is_found_out() {
        let peers = Peers::default();
        let client = Client::enter(&peers, 1, "a");
        let outbox = peers.lock().peers[&client.presence.sid].outbox.clone();
        for _ in 0..MAX_WAITING {
            peers.announce("a", "floor_idle", &Value::Null);
        }
        assert!(!outbox.full.is_cancelled());
        peers.announce("a", "floor_idle", &Value::Null);
        assert!(outbox.full.is_cancelled());
    }
}
