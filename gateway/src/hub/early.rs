//! Talk-ahead in a channel: frames that wait for their grant, and their way out.
//!
//! What is held and when it leaves is decided by [`Ahead`](crate::voice::Ahead), which is pure.

use std::sync::Arc;
use std::time::Instant;

use suara_channel::Effect;
use suara_proto::voice::VoiceFrame;

use super::room::Room;
use crate::metrics::DropReason;
use crate::session::SessionId;
use crate::voice::{Due, EarlyFrame, Heard, Listeners, Speaker, Spoken};

impl Room {
    /// Takes frames in that came too early.
    pub(super) fn hold(&mut self, frames: &mut Vec<EarlyFrame>) {
        for EarlyFrame { at, talker, request, sound, bytes } in frames.drain(..) {
            let is_here = self.channel.member(talker).is_some();
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
        let Some(speaker) = self.speakers.iter().find(|speaker| speaker.grant == due.grant).cloned() else {
            return;
        };
        let heard = match VoiceFrame::decode(&due.frame) {
            Ok(frame) if speaker.heard(self.clock.now()) => speaker.take(&frame),
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
        let others = self.present.values().map(|present| &present.port).filter(|port| port.id != session);
        let others: Arc<Listeners> = Arc::new(others.map(|port| (port.id, &port.ear)).collect());
        self.others = Some((session, others.clone()));
        others
    }
}
