//! Counts what schedules had in them: a property that nothing interesting was put to is not proven.

use std::collections::{BTreeMap, BTreeSet};

use suara_channel::*;

use crate::line::{Line, Over};
use crate::reference::Story;

/// What has to happen somewhere in a whole run.
pub(crate) const WORTH_HAVING: [&str; 49] = [
    "ended by a release",
    "released in the grace time",
    "released by both roads",
    "ended by T1",
    "ended by T3",
    "ended by T1 in the grace time",
    "ended by leaving",
    "left in the grace time",
    "ended by a dispatcher",
    "tail cut off by a grant",
    "tail that ran out",
    "tail of one who left",
    "tail of one who was muted",
    "taken, repeated",
    "granted again",
    "granted from the queue",
    "left the queue",
    "cancelled in the queue",
    "denied by a dispatcher in the queue",
    "asked anew in the queue",
    "emergency",
    "emergency over T2",
    "raised",
    "several talkers",
    "repeat",
    "warning",
    "queued",
    "cancelled",
    "pre_empted",
    "no_permission",
    "media_burst_too_long",
    "revoked twice",
    "another_has_permission",
    "receive_only",
    "other",
    "queue_full",
    "wrong_grant",
    "several changes in one roster",
    "unreachable",
    "here again",
    "gone after the grace time",
    "kept the floor while unreachable",
    "inactive",
    "a guest talks",
    "a guest takes the floor from a member",
    "a guest gives way",
    "a guest waits",
    "a guest gives back what it has",
    "a guest is dismissed while it talks",
];

pub(crate) fn count(story: &Story<'_>, effects: &[Effect], tally: &mut dyn FnMut(&'static str)) {
    story.book.iter().for_each(|line| of_line(line, story.rules, tally));
    let (mut open, mut newest, mut revoked, mut levels) = (0_i32, None, None, None);
    for effect in effects {
        match effect {
            Effect::Deny { cause, .. } => tally(cause.name()),
            Effect::Refused { code, .. } => tally(code.name()),
            Effect::Granted { grant, .. } if newest >= Some(*grant) => tally("granted again"),
            Effect::Granted { grant, .. } => (newest, open) = (Some(*grant), open + 1),
            Effect::Idle { .. } => open -= 1,
            Effect::Taken(talking)
                if levels
                    .replace((talking.grant, talking.level))
                    .is_some_and(|(grant, level)| grant == talking.grant && level < talking.level) =>
            {
                tally("raised")
            }
            Effect::Revoke { grant, .. } if revoked.replace(*grant) == Some(*grant) => tally("revoked twice"),
            Effect::Revoke { cause, .. } => tally(cause.name()),
            Effect::Repeat { .. } => tally("repeat"),
            Effect::Inactive => tally("inactive"),
            Effect::Warning { .. } => tally("warning"),
            Effect::Queued { .. } => tally("queued"),
            Effect::Cancelled { .. } => tally("cancelled"),
            Effect::Roster(delta) if delta.version - delta.since > 1 => {
                tally("several changes in one roster")
            }
            _ => {}
        }
        if open > 1 {
            tally("several talkers");
        }
    }
    presence(effects, tally);
}

fn presence(effects: &[Effect], tally: &mut dyn FnMut(&'static str)) {
    let (mut away, mut talking) = (BTreeSet::new(), BTreeMap::new());
    for effect in effects {
        match effect {
            Effect::Gone { .. } => tally("gone after the grace time"),
            Effect::Taken(now) => drop(talking.insert(now.grant, now.talker)),
            Effect::Idle { grant } => drop(talking.remove(grant)),
            Effect::Roster(delta) => {
                for member in &delta.changed {
                    if member.unreachable && away.insert(member.talker) {
                        tally("unreachable");
                    } else if !member.unreachable && away.remove(&member.talker) {
                        tally("here again");
                        if talking.values().any(|talker| *talker == member.talker) {
                            tally("kept the floor while unreachable");
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn of_line(line: &Line, rules: &Settings, tally: &mut dyn FnMut(&'static str)) {
    let Some(end) = end_of(line) else { return };
    tally(end);
    of_guest(line, tally);
    if line.grant.is_some() {
        of_grant(line, rules, tally);
    }
}

fn end_of(line: &Line) -> Option<&'static str> {
    Some(match (line.over, line.grant, line.grace) {
        (Some(Over::Release), Some(_), None) => "ended by a release",
        (Some(Over::Release), Some(_), Some(_)) => "released in the grace time",
        (Some(Over::Leave), Some(_), None) => "ended by leaving",
        (Some(Over::Leave), Some(_), Some(_)) => "left in the grace time",
        (Some(Over::Leave), None, _) => "left the queue",
        (Some(Over::Silent), _, None) => "ended by T1",
        (Some(Over::Silent), _, Some(_)) => "ended by T1 in the grace time",
        (Some(Over::Grace), ..) => "ended by T3",
        (Some(Over::Dispatched), Some(_), _) => "ended by a dispatcher",
        (Some(Over::Dispatched), None, _) => "denied by a dispatcher in the queue",
        (Some(Over::Cancelled), ..) => "cancelled in the queue",
        (Some(Over::Replaced), ..) => "asked anew in the queue",
        _ => return None,
    })
}

fn of_grant(line: &Line, rules: &Settings, tally: &mut dyn FnMut(&'static str)) {
    match (line.over, line.tail_cut) {
        (Some(Over::Release), Some(Over::Cut)) => tally("tail cut off by a grant"),
        (Some(Over::Release), Some(Over::Leave)) => tally("tail of one who left"),
        (Some(Over::Release), Some(_)) => tally("tail of one who was muted"),
        (Some(Over::Release), None) => tally("tail that ran out"),
        _ => {}
    }
    if line.came_again {
        tally("released by both roads");
    }
    if line.tellings > 1 + usize::from(line.grace.is_some()) {
        tally("taken, repeated");
    }
    if line.waited {
        tally("granted from the queue");
    }
    if line.level == Level::Emergency {
        tally("emergency");
        if line.heard > line.limit && !rules.t1.is_zero() {
            tally("emergency over T2");
        }
    }
}

fn of_guest(line: &Line, tally: &mut dyn FnMut(&'static str)) {
    if !line.is_guest() {
        return;
    }
    if line.grant.is_some() {
        tally("a guest talks");
    }
    if line.told_position.is_some() || line.waited {
        tally("a guest waits");
    }
    match (line.over, line.grant) {
        (Some(Over::Grace), Some(_)) => tally("a guest gives way"),
        (Some(Over::Release), Some(_)) => tally("a guest gives back what it has"),
        (Some(Over::Leave), Some(_)) => tally("a guest is dismissed while it talks"),
        _ => {}
    }
    if line.waited && line.took_precedence {
        tally("a guest takes the floor from a member");
    }
}
