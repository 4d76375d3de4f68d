//! Who is in the channel, as far as talkers' names are concerned: voice carries numbers only.

use std::collections::{BTreeMap, HashSet};

use suara_proto::TalkerNumber;

use crate::trunk::{Person, RosterEvent, Who};

/// The names behind talker numbers, at a version.
#[derive(Debug, Default)]
pub(super) struct Roster {
    version: u64,
    people: BTreeMap<TalkerNumber, Who>,
    /// Whose token doesn't let them talk.
    silent: HashSet<TalkerNumber>,
    /// Whom a dispatcher doesn't let talk.
    muted: HashSet<TalkerNumber>,
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

    /// Those who may talk, as far as their tokens go; the first comers first.
    pub(super) fn voices(&self) -> impl Iterator<Item = (TalkerNumber, &Who)> {
        let voices = self.people.iter().filter(|(talker, _)| !self.silent.contains(talker));
        voices.map(|(talker, who)| (*talker, who))
    }

    /// One isn't to be heard any more, whatever the roster says.
    pub(super) fn silence(&mut self, talker: TalkerNumber) {
        if self.people.contains_key(&talker) {
            self.silent.insert(talker);
        }
    }

    /// Whether nothing is known of the channel yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.people.is_empty()
    }

    /// The whole truth at `version`.
    pub(super) fn replace(&mut self, version: u64, members: Vec<Person>) {
        self.version = version;
        self.people.clear();
        self.silent.clear();
        self.muted.clear();
        for person in members {
            self.put(person);
        }
    }

    pub(super) fn is_muted(&self, talker: TalkerNumber) -> bool {
        self.muted.contains(&talker)
    }

    /// Whether anybody is.
    pub(super) fn has_muted(&self) -> bool {
        !self.muted.is_empty()
    }

    fn put(&mut self, person: Person) {
        if person.muted {
            self.muted.insert(person.talker);
        } else {
            self.muted.remove(&person.talker);
        }
        if person.listen_only {
            self.silent.insert(person.talker);
        } else {
            self.silent.remove(&person.talker);
        }
        self.people.insert(person.talker, person.who);
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
        for person in event.joined.into_iter().chain(event.changed) {
            self.put(person);
        }
        for talker in event.left {
            self.people.remove(&talker);
            self.silent.remove(&talker);
            self.muted.remove(&talker);
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
            listen_only: false,
            muted: false,
        }
    }

    fn change(since: u64, version: u64, joined: Vec<Person>, left: &[u16]) -> RosterEvent {
        let left = left.iter().copied().map(TalkerNumber).collect();
        RosterEvent { since: Some(since), version, members: None, joined, left, changed: Vec::new() }
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
            changed: Vec::new(),
        };
        assert_eq!(roster.apply(whole), Change::Known);
        assert!(roster.get(TalkerNumber(3)).is_some());
    }

    #[test]
    fn who_is_muted_is_known_by_what_changed_until_it_changes_again_or_is_gone() {
        let mut roster = Roster::default();
        roster.replace(5, vec![person(1, "a"), person(2, "b")]);
        let muted = |version, talker, muted| RosterEvent {
            changed: vec![Person { muted, ..person(talker, "x") }],
            ..change(version - 1, version, Vec::new(), &[])
        };
        assert_eq!(roster.apply(muted(6, 1, true)), Change::Known);
        assert!(roster.is_muted(TalkerNumber(1)) && !roster.is_muted(TalkerNumber(2)));
        assert_eq!(roster.apply(muted(7, 1, false)), Change::Known);
        assert!(!roster.has_muted());
        roster.apply(muted(8, 2, true));
        roster.apply(change(8, 9, Vec::new(), &[2]));
        assert!(!roster.has_muted());
    }
}
