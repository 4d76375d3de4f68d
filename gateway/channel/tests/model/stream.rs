//! What must hold of the effects by themselves, whatever led to them; and the data plane's view, rebuilt from them.

use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};
use suara_channel::*;

#[derive(Default)]
pub(crate) struct Stream {
    /// Whose frames the data plane would forward.
    pub(crate) speaker: Option<Speaker>,
    /// Granted, and not idle yet.
    open: Option<Grant>,
    newest: Option<Grant>,
}

impl Stream {
    pub(crate) fn drained(&mut self, effects: &[Effect]) -> Result<(), TestCaseError> {
        let late_roster = effects.iter().skip(1).any(|effect| matches!(effect, Effect::Roster(_)));
        prop_assert!(!late_roster, "the roster comes first, and once: {effects:?}");
        effects.iter().try_for_each(|effect| self.next(effect))
    }

    fn next(&mut self, effect: &Effect) -> Result<(), TestCaseError> {
        match *effect {
            Effect::Speaker(speaker) => {
                prop_assert!(speaker != self.speaker, "no change: {speaker:?}");
                self.speaker = speaker;
            }
            Effect::Granted { talker, grant, .. } if self.open != Some(grant) => {
                prop_assert_eq!(self.open, None, "two talkers, one by {}", grant);
                prop_assert!(self.newest < Some(grant), "{grant} isn't newer than {:?}", self.newest);
                prop_assert_eq!(self.speaker, Some(Speaker { talker, grant }), "granted, and not heard");
                (self.open, self.newest) = (Some(grant), Some(grant));
            }
            Effect::Taken(Talking { talker, grant, .. }) | Effect::Revoke { talker, grant, .. } => {
                prop_assert_eq!(self.open, Some(grant), "{:?}", effect);
                prop_assert_eq!(self.speaker, Some(Speaker { talker, grant }));
            }
            Effect::Idle { grant } => {
                prop_assert_eq!(self.open.take(), Some(grant), "idle, and wasn't taken");
                prop_assert!(self.speaker.is_none_or(|tail| tail.grant == grant));
            }
            Effect::Granted { .. } | Effect::Deny { .. } | Effect::Refused { .. } | Effect::Roster(_) => {}
        }
        Ok(())
    }
}
