//! What must hold of the effects by themselves, whatever led to them; and the data plane's view, rebuilt from them.

use std::collections::BTreeMap;

use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};
use suara_channel::*;

#[derive(Default)]
pub(crate) struct Stream {
    /// Whose frames the data plane would forward.
    pub(crate) speakers: Vec<Speaker>,
    /// Granted, and not idle yet.
    open: BTreeMap<Grant, TalkerNumber>,
    newest: Option<Grant>,
    talkers: usize,
}

impl Stream {
    pub(crate) fn new(settings: &Settings) -> Self {
        let talkers = match settings.mode {
            ChannelMode::Ptt | ChannelMode::Other => 1,
            ChannelMode::Dual => 2,
            ChannelMode::Open => settings.max_talkers.max(1),
        };
        Self { talkers, ..Self::default() }
    }

    pub(crate) fn drained(&mut self, effects: &[Effect]) -> Result<(), TestCaseError> {
        let late_roster = effects.iter().skip(1).any(|effect| matches!(effect, Effect::Roster(_)));
        prop_assert!(!late_roster, "the roster comes first, and once: {effects:?}");
        effects.iter().try_for_each(|effect| self.next(effect))
    }

    fn next(&mut self, effect: &Effect) -> Result<(), TestCaseError> {
        match effect {
            Effect::Speakers(speakers) => {
                prop_assert!(*speakers != self.speakers, "no change: {speakers:?}");
                prop_assert!(speakers.is_sorted_by_key(|speaker| speaker.grant), "{speakers:?}");
                self.speakers.clone_from(speakers);
            }
            Effect::Granted { talker, grant, .. } if !self.open.contains_key(grant) => {
                prop_assert!(self.open.len() < self.talkers, "one talker too many, by {grant}");
                prop_assert!(self.open.values().all(|other| other != talker), "{talker} has two grants");
                prop_assert!(self.newest < Some(*grant), "{grant} isn't newer than {:?}", self.newest);
                self.newest = Some(*grant);
                self.open.insert(*grant, *talker);
                self.is_heard(*talker, *grant)?;
            }
            Effect::Taken(Talking { talker, grant, .. })
            | Effect::Granted { talker, grant, .. }
            | Effect::Repeat { talker, grant, .. }
            | Effect::Warning { talker, grant, .. }
            | Effect::Revoke { talker, grant, .. } => self.is_heard(*talker, *grant)?,
            Effect::Idle { grant } => {
                prop_assert!(self.open.remove(grant).is_some(), "idle, and wasn't taken: {grant}");
            }
            Effect::Gone { talker } => {
                prop_assert!(self.open.values().all(|other| other != talker), "{talker} is gone and talks");
            }
            Effect::Deny { .. }
            | Effect::Queued { .. }
            | Effect::Cancelled { .. }
            | Effect::Refused { .. }
            | Effect::Inactive
            | Effect::Roster(_) => {}
        }
        Ok(())
    }

    fn is_heard(&self, talker: TalkerNumber, grant: Grant) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.open.get(&grant), Some(&talker));
        prop_assert!(self.speakers.contains(&Speaker { talker, grant }), "{grant} isn't heard");
        Ok(())
    }
}
