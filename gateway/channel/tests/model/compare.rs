//! The channel's answers and effects beside those that the log calls for.

use std::collections::BTreeMap;

use proptest::{prop_assert, prop_assert_eq};
use suara_channel::*;

use crate::reference::{Event, Story};
use crate::run::Outcome;

/// What the channel answered after a step.
pub(crate) struct Answered {
    pub(crate) talking: Option<Talking>,
    pub(crate) speaker: Option<Speaker>,
    pub(crate) version: u64,
    /// Looked at when nothing else was done.
    pub(crate) members: Option<BTreeMap<TalkerNumber, Member>>,
}

pub(crate) fn all(story: &Story<'_>, answered: &[Answered], effects: &[Effect]) -> Outcome {
    answers(story, answered)?;
    rosters(story, effects)?;
    let of_the_floor = |effect: &&Effect| !matches!(effect, Effect::Roster(_) | Effect::Speaker(_));
    let said: Vec<_> = effects.iter().filter(of_the_floor).cloned().collect();
    let expected: Vec<_> = (0..story.log.len()).flat_map(|step| story.said_at(step)).collect();
    prop_assert_eq!(said, expected);
    Ok(())
}

fn answers(story: &Story<'_>, answered: &[Answered]) -> Outcome {
    prop_assert_eq!(answered.len(), story.log.len());
    for (step, answered) in answered.iter().enumerate() {
        let event = &story.log[step];
        let talking = story.talking_after(step);
        prop_assert_eq!(&answered.talking, &talking, "after step {}, {:?}", step, event);
        prop_assert_eq!(answered.speaker, story.speaker_after(step), "after step {}, {:?}", step, event);
        prop_assert_eq!(answered.version, story.version_after(step));
        if let Some(members) = &answered.members {
            prop_assert_eq!(members, &story.members_after(step));
        }
    }
    Ok(())
}

/// Everybody who came or went was told once, in that order.
fn rosters(story: &Story<'_>, effects: &[Effect]) -> Outcome {
    let (mut came, mut went) = (Vec::new(), Vec::new());
    for effect in effects {
        if let Effect::Roster(delta) = effect {
            came.extend(&delta.joined);
            went.extend(delta.left.iter().map(|gone| gone.talker));
        }
    }
    let joins = story.log.iter().filter_map(|entry| match &entry.event {
        Event::Joined(member) => Some(member),
        _ => None,
    });
    let leaves = story.log.iter().filter_map(|entry| match entry.event {
        Event::Left(talker) => Some(talker),
        _ => None,
    });
    prop_assert!(came.into_iter().eq(joins), "who came was told otherwise");
    prop_assert!(went.into_iter().eq(leaves), "who went was told otherwise");
    Ok(())
}
