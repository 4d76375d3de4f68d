//! What the data plane is told of a channel: whose frames go where.

use std::sync::Arc;

use super::room::Room;
use crate::session::SessionId;
use crate::voice::{Route, Speaker};

impl Room {
    /// One whose frames are to be forwarded; who is so already keeps what its frames have left behind.
    pub(super) fn speaker(&self, speaker: &suara_channel::Speaker) -> Option<Speaker> {
        let kept =
            self.speakers.iter().find(|it| (it.grant, it.talker) == (speaker.grant, speaker.talker)).cloned();
        kept.or_else(|| {
            let now = self.clock.now();
            if let Some(abroad) = self.abroad.as_ref().filter(|_| !self.replica.is_local(speaker.talker)) {
                return Some(Speaker::new(abroad.session, speaker.talker, speaker.grant, now));
            }
            if self.channel().is_guest(speaker.talker) {
                // Nobody's session: its frames come by a relay and by no other way.
                let (guest, origin) = (SessionId::random(), self.patches.origin(speaker.talker));
                return Some(Speaker::new(guest, speaker.talker, speaker.grant, now).for_another(origin));
            }
            let session = self.seats.get(&speaker.talker)?.port.as_ref()?.id;
            Some(Speaker::new(session, speaker.talker, speaker.grant, now))
        })
    }

    /// These may be heard from now on.
    pub(super) fn let_speak(&mut self, speakers: &[suara_channel::Speaker]) {
        let before = self.speakers.clone();
        self.speakers = speakers.iter().filter_map(|speaker| self.speaker(speaker)).collect();
        self.change_tapes(&before);
        self.route_changed = true;
        // What came too early goes first, and the talker's frames are let through before it hears that it may send them.
        self.let_in_early();
        self.publish();
    }

    /// Bursts that are over end their tapes, and new ones begin theirs.
    pub(super) fn change_tapes(&self, before: &[Speaker]) {
        let is_in = |all: &[Speaker], one: &Speaker| all.iter().any(|other| other.grant == one.grant);
        for over in before.iter().filter(|speaker| !is_in(&self.speakers, speaker)) {
            over.tape.ends();
        }
        for new in self.speakers.iter().filter(|speaker| !is_in(before, speaker)) {
            self.handle.tapes.begin(new.tape.clone());
        }
    }

    pub(super) fn publish(&mut self) {
        self.look_abroad();
        if self.audience_changed {
            self.others = None;
            let ears: Vec<_> = self.ears().collect();
            self.listeners = Arc::new(ears.iter().map(|(session, ear)| (*session, ear)).collect());
        }
        if self.audience_changed {
            self.tell_ears();
        }
        if self.audience_changed || self.route_changed {
            self.relays = self.relays().into();
            let (speakers, listeners) = (self.speakers.clone(), self.listeners.clone());
            let route = Route { speakers, listeners, relays: self.relays.clone() };
            self.handle.route.store(Arc::new(route));
            (self.audience_changed, self.route_changed) = (false, false);
        }
    }
}
