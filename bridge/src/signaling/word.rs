//! What bridges say to each other of signaling rooms, by Redis: JSON, and read like any peer's input.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use suara_proto::limits::MAX_CHANNEL_NAME;
use suara_proto::text::is_plain;

use super::table::{MAX_PEERS, Member};
use crate::channel::Seat;
use crate::nodes::NodeId;

/// Bytes of one word: a signal at its largest has 64 KiB.
const MAX_WORD: usize = 192 * 1024;
/// Bytes of a socket's id.
const MAX_ID: usize = 64;
/// Peers in one part of all that a node has: with the largest records half of a word.
pub(super) const PART: usize = 40;
/// Parts of all that a node has.
const MAX_PARTS: u32 = 20_000;
/// Rooms of one peer in one word.
const MAX_ROOMS: usize = 64;

/// A peer in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) room: String,
    pub(super) id: String,
    /// As others are told.
    pub(super) card: Value,
    /// Whom it found there.
    pub(super) found: BTreeSet<String>,
}

/// One word, and whose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Said {
    /// As other nodes know it, too: who lives is settled there.
    pub(super) node: NodeId,
    pub(super) word: Word,
}

/// What is said. Changes of a node are numbered from 1: who misses one asks for all that it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Word {
    /// A sign of life: the number of the last change.
    Beat { last: u64 },
    /// A peer has come into a room.
    Came { number: u64, record: Record },
    /// A peer has gone from these rooms.
    Gone { number: u64, id: String, rooms: BTreeSet<String> },
    /// A part of all peers that the node has after its change of that number.
    All { number: u64, part: u32, parts: u32, records: Vec<Record> },
    /// Asks a node for all of them, or every node.
    Ask { of: Option<NodeId> },
    /// For the peer of that id.
    Signal { to: String, from: String, signal: Value },
}

impl Record {
    pub(super) fn of(room: &str, member: &Member) -> Self {
        let Member { id, card, found, .. } = member.clone();
        Self { room: room.to_owned(), id, card, found }
    }

    fn is_sound(&self) -> bool {
        is_plain(&self.room, MAX_CHANNEL_NAME)
            && is_id(&self.id)
            && self.card["peerId"] == *peer_id(&self.id)
            && self.found.len() <= MAX_PEERS
            && self.found.iter().all(|id| is_id(id))
    }
}

/// By what a peer is known to other bridges: one client may be in both namespaces.
pub(super) fn id_of(seat: Seat) -> String {
    format!("{} {}", seat.space, seat.sid)
}

/// By what it is known to clients: its socket's id.
pub(super) fn peer_id(id: &str) -> &str {
    id.rsplit(' ').next().unwrap_or_default()
}

fn is_id(id: &str) -> bool {
    is_plain(id, MAX_ID)
}

impl Said {
    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what came; nothing where it is no word.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_WORD {
            return None;
        }
        let said: Self = serde_json::from_slice(bytes).ok()?;
        let sound = match &said.word {
            Word::Beat { .. } | Word::Ask { .. } => true,
            Word::Came { record, .. } => record.is_sound(),
            Word::Gone { id, rooms, .. } => {
                is_id(id)
                    && rooms.len() <= MAX_ROOMS
                    && rooms.iter().all(|room| is_plain(room, MAX_CHANNEL_NAME))
            }
            Word::All { part, parts, records, .. } => {
                part < parts && *parts <= MAX_PARTS && records.iter().all(Record::is_sound)
            }
            Word::Signal { to, from, .. } => is_id(to) && is_id(from),
        };
        sound.then_some(said)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Record {
        let found = BTreeSet::from(["b".to_owned()]);
        Record { room: "yard".into(), id: "/ptt a".into(), card: json!({ "peerId": "a" }), found }
    }

    #[test]
    fn a_word_is_read_as_it_was_said() {
        let signal = json!({ "sdp": "v=0\r\n" });
        for word in [
            Word::Beat { last: 7 },
            Word::Came { number: 1, record: record() },
            Word::All { number: 9, part: 0, parts: 1, records: vec![record()] },
            Word::Ask { of: Some(NodeId::random()) },
            Word::Signal { to: "a".into(), from: "b".into(), signal },
        ] {
            let said = Said { node: NodeId::random(), word };
            assert_eq!(Said::read(&said.bytes()), Some(said));
        }
    }

    #[test]
    fn what_makes_no_sense_is_no_word() {
        let said = |word| Said { node: NodeId::random(), word }.bytes();
        for bytes in [
            b"{}".to_vec(),
            vec![0xff; 9],
            said(Word::Came { number: 1, record: Record { id: "c".into(), ..record() } }),
            said(Word::Came { number: 1, record: Record { room: "a\nb".into(), ..record() } }),
            said(Word::All { number: 1, part: 2, parts: 2, records: vec![] }),
            said(Word::Gone { number: 1, id: String::new(), rooms: BTreeSet::new() }),
            said(Word::Signal { to: "a".into(), from: "b".into(), signal: "x".repeat(MAX_WORD).into() }),
        ] {
            assert_eq!(
                Said::read(&bytes),
                None,
                "{}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
            );
        }
    }

    #[test]
    fn the_largest_part_fits_into_a_word() {
        let long = |n: usize, length: usize| format!("{n:0length$}");
        let records = (0..PART).map(|n| Record {
            room: long(n, MAX_CHANNEL_NAME),
            id: long(n, 30),
            card: json!({ "peerId": long(n, 30), "role": long(0, 128), "userId": long(0, 128) }),
            found: (0..MAX_PEERS).map(|n| long(n, 30)).collect(),
        });
        let all = Word::All { number: 1, part: 0, parts: 1, records: records.collect() };
        let bytes = Said { node: NodeId::random(), word: all }.bytes();
        assert!(Said::read(&bytes).is_some(), "{}", bytes.len());
    }
}
