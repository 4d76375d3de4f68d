//! Who is in which signaling room: pure bookkeeping, in the order of coming.

use std::collections::HashMap;

use serde_json::Value;

use super::Fault;
use crate::channel::Seat;

/// Peers of a room. Each newcomer is told to everybody there and sets up a connection with each: a mesh of more would
/// break long before. Higher lets one join cost as many events.
pub(super) const MAX_PEERS: usize = 64;

/// One socket in a room.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) seat: Seat,
    /// `{peerId, role, userId}`, as the others are told.
    pub(super) card: Value,
}

/// All rooms with somebody in them.
#[derive(Debug, Default)]
pub(super) struct Table(HashMap<String, Vec<Member>>);

impl Table {
    /// Puts a peer into a room; says who is there besides, and whether it is new.
    pub(super) fn enter(&mut self, room: &str, member: Member) -> Result<(Vec<Member>, bool), Fault> {
        let there = self.0.entry(room.to_owned()).or_default();
        let others: Vec<_> = there.iter().filter(|other| other.seat != member.seat).cloned().collect();
        let is_new = others.len() == there.len();
        if is_new {
            if there.len() >= MAX_PEERS {
                return Err(Fault::Full);
            }
            there.push(member);
        }
        Ok((others, is_new))
    }

    /// Takes a peer out of a room; says who is left, or `None` where it wasn't in it.
    pub(super) fn leave(&mut self, room: &str, seat: Seat) -> Option<Vec<Seat>> {
        let there = self.0.get_mut(room)?;
        let at = there.iter().position(|member| member.seat == seat)?;
        there.remove(at);
        let left: Vec<_> = there.iter().map(|member| member.seat).collect();
        if left.is_empty() {
            self.0.remove(room);
        }
        Some(left)
    }

    /// The socket of that id in that room, other than the asker's own.
    pub(super) fn find(&self, room: &str, asker: Seat, id: &str) -> Option<Seat> {
        let there = self.0.get(room)?.iter().map(|member| member.seat);
        there.filter(|seat| *seat != asker).find(|seat| seat.sid.as_str() == id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use socketioxide::socket::Sid;

    use super::*;

    fn member(space: &'static str, sid: Sid) -> Member {
        Member { seat: Seat { space, sid }, card: json!({ "peerId": sid.as_str() }) }
    }

    #[test]
    fn a_room_knows_who_came_before_and_takes_nobody_twice() {
        let mut table = Table::default();
        let (first, second) = (member("/", Sid::new()), member("/", Sid::new()));
        let (others, is_new) = table.enter("yard", first.clone()).unwrap();
        assert!(others.is_empty() && is_new);
        let (others, is_new) = table.enter("yard", second.clone()).unwrap();
        assert_eq!((others.len(), others[0].seat, is_new), (1, first.seat, true));
        let (others, is_new) = table.enter("yard", first.clone()).unwrap();
        assert_eq!((others.len(), others[0].seat, is_new), (1, second.seat, false));
        assert_eq!(table.leave("yard", first.seat), Some(vec![second.seat]));
        assert_eq!(table.leave("yard", first.seat), None);
        assert_eq!(table.leave("yard", second.seat), Some(vec![]));
        assert!(table.0.is_empty(), "an empty room is forgotten");
    }

    #[test]
    fn a_target_is_found_in_the_same_room_only() {
        let mut table = Table::default();
        let (asker, other) = (member("/", Sid::new()), member("/ptt", Sid::new()));
        table.enter("yard", asker.clone()).unwrap();
        table.enter("gate", other.clone()).unwrap();
        let id = other.seat.sid.to_string();
        assert_eq!(table.find("yard", asker.seat, &id), None);
        assert_eq!(table.find("gate", asker.seat, &id), Some(other.seat));
        assert_eq!(table.find("yard", asker.seat, asker.seat.sid.as_str()), None, "oneself is no target");
    }

    #[test]
    fn a_room_is_full_at_its_limit() {
        let mut table = Table::default();
        for _ in 0..MAX_PEERS {
            table.enter("yard", member("/", Sid::new())).unwrap();
        }
        assert_eq!(table.enter("yard", member("/", Sid::new())).unwrap_err(), Fault::Full);
    }
}
