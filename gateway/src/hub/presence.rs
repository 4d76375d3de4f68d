//! Members whose transport is lost, and those who come back by another.

use suara_channel::{Identity, Rights};
use suara_cluster::{Op, Outcome};
use suara_proto::{LeaveReason, TalkerNumber};
use tokio::sync::oneshot;

use super::room::Room;
use super::submit::Answer;
use super::view::JoinAnswer;
use crate::session::{Port, SessionId};
use crate::voice::Speaker;

impl Room {
    /// Nothing can be said to a member for now.
    pub(super) fn lose(&mut self, talker: TalkerNumber) {
        let Some(seat) = self.seats.get_mut(&talker) else { return self.lose_lost(talker) };
        if let Some(port) = seat.port.take() {
            self.exit(port.id);
            self.order(Op::Lose { talker });
        }
    }

    /// A member goes on by another session. What the token says of it has to be what it said before: the floor goes by it.
    pub(super) fn resume(
        &mut self,
        talker: TalkerNumber,
        (port, who, rights): (Port, Identity, Rights),
        reply: oneshot::Sender<bool>,
    ) {
        let refuse = |reply: oneshot::Sender<bool>| reply.send(false).unwrap_or_default();
        let member = self.channel().member(talker).filter(|_| self.seats.contains_key(&talker));
        let Some(member) = member else { return refuse(reply) };
        if member.who != who || member.rights != rights {
            self.leave(talker, LeaveReason::Expired, false);
            return refuse(reply);
        }
        self.submit(Op::Resume { talker }, move |room, outcome| {
            let is = outcome == Outcome::Done(true) && room.sit_again(talker, port, rights);
            // It is back, but nobody waits for it any more: then it goes.
            room.answers.push(Answer { to: reply, is, otherwise: Some(talker) });
        });
    }

    /// The snapshot comes once the member is back, so that the roster in it is the newest, and before what that gives rise to.
    fn sit_again(&mut self, talker: TalkerNumber, port: Port, rights: Rights) -> bool {
        let Some(seat) = self.seats.get_mut(&talker) else { return false };
        let before = seat.port.replace(port.clone());
        if let Some(before) = before {
            self.exit(before.id);
        }
        self.enter(&port);
        self.redirect(talker, port.id);
        let answer = JoinAnswer { request: None, member: None, talker, rights, with_members: true };
        self.say_joined(&port, answer);
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
