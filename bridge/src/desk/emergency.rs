//! Emergencies: a member raises one, and is brought into their channel if it isn't there.
//!
//! The gateway says that it is in before it answers. As with a call, the client's side waits here until its session asks for the
//! channel; what is said there meanwhile of alerts waits with it.

use std::time::{Duration, Instant};

use serde_json::Value;
use suara_proto::message::ClientMessage;
use suara_proto::{ChannelNumber, MemberRef, RequestId};
use tokio::sync::oneshot;

use super::answers::answer;
use super::pending::{Asked, Reply};
use super::state::State;
use super::{Emergency, JoinError, Raised};
use crate::channel::Input;
use crate::trunk::Joined;

/// Alerts that wait: as many as may be in force.
const MAX_EARLY: usize = 64;

impl State {
    pub(super) fn raise(
        &mut self,
        now: Instant,
        member: MemberRef,
        what: Emergency,
        reply: oneshot::Sender<Result<Raised, JoinError>>,
    ) {
        let Emergency { location, text } = what;
        let request = self.pending.add(now, Asked::Emergency { member, reply: Reply::To(reply) });
        let text = text.map(Into::into);
        if !self.ask(&ClientMessage::Emergency { request, member: Some(member), location, text })
            && let Some(Asked::Emergency { reply: Reply::To(reply), .. }) = self.pending.take(request)
        {
            answer(reply, Err(JoinError::Unavailable));
        }
    }

    pub(super) fn brought(&mut self, member: MemberRef, channel: String, joined: Joined) {
        let is_news = !self.renumbered(member, &channel, &joined);
        // Else it has left meanwhile, which the gateway hears: nothing is there to be picked up.
        if is_news && self.members.contains_key(&member) && self.pending.raises(member) {
            self.calls.insert((member, channel), joined);
        }
    }

    pub(super) fn raised(&mut self, request: RequestId, number: ChannelNumber, microphone_ms: u32) {
        let Some(Asked::Emergency { member, reply: Reply::To(reply) }) = self.pending.take(request) else {
            return;
        };
        let waits = |((of, name), joined): (&(MemberRef, String), &Joined)| {
            (*of == member && joined.channel == number).then(|| name.clone())
        };
        let channel = self.numbers.get(&number).cloned().or_else(|| self.calls.iter().find_map(waits));
        let microphone = Duration::from_millis(microphone_ms.into());
        let raised = channel.map(|channel| Raised { channel, microphone });
        answer(reply, raised.ok_or(JoinError::Unavailable));
    }

    pub(super) fn end_emergency(&self, member: MemberRef, channel: &str, user: Option<String>) {
        if let Some(channel) = self.places.get(channel).and_then(|place| place.number) {
            let (member, user) = (Some(member), user.map(Into::into));
            self.say(&ClientMessage::EmergencyCancel { channel, member, user });
        }
    }

    /// The first of this bridge in the channel may be the author, whose session hasn't asked for it yet.
    pub(super) fn alert(&mut self, channel: ChannelNumber, user: String, alert: Option<Value>) {
        if self.numbers.contains_key(&channel) {
            self.tell(channel, Input::Alert { user, alert });
        } else if self.early_alerts.len() < MAX_EARLY
            && self.calls.values().any(|joined| joined.channel == channel)
        {
            self.early_alerts.push((channel, user, alert));
        }
    }
}
