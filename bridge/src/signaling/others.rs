//! How far each of the other bridges was heard: pure, time is an argument. Which of them live, others decide.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::word::Record;
use crate::nodes::NodeId;

/// A bridge may be heard so long before it is known to live: its two ways to Redis aren't there at the same moment.
const NEW_FOR: Duration = Duration::from_secs(10);
/// A bridge isn't asked for all that it has more often.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Bridges that are believed in.
const MAX_NODES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Others(BTreeMap<NodeId, Other>);

#[derive(Debug)]
struct Other {
    /// When it was heard first.
    since: Instant,
    asked: Option<Instant>,
    /// The last change that is known here; nothing, until all that it has was heard.
    last: Option<u64>,
    parts: Option<Parts>,
}

/// All that a bridge has, as it comes.
#[derive(Debug)]
struct Parts {
    number: u64,
    next: u32,
    records: Vec<Record>,
}

/// What to do with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the next one.
    Take,
    /// It is known.
    Known,
    /// Others were missed: the bridge is to be asked for all that it has.
    Ask,
    /// The same, and it was asked just now.
    Wait,
}

impl Others {
    fn heard(&mut self, node: NodeId, now: Instant) -> Option<&mut Other> {
        if self.0.len() >= MAX_NODES && !self.0.contains_key(&node) {
            return None;
        }
        Some(self.0.entry(node).or_insert(Other { since: now, asked: None, last: None, parts: None }))
    }

    /// A change of that number was said.
    pub(super) fn change(&mut self, node: NodeId, number: u64, now: Instant) -> Step {
        let Some(other) = self.heard(node, now) else { return Step::Known };
        match other.last {
            Some(last) if number <= last => Step::Known,
            Some(last) if number == last + 1 => {
                other.last = Some(number);
                Step::Take
            }
            _ => other.ask(now),
        }
    }

    /// A bridge said which its last change is.
    pub(super) fn beat(&mut self, node: NodeId, last: u64, now: Instant) -> Step {
        let Some(other) = self.heard(node, now) else { return Step::Known };
        if other.last.is_some_and(|known| known >= last) { Step::Known } else { other.ask(now) }
    }

    /// A part of all that a bridge has was said; gives the whole with the last one, where it is news.
    pub(super) fn part(
        &mut self,
        node: NodeId,
        number: u64,
        (part, parts): (u32, u32),
        mut records: Vec<Record>,
        now: Instant,
    ) -> Option<Vec<Record>> {
        let other = self.heard(node, now)?;
        if other.last.is_some_and(|last| last >= number) {
            return None;
        }
        if part == 0 {
            other.parts = Some(Parts { number, next: 0, records: Vec::new() });
        }
        let heard = other.parts.as_mut().filter(|heard| heard.number == number && heard.next == part)?;
        heard.next += 1;
        heard.records.append(&mut records);
        if heard.next < parts {
            return None;
        }
        other.last = Some(number);
        other.parts.take().map(|heard| heard.records)
    }

    /// Those who don't live any more, and are forgotten. Who can't be judged at the moment stays.
    pub(super) fn dead(&mut self, now: Instant, lives: impl Fn(NodeId) -> Option<bool>) -> Vec<NodeId> {
        let is_new = |other: &Other| now.saturating_duration_since(other.since) < NEW_FOR;
        let dead = self.0.iter().filter(|(node, other)| !is_new(other) && lives(**node) == Some(false));
        let dead: Vec<_> = dead.map(|(node, _)| *node).collect();
        self.0.retain(|node, _| !dead.contains(node));
        dead
    }
}

impl Other {
    fn ask(&mut self, now: Instant) -> Step {
        if self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < ASK_EVERY) {
            return Step::Wait;
        }
        self.asked = Some(now);
        Step::Ask
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const NODE: NodeId = NodeId::of(1);

    fn record(id: &str) -> Record {
        Record { room: "yard".into(), id: id.into(), card: Value::Null, found: Default::default() }
    }

    #[test]
    fn changes_are_taken_in_order_and_what_was_missed_is_asked_for() {
        let (mut others, now) = (Others::default(), Instant::now());
        assert_eq!(others.change(NODE, 5, now), Step::Ask, "nothing is known of it");
        assert_eq!(others.change(NODE, 6, now), Step::Wait);
        assert_eq!(others.part(NODE, 6, (0, 2), vec![record("a")], now), None);
        assert_eq!(others.part(NODE, 6, (1, 2), vec![record("b")], now).unwrap().len(), 2);
        assert_eq!(others.part(NODE, 6, (0, 1), vec![], now), None, "known by now");
        assert_eq!([others.change(NODE, 6, now), others.change(NODE, 7, now)], [Step::Known, Step::Take]);
        assert_eq!(others.beat(NODE, 7, now), Step::Known);
        assert_eq!(others.beat(NODE, 9, now + ASK_EVERY), Step::Ask);
    }

    #[test]
    fn parts_of_different_times_are_no_whole() {
        let (mut others, now) = (Others::default(), Instant::now());
        assert_eq!(others.part(NODE, 1, (0, 2), vec![], now), None);
        assert_eq!(others.part(NODE, 2, (1, 2), vec![], now), None);
        assert_eq!(others.part(NODE, 2, (0, 2), vec![], now), None);
        assert_eq!(others.part(NODE, 2, (1, 2), vec![], now), Some(vec![]));
    }

    #[test]
    fn who_lives_is_decided_elsewhere_and_nobody_dies_who_is_new_or_cant_be_judged() {
        let (mut others, now) = (Others::default(), Instant::now());
        others.beat(NODE, 0, now);
        let later = now + NEW_FOR;
        assert!(others.dead(now + NEW_FOR / 2, |_| Some(false)).is_empty());
        assert!(others.dead(later, |_| None).is_empty());
        assert!(others.dead(later, |_| Some(true)).is_empty());
        assert_eq!(others.dead(later, |_| Some(false)), [NODE]);
        assert!(others.dead(later, |_| Some(false)).is_empty());
    }

    #[test]
    fn there_are_no_more_bridges_than_may_be() {
        let (mut others, now) = (Others::default(), Instant::now());
        for node in 0..2 * MAX_NODES as u128 {
            others.beat(NodeId::of(node), 0, now);
        }
        assert_eq!(others.0.len(), MAX_NODES);
    }
}
