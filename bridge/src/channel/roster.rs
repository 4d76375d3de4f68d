//! Who is in the channel, as far as talkers' names are concerned: voice carries numbers only.

use std::collections::HashMap;

use suara_proto::TalkerNumber;

use crate::trunk::{Person, RosterEvent, Who};

/// The names behind talker numbers, at a version.
#[derive(Debug, Default)]
pub(super) struct Roster {
    version: u64,
    people: HashMap<TalkerNumber, Who>,
}

/// What a change means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Known now, or before.
    Known,
    /// Something was missed: the whole roster has to be asked for.
    Gap,
}

impl Roster {
    pub(super) fn get(&self, talker: TalkerNumber) -> Option<&Who> {
        self.people.get(&talker)
    }

    /// Whether nothing is known of the channel yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.people.is_empty()
    }

    /// The whole truth at `version`.
    pub(super) fn replace(&mut self, version: u64, members: Vec<Person>) {
        self.version = version;
        self.people = members.into_iter().map(|person| (person.talker, person.who)).collect();
    }

    pub(super) fn apply(&mut self, event: RosterEvent) -> Change {
        if let Some(members) = event.members {
            if event.version >= self.version {
                self.replace(event.version, members);
            }
            return Change::Known;
        }
        if event.version <= self.version {
            return Change::Known;
        }
        if event.since.is_none_or(|since| since > self.version) {
            return Change::Gap;
        }
        self.version = event.version;
        self.people.extend(event.joined.into_iter().map(|person| (person.talker, person.who)));
        for talker in event.left {
            self.people.remove(&talker);
        }
        Change::Known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(talker: u16, user: &str) -> Person {
        Person {
            talker: TalkerNumber(talker),
            who: Who { user: user.into(), name: user.into(), role: "".into() },
        }
    }

    fn change(since: u64, version: u64, joined: Vec<Person>, left: &[u16]) -> RosterEvent {
        let left = left.iter().copied().map(TalkerNumber).collect();
        RosterEvent { since: Some(since), version, members: None, joined, left }
    }

    #[test]
    fn changes_are_applied_once_and_gaps_are_noticed() {
        let mut roster = Roster::default();
        roster.replace(5, vec![person(1, "a")]);
        assert_eq!(roster.apply(change(3, 5, vec![person(9, "old")], &[])), Change::Known);
        assert!(roster.get(TalkerNumber(9)).is_none());
        assert_eq!(roster.apply(change(4, 6, vec![person(2, "b")], &[1])), Change::Known);
        assert!(roster.get(TalkerNumber(1)).is_none());
        assert!(roster.get(TalkerNumber(2)).is_some());
        assert_eq!(roster.apply(change(7, 8, vec![person(3, "c")], &[])), Change::Gap);
        let whole = RosterEvent {
            since: None,
            version: 8,
            members: Some(vec![person(3, "c")]),
            joined: Vec::new(),
            left: Vec::new(),
        };
        assert_eq!(roster.apply(whole), Change::Known);
        assert!(roster.get(TalkerNumber(3)).is_some());
    }
}
