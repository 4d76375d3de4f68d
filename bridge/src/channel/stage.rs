//! Does what a press says: tells the client, sends to the gateway, lets the others on this bridge hear.

use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};
use suara_proto::message::{ClientMessage, Level};
use suara_proto::voice::{Header, VoiceFrame};
use suara_proto::{ChannelNumber, Grant, MemberRef, TalkerNumber};

use super::audience::{Audience, Listener, To, Utterance};
use super::chunk::{Chunk, Stand};
use super::held::HOLD;
use super::pace::Pace;
use super::press::{Act, Press};
use super::report::Spoken;
use super::talk::{Frame, Out, Talk};
use super::wish::Wish;
use crate::audio::{Format, Piece};
use crate::metrics::{DropReason, Metrics};
use crate::trunk::{Link, Talking, Who};

/// A member that this bridge brought.
pub(super) struct Present {
    pub(super) who: Who,
    pub(super) listener: Listener,
    pub(super) talker: TalkerNumber,
    /// Whether it was told that a dispatcher doesn't let it talk.
    pub(super) muted: bool,
    pub(super) press: Press<Chunk>,
    pub(super) talk: Option<Talk>,
    pub(super) pace: Pace<Out>,
    /// Its burst, until that is reported.
    pub(super) spoken: Option<(Grant, Spoken)>,
}

/// The channel's place at the gateway.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) link: Link,
    pub(super) channel: ChannelNumber,
}

/// What a press' acts are done with.
pub(super) struct Stage<'a> {
    pub(super) now: Instant,
    pub(super) member: MemberRef,
    pub(super) place: &'a Place,
    pub(super) audience: &'a Audience,
    pub(super) metrics: &'a Metrics,
}

impl Stage<'_> {
    pub(super) fn perform(&mut self, present: &mut Present, act: Act<Chunk>) {
        let tell = |event, payload: &Value| self.audience.tell(&present.listener, event, payload);
        match act {
            Act::Request(request, wish) => {
                present.pace.push_anyway(self.now, Out::Request(request, wish));
            }
            Act::Cancel(request) => present.pace.push_anyway(self.now, Out::Cancel(request)),
            Act::Release(grant) => present.pace.push_anyway(self.now, Out::Release(grant)),
            Act::Granted { duration_ms } => {
                self.metrics.press("granted");
                tell("floor_granted", &json!({ "duration_ms": duration_ms }));
            }
            Act::Denied(cause) => {
                self.metrics.press("denied");
                tell("floor_denied", &json!({ "cause": cause }));
            }
            Act::Queued { position, size } => {
                self.metrics.press("queued");
                tell("floor_queued", &json!({ "position": position, "size": size }));
            }
            Act::Warned { remaining_ms } => tell("floor_warning", &json!({ "remaining_ms": remaining_ms })),
            Act::Revoked { cause, grace_ms } => {
                self.metrics.press("revoked");
                tell("floor_revoked", &json!({ "cause": cause, "grace_ms": grace_ms }));
            }
            Act::Begin(grant) => {
                let Place { channel, .. } = *self.place;
                let talk = Talk::new(present.listener.format, channel, present.talker, grant);
                present.talk =
                    talk.inspect_err(|error| tracing::error!(%error, "no encoder could be made")).ok();
                present.spoken = self.spoken(present).map(|spoken| (grant, spoken));
            }
            Act::Voice(chunk) if chunk.stamp.is_some() => self.relay(present, &chunk),
            Act::Voice(chunk) => self.speak(present, &chunk.bytes),
            Act::End(grant) => match present.talk.take() {
                Some(talk) => self.end(present, talk),
                None => present.pace.push_anyway(self.now, Out::Release(grant)),
            },
            Act::Drop(reason, count) => self.metrics.dropped(reason, count),
        }
    }

    /// What is known of a burst that begins. Who asked in so many words may speak later: that is no access.
    fn spoken(&self, present: &Present) -> Option<Spoken> {
        let pressed = present.press.first_chunk()?;
        let granted = (!present.press.has_waited()).then_some(self.now);
        Some(Spoken { pressed, granted, timestamp: present.talk.as_ref()?.timestamp() })
    }

    /// A chunk: as it is to those of the same format, as Opus to the gateway, decoded again to the others.
    fn speak(&self, present: &mut Present, chunk: &bytes::Bytes) {
        let Present { who, listener, talker, talk: Some(talk), pace, .. } = present else {
            return self.metrics.dropped(DropReason::Blocked, 1);
        };
        let (seq, stand) = (talk.chunks, self.stand(*talker, talk));
        self.audience
            .hear(self.now, Utterance { format: listener.format, to: To::All, who, seq, stand, chunk });
        talk.chunks += 1;
        for packet in talk.packets(chunk, self.metrics) {
            self.translate(talk, *talker, who, listener.format, &packet);
            talk.send(self.now, &packet, pace, self.metrics);
        }
    }

    /// A packet with a number of its own: what was lost before it is filled in for listeners who can't do so themselves.
    fn relay(&self, present: &mut Present, chunk: &Chunk) {
        let (Present { who, talker, talk: Some(talk), pace, .. }, Some(stamp)) = (present, chunk.stamp)
        else {
            return self.metrics.dropped(DropReason::Blocked, 1);
        };
        talk.place(stamp);
        let stand = self.stand(*talker, talk);
        let mut order = std::mem::take(&mut talk.order);
        for piece in order.take(&talk.frame(&chunk.bytes)) {
            let (Piece::Packet(seq, _) | Piece::Lost(seq, _)) = piece;
            for format in self.audience.formats(stand.talker) {
                if let Some(chunk) = talk.spread.chunk(format, &piece, self.metrics) {
                    let (seq, chunk) = (seq.into(), &chunk);
                    self.audience.hear(self.now, Utterance { format, to: To::All, who, seq, stand, chunk });
                }
            }
        }
        talk.order = order;
        talk.send(self.now, &chunk.bytes, pace, self.metrics);
    }

    fn stand(&self, number: TalkerNumber, talk: &Talk) -> Stand {
        Stand { grant: talk.grant(), talker: Some(self.member), number, ticks: talk.timestamp() }
    }

    fn end(&self, present: &mut Present, mut talk: Talk) {
        let mut packets = talk.last_packets(self.metrics);
        for packet in &packets {
            self.translate(&mut talk, present.talker, &present.who, present.listener.format, packet);
        }
        let last = packets.pop().unwrap_or_default();
        for packet in packets {
            talk.send(self.now, &packet, &mut present.pace, self.metrics);
        }
        talk.end(self.now, &last, &mut present.pace);
    }

    /// One packet to this bridge's listeners of other formats than the talker's.
    fn translate(&self, talk: &mut Talk, number: TalkerNumber, who: &Who, own: Format, packet: &[u8]) {
        let (seq, stand) = (talk.packets, self.stand(number, talk));
        talk.packets += 1;
        for format in self.audience.formats(stand.talker).into_iter().filter(|format| *format != own) {
            let piece = Piece::Packet(seq as u16, packet);
            if let Some(chunk) = talk.spread.chunk(format, &piece, self.metrics) {
                let to = if talk.is_chunked() { To::Sockets } else { To::All };
                self.audience.hear(self.now, Utterance { format, to, who, seq, stand, chunk: &chunk });
            }
        }
    }

    /// A frame of a talker of chunks to this bridge's clients of RTC, as it goes to everybody else's. Of the last one's repeats
    /// they take one.
    fn tell_rtc(&self, who: &Who, datagram: &[u8]) {
        let Ok(VoiceFrame { header, packet, .. }) = VoiceFrame::decode(datagram) else { return };
        if packet.is_empty() {
            return;
        }
        let Header { sequence, timestamp: ticks, grant, talker: number, .. } = header;
        let stand = Stand { grant, talker: Some(self.member), number, ticks };
        let (format, seq, chunk) = (Format::Opus, sequence.into(), &Bytes::copy_from_slice(packet));
        self.audience.hear(self.now, Utterance { format, to: To::Rtc, who, seq, stand, chunk });
    }

    /// Sends what may go by now.
    pub(super) fn send(&self, present: &mut Present) {
        let Place { link, channel } = self.place;
        let (channel, member) = (*channel, Some(self.member));
        while let Some(out) = present.pace.pop(self.now, |out| matches!(out, Out::Voice(_))) {
            match out {
                Out::Request(request, Wish { level, priority, queue }) => {
                    let asking =
                        ClientMessage::FloorRequest { request, channel, member, level, priority, queue };
                    if !link.ask(&asking) {
                        // The press asks again by itself.
                        self.metrics.press("trunk_busy");
                    }
                }
                Out::Cancel(request) => link.say(&ClientMessage::FloorCancel { request, channel, member }),
                Out::Release(grant) => {
                    link.say(&ClientMessage::FloorRelease { channel, grant, member });
                    if let Some((_, spoken)) = present.spoken.take_if(|(of, _)| *of == grant) {
                        spoken.report(link, channel, grant, self.member, HOLD);
                    }
                }
                Out::Voice(Frame { datagram, to_rtc }) => {
                    if to_rtc {
                        self.tell_rtc(&present.who, &datagram);
                    }
                    if link.voice(&datagram) {
                        self.metrics.voice("to_trunk", 1, datagram.len());
                    } else {
                        self.metrics.dropped(DropReason::Datagram, 1);
                    }
                }
            }
        }
    }
}

pub(super) fn taken(talking: &Talking) -> Value {
    let Who { user, name, .. } = &talking.person.who;
    let mut taken = json!({ "user_id": &**user, "name": &**name, "remaining_ms": talking.remaining_ms });
    if talking.level != Level::Normal {
        taken["level"] = json!(talking.level);
    }
    taken
}
