//! What becomes of this node's sessions when another node's state takes the place of the channel's: after a split, after the end of
//! the node that decided, or when too much was missed. They are told the truth, in place of all that led to it.

use std::collections::{BTreeMap, BTreeSet};

use suara_channel::{Channel, JoinError};
use suara_cluster::{Op, Standing};
use suara_proto::message::ServerMessage;
use suara_proto::{DenyCause, Grant, LeaveReason, RevokeCause, TalkerNumber};

use super::room::Room;
use super::seats::Seat;
use super::view::{JoinAnswer, describe_talker};
use crate::directory::Wish;
use crate::session::Port;

impl Room {
    /// The node's part in the channel is another one.
    pub(super) fn stands(&mut self, standing: Standing) {
        tracing::debug!(channel = %self.handle.number, ?standing, "stands");
        self.owns(matches!(standing, Standing::Owner { .. }));
        let split = match standing {
            Standing::Split { .. } => true,
            Standing::Owner { .. } | Standing::Follower { .. } => false,
            // It looks for the others: nothing is sure yet.
            Standing::Seeking => return,
        };
        let Some(abroad) = self.abroad.as_mut().filter(|abroad| abroad.is_split != split) else { return };
        abroad.is_split = split;
        self.metrics.split_channels.inc_by(if split { 1 } else { -1 });
        self.tell_all(&ServerMessage::ChannelState { channel: self.handle.number, split });
    }

    /// Counts whether this node decides.
    fn owns(&mut self, owns: bool) {
        if let Some(abroad) = self.abroad.as_mut().filter(|abroad| abroad.owns != owns) {
            abroad.owns = owns;
            self.metrics.nodes.owned.inc_by(if owns { 1 } else { -1 });
        }
    }

    /// The room ends: nothing of it is counted any more.
    pub(super) fn falls(&mut self) {
        self.owns(false);
        if self.abroad.as_ref().is_some_and(|abroad| abroad.is_split) {
            self.metrics.split_channels.dec();
        }
    }

    /// Tells one that comes, or is back, that it hears but a part.
    pub(super) fn tell_split(&self, port: &Port) {
        if self.abroad.as_ref().is_some_and(|abroad| abroad.is_split) {
            port.outbox.say(&ServerMessage::ChannelState { channel: self.handle.number, split: true });
        }
    }

    /// Another state is the channel's from now on. Those who are lost in it hear so by themselves.
    pub(super) fn adopted(&mut self, before: &Channel) {
        self.tell_all(&self.view().snapshot());
        self.tell_ends(before);
        self.let_speak(&self.channel().speakers());
        self.tell_beginnings(before);
        self.alerts_adopted();
        self.patches_adopted();
        self.catch_up();
    }

    /// Bursts that are no more, and requests of members here.
    fn tell_ends(&mut self, before: &Channel) {
        let goes_on: BTreeMap<_, _> =
            self.all_talking().map(|talking| (talking.grant, talking.talker)).collect();
        for talking in before.all_talking(before.now()) {
            let now = goes_on.get(&talking.grant);
            if now != Some(&talking.talker) {
                self.take_back(talking.talker, talking.grant);
            }
            // Both sides of a split count from the same number: then the other talker's Taken says that this one's is over.
            if now.is_none() {
                let (channel, grant) = (self.handle.number, talking.grant);
                self.tell_all(&ServerMessage::FloorIdle { channel, grant });
            }
        }
        let channel = self.handle.number;
        for (talker, seat) in &self.seats {
            let (was, is) = (before.waits(*talker), self.channel().waits(*talker));
            let Some(request) = was.filter(|was| is != Some(*was)) else { continue };
            // It may have been granted meanwhile, which is said by itself.
            if self.all_talking().any(|talking| talking.talker == *talker) {
                continue;
            }
            let dropped = self.ahead.refused(*talker, request);
            (0..dropped).for_each(|_| self.metrics.voice.dropped(crate::metrics::DropReason::TalkAhead));
            let (member, cause) = (seat.member, DenyCause::Other);
            if let Some(port) = &seat.port {
                port.outbox.say(&ServerMessage::FloorDeny { member, channel, request, cause });
            }
        }
    }

    /// Tells a member here that its grant is over.
    fn take_back(&self, talker: TalkerNumber, grant: Grant) {
        if let Some(Seat { port: Some(port), member, .. }) = self.seats.get(&talker) {
            let (member, channel, cause) = (*member, self.handle.number, RevokeCause::Other);
            port.outbox.say(&ServerMessage::FloorRevoke { member, channel, grant, cause, grace_ms: 0 });
        }
    }

    /// Bursts that are new here; and what members here have of the floor, where that isn't what they know.
    fn tell_beginnings(&mut self, before: &Channel) {
        let known: BTreeSet<_> =
            before.all_talking(before.now()).map(|talking| (talking.grant, talking.talker)).collect();
        let talking: Vec<_> =
            self.all_talking().filter(|talking| !known.contains(&(talking.grant, talking.talker))).collect();
        for talking in &talking {
            let channel = self.handle.number;
            self.tell_all(&ServerMessage::FloorTaken { channel, talking: describe_talker(talking) });
        }
        let holds = |talker| talking.iter().any(|talking| talking.talker == talker);
        let news =
            |talker: &TalkerNumber| holds(*talker) || self.channel().waits(*talker) != before.waits(*talker);
        let restated: Vec<_> = self.seats.keys().copied().filter(news).collect();
        for talker in restated {
            self.order(Op::Resume { talker });
        }
    }

    /// A member here isn't in the state that was adopted: it sits nowhere until it is in again.
    pub(super) fn lost_sight(&mut self, talker: TalkerNumber) {
        let Some(seat) = self.seats.remove(&talker) else { return };
        let dropped = self.ahead.leave(talker);
        self.dropped_early(dropped);
        if let Some(abroad) = &mut self.abroad {
            abroad.lost.insert(talker, seat);
        }
    }

    /// It is in again, or may not be. It is told the truth as one who resumes is.
    pub(super) fn rejoined(&mut self, was: TalkerNumber, now: Result<TalkerNumber, JoinError>) {
        let talker = match now {
            Ok(talker) => talker,
            Err(error) => {
                tracing::debug!(channel = %self.handle.number, %was, %error, "not in again");
                let seat = self.abroad.as_mut().and_then(|abroad| abroad.lost.remove(&was));
                let Some(seat) = seat else { return };
                self.metrics.members.dec();
                if let Some(port) = &seat.port {
                    self.exit(port.id);
                }
                return self.show_out(seat, LeaveReason::Other);
            }
        };
        let Some(Seat { port: Some(port), member, .. }) = self.found(was, talker) else { return };
        let (port, member) = (port.clone(), *member);
        if was != talker {
            port.wishes.push(Wish::Renumber { member, channel: self.handle.number, was, talker });
        }
        let Some(rights) = self.channel().member(talker).map(|member| member.rights) else { return };
        // A trunk knows the channel, and has its snapshot.
        let with_members = member.is_none();
        if with_members || was != talker {
            self.say_joined(&port, JoinAnswer { request: None, member, talker, rights, with_members });
        }
    }
}
