//! Talk-ahead in a channel: frames that wait for their grant, and their way out.
//!
//! What is held and when it leaves is decided by [`Ahead`](crate::voice::Ahead), which is pure.

use std::sync::Arc;
use std::time::Instant;

use suara_channel::Effect;
use suara_proto::Grant;
use suara_proto::voice::{Header, VoiceFrame};

use super::remote::Abroad;
use super::room::Room;
use crate::metrics::DropReason;
use crate::session::SessionId;
use crate::voice::{Due, Ear, EarlyFrame, Heard, Listeners, Speaker, Spoken};

impl Room {
    /// Takes frames in that came too early.
    pub(super) fn hold(&mut self, frames: &mut Vec<EarlyFrame>) {
        for EarlyFrame { at, talker, request, sound, bytes } in frames.drain(..) {
            let is_here = self.channel().member(talker).is_some();
            let dropped = if is_here { self.ahead.hold(at, talker, request, bytes, sound) } else { 1 };
            self.dropped_early(dropped);
        }
    }

    /// What a decision means for voice that is held.
    pub(super) fn decide_early(&mut self, effect: &Effect) {
        let dropped = match effect {
            Effect::Granted { talker, request, grant, .. } => {
                let dropped = self.ahead.granted(self.clock.now(), *talker, *request, *grant);
                let draining = self.ahead.is_draining(*talker);
                let own = self.speakers.iter().filter(|speaker| speaker.grant == *grant);
                own.for_each(|speaker| speaker.answers(*request, draining));
                dropped
            }
            Effect::Deny { talker, request, .. } | Effect::Cancelled { talker, request } => {
                self.ahead.refused(*talker, *request)
            }
            Effect::Speakers(speakers) => {
                self.ahead.in_force(|grant| speakers.iter().any(|speaker| speaker.grant == grant))
            }
            _ => 0,
        };
        self.dropped_early(dropped);
    }

    /// Lets out what may leave by now.
    pub(super) fn let_out(&mut self) {
        let now = self.clock.now();
        while let Some(due) = self.ahead.poll(now) {
            self.forward(&due);
            if !self.ahead.is_draining(due.talker) {
                let own = self.speakers.iter().filter(|speaker| speaker.grant == due.grant);
                own.for_each(Speaker::drained);
            }
        }
    }

    pub(super) fn dropped_early(&self, frames: usize) {
        for _ in 0..frames {
            self.metrics.voice.dropped(DropReason::TalkAhead);
        }
    }

    fn forward(&mut self, due: &Due) {
        self.forward_under(due.grant, &due.frame);
    }

    /// Passes on a frame of another node's member.
    pub(super) fn pass_on(&mut self, bytes: &[u8]) {
        if let Ok(frame) = VoiceFrame::decode(bytes) {
            self.forward_under(frame.header.grant, bytes);
        }
    }

    fn forward_under(&mut self, grant: Grant, bytes: &[u8]) {
        let Some(speaker) = self.speakers.iter().find(|speaker| speaker.grant == grant).cloned() else {
            return;
        };
        let channel = self.handle.number;
        let heard = match VoiceFrame::decode(bytes) {
            Ok(frame) if speaker.heard(self.clock.now()) => {
                let header = Header { channel, ..frame.header };
                speaker.take(&VoiceFrame { header, ..frame })
            }
            _ => Err(DropReason::Rate),
        };
        let Heard { repaired, spoken } = match heard {
            Ok(heard) => heard,
            Err(reason) => return self.metrics.voice.dropped(reason),
        };
        for spoken in repaired.iter().flatten().filter(|_| speaker.may_say()) {
            self.metrics.voice.loss.repaired();
            self.say(&speaker, spoken);
        }
        self.say(&speaker, &spoken);
    }

    fn say(&mut self, speaker: &Speaker, Spoken { frame, earlier }: &Spoken) {
        let now = Instant::now();
        speaker.tape.record(frame);
        for relay in self.relays.iter() {
            relay.pass_on(frame, speaker.grant, self.clock.now(), now);
        }
        let others = self.others(speaker.session);
        if let Some(sender) = self.hub.sender() {
            sender.send_after(&others.audience, frame, earlier, now);
        }
        for (_, queue) in &others.queues {
            queue.push(now, frame.clone());
        }
    }

    /// Everybody but a session itself.
    fn others(&mut self, session: SessionId) -> Arc<Listeners> {
        if let Some((_, others)) = self.others.as_ref().filter(|(of, _)| *of == session) {
            return others.clone();
        }
        let ears = self.ears().filter(|(id, _)| *id != session).collect::<Vec<_>>();
        let others: Arc<Listeners> = Arc::new(ears.iter().map(|(id, ear)| (*id, ear)).collect());
        self.others = Some((session, others.clone()));
        others
    }

    /// Everybody who hears this channel: the sessions that are here, and the other nodes as one.
    pub(super) fn ears(&self) -> impl Iterator<Item = (SessionId, Ear)> {
        let here = self.present.values().map(|present| (present.port.id, present.port.ear.clone()));
        here.chain(self.abroad.as_ref().and_then(Abroad::ear))
    }
}
