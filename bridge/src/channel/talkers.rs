//! Who has the floor: one in an ordinary channel, where a newer grant ends the older; in one of mode `dual` or `open` several,
//! each until its own end (PROTOCOL.md, section 5.4). Pure.

use std::collections::BTreeMap;

use suara_proto::message::ChannelMode;
use suara_proto::{Grant, TalkerNumber};

use crate::trunk::{Talking, Who};

/// Grants that are remembered at a time. A gateway gives some handfuls.
const MAX_TALKING: usize = 64;

/// The grants in force, as far as the gateway told.
#[derive(Debug, Default)]
pub(super) struct Talkers {
    several: bool,
    talking: BTreeMap<Grant, Talking>,
}

/// What the end of a grant means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End<'a> {
    /// Nothing: it was known to be over.
    Old,
    /// This one still talks.
    Others(&'a Talking),
    Idle,
}

impl Talkers {
    /// The channel as a member finds it.
    pub(super) fn enter(&mut self, mode: ChannelMode, talking: Vec<Talking>) {
        self.several = matches!(mode, ChannelMode::Dual | ChannelMode::Open);
        if !talking.is_empty() {
            self.talking = talking.into_iter().map(|talking| (talking.grant, talking)).collect();
        }
    }

    /// Whether several may talk at a time.
    pub(super) const fn are_several(&self) -> bool {
        self.several
    }

    /// Somebody talks, or still does: `true` where that is news.
    pub(super) fn taken(&mut self, talking: &Talking) -> bool {
        let grant = talking.grant;
        let newest = self.talking.last_key_value().map(|(grant, _)| *grant);
        if !self.several && newest.is_some_and(|newest| grant < newest) {
            return false;
        }
        let before = self.talking.insert(grant, talking.clone());
        if self.several {
            // Nobody has two grants.
            let talker = talking.person.talker;
            self.talking.retain(|of, other| *of >= grant || other.person.talker != talker);
            if self.talking.len() > MAX_TALKING {
                self.talking.pop_first();
            }
        } else {
            self.talking = self.talking.split_off(&grant);
        }
        before.is_none_or(|before| before.level != talking.level)
    }

    /// A grant is over; in a channel of one talker all before it are, too.
    pub(super) fn idle(&mut self, grant: Grant) -> End<'_> {
        let before = self.talking.len();
        if self.several {
            self.talking.remove(&grant);
        } else {
            self.talking.retain(|of, _| *of > grant);
        }
        match self.talking.last_key_value() {
            _ if self.talking.len() == before => End::Old,
            Some((_, talking)) => End::Others(talking),
            None => End::Idle,
        }
    }

    /// Nothing is known any more; whether somebody talked.
    pub(super) fn clear(&mut self) -> bool {
        let talked = !self.talking.is_empty();
        self.talking.clear();
        talked
    }

    /// Those who talk, the newest last.
    pub(super) fn all(&self) -> impl Iterator<Item = &Talking> {
        self.talking.values()
    }

    /// Who has that number, if it talks.
    pub(super) fn who(&self, talker: TalkerNumber) -> Option<&Who> {
        self.all().map(|talking| &talking.person).find(|person| person.talker == talker).map(|p| &p.who)
    }
}

#[cfg(test)]
mod tests {
    use suara_proto::message::Level;

    use super::*;
    use crate::trunk::Person;

    fn talking(talker: u16, grant: u32) -> Talking {
        let user = format!("u{talker}");
        let who = Who { user: user.as_str().into(), name: user.as_str().into(), role: "".into() };
        let person = Person { talker: TalkerNumber(talker), who, listen_only: false, muted: false };
        Talking { person, grant: Grant(grant), remaining_ms: 1, level: Level::Normal }
    }

    fn numbers(talkers: &Talkers) -> Vec<u16> {
        talkers.all().map(|talking| talking.person.talker.0).collect()
    }

    #[test]
    fn a_newer_grant_ends_the_older_where_one_talks() {
        let mut talkers = Talkers::default();
        talkers.enter(ChannelMode::Ptt, vec![talking(1, 1)]);
        assert!(!talkers.taken(&talking(1, 1)), "that was known");
        assert!(talkers.taken(&talking(2, 2)));
        assert!(!talkers.taken(&talking(1, 1)), "out of date");
        assert_eq!(numbers(&talkers), [2]);
        assert_eq!(talkers.idle(Grant(1)), End::Old);
        assert_eq!(talkers.idle(Grant(2)), End::Idle);
    }

    #[test]
    fn where_several_talk_each_grant_lives_by_itself() {
        let mut talkers = Talkers::default();
        talkers.enter(ChannelMode::Open, vec![talking(1, 1), talking(2, 2)]);
        assert!(talkers.taken(&talking(3, 3)));
        assert!(!talkers.taken(&talking(1, 1)), "renewed");
        assert_eq!(talkers.idle(Grant(3)), End::Others(&talking(2, 2)));
        assert!(talkers.taken(&talking(1, 4)), "its second");
        assert_eq!(numbers(&talkers), [2, 1]);
        assert_eq!(talkers.idle(Grant(1)), End::Old);
        assert!(matches!(talkers.idle(Grant(2)), End::Others(_)));
        assert_eq!(talkers.idle(Grant(4)), End::Idle);
        assert!(!talkers.clear());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut talkers = Talkers::default();
        talkers.enter(ChannelMode::Open, Vec::new());
        for number in 0..1000 {
            talkers.taken(&talking(number, number.into()));
        }
        assert_eq!(talkers.all().count(), MAX_TALKING);
    }
}
