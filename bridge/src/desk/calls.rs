//! Calls: a member is put into a channel that it never asked for.
//!
//! The gateway has done so when it says it; what is missing is the client's side, which only its session knows. So what was
//! said waits here until the session asks for the channel, and nobody else has to be asked then.

use std::time::Instant;

use suara_proto::{ChannelNumber, MemberRef};
use tokio::sync::oneshot;

use super::pending::Reply;
use super::state::State;
use super::{JoinError, Notice, Seated};
use crate::channel::{Input, Listener};
use crate::trunk::{Called, Joined};

impl State {
    pub(super) fn called(&mut self, called: Called) {
        let Called { member, channel, by, users, joined } = called;
        if self.renumbered(member, &channel, &joined) {
            return;
        }
        // One that is gone was detached, which the gateway knows by now.
        if self.members.contains_key(&member) {
            self.calls.insert((member, channel.clone()), joined);
            self.notify(member, Notice::Called { channel, by, users });
        }
    }

    /// A member is told that it is in a channel in which it is already: after a split its number may be another one. Its session
    /// has no use for that; `false` where it is news.
    pub(super) fn renumbered(&mut self, member: MemberRef, channel: &str, joined: &Joined) -> bool {
        let Joined { channel: number, talker, .. } = *joined;
        if let Some(waits) = self.calls.get_mut(&(member, channel.to_owned())) {
            waits.talker = talker;
            return true;
        }
        let is_in = self.members.get(&member).is_some_and(|entry| entry.channels.contains_key(channel));
        if is_in {
            self.tell(number, Input::Renumber { member, talker });
        }
        is_in
    }

    /// A session asks for a channel: if it is that of a call that waits for it, it is in.
    pub(super) fn pick_up(
        &mut self,
        now: Instant,
        member: MemberRef,
        channel: String,
        listener: Listener,
        reply: oneshot::Sender<Result<Seated, JoinError>>,
    ) {
        match self.calls.remove(&(member, channel.clone())) {
            Some(joined) => self.sit(joined, member, channel, listener, Reply::To(reply)),
            None => self.ask_for(now, member, channel, listener, reply),
        }
    }

    /// A session that can't play a call doesn't pick it up; the channel's number at the gateway, which still has it in.
    pub(super) fn decline(&mut self, member: MemberRef, channel: &str) -> Option<ChannelNumber> {
        self.calls.remove(&(member, channel.to_owned())).map(|joined| joined.channel)
    }

    /// A call is over before it was picked up.
    pub(super) fn hang_up(&mut self, member: MemberRef, number: ChannelNumber) {
        self.calls.retain(|(called, _), joined| (*called, joined.channel) != (member, number));
    }
}
