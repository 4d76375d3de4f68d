//! What one member believes, by nothing but its snapshot and what it was sent: the client's side of `PROTOCOL.md`,
//! sections 4.2 and 5.

use std::collections::BTreeMap;

use proptest::prop_assert;
use proptest::test_runner::TestCaseError;
use suara_channel::*;

pub(crate) struct View {
    me: TalkerNumber,
    pub(crate) version: u64,
    pub(crate) members: BTreeMap<TalkerNumber, Member>,
    newest: Option<Grant>,
    /// Whether a newer grant ends an older one.
    alone: bool,
    pub(crate) talking: BTreeMap<Grant, Heard>,
    /// The grant that this member was given.
    pub(crate) mine: Option<Grant>,
    /// Its transport is lost: it hears nothing.
    pub(crate) deaf: bool,
}

/// A talker, as last heard of.
pub(crate) struct Heard {
    pub(crate) talker: TalkerNumber,
    pub(crate) at: Time,
    pub(crate) until: Time,
}

impl View {
    /// `joined`, as sent right after the join.
    pub(crate) fn snapshot(channel: &Channel, me: TalkerNumber, now: Time) -> Self {
        let (members, talking, alone) =
            (BTreeMap::new(), BTreeMap::new(), channel.settings().mode == ChannelMode::Ptt);
        let mut view =
            Self { me, version: 0, members, newest: None, alone, talking, mine: None, deaf: false };
        view.refresh(channel);
        channel.all_talking(now).for_each(|talking| view.taken(&talking, now));
        view
    }

    /// The answer to `roster_request`.
    pub(crate) fn refresh(&mut self, channel: &Channel) {
        self.version = channel.version();
        self.members = channel.members().map(|member| (member.talker, member.clone())).collect();
    }

    pub(crate) fn hear(&mut self, effect: &Effect, now: Time) -> Result<(), TestCaseError> {
        match effect {
            Effect::Roster(delta) => self.roster(delta)?,
            Effect::Granted { talker, grant, .. } if *talker == self.me => self.mine = Some(*grant),
            Effect::Taken(talking) => self.taken(talking, now),
            Effect::Idle { grant } => self.idle(*grant),
            _ => {}
        }
        Ok(())
    }

    fn roster(&mut self, delta: &RosterDelta) -> Result<(), TestCaseError> {
        prop_assert!(delta.since <= self.version, "{:?} missed something: {delta:?}", self.me);
        if self.version < delta.version {
            self.members.extend(delta.joined.iter().map(|member| (member.talker, member.clone())));
            self.members.extend(delta.changed.iter().map(|member| (member.talker, member.clone())));
            self.members.retain(|talker, _| delta.left.iter().all(|gone| gone.talker != *talker));
            self.version = delta.version;
        }
        Ok(())
    }

    fn taken(&mut self, talking: &Talking, now: Time) {
        if self.is_news(talking.grant) {
            let Talking { talker, grant, remaining, .. } = *talking;
            self.talking.retain(|other, _| !self.alone || *other == grant);
            self.talking.insert(grant, Heard { talker, at: now, until: now + remaining });
        }
    }

    fn idle(&mut self, grant: Grant) {
        if self.is_news(grant) {
            self.talking.remove(&grant);
        }
        self.mine = self.mine.filter(|mine| *mine != grant);
    }

    fn is_news(&mut self, grant: Grant) -> bool {
        let is_news = self.newest.is_none_or(|newest| newest <= grant);
        self.newest = self.newest.max(Some(grant));
        is_news || !self.alone
    }
}
