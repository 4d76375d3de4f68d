//! Which other bridges live, and how far each was heard: pure, time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::word::{NodeTag, Record};

/// A bridge that wasn't heard for so long is gone, and its peers with it: four beats.
const DEAD_AFTER: Duration = Duration::from_secs(8);
/// A bridge isn't asked for all that it has more often.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Bridges that are believed in.
const MAX_NODES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Others(BTreeMap<NodeTag, Other>);

#[derive(Debug)]
struct Other {
    heard: Instant,
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
    fn heard(&mut self, node: NodeTag, now: Instant) -> Option<&mut Other> {
        if self.0.len() >= MAX_NODES && !self.0.contains_key(&node) {
            return None;
        }
        let other = Other { heard: now, asked: None, last: None, parts: None };
        let other = self.0.entry(node).or_insert(other);
        other.heard = now;
        Some(other)
    }

    /// A change of that number was said.
    pub(super) fn change(&mut self, node: NodeTag, number: u64, now: Instant) -> Step {
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
    pub(super) fn beat(&mut self, node: NodeTag, last: u64, now: Instant) -> Step {
        let Some(other) = self.heard(node, now) else { return Step::Known };
        if other.last.is_some_and(|known| known >= last) { Step::Known } else { other.ask(now) }
    }

    /// A part of all that a bridge has was said; gives the whole with the last one, where it is news.
    pub(super) fn part(
        &mut self,
        node: NodeTag,
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

    /// Those who weren't heard for too long, and are forgotten.
    pub(super) fn dead(&mut self, now: Instant) -> Vec<NodeTag> {
        let dead = |other: &Other| now.saturating_duration_since(other.heard) >= DEAD_AFTER;
        let nodes = self.0.iter().filter(|(_, other)| dead(other)).map(|(node, _)| *node).collect();
        self.0.retain(|_, other| !dead(other));
        nodes
    }

    /// Nobody could be heard until now: that was nobody's fault.
    pub(super) fn forgive(&mut self, now: Instant) {
        for other in self.0.values_mut() {
            other.heard = now;
        }
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

    const NODE: NodeTag = NodeTag(1);

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
    fn who_is_silent_is_dead_unless_nobody_could_be_heard() {
        let (mut others, now) = (Others::default(), Instant::now());
        others.beat(NODE, 0, now);
        assert!(others.dead(now + DEAD_AFTER / 2).is_empty());
        others.forgive(now + DEAD_AFTER);
        assert!(others.dead(now + DEAD_AFTER + DEAD_AFTER / 2).is_empty());
        assert_eq!(others.dead(now + 2 * DEAD_AFTER), [NODE]);
    }

    #[test]
    fn there_are_no_more_bridges_than_may_be() {
        let (mut others, now) = (Others::default(), Instant::now());
        for node in 0..2 * MAX_NODES as u64 {
            others.beat(NodeTag(node), 0, now);
        }
        assert_eq!(others.0.len(), MAX_NODES);
    }
}
