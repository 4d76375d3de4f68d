//! One channel, as its clients of RTC know it: who of them is there, and which of its other members are producers. Pure but
//! for the names of producers, which are drawn.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use socketioxide::socket::Sid;
use suara_proto::TalkerNumber;

use crate::trunk::Who;

/// A channel's clients, and its producers that are none of them.
#[derive(Debug, Default)]
pub(super) struct Hall {
    pub(super) peers: BTreeSet<Sid>,
    cast: Vec<Player>,
}

/// A member of the channel by another transport, who is a producer to clients of RTC.
#[derive(Debug)]
struct Player {
    talker: TalkerNumber,
    who: Who,
    producer: String,
}

/// What a new cast changes: producers to be announced, and those that are gone.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Recast {
    pub(super) new: Vec<Value>,
    pub(super) gone: Vec<(TalkerNumber, Value)>,
}

/// A producer's name.
pub(super) fn producer_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// A producer, as clients are told of it.
pub(super) fn described(producer: &str, peer: impl Into<Value>, who: &Who) -> Value {
    let Who { user, name, .. } = who;
    json!({ "producerId": producer, "peerId": peer.into(), "kind": "audio", "userId": &**user, "name": &**name })
}

impl Player {
    /// Others than clients of RTC have no name of that kind: their number in the channel serves.
    fn peer(&self) -> String {
        format!("talker-{}", self.talker)
    }
}

impl Hall {
    /// These are the cast from now on.
    pub(super) fn recast(&mut self, cast: &[(TalkerNumber, Who)]) -> Recast {
        let mut recast = Recast::default();
        self.cast.retain(|player| {
            let stays = cast.iter().any(|(talker, who)| *talker == player.talker && *who == player.who);
            if !stays {
                let closed = json!({ "producerId": player.producer, "peerId": player.peer() });
                recast.gone.push((player.talker, closed));
            }
            stays
        });
        for (talker, who) in cast {
            if !self.cast.iter().any(|player| player.talker == *talker) {
                let player = Player { talker: *talker, who: who.clone(), producer: producer_id() };
                recast.new.push(described(&player.producer, player.peer(), who));
                self.cast.push(player);
            }
        }
        recast
    }

    /// The producers of the cast, as clients are told of them.
    pub(super) fn cast(&self) -> impl Iterator<Item = Value> {
        self.cast.iter().map(|player| described(&player.producer, player.peer(), &player.who))
    }

    /// Whose producer that is.
    pub(super) fn talker(&self, producer: &str) -> Option<TalkerNumber> {
        self.cast.iter().find(|player| player.producer == producer).map(|player| player.talker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(numbers: &[u16]) -> Vec<(TalkerNumber, Who)> {
        let who = |number: u16| Who { user: format!("u{number}").into(), name: "U".into(), role: "".into() };
        numbers.iter().map(|number| (TalkerNumber(*number), who(*number))).collect()
    }

    fn users(values: &[Value]) -> Vec<&str> {
        values.iter().map(|value| value["userId"].as_str().unwrap()).collect()
    }

    #[test]
    fn who_stays_is_told_of_once_and_keeps_its_name() {
        let mut hall = Hall::default();
        assert_eq!(users(&hall.recast(&cast(&[1, 2])).new), ["u1", "u2"]);
        let before: Vec<_> = hall.cast().collect();
        let recast = hall.recast(&cast(&[2, 3]));
        assert_eq!(users(&recast.new), ["u3"]);
        let [(gone, closed)] = &recast.gone[..] else { panic!("{recast:?}") };
        assert_eq!((*gone, &closed["producerId"]), (TalkerNumber(1), &before[0]["producerId"]));
        assert_eq!(hall.cast().next(), Some(before[1].clone()));
        assert_eq!(hall.recast(&cast(&[2, 3])), Recast::default());
        let named = before[1]["producerId"].as_str().unwrap();
        assert_eq!((hall.talker(named), hall.talker("floor")), (Some(TalkerNumber(2)), None));
    }

    #[test]
    fn a_number_that_became_anothers_is_another_producer() {
        let mut hall = Hall::default();
        hall.recast(&cast(&[1]));
        let mut other = cast(&[2]);
        other[0].0 = TalkerNumber(1);
        let recast = hall.recast(&other);
        assert_eq!((recast.gone.len(), users(&recast.new)), (1, vec!["u2"]));
    }
}
