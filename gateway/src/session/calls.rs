//! Calls, as a session makes them and is put into them; and what else others ask of it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use suara_proto::limits::{MAX_CALLED, MAX_CALLS_PER_MEMBER, MAX_CHANNELS_PER_MEMBER};
use suara_proto::message::{CallKind, Right, Rights, ServerMessage};
use suara_proto::{ChannelNumber, CloseCode, ErrorCode, LeaveReason, MemberRef, RequestId};

use super::entering::{Refusal, TOO_MANY};
use super::errands::{Lane, Purpose};
use super::members::{Attached, Seat};
use super::outbox::Closing;
use super::serve::Session;
use crate::auth::{Principal, Scope};
use crate::directory::{Calling, Whereabouts, Wish};
use crate::hub::{Call, RoomHandle, is_call};
use crate::words::CallWord;

/// A call makes a channel, and rings at others: it counts as so many messages more.
pub(super) const CALL_COST: NonZeroU32 = NonZeroU32::new(9).unwrap();

/// A call that its caller is about to enter.
pub(super) struct Ringing {
    pub(super) request: RequestId,
    between: CallWord,
    /// Where at this node it is to ring.
    here: Vec<Whereabouts>,
    /// Whether at others, too.
    is_elsewhere: bool,
    reached: Vec<Arc<str>>,
}

/// What a token gives in a channel. In a call, to which one is called by name, it is at least to hear and to talk.
pub(super) fn rights_in(principal: &Principal, channel: &str) -> Rights {
    let rights = principal.channels.on(channel);
    if is_call(channel) { rights.union([Right::Listen, Right::Talk].into_iter().collect()) } else { rights }
}

impl Session<'_> {
    /// Takes a member in, or a fresh token of one; from then on its user is found here.
    pub(super) fn put(&mut self, member: Option<MemberRef>, principal: Principal) {
        let (session, wishes) = (self.port.id, self.port.wishes.clone());
        // A visitor has its own channel and no other.
        let calls = self.calls && principal.scope != Scope::Livechat;
        let whereabouts = Whereabouts { session, member, calls, wishes };
        let user = principal.user.clone();
        self.members.put(member, principal, |user| self.core.directory.list(user, whereabouts));
        // Whoever bans first writes that down and then looks for the user: here it is the other way round, and one finds
        // the other.
        if self.core.auth.bans().holds(&user).is_some() {
            self.port.wishes.push(Wish::Kick { member });
        }
    }

    /// Does what others ask for; an error ends the session.
    pub(super) async fn fulfil(&mut self, wish: Wish) -> Result<(), Closing> {
        match wish {
            Wish::Enter { member, room } => {
                let lane = Lane { member, channel: room.name.clone() };
                let is_in = |attached: &Attached| attached.seats.contains_key(&room.number);
                if !self.members.get(member).is_none_or(is_in) && !self.errands.is_busy(&lane) {
                    // Who has no room for another call isn't brought in.
                    self.enter_call(lane, room, Purpose::Invited).unwrap_or_default();
                }
            }
            Wish::Join { request, channel } => self.join_by_datagram(request, &channel)?,
            Wish::Call(calling) => self.make_call(*calling),
            Wish::Rise { member, channel } => {
                self.members.rise(member, channel);
                self.publish();
            }
            Wish::Renumber { member, channel, was, talker } => {
                self.members.renumber(member, channel, was, talker);
                self.publish();
            }
            Wish::Kick { member: None } => return Err(Closing::new(CloseCode::Kicked, "thrown out")),
            Wish::Kick { member: Some(member) } => {
                if self.detach(Some(member), LeaveReason::Kicked).await {
                    self.port.outbox.say(&ServerMessage::Detached { member, code: CloseCode::Kicked });
                }
            }
        }
        Ok(())
    }

    /// Calls users: those who are here, at whatever node, are put into a channel together with the caller.
    pub(super) fn call(&mut self, request: RequestId, member: Option<MemberRef>, users: &[Cow<'_, str>]) {
        let call = match self.may_call(member, users) {
            Ok(call) => call,
            Err((code, message)) => return self.refuse(Some(request), member, code, message),
        };
        let elsewhere = BTreeSet::new();
        let calling = Calling { member, request, call, elsewhere };
        if self.core.words.is_alone() {
            return self.make_call(calling);
        }
        // Others are asked meanwhile; whoever else speaks through this session doesn't wait for that.
        let (words, wishes) = (self.core.words.clone(), self.port.wishes.clone());
        self.core.tasks.spawn(async move {
            let elsewhere = words.find_callable(&calling.call).await;
            wishes.push(Wish::Call(Box::new(Calling { elsewhere, ..calling })));
        });
    }

    /// Makes a call, once it is known who is reached.
    fn make_call(&mut self, Calling { member, request, call, elsewhere }: Calling) {
        if let Err((code, message)) = self.has_room_for_call(member) {
            return self.refuse(Some(request), member, code, message);
        }
        let others = &call.users[1..];
        let here: Vec<_> = others.iter().map(|user| self.core.directory.find_callable(user)).collect();
        let is_reached = |user: &str, at: &[Whereabouts]| !at.is_empty() || elsewhere.contains(user);
        let reached: Vec<_> = others.iter().zip(&here).filter(|(user, at)| is_reached(user, at)).collect();
        let reached: Vec<_> = reached.into_iter().map(|(user, _)| user.clone()).collect();
        if reached.is_empty() {
            let code = ErrorCode::UnknownUser;
            return self.refuse(Some(request), member, code, "nobody who is called is here");
        }
        let (between, here) = (CallWord::from(&call), here.into_iter().flatten().collect());
        let ringing =
            Box::new(Ringing { request, between, here, is_elsewhere: !elsewhere.is_empty(), reached });
        let room = self.core.hub.call(call);
        let lane = Lane { member, channel: room.name.clone() };
        if let Err((code, message)) = self.enter_call(lane, room, Purpose::Call(ringing)) {
            self.refuse(Some(request), member, code, message);
        }
    }

    /// Who calls is in the call: now it rings at the others.
    pub(super) fn ring(&self, member: Option<MemberRef>, room: &RoomHandle, ringing: Ringing) {
        let Ringing { request, between, here, is_elsewhere, reached } = ringing;
        for Whereabouts { member, wishes, .. } in here {
            wishes.push(Wish::Enter { member, room: room.clone() });
        }
        if is_elsewhere {
            let (words, channel) = (self.core.words.clone(), room.name.to_string());
            self.core.tasks.spawn(async move { words.ring(channel, between).await });
        }
        tracing::debug!(channel = %room.number, users = reached.len(), "called");
        let users = reached.iter().map(|user| (&**user).into()).collect();
        self.port.outbox.say(&ServerMessage::Called { request, member, channel: room.number, users });
    }

    /// Ends a call for all who are in it.
    pub(super) async fn end_call(&mut self, channel: ChannelNumber, member: Option<MemberRef>) {
        let Some((room, talker)) = self.seat(None, channel, member) else { return };
        if !room.end_call(talker).await {
            let message = "a call is ended by who made it, or by a dispatcher";
            self.refuse_in(channel, None, member, ErrorCode::Forbidden, message);
        }
    }

    /// A dispatcher of two channels patches them, or ends that.
    pub(super) async fn patch(
        &mut self,
        request: RequestId,
        member: Option<MemberRef>,
        [channel, with]: [ChannelNumber; 2],
        on: bool,
    ) {
        let Some((room, by)) = self.seat(Some(request), channel, member) else { return };
        let Some((peer, _)) = self.seat(Some(request), with, member) else { return };
        let rights = |room: &RoomHandle| {
            let attached = self.members.get(member)?;
            Some(rights_in(&attached.principal, &room.name).has(Right::Dispatch))
        };
        if channel == with {
            let message = "a channel is patched to another";
            return self.refuse_in(channel, Some(request), member, ErrorCode::BadField, message);
        }
        if [&room, &peer].into_iter().any(|room| rights(room) != Some(true)) {
            let message = "no right to dispatch in both channels";
            return self.refuse_in(channel, Some(request), member, ErrorCode::Forbidden, message);
        }
        room.patch(by, request, peer, on).await;
    }

    /// The call that a member asks for, if it may make it.
    fn may_call(&self, member: Option<MemberRef>, users: &[Cow<'_, str>]) -> Result<Call, Refusal> {
        let Some(attached) = self.members.get(member) else {
            return Err((ErrorCode::UnknownMember, "no such member"));
        };
        if !self.calls {
            return Err((ErrorCode::Forbidden, "only who says in hello that it knows calls may call"));
        }
        if attached.principal.scope == Scope::Livechat {
            return Err((ErrorCode::Forbidden, "a visitor has its own channel and no other"));
        }
        let caller = attached.principal.user.clone();
        let mut all = vec![caller.clone()];
        for user in users.iter().take(MAX_CALLED + 1) {
            if all.iter().all(|other| **other != **user) {
                all.push(Arc::from(&**user));
            }
        }
        if users.len() > MAX_CALLED || all.len() < 2 {
            return Err((ErrorCode::BadField, "a call is made to 1 to 64 other users"));
        }
        let kind = if all.len() == 2 { CallKind::Private } else { CallKind::Group };
        let may = match kind {
            CallKind::Private => self.core.calls.private || dispatches(attached),
            _ => dispatches(attached),
        };
        if !may {
            let message = "a group is called by who has the right to dispatch in a channel that it is in";
            return Err((ErrorCode::Forbidden, message));
        }
        self.has_room_for_call(member)?;
        if !self.affords(CALL_COST) {
            return Err((ErrorCode::RateLimited, "calls are made too often"));
        }
        Ok(Call { kind, by: caller, name: attached.principal.name.clone(), users: all })
    }

    fn has_room_for_call(&self, member: Option<MemberRef>) -> Result<(), Refusal> {
        let Some(attached) = self.members.get(member) else {
            return Err((ErrorCode::UnknownMember, "no such member"));
        };
        let (entering, calls) = self.errands.of(member);
        if calls_of(attached) + calls >= MAX_CALLS_PER_MEMBER {
            return Err((ErrorCode::TooManyCalls, "in as many calls as a member may be"));
        }
        if attached.seats.len() + entering >= MAX_CHANNELS_PER_MEMBER {
            return Err((ErrorCode::TooManyChannels, "in as many channels as a member may be"));
        }
        if self.is_busy() { Err(TOO_MANY) } else { Ok(()) }
    }

    /// Begins to bring a member into a call's channel.
    fn enter_call(&mut self, lane: Lane, room: RoomHandle, purpose: Purpose) -> Result<(), Refusal> {
        self.has_room_for_call(lane.member)?;
        let unknown = (ErrorCode::UnknownMember, "no such member");
        let attached = self.members.get(lane.member).ok_or(unknown)?;
        let rights = rights_in(&attached.principal, &room.name);
        let joining = self.joining(lane.member, None, rights)?;
        self.enter(lane, room, joining, purpose);
        Ok(())
    }
}

fn calls_of(attached: &Attached) -> usize {
    attached.seats.values().filter(|seat| seat.room.call.is_some()).count()
}

/// Whether a member is in some channel as a dispatcher.
fn dispatches(attached: &Attached) -> bool {
    let rights = |seat: &Seat| attached.principal.channels.on(&seat.room.name);
    attached.seats.values().any(|seat| rights(seat).has(Right::Dispatch))
}
