//! Who is in which signaling room, on this node and on others: pure bookkeeping, in the order of coming.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::Fault;
use super::word::{Record, id_of, peer_id};
use crate::channel::Seat;
use crate::nodes::NodeId;

/// Peers of a room. Each newcomer is told to everybody there and sets up a connection with each: a mesh of more would
/// break long before. Higher lets one join cost as many events.
pub(super) const MAX_PEERS: usize = 64;

/// Peers that other nodes say are in a room: each may have let in as many before it heard of the others'.
const MAX_FAR: usize = 4 * MAX_PEERS;

/// Where a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// On this node.
    Here(Seat),
    /// On another.
    There(NodeId),
}

/// One peer in a room.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its namespace and its socket's id: one client may be in both.
    pub(super) id: String,
    pub(super) place: Place,
    /// `{peerId, role, userId}`, as the others are told.
    pub(super) card: Value,
    /// Whom it found there when it came, by id.
    pub(super) found: BTreeSet<String>,
}

/// All rooms with somebody in them.
#[derive(Debug, Default)]
pub(super) struct Table(HashMap<String, Vec<Member>>);

impl Member {
    pub(super) fn here(seat: Seat, card: Value) -> Self {
        Self { id: id_of(seat), place: Place::Here(seat), card, found: BTreeSet::new() }
    }

    pub(super) const fn seat(&self) -> Option<Seat> {
        match self.place {
            Place::Here(seat) => Some(seat),
            Place::There(_) => None,
        }
    }

    fn is_at(&self, node: NodeId) -> bool {
        self.place == Place::There(node)
    }

    /// Whether this one makes the offers, of two that are to be connected: who found the other there, or, where both came
    /// at a time to different nodes, the one with the greater id.
    pub(super) fn offers_to(&self, other: &Self) -> bool {
        match (self.found.contains(&other.id), other.found.contains(&self.id)) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => self.id > other.id,
        }
    }
}

impl Table {
    /// Puts a peer of this node into a room; says who is there besides, and what it is recorded by where it is new.
    pub(super) fn enter(
        &mut self,
        room: &str,
        mut member: Member,
    ) -> Result<(Vec<Member>, Option<Record>), Fault> {
        let there = self.0.entry(room.to_owned()).or_default();
        let others: Vec<_> = there.iter().filter(|other| other.id != member.id).cloned().collect();
        if others.len() < there.len() {
            return Ok((others, None));
        }
        if there.len() >= MAX_PEERS {
            return Err(Fault::Full);
        }
        member.found = others.iter().map(|other| other.id.clone()).collect();
        let record = Record::of(room, &member);
        there.push(member);
        Ok((others, Some(record)))
    }

    /// Takes a peer out of a room; says who is left, or `None` where it wasn't in it.
    pub(super) fn leave(&mut self, room: &str, id: &str) -> Option<Vec<Seat>> {
        let there = self.0.get_mut(room)?;
        let at = there.iter().position(|member| member.id == id)?;
        there.remove(at);
        let left = there.iter().filter_map(Member::seat).collect();
        if there.is_empty() {
            self.0.remove(room);
        }
        Some(left)
    }

    /// The peer whose socket has that id in that room, other than the asker itself.
    pub(super) fn find(&self, room: &str, asker: Seat, peer: &str) -> Option<&Member> {
        let mut there = self.0.get(room)?.iter().filter(|member| member.seat() != Some(asker));
        there.find(|member| peer_id(&member.id) == peer)
    }

    /// The socket of that id on this node, if it is in any room.
    pub(super) fn find_here(&self, id: &str) -> Option<Seat> {
        let mut all = self.0.values().flatten().filter(|member| member.id == id);
        all.find_map(Member::seat)
    }

    /// Everybody of this node.
    pub(super) fn mine(&self) -> Vec<Record> {
        let here = |member: &&Member| member.seat().is_some();
        let rooms: BTreeMap<_, _> = self.0.iter().collect();
        rooms
            .into_iter()
            .flat_map(|(room, there)| there.iter().filter(here).map(|member| Record::of(room, member)))
            .collect()
    }

    /// A peer of another node has come; says who of this one is to be told. None where it is known, or too many are there.
    pub(super) fn came(&mut self, node: NodeId, record: Record) -> (Member, Vec<Member>) {
        let Record { room, id, card, found } = record;
        let member = Member { id, place: Place::There(node), card, found };
        let there = self.0.entry(room).or_default();
        let far = there.iter().filter(|other| other.seat().is_none()).count();
        if far >= MAX_FAR || there.iter().any(|other| other.id == member.id) {
            return (member, Vec::new());
        }
        let here = there.iter().filter(|other| other.seat().is_some()).cloned().collect();
        there.push(member.clone());
        (member, here)
    }

    /// A peer of another node has gone from a room; says who of this one is to be told.
    pub(super) fn went(&mut self, node: NodeId, room: &str, id: &str) -> Vec<Seat> {
        let is_there = |member: &Member| member.id == id && member.is_at(node);
        if !self.0.get(room).is_some_and(|there| there.iter().any(is_there)) {
            return Vec::new();
        }
        self.leave(room, id).unwrap_or_default()
    }

    /// Where peers of another node are: room and id.
    pub(super) fn of(&self, node: NodeId) -> BTreeSet<(String, String)> {
        let of = |(room, there): (&String, &Vec<Member>)| -> Vec<_> {
            let at = there.iter().filter(|member| member.is_at(node));
            at.map(|member| (room.clone(), member.id.clone())).collect()
        };
        self.0.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use socketioxide::socket::Sid;

    use super::*;

    const NODE: NodeId = NodeId::of(7);

    fn member(space: &'static str, sid: Sid) -> Member {
        Member::here(Seat { space, sid }, json!({ "peerId": sid.as_str() }))
    }

    fn far(room: &str, id: &str, found: &[&str]) -> Record {
        let found = found.iter().map(|id| (*id).to_owned()).collect();
        Record { room: room.into(), id: id.into(), card: json!({ "peerId": peer_id(id) }), found }
    }

    #[test]
    fn a_room_knows_who_came_before_and_takes_nobody_twice() {
        let mut table = Table::default();
        let (first, second) = (member("/", Sid::new()), member("/", Sid::new()));
        let (others, record) = table.enter("yard", first.clone()).unwrap();
        assert!(others.is_empty() && record.is_some());
        let (others, record) = table.enter("yard", second.clone()).unwrap();
        assert_eq!((others.len(), &others[0].id), (1, &first.id));
        assert_eq!(record.unwrap().found, BTreeSet::from([first.id.clone()]));
        let (others, record) = table.enter("yard", first.clone()).unwrap();
        assert_eq!((others.len(), &others[0].id, record.is_some()), (1, &second.id, false));
        assert_eq!(table.leave("yard", &first.id), Some(vec![second.seat().unwrap()]));
        assert_eq!(table.leave("yard", &first.id), None);
        assert_eq!(table.leave("yard", &second.id), Some(vec![]));
        assert!(table.0.is_empty(), "an empty room is forgotten");
    }

    #[test]
    fn a_target_is_found_in_the_same_room_only() {
        let mut table = Table::default();
        let (asker, other) = (member("/", Sid::new()), member("/ptt", Sid::new()));
        let seat = asker.seat().unwrap();
        table.enter("yard", asker.clone()).unwrap();
        table.enter("gate", other.clone()).unwrap();
        table.came(NODE, far("gate", "/ far", &[]));
        let find = |room, peer| table.find(room, seat, peer).map(|member| member.place.clone());
        let id = peer_id(&other.id);
        assert_eq!(find("yard", id), None);
        assert_eq!(find("gate", id), Some(other.place.clone()));
        assert_eq!(find("gate", "far"), Some(Place::There(NODE)));
        assert_eq!(find("yard", peer_id(&asker.id)), None, "oneself is no target");
        assert_eq!((table.find_here(&other.id), table.find_here("/ far")), (other.seat(), None));
    }

    #[test]
    fn a_room_is_full_at_its_limit_wherever_its_peers_are() {
        let mut table = Table::default();
        for peer in 0..MAX_PEERS {
            if peer % 2 == 0 {
                table.enter("yard", member("/", Sid::new())).unwrap();
            } else {
                table.came(NODE, far("yard", &peer.to_string(), &[]));
            }
        }
        assert_eq!(table.enter("yard", member("/", Sid::new())).unwrap_err(), Fault::Full);
        for peer in 0..2 * MAX_FAR {
            table.came(NODE, far("yard", &format!("far {peer}"), &[]));
        }
        assert_eq!(table.of(NODE).len(), MAX_FAR, "nor can another node fill it without end");
    }

    #[test]
    fn of_two_one_makes_the_offers_and_both_nodes_know_which() {
        let with = |id: &str, found: &[&str]| {
            let record = far("yard", id, found);
            Member { id: record.id, place: Place::There(NODE), card: Value::Null, found: record.found }
        };
        for (one, other, expected) in [
            (with("a", &[]), with("b", &["a"]), false),
            (with("b", &["a"]), with("a", &[]), true),
            (with("a", &[]), with("b", &[]), false),
            (with("c", &[]), with("b", &["c"]), false),
        ] {
            assert_eq!((one.offers_to(&other), other.offers_to(&one)), (expected, !expected));
        }
    }

    #[test]
    fn a_peer_of_another_node_comes_once_and_goes_with_its_node_alone() {
        let mut table = Table::default();
        let near = member("/", Sid::new());
        table.enter("yard", near.clone()).unwrap();
        assert_eq!(table.came(NODE, far("yard", "far", &[])).1.len(), 1);
        assert!(table.came(NODE, far("yard", "far", &[])).1.is_empty());
        assert!(table.came(NODE, far("yard", &near.id, &[])).1.is_empty(), "nobody is somebody else's peer");
        assert!(table.went(NodeId::of(8), "yard", "far").is_empty());
        assert!(table.went(NODE, "yard", &near.id).is_empty());
        assert_eq!(table.went(NODE, "yard", "far"), [near.seat().unwrap()]);
        assert!(table.of(NODE).is_empty());
    }
}
