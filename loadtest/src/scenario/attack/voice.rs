//! Attacks by datagram: broken frames, forged grants, somebody else's frames again.

use std::time::Duration;

use suara_proto::voice::{Flags, Header, Redundant, VoiceFrame};
use suara_proto::{ChannelNumber, Grant, TalkerNumber};

use super::payloads::datagrams;
use super::probe::Probe;
use super::{Scene, check};
use crate::LoadError;
use crate::report::Check;
use crate::stamp::Stamp;

/// Talkers of a run count from 0: a listener who hears this one hears what it must not.
const NOBODY: u16 = u16::MAX;
/// How often each forgery is tried.
const TRIES: u32 = 20;
/// Below the 100 frames a second that a member may send, so that the rate is not why they are refused.
const PAUSE: Duration = Duration::from_millis(12);

/// A frame like any other, but for its source.
fn frame(channel: u32, talker: u16, grant: Grant) -> Vec<u8> {
    let mut packet = [0; 100];
    Stamp { source: NOBODY, frame: 0, intended: 0 }.write(&mut packet);
    let header = Header {
        flags: Flags::default(),
        sequence: 0,
        timestamp: 0,
        channel: ChannelNumber(channel),
        talker: TalkerNumber(talker),
        grant,
    };
    let voice = VoiceFrame { header, redundant: Redundant::default(), packet: &packet };
    let mut bytes = vec![0; voice.encoded_len()];
    voice.encode(&mut bytes);
    bytes
}

/// Whether the session still answers, in words.
fn lives(probe: &mut Probe) -> &'static str {
    if probe.lives() { "goes on" } else { "is gone" }
}

/// Broken frames are dropped, and cost their sender nothing.
pub(super) fn shapes(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut probe = scene.welcome("attacker-shapes")?;
    let Some((channel, talker)) = probe.join(&scene.channel) else {
        return Ok(vec![check("an attacker's join", "joined", "refused")]);
    };
    let bad = datagrams(&frame(channel, talker, Grant(0)));
    for datagram in &bad {
        probe.link.datagram(datagram);
        probe.pause(PAUSE);
    }
    let what = format!("after {} malformed or oversized datagrams its session", bad.len());
    Ok(vec![check(&what, "goes on", lives(&mut probe))])
}

/// Frames under grants that the sender doesn't hold: none, a guess, the talker's own, in its own name and in the talker's.
pub(super) fn forged(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut probe = scene.welcome("attacker-forged")?;
    let Some((channel, talker)) = probe.join(&scene.channel) else {
        return Ok(vec![check("an attacker's join", "joined", "refused")]);
    };
    let Some(heard) = probe.next_voice() else {
        return Ok(vec![check("voice in the attacked channel", "flows", "none")]);
    };
    let Ok(theirs) = VoiceFrame::decode(&heard).map(|frame| frame.header) else {
        return Ok(vec![check("voice in the attacked channel", "decodes", "doesn't")]);
    };
    let forgeries = [
        frame(channel, talker, Grant(0)),
        frame(channel, talker, theirs.grant.next()),
        frame(channel, talker, theirs.grant),
        frame(channel, theirs.talker.0, theirs.grant),
        frame(channel + 1, theirs.talker.0, theirs.grant),
    ];
    for _ in 0..TRIES {
        for forgery in &forgeries {
            probe.link.datagram(forgery);
            probe.pause(PAUSE);
        }
    }
    let what = format!("after {} frames under forged grants its session", TRIES as usize * forgeries.len());
    Ok(vec![check(&what, "goes on", lives(&mut probe))])
}

/// Frames of the talker, sent again by a listener as they were.
pub(super) fn replayed(scene: &Scene) -> Result<Vec<Check>, LoadError> {
    let mut probe = scene.welcome("attacker-replay")?;
    if probe.join(&scene.channel).is_none() {
        return Ok(vec![check("an attacker's join", "joined", "refused")]);
    }
    let mut count = 0;
    while let Some(heard) = (count < TRIES).then(|| probe.next_voice()).flatten() {
        probe.link.datagram(&heard);
        count += 1;
    }
    let what = format!("after {count} replayed frames its session");
    Ok(vec![check(&what, "goes on", lives(&mut probe))])
}
