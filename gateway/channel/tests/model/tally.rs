//! Counts what schedules had in them: a property that nothing interesting was put to is not proven.

use suara_channel::*;

use crate::reference::{Burst, End, Event, Story};

/// What has to happen somewhere in a whole run.
pub(crate) const WORTH_HAVING: [&str; 18] = [
    "ended by a release",
    "released in the grace time",
    "ended by T1",
    "ended by T3",
    "ended by T1 in the grace time",
    "ended by leaving",
    "left in the grace time",
    "tail cut off by a grant",
    "tail that ran out",
    "tail of one who left",
    "taken, repeated",
    "granted again",
    "another_has_permission",
    "receive_only",
    "other",
    "wrong_grant",
    "release that crossed a timer",
    "several changes in one roster",
];

pub(crate) fn count(story: &Story<'_>, effects: &[Effect], tally: &mut dyn FnMut(&'static str)) {
    for (index, burst) in story.bursts.iter().enumerate() {
        ending(story, burst, tally);
        tail(story, burst, story.bursts.get(index + 1), tally);
        if burst.told.len() > 1 + usize::from(burst.revoked.is_some()) {
            tally("taken, repeated");
        }
    }
    let mut newest = None;
    for effect in effects {
        match effect {
            Effect::Deny { cause, .. } => tally(cause.name()),
            Effect::Refused { code, .. } => tally(code.name()),
            Effect::Granted { grant, .. } if newest.replace(*grant) == Some(*grant) => tally("granted again"),
            Effect::Roster(delta) if delta.version - delta.since > 1 => {
                tally("several changes in one roster")
            }
            _ => {}
        }
    }
    for (step, entry) in story.log.iter().enumerate() {
        if let Event::Release(by) = entry.event
            && story.lapsed_before(step) == Some(by)
        {
            tally("release that crossed a timer");
        }
    }
}

fn ending(story: &Story<'_>, burst: &Burst, tally: &mut dyn FnMut(&'static str)) {
    let Some((end, how)) = burst.over else { return };
    let grace = burst.revoked.map(|revoked| story.log[end].now - story.log[revoked].now);
    tally(match (how, grace) {
        (End::Release, None) => "ended by a release",
        (End::Release, Some(_)) => "released in the grace time",
        (End::Leave, None) => "ended by leaving",
        (End::Leave, Some(_)) => "left in the grace time",
        (End::Timer, None) => "ended by T1",
        (End::Timer, Some(grace)) if u128::from(grace) >= story.rules.t3.as_millis() => "ended by T3",
        (End::Timer, Some(_)) => "ended by T1 in the grace time",
    });
}

fn tail(story: &Story<'_>, burst: &Burst, next: Option<&Burst>, tally: &mut dyn FnMut(&'static str)) {
    if let Some((released, End::Release)) = burst.over {
        let end = story.tail_end(burst, released);
        tally(match story.log.get(end).map(|entry| &entry.event) {
            _ if next.is_some_and(|next| next.from < end) => "tail cut off by a grant",
            Some(Event::Left(_)) => "tail of one who left",
            _ => "tail that ran out",
        });
    }
}
