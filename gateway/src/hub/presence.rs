//! Members whose transport is lost, and those who come back by another.

use suara_channel::Rights;
use suara_cluster::{Op, Outcome};
use suara_proto::{LeaveReason, TalkerNumber};
use tokio::sync::oneshot;

use super::Resuming;
use super::room::Room;
use super::seats::Place;
use super::submit::Answer;
use super::view::JoinAnswer;
use crate::directory::Wish;
use crate::session::{Port, SessionId};
use crate::voice::Speaker;

impl Room {
    /// Nothing can be said to a member for now.
    pub(super) fn lose(&mut self, place: Place) {
        let Some(talker) = place.find(&self.seats) else {
            return self.find_lost(place).into_iter().for_each(|was| self.lose_lost(was));
        };
        if let Some(port) = self.seats.get_mut(&talker).and_then(|seat| seat.port.take()) {
            self.exit(port.id);
            self.order(Op::Lose { talker });
        }
    }

    /// A member goes on by another session. What the token says of it has to be what it said before: the floor goes by it.
    pub(super) fn resume(
        &mut self,
        place: Place,
        Resuming { port, who, rights, told }: Resuming,
        reply: oneshot::Sender<bool>,
    ) {
        let refuse = |reply: oneshot::Sender<bool>| reply.send(false).unwrap_or_default();
        let found = place.find(&self.seats);
        let Some((talker, member)) = found.and_then(|talker| Some((talker, self.channel().member(talker)?)))
        else {
            // One that isn't in the channel's state for now would come back to nobody.
            self.give_up(place, LeaveReason::Disconnected, false);
            return refuse(reply);
        };
        if member.who != who || member.rights != rights {
            self.leave(talker, LeaveReason::Expired, false);
            return refuse(reply);
        }
        self.submit(Op::Resume { talker }, move |room, outcome| {
            let wishes = port.wishes.clone();
            told.set();
            let is = outcome == Outcome::Done(true) && room.sit_again(talker, port, rights);
            if is && talker != place.talker {
                let (channel, was) = (room.handle.number, place.talker);
                wishes.push(Wish::Renumber { member: None, channel, was, talker });
            }
            // It is back, but nobody waits for it any more: then it goes.
            room.answers.push(Answer { to: reply, is, otherwise: Some(talker) });
        });
    }

    /// The snapshot comes once the member is back, so that the roster in it is the newest, and before what that gives rise to.
    fn sit_again(&mut self, talker: TalkerNumber, port: Port, rights: Rights) -> bool {
        let Some(seat) = self.seats.get_mut(&talker) else { return false };
        let before = seat.port.replace(port.clone());
        (seat.session, seat.member) = (port.id, None);
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
