//! Tells copies of a message from a message that was sent again. Each bridge hears all that goes by Redis, in the same order,
//! and says it with what it was made of: what one bridge says for the second time was sent twice, what two bridges say once
//! each was not. With several gateways on one Redis each hears of it from its own bridges, and counts for itself.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use crate::session::SessionId;

/// A copy comes within milliseconds of the first; this allows for a bridge that was stalled.
const MEMORY: Duration = Duration::from_secs(30);

/// Messages that are remembered at most: a second of the fastest trunk, and half a minute of a busy back end.
const MAX_REMEMBERED: usize = 8192;

#[derive(Default)]
pub(super) struct Copies {
    said: HashMap<String, Said>,
    order: VecDeque<(Duration, String)>,
}

#[derive(Default)]
struct Said {
    times: u64,
    by: BTreeMap<SessionId, u64>,
}

impl Copies {
    /// Which time it is that this message was sent, where it wasn't heard of before.
    pub(super) fn is_new(&mut self, copy: &str, from: SessionId, now: Duration) -> Option<u64> {
        while let Some((at, _)) = self.order.front()
            && (*at + MEMORY <= now || self.order.len() > MAX_REMEMBERED)
            && let Some((_, copy)) = self.order.pop_front()
        {
            self.said.remove(&copy);
        }
        if !self.said.contains_key(copy) {
            self.order.push_back((now, copy.to_owned()));
        }
        let said = self.said.entry(copy.to_owned()).or_default();
        let times = said.by.entry(from).or_default();
        *times += 1;
        let is_new = (*times > said.times).then_some(*times);
        said.times = said.times.max(*times);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bridges_copies_are_one_and_a_message_sent_again_is_two() {
        let (mut copies, [one, other]) = (Copies::default(), [SessionId::random(), SessionId::random()]);
        let mut say = |copy, from, seconds| copies.is_new(copy, from, Duration::from_secs(seconds));
        assert_eq!([say("a", one, 0), say("a", other, 0)], [Some(1), None], "heard by both");
        assert_eq!([say("a", other, 1), say("a", one, 1)], [Some(2), None], "sent again, and heard by both");
        assert_eq!(say("b", other, 1), Some(1));
        assert_eq!(say("a", one, 40), Some(1), "long after");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut copies, bridge) = (Copies::default(), SessionId::random());
        for number in 0..2 * MAX_REMEMBERED {
            copies.is_new(&number.to_string(), bridge, Duration::ZERO);
        }
        assert!(copies.said.len() <= MAX_REMEMBERED + 1);
    }
}
