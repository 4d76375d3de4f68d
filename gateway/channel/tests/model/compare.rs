//! The channel's answers and effects beside those that the log calls for.

use std::collections::BTreeMap;

use proptest::{prop_assert, prop_assert_eq};
use suara_channel::*;

use crate::reference::{After, Entry, Event, Story};
use crate::run::Outcome;

/// What the channel answered after a step.
pub(crate) struct Answered {
    pub(crate) after: After,
    /// Looked at when nothing else was done.
    pub(crate) members: Option<BTreeMap<TalkerNumber, Member>>,
}

/// Tells the whole story, and compares on the way.
pub(crate) fn all(
    story: &mut Story<'_>,
    log: &[Entry],
    answered: &[Answered],
    effects: &[Effect],
) -> Outcome {
    prop_assert_eq!(answered.len(), log.len());
    for (step, (entry, answered)) in log.iter().zip(answered).enumerate() {
        story.step(entry);
        prop_assert_eq!(&answered.after, &story.after(), "after step {}, {:?}", step, entry);
        if let Some(members) = &answered.members {
            prop_assert_eq!(members, &story.members, "after step {}", step);
        }
    }
    rosters(log, &story.departed, effects)?;
    let of_the_floor = |effect: &&Effect| !matches!(effect, Effect::Roster(_) | Effect::Speakers(_));
    let said: Vec<_> = effects.iter().filter(of_the_floor).cloned().collect();
    let first = said.iter().zip(&story.said).position(|(said, expected)| said != expected);
    if let Some(at) = first {
        prop_assert_eq!(
            &said[at],
            &story.said[at],
            "effect {} after {:?}",
            at,
            &said[at.saturating_sub(3)..at]
        );
    }
    prop_assert_eq!(said.len(), story.said.len());
    Ok(())
}

/// Everybody who came or went was told once, in that order.
fn rosters(log: &[Entry], departed: &[TalkerNumber], effects: &[Effect]) -> Outcome {
    let (mut came, mut went) = (Vec::new(), Vec::new());
    for effect in effects {
        if let Effect::Roster(delta) = effect {
            came.extend(delta.joined.iter().map(|member| member.talker));
            went.extend(delta.left.iter().map(|gone| gone.talker));
        }
    }
    let joins = log.iter().filter_map(|entry| match &entry.event {
        Event::Joined(member) => Some(member.talker),
        _ => None,
    });
    prop_assert!(came.into_iter().eq(joins), "who came was told otherwise");
    prop_assert!(went == departed, "who went was told otherwise");
    Ok(())
}
