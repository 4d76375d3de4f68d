//! What the actor makes of the floor's doings and of voice from the gateway.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;
use suara_proto::Grant;
use suara_proto::opus::ticks;
use suara_proto::voice::{Header, VoiceFrame};

use super::Stand;
use super::actor::State;
use super::audience::{RTC, To, Utterance};
use super::stage::{Place, taken};
use super::talkers::End;
use crate::audio::Piece;
use crate::metrics::DropReason;
use crate::trunk::{FloorEvent, Talking};

/// Datagrams of a talker whose name isn't known yet; the word of who talks is on its way on the stream.
const MAX_EARLY: usize = 16;

impl State {
    pub(super) fn floor(&mut self, now: Instant, floor: FloorEvent) {
        match floor {
            FloorEvent::Granted { member, request, grant, duration_ms } => {
                self.press(now, member, |press, _| press.granted(request, grant, duration_ms));
            }
            FloorEvent::Denied { member, request, cause } => {
                self.press(now, member, |press, _| press.denied(now, request, cause));
            }
            FloorEvent::Revoked { member, grant, cause, grace_ms } => {
                self.press(now, member, |press, _| press.revoked(now, grant, cause, grace_ms));
            }
            FloorEvent::Queued { member, request, position, size } => {
                self.press(now, member, |press, _| press.queued(request, position, size));
            }
            FloorEvent::Warning { member, grant, remaining_ms } => {
                self.press(now, member, |press, _| press.warned(grant, remaining_ms));
            }
            FloorEvent::Taken(talking) => self.taken(now, &talking),
            FloorEvent::Idle { grant } => self.idle(now, grant),
        }
    }

    fn taken(&mut self, now: Instant, talking: &Talking) {
        if self.talkers.taken(talking) {
            self.audience.announce("floor_taken", &taken(talking));
            if !self.talkers.are_several() {
                for member in self.busy.clone() {
                    self.press(now, member, |press, _| press.floor_taken(talking.grant));
                }
            }
            let person = &talking.person;
            if self.is_cast() && !self.is_by_rtc(person.talker) && self.cast.talks(person.talker, &person.who)
            {
                self.tell_cast();
            }
        }
        self.replay_early(now);
    }

    fn idle(&mut self, now: Instant, grant: Grant) {
        self.report(grant);
        match self.talkers.idle(grant) {
            End::Old => {}
            // Who knows of one talker at a time is told of one who still talks.
            End::Others(talking) => self.audience.announce("floor_taken", &taken(talking)),
            End::Idle => self.audience.announce("floor_idle", &Value::Null),
        }
        for member in self.busy.clone() {
            self.press(now, member, |press, request| press.floor_idle(now, grant, request));
        }
    }

    /// A burst is over: says when it was passed on, in the name of one who heard it.
    fn report(&mut self, grant: Grant) {
        let passed = self.hearing.ended(grant);
        if let (Some(passed), Some(Place { link, channel }), Some(member)) =
            (passed, &self.place, self.members.keys().next())
        {
            passed.report(link, *channel, grant, *member);
        }
    }

    pub(super) fn replay_early(&mut self, now: Instant) {
        for datagram in std::mem::take(&mut self.early) {
            self.datagram(now, datagram);
        }
    }

    pub(super) fn datagram(&mut self, now: Instant, datagram: Bytes) {
        let Ok(frame) = VoiceFrame::decode(&datagram) else {
            return self.metrics.dropped(DropReason::Malformed, 1);
        };
        let (grant, number) = (frame.header.grant, frame.header.talker);
        let Some(who) = self.talkers.who(number).or_else(|| self.roster.get(number)).cloned() else {
            if self.early.len() < MAX_EARLY {
                self.early.push(datagram.clone());
            } else {
                self.metrics.dropped(DropReason::Backlog, 1);
            }
            return;
        };
        self.metrics.voice("from_trunk", 1, datagram.len());
        let (pieces, burst) = self.hearing.take(now, &frame, self.talkers.are_several());
        let Some(burst) = burst else { return };
        for format in self.audience.formats(None) {
            for piece in &pieces {
                let (Piece::Packet(seq, _) | Piece::Lost(seq, _)) = *piece;
                if let Some(chunk) = burst.spread.chunk(format, piece, &self.metrics) {
                    let stand = Stand { grant, talker: None, number, ticks: ticks_of(&frame, piece) };
                    let (seq, chunk) = (seq.into(), &chunk);
                    self.audience.hear(now, Utterance { format, to: To::All, who: &who, seq, stand, chunk });
                }
            }
        }
    }

    /// Whether there are clients of RTC who hear each talker by itself.
    fn is_cast(&self) -> bool {
        self.talkers.are_several() && self.audience.has_rtc()
    }

    /// Whether that is a client of RTC on this bridge, which produces by itself.
    fn is_by_rtc(&self, talker: suara_proto::TalkerNumber) -> bool {
        self.members.values().any(|present| present.listener.seat.space == RTC && present.talker == talker)
    }

    /// Looks who is to be heard by itself, now that somebody came or went.
    pub(super) fn recast(&mut self) {
        if !self.is_cast() {
            if self.cast.clear() {
                self.tell_cast();
            }
            return;
        }
        let by_rtc = self.members.values().filter(|present| present.listener.seat.space == RTC);
        let by_rtc: BTreeSet<_> = by_rtc.map(|present| present.talker).collect();
        let (roster, talkers) = (&self.roster, &self.talkers);
        let changed = self.cast.update(roster.voices(), |talker| {
            !by_rtc.contains(&talker) && (roster.get(talker).is_some() || talkers.who(talker).is_some())
        });
        if changed {
            self.tell_cast();
        }
    }

    pub(super) fn tell_cast(&self) {
        self.audience.cast(&self.cast.list());
    }
}

/// When a piece was said: one that came along with a later frame, so many of its own lengths before it.
fn ticks_of(frame: &VoiceFrame<'_>, piece: &Piece<'_>) -> u32 {
    let Header { sequence, timestamp, .. } = frame.header;
    match *piece {
        Piece::Packet(seq, packet) | Piece::Lost(seq, Some(packet)) => {
            let back = u32::from(sequence.wrapping_sub(seq));
            timestamp.wrapping_sub(back.wrapping_mul(ticks(packet).unwrap_or_default()))
        }
        Piece::Lost(_, None) => timestamp,
    }
}
