//! Who sits here: members whose sessions are this node's, and those sessions.

use std::collections::BTreeMap;

use suara_cluster::{Op, Outcome};
use suara_proto::message::ServerMessage;
use suara_proto::{LeaveReason, MemberRef, TalkerNumber};
use tokio::sync::oneshot;

use super::room::Room;
use super::view::JoinAnswer;
use super::{JoinRefused, Joining};
use crate::directory::Wish;
use crate::session::{Port, SessionId};

/// Where a member sits.
pub(super) struct Seat {
    /// None while its transport is lost.
    pub(super) port: Option<Port>,
    /// Whose it is, then too.
    pub(super) session: SessionId,
    pub(super) member: Option<MemberRef>,
    /// Whether it speaks of the floor by datagram, and is answered so.
    pub(super) datagrams: bool,
}

/// A member's place, as its session knows it. The number may be another by now, or another's: whose it is counts.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The number that the session knows.
    pub talker: TalkerNumber,
    /// The session.
    pub session: SessionId,
    /// Which of its members, on a trunk.
    pub member: Option<MemberRef>,
}

impl Place {
    /// Under which number it is among those.
    pub(super) fn find(self, seats: &BTreeMap<TalkerNumber, Seat>) -> Option<TalkerNumber> {
        let is_it = |seat: &Seat| (seat.session, seat.member) == (self.session, self.member);
        if seats.get(&self.talker).is_some_and(is_it) {
            return Some(self.talker);
        }
        seats.iter().find(|(_, seat)| is_it(seat)).map(|(talker, _)| *talker)
    }
}

/// A session that is in the channel, with one member or many.
pub(super) struct Present {
    pub(super) port: Port,
    pub(super) members: usize,
}

/// Where the answer to a join goes.
pub(super) type Entered = oneshot::Sender<Result<TalkerNumber, JoinRefused>>;

impl Room {
    pub(super) fn join(&mut self, joining: Box<Joining>, reply: Entered) {
        if let Some(last) = joining.last_message {
            self.chat_begins(last);
        }
        if self.handle.call.as_ref().is_some_and(|call| !call.admits(&joining.who.user)) {
            return reply.send(Err(JoinRefused::MayNotListen)).unwrap_or_default();
        }
        let op = Op::Join { who: joining.who.clone(), rights: joining.rights, claim: None };
        self.entering += 1;
        self.submit(op, move |room, outcome| {
            room.entering -= 1;
            if let (true, Outcome::Joined(Ok(talker))) = (reply.is_closed(), &outcome) {
                // Nobody waits any more, and a client may have heard `unavailable`: it isn't told that it is in.
                return room.order(Op::Leave { talker: *talker, reason: LeaveReason::Disconnected });
            }
            joining.told.set();
            let verdict = room.let_in(*joining, outcome);
            if let Err(Ok(talker)) = reply.send(verdict) {
                // The session ended while it waited.
                room.leave(talker, LeaveReason::Disconnected, false);
            }
        });
    }

    /// A newcomer has its number, or is refused.
    fn let_in(&mut self, joining: Joining, outcome: Outcome) -> Result<TalkerNumber, JoinRefused> {
        let Joining { port, member, request, rights, .. } = joining;
        let talker = match outcome {
            Outcome::Joined(verdict) => verdict.map_err(JoinRefused::from)?,
            _ => return Err(JoinRefused::Unavailable),
        };
        self.metrics.members.inc();
        // A trunk that knows the channel needs no snapshot for each of its members: a thousand of them would be sent
        // a million entries.
        let with_members = self.enter(&port) == 1;
        self.say_joined(&port, JoinAnswer { request, member, talker, rights, with_members });
        let session = port.id;
        self.seats.insert(talker, Seat { port: Some(port), session, member, datagrams: false });
        Ok(talker)
    }

    /// Tells a session that it is in, and what else holds here.
    pub(super) fn say_joined(&self, port: &Port, answer: JoinAnswer) {
        let talking: Vec<_> = self.all_talking().collect();
        let with_members = answer.with_members;
        port.outbox.say(&self.view().joined(answer, &talking));
        if with_members {
            self.tell_alerts(port);
            self.tell_patches(port);
            self.tell_split(port);
        }
    }

    /// One more member comes by that session; says how many it has here.
    pub(super) fn enter(&mut self, port: &Port) -> usize {
        let present = self.present.entry(port.id).or_insert_with(|| {
            self.audience_changed = true;
            Present { port: port.clone(), members: 0 }
        });
        present.members += 1;
        present.members
    }

    /// One member less comes by that session.
    pub(super) fn exit(&mut self, session: SessionId) {
        if let Some(present) = self.present.get_mut(&session) {
            present.members -= 1;
            if present.members == 0 {
                self.present.remove(&session);
                self.audience_changed = true;
            }
        }
    }

    /// A member leaves by its session's doing.
    pub(super) fn give_up(&mut self, place: Place, reason: LeaveReason, confirm: bool) {
        if let Some(talker) = place.find(&self.seats) {
            self.leave(talker, reason, confirm);
        } else if let Some(was) = self.find_lost(place) {
            self.leave_lost(was, reason, confirm);
        }
    }

    pub(super) fn leave(&mut self, talker: TalkerNumber, reason: LeaveReason, confirm: bool) {
        let Some(seat) = self.forget(talker) else {
            return self.leave_lost(talker, reason, confirm);
        };
        self.order(Op::Leave { talker, reason });
        if confirm {
            self.confirm(&seat, reason);
        }
    }

    pub(super) fn confirm(&self, Seat { port, member, .. }: &Seat, reason: LeaveReason) {
        if let Some(port) = port {
            port.outbox.say(&ServerMessage::Left { member: *member, channel: self.handle.number, reason });
        }
    }

    /// A member is no member any more.
    pub(super) fn forget(&mut self, talker: TalkerNumber) -> Option<Seat> {
        let seat = self.seats.remove(&talker)?;
        self.somebody_left = true;
        self.metrics.members.dec();
        let dropped = self.ahead.leave(talker);
        self.dropped_early(dropped);
        if let Some(port) = &seat.port {
            self.exit(port.id);
        }
        Some(seat)
    }

    /// Takes a member out by nobody's wish of its own: it is told, and so is its session.
    pub(super) fn put_out(&mut self, talker: TalkerNumber, reason: LeaveReason) {
        let Some(seat) = self.forget(talker) else { return };
        self.order(Op::Leave { talker, reason });
        self.show_out(seat, reason);
    }

    /// Tells one who sits here no more.
    pub(super) fn show_out(&self, Seat { port, member, .. }: Seat, reason: LeaveReason) {
        // One whose transport is lost finds its place gone when it comes back.
        if let Some(port) = port {
            let channel = self.handle.number;
            port.outbox.say(&ServerMessage::Left { member, channel, reason });
            port.wishes.push(Wish::Rise { member, channel });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_under_its_new_number_and_never_under_anothers() {
        let [mine, others] = [(); 2].map(|()| SessionId::random());
        let seat = |session, member| Seat { port: None, session, member, datagrams: false };
        let [first, second] = [1, 2].map(|member| Some(MemberRef(member)));
        let mut seats: BTreeMap<_, _> =
            [(3, others, None), (5, others, first), (7, mine, first), (8, mine, second)]
                .map(|(talker, session, member)| (TalkerNumber(talker), seat(session, member)))
                .into();
        let place = |talker, session, member| Place { talker: TalkerNumber(talker), session, member };
        assert_eq!(place(7, mine, first).find(&seats), Some(TalkerNumber(7)));
        assert_eq!(place(5, mine, first).find(&seats), Some(TalkerNumber(7)), "5 is another's by now");
        assert_eq!(place(5, mine, second).find(&seats), Some(TalkerNumber(8)));
        assert_eq!(place(7, mine, None).find(&seats), None);
        seats.remove(&TalkerNumber(7));
        assert_eq!(place(5, mine, first).find(&seats), None);
    }
}
