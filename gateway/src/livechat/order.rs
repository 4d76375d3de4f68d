//! What staff was told of each conversation, so that it hears each message once and in the order of numbers, by whichever
//! node's word, and what was missed is read from the store. Pure.

use std::collections::HashMap;
use std::sync::Arc;

/// Conversations that are remembered. More are forgotten, the one in which something was said last first to stay.
const MAX_REMEMBERED: usize = 4096;

#[derive(Default)]
pub(super) struct Order {
    told: HashMap<Arc<str>, Told>,
    turns: u64,
}

struct Told {
    number: u64,
    turn: u64,
}

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is its turn.
    Tell,
    /// It was told.
    Known,
    /// Those after that number come before it.
    Missed { after: u64 },
}

impl Order {
    /// A message of that number is there.
    pub(super) fn take(&mut self, session: &str, number: u64) -> Turn {
        match self.told.get(session) {
            Some(told) if number <= told.number => Turn::Known,
            Some(told) if number > told.number + 1 => Turn::Missed { after: told.number },
            _ => {
                self.settle(session, number);
                Turn::Tell
            }
        }
    }

    /// The same of one that the store gave: it has all that there are in between. `false` when it was told.
    pub(super) fn settle(&mut self, session: &str, number: u64) -> bool {
        self.turns += 1;
        let turn = self.turns;
        if let Some(told) = self.told.get_mut(session) {
            let is_new = number > told.number;
            *told = Told { number: told.number.max(number), turn };
            return is_new;
        }
        if self.told.len() >= MAX_REMEMBERED {
            let oldest = turn.saturating_sub(MAX_REMEMBERED as u64 / 2);
            self.told.retain(|_, told| told.turn >= oldest);
        }
        self.told.insert(session.into(), Told { number, turn });
        true
    }

    /// The number of what was told last, where it is remembered.
    pub(super) fn told(&self, session: &str) -> Option<u64> {
        self.told.get(session).map(|told| told.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_one_turn_and_what_is_missed_comes_first() {
        let mut order = Order::default();
        assert_eq!(order.take("a", 7), Turn::Tell, "nothing is known of what was before");
        assert_eq!(order.take("a", 8), Turn::Tell);
        assert_eq!([order.take("a", 8), order.take("a", 3)], [Turn::Known; 2]);
        assert_eq!(order.take("a", 11), Turn::Missed { after: 8 });
        assert_eq!(order.take("b", 1), Turn::Tell, "of its own");
        assert!([9, 10, 11].into_iter().all(|number| order.settle("a", number)));
        assert!(!order.settle("a", 10), "by another's reading");
        assert_eq!((order.take("a", 11), order.take("a", 12)), (Turn::Known, Turn::Tell));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_stays() {
        let mut order = Order::default();
        for session in 0..2 * MAX_REMEMBERED {
            order.settle(&session.to_string(), 1);
            assert!(order.told.len() <= MAX_REMEMBERED);
        }
        assert_eq!(order.told(&(2 * MAX_REMEMBERED - 1).to_string()), Some(1));
        assert_eq!(order.told("0"), None);
    }
}
