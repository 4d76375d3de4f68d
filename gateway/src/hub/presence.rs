//! Members whose transport is lost, and those who come back by another.

use suara_channel::{Identity, Rights};
use suara_proto::{LeaveReason, TalkerNumber};

use super::room::Room;
use super::view::JoinAnswer;
use crate::session::{Port, SessionId};
use crate::voice::Speaker;

impl Room {
    /// Nothing can be said to a member for now.
    pub(super) fn lose(&mut self, talker: TalkerNumber) {
        let Some(seat) = self.seats.get_mut(&talker) else { return };
        if let Some(port) = seat.port.take() {
            self.exit(port.id);
            self.channel.lose(self.clock.now(), talker);
        }
    }

    /// A member goes on by another session. What the token says of it has to be what it said before: the floor goes by it.
    pub(super) fn resume(
        &mut self,
        talker: TalkerNumber,
        (port, who, rights): (Port, Identity, Rights),
    ) -> bool {
        let now = self.clock.now();
        let Some(member) = self.channel.member(talker) else { return false };
        if member.who != who || member.rights != rights {
            self.leave(talker, LeaveReason::Expired, false);
            return false;
        }
        let Some(seat) = self.seats.get_mut(&talker) else { return false };
        let before = seat.port.replace(port.clone());
        if let Some(before) = before {
            self.exit(before.id);
        }
        self.enter(&port);
        self.redirect(talker, port.id);
        self.channel.resume(now, talker);
        // The snapshot comes after that, so that the roster in it is the newest, and before what it gives rise to.
        let talking: Vec<_> = self.channel.all_talking(now).collect();
        let answer =
            JoinAnswer { request: None, member: None, talker, rights, talking: &talking, with_members: true };
        port.outbox.say(&self.view().joined(answer));
        self.tell_alerts(&port);
        self.tell_patches(&port);
        true
    }

    /// Frames of a talker come by another session from now on.
    fn redirect(&mut self, talker: TalkerNumber, session: SessionId) {
        let own = |speaker: &Speaker| speaker.talker == talker;
        if self.speakers.iter().any(own) {
            let moved = |speaker: &Speaker| if own(speaker) { speaker.by(session) } else { speaker.clone() };
            self.speakers = self.speakers.iter().map(moved).collect();
            self.route_changed = true;
            self.publish();
        }
    }
}
