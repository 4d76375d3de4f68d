//! Chat messages in their order, each told once, though the word that there is one may be lost, late or doubled.
//!
//! The store numbers a channel's messages without gaps; who stored one says so to all nodes. A node tells its members those
//! that come in their turn, and fetches those that it didn't hear of.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use suara_channel::Time;

/// Messages that are kept for their turn; those beyond are fetched when it comes.
const MAX_EARLY: usize = 256;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatOutput<M> {
    /// To be told to this node's members: the next one.
    Tell {
        /// Its number.
        number: u64,
        /// What it says.
        message: M,
    },
    /// To be fetched from the store: all above this number, or as many as it gives at a time. Answered by
    /// [`ChatOrder::fetched`], or [`ChatOrder::failed`].
    Fetch {
        /// Above which.
        after: u64,
    },
}

/// One channel's messages on one node.
#[derive(Debug)]
pub struct ChatOrder<M> {
    told: u64,
    /// The highest number that was heard of.
    newest: u64,
    early: BTreeMap<u64, M>,
    patience: Duration,
    every: Duration,
    /// When to fetch; none: nothing is missing, or it is being fetched.
    due: Option<Time>,
    fetching: bool,
    /// The highest number that was heard of when the store was asked.
    hoped: u64,
    outputs: VecDeque<ChatOutput<M>>,
}

impl<M> ChatOrder<M> {
    /// Everything up to number `told` is known. A missing one is waited for as long as `patience` before it is fetched, and
    /// the store is asked `every` so long whether there are any that nobody spoke of.
    #[must_use]
    pub fn new(now: Time, told: u64, patience: Duration, every: Duration) -> Self {
        Self {
            told,
            newest: told,
            early: BTreeMap::new(),
            patience,
            every,
            due: Some(now + every),
            fetching: false,
            hoped: told,
            outputs: VecDeque::new(),
        }
    }

    /// The number of the last one that was told.
    #[must_use]
    pub const fn told(&self) -> u64 {
        self.told
    }

    /// A message was stored, by this node or by another.
    pub fn stored(&mut self, now: Time, number: u64, message: M) {
        self.heard_of(now, number);
        if number > self.told && self.early.len() < MAX_EARLY {
            self.early.insert(number, message);
        }
        self.advance(now);
    }

    /// There is a message of that number, whatever it says.
    pub fn heard_of(&mut self, now: Time, number: u64) {
        self.newest = self.newest.max(number);
        self.advance(now);
    }

    /// What the store has above the number that was asked for, ascending without gaps. What it hasn't isn't there, whoever
    /// spoke of it before it was asked: it is asked again in its time, and not at once.
    pub fn fetched(&mut self, now: Time, messages: impl IntoIterator<Item = (u64, M)>) {
        self.fetching = false;
        let before = self.told;
        for (number, message) in messages {
            self.newest = self.newest.max(number);
            if number > self.told {
                self.early.insert(number, message);
            }
            self.tell();
        }
        if self.told == before && self.newest <= self.hoped {
            self.newest = self.told;
        }
        self.due = Some(now + self.every);
        self.advance(now);
    }

    /// The store didn't answer.
    pub fn failed(&mut self, now: Time) {
        self.fetching = false;
        self.due = Some(now + self.every);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.due.filter(|_| !self.fetching)
    }

    /// Fetches, when it is time.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.fetching = true;
            self.hoped = self.newest;
            self.outputs.push_back(ChatOutput::Fetch { after: self.told });
        }
    }

    /// The next thing to do. To be called until `None`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<ChatOutput<M>> {
        self.outputs.pop_front()
    }

    fn tell(&mut self) {
        while let Some(message) = self.early.remove(&(self.told + 1)) {
            self.told += 1;
            self.outputs.push_back(ChatOutput::Tell { number: self.told, message });
        }
    }

    /// Tells what has its turn, and sees to what is missing.
    fn advance(&mut self, now: Time) {
        self.tell();
        if self.newest > self.told {
            let soon = now + self.patience;
            self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(50);
    const EVERY: Duration = Duration::from_secs(5);

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn order() -> ChatOrder<&'static str> {
        ChatOrder::new(at(0), 7, PATIENCE, EVERY)
    }

    fn all(order: &mut ChatOrder<&'static str>) -> Vec<(u64, &'static str)> {
        let told = |output| match output {
            ChatOutput::Tell { number, message } => (number, message),
            ChatOutput::Fetch { after } => (after, "fetch"),
        };
        iter::from_fn(|| order.poll_output()).map(told).collect()
    }

    #[test]
    fn what_is_early_waits_for_its_turn_and_what_is_doubled_is_told_once() {
        let mut order = order();
        order.stored(at(0), 9, "nine");
        assert_eq!(all(&mut order), []);
        order.stored(at(1), 8, "eight");
        order.stored(at(2), 8, "eight");
        assert_eq!(all(&mut order), [(8, "eight"), (9, "nine")]);
    }

    #[test]
    fn what_is_missing_is_fetched() {
        let mut order = order();
        order.stored(at(10), 9, "nine");
        assert_eq!(order.poll_timeout(), Some(at(60)));
        order.handle_timeout(at(60));
        assert_eq!(all(&mut order), [(7, "fetch")]);
        order.fetched(at(70), [(8, "eight"), (9, "nine"), (10, "ten")]);
        assert_eq!(all(&mut order), [(8, "eight"), (9, "nine"), (10, "ten")]);
        assert_eq!(order.told(), 10);
    }

    #[test]
    fn a_store_without_the_message_that_was_heard_of_is_asked_again_in_its_time() {
        let mut order = ChatOrder::new(at(0), 7, Duration::ZERO, EVERY);
        order.heard_of(at(10), 900);
        order.handle_timeout(at(10));
        assert_eq!(all(&mut order), [(7, "fetch")]);
        order.fetched(at(20), []);
        order.handle_timeout(at(5_019));
        assert_eq!(all(&mut order), [], "not in a circle");
        order.handle_timeout(at(5_020));
        assert_eq!(all(&mut order), [(7, "fetch")]);
        // What is heard of while the store answers may be younger than its answer.
        order.heard_of(at(5_025), 8);
        order.fetched(at(5_030), []);
        order.handle_timeout(at(5_030));
        assert_eq!(all(&mut order), [(7, "fetch")]);
        order.fetched(at(5_040), [(8, "eight")]);
        assert_eq!(all(&mut order), [(8, "eight")]);
        assert_eq!(order.poll_timeout(), Some(at(10_040)));
    }

    #[test]
    fn a_message_that_nobody_spoke_of_is_found_and_a_store_that_fails_is_asked_again() {
        let mut order = order();
        order.handle_timeout(at(5_000));
        assert_eq!(all(&mut order), [(7, "fetch")]);
        order.failed(at(5_100));
        order.handle_timeout(at(10_100));
        assert_eq!(all(&mut order), [(7, "fetch")]);
        order.fetched(at(10_200), [(8, "eight")]);
        assert_eq!(all(&mut order), [(8, "eight")]);
    }
}
