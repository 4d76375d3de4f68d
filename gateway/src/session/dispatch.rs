//! What each message of a client leads to.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::SystemTime;

use suara_channel::{Asking, Road};
use suara_proto::limits::{MAX_CHANNEL_NAME, MAX_MEMBERS_PER_TRUNK};
use suara_proto::message::{ClientMessage, MemberScope, Rights, ServerMessage};
use suara_proto::text::is_plain;
use suara_proto::{ChannelNumber, ErrorCode, LeaveReason, MemberRef, RequestId};

use super::errands::Emergency;
use super::serve::Session;
use super::verifying::Verified;
use crate::auth::Scope;
use crate::guests::{GuestPass, as_guest};
use crate::hub::{RoomHandle, is_call};
use crate::livechat::{Pass, as_visitor, is_livechat};

/// A roster can be ten thousand times as long as its request: it counts as so many messages more.
const ROSTER_COST: NonZeroU32 = NonZeroU32::new(24).unwrap();

/// What a name that no channel can have is answered with.
pub(super) const BAD_NAME: &str = "a channel's name is 1 to 128 bytes without control characters";

impl Session<'_> {
    pub(super) async fn dispatch(&mut self, message: ClientMessage<'_>) {
        match message {
            ClientMessage::Hello { .. } => {
                self.refuse(None, None, ErrorCode::BadField, "hello was said already");
            }
            ClientMessage::Ping { nonce } => self.port.outbox.say(&ServerMessage::Pong { nonce }),
            ClientMessage::Renew { request, token } => {
                self.verify(request, None, self.scope, token.into_owned())
            }
            ClientMessage::Attach { request, member, token, scope } if self.scope == Scope::Trunk => {
                let scope = match scope {
                    MemberScope::User => Scope::User,
                    MemberScope::Livechat => Scope::Livechat,
                    MemberScope::Guest => Scope::Guest,
                };
                self.verify(request, Some(member), scope, token.into_owned());
            }
            ClientMessage::Attach { request, member, .. } => {
                self.refuse(Some(request), Some(member), ErrorCode::Forbidden, "only a trunk has members");
            }
            ClientMessage::Visitor { request, name } => self.visitor(request, &name),
            ClientMessage::Guest { request } => self.guest(request),
            ClientMessage::Detach { member } => {
                if !self.detach(Some(member), LeaveReason::Left).await {
                    self.refuse(None, Some(member), ErrorCode::UnknownMember, "no such member");
                }
            }
            ClientMessage::Join { request, channel, member } => {
                self.join_by_stream(request, &channel, member);
            }
            ClientMessage::Leave { channel, member } => self.leave(channel, member).await,
            message @ (ClientMessage::FloorRequest { .. }
            | ClientMessage::FloorCancel { .. }
            | ClientMessage::FloorRelease { .. }
            | ClientMessage::Dispatch { .. }) => self.floor(message).await,
            ClientMessage::BurstReport { channel, grant, member, said, heard } => {
                self.burst_report(channel, grant, member, (said, heard));
            }
            ClientMessage::May { request, channel, member } => self.may(request, &channel, member),
            ClientMessage::Verify { request, token } if self.scope == Scope::Trunk => {
                self.verifying.look(self.core.auth.clone(), request, token.into_owned());
            }
            ClientMessage::Verify { request, .. } => {
                self.refuse(Some(request), None, ErrorCode::Forbidden, "only a trunk asks about others");
            }
            ClientMessage::Notify { request, broadcast } => self.notify(request, broadcast).await,
            message @ (ClientMessage::Call { .. }
            | ClientMessage::CallEnd { .. }
            | ClientMessage::Emergency { .. }
            | ClientMessage::EmergencyCancel { .. }
            | ClientMessage::Patch { .. }
            | ClientMessage::Unpatch { .. }) => self.beyond(message).await,
            ClientMessage::Replay { channel, .. } => {
                let why = "a replay has a stream of its own";
                self.refuse_in(channel, None, None, ErrorCode::BadField, why);
            }
            ClientMessage::RosterRequest { channel } => self.roster(channel).await,
        }
    }

    /// What is about a channel's floor: the channel itself answers.
    async fn floor(&mut self, message: ClientMessage<'_>) {
        match message {
            ClientMessage::FloorRequest { request, channel, member, level, priority, queue } => {
                if let Some((room, talker)) = self.seat(Some(request), channel, member) {
                    let priority = priority.unwrap_or(u8::MAX);
                    let asking = Asking { request, level, priority, queue, road: Road::Stream };
                    room.floor_request(talker, asking).await;
                }
            }
            ClientMessage::FloorCancel { request, channel, member } => {
                if let Some((room, talker)) = self.seat(Some(request), channel, member) {
                    room.floor_cancel(talker, request).await;
                }
            }
            ClientMessage::FloorRelease { channel, grant, member } => {
                if let Some((room, talker)) = self.seat(None, channel, member) {
                    room.floor_release(talker, grant).await;
                }
            }
            ClientMessage::Dispatch { request, channel, member, action, talker } => {
                if let Some((room, by)) = self.seat(Some(request), channel, member) {
                    room.dispatch(by, request, action, talker).await;
                }
            }
            _ => {}
        }
    }

    async fn roster(&mut self, channel: ChannelNumber) {
        let refused = match self.members.room(channel) {
            Some(_) if !self.affords(ROSTER_COST) => {
                (ErrorCode::RateLimited, "rosters are asked for too often")
            }
            Some(room) => return room.clone().roster(self.port.id).await,
            None => (ErrorCode::NotJoined, "not in that channel"),
        };
        self.refuse_in(channel, None, None, refused.0, refused.1);
    }

    /// What goes beyond one channel: calls, emergencies, patches.
    async fn beyond(&mut self, message: ClientMessage<'_>) {
        match message {
            ClientMessage::Call { request, member, users } => self.call(request, member, &users),
            ClientMessage::CallEnd { channel, member } => self.end_call(channel, member).await,
            ClientMessage::Emergency { request, member, location, text } => {
                let text = text.map(Cow::into_owned);
                self.emergency(member, Emergency { request, location, text }).await;
            }
            ClientMessage::EmergencyCancel { channel, member, user } => {
                self.cancel_emergency(channel, member, user).await;
            }
            ClientMessage::Patch { request, channel, member, with } => {
                self.patch(request, member, [channel, with], true).await;
            }
            ClientMessage::Unpatch { request, channel, member, with } => {
                self.patch(request, member, [channel, with], false).await;
            }
            _ => {}
        }
    }

    fn verify(&mut self, request: RequestId, member: Option<MemberRef>, scope: Scope, token: String) {
        self.verifying.start(self.core.auth.clone(), request, member, scope, token);
    }

    /// A livechat session for somebody who comes to a bridge without a token.
    fn visitor(&self, request: RequestId, name: &str) {
        if self.scope != Scope::Trunk {
            return self.refuse(Some(request), None, ErrorCode::Forbidden, "only a trunk brings visitors");
        }
        let Some(passes) = self.core.livechat.passes() else {
            return self.refuse(Some(request), None, ErrorCode::Forbidden, "this gateway has no livechat");
        };
        match passes.issue(name, SystemTime::now()) {
            None => self.refuse(Some(request), None, ErrorCode::BadField, "nobody can be called so"),
            Some(Pass { session, token, expires }) => {
                let (session, token) = (session.into(), token.into());
                self.port.outbox.say(&ServerMessage::VisitorSession { request, session, token, expires });
            }
        }
    }

    /// An identity for a client of old that comes to a bridge without a token.
    fn guest(&self, request: RequestId) {
        let refuse = |message| self.refuse(Some(request), None, ErrorCode::Forbidden, message);
        if self.scope != Scope::Trunk {
            return refuse("only a trunk brings guests");
        }
        match self.core.guests.as_ref().and_then(|passes| passes.issue(SystemTime::now())) {
            None => refuse("this gateway admits nobody without a token"),
            Some(GuestPass { token, expires }) => {
                let token = token.into();
                self.port.outbox.say(&ServerMessage::GuestSession { request, token, expires });
            }
        }
    }

    pub(super) fn verified(&mut self, verified: Verified) {
        let Verified { request, member, scope, verdict, given_up, looks, .. } = verified;
        if looks {
            return self.looked_at(request, verdict);
        }
        if given_up {
            let code = ErrorCode::UnknownMember;
            return self.refuse(Some(request), member, code, "the member went before its token was verified");
        }
        let principal = match verdict {
            Ok(principal) if member.is_none() => principal,
            Ok(principal) if principal.scope != scope => {
                // A visitor's or a guest's token may hold and yet be for something else; elsewhere such a token is nobody's.
                let narrow = scope != Scope::User;
                let code = if narrow { ErrorCode::Forbidden } else { ErrorCode::Unauthenticated };
                return self.refuse(Some(request), member, code, "the token is for something else");
            }
            Ok(_) if scope == Scope::Guest && self.core.guests.is_none() => {
                let why = "this gateway admits nobody without a token";
                return self.refuse(Some(request), member, ErrorCode::Forbidden, why);
            }
            Ok(principal) if scope == Scope::Livechat => as_visitor(principal),
            Ok(principal) if scope == Scope::Guest => as_guest(principal),
            Ok(principal) => principal,
            Err(error) => return self.refuse(Some(request), member, error.code(), error.to_string()),
        };
        let known = self.members.get(member).map(|attached| attached.principal.user.clone());
        let before = if member.is_none() { Some(self.user.clone()) } else { known };
        if before.as_ref().is_some_and(|user| *user != principal.user) {
            return self.refuse(Some(request), member, ErrorCode::WrongUser, "the token is somebody else's");
        }
        let expires = principal.expires;
        let Some(number) = member else {
            if principal.scope != self.scope {
                let code = ErrorCode::Unauthenticated;
                return self.refuse(Some(request), None, code, "the token's scope is another");
            }
            self.expires = expires;
            if self.scope == Scope::User {
                self.put(None, principal);
            }
            return self.port.outbox.say(&ServerMessage::Renewed { request, expires });
        };
        if before.is_none() {
            if self.members.len() >= MAX_MEMBERS_PER_TRUNK {
                let code = ErrorCode::TooManyMembers;
                return self.refuse(Some(request), member, code, "the trunk is full");
            }
            self.core.metrics.attached.inc();
        }
        self.port.outbox.say(&ServerMessage::Attached {
            request,
            member: number,
            user: (&*principal.user).into(),
            name: (&*principal.name).into(),
            role: (&*principal.role).into(),
            expires,
        });
        let (user, role) = (principal.user.clone(), principal.role.clone());
        self.put(member, principal);
        if before.is_none() {
            let here = self.core.notices.enter(&user, &role, member, self.port.outbox.clone());
            self.members.note(member, here);
            self.bring_kept(user);
        }
    }

    /// What was kept for a user comes after the word that it is here.
    pub(super) fn bring_kept(&self, user: std::sync::Arc<str>) {
        let notices = self.core.notices.clone();
        self.core.tasks.spawn(async move { notices.hand_over(&user).await });
    }

    /// Takes a member out of everything; `false` when there is none, and none on its way.
    pub(super) async fn detach(&mut self, member: Option<MemberRef>, reason: LeaveReason) -> bool {
        let was_coming = member.is_some_and(|member| self.verifying.give_up(member));
        let Some(attached) = self.members.remove(member) else { return was_coming };
        for waiting in self.errands.give_up(member) {
            self.went(waiting.request(), member);
        }
        if self.scope == Scope::Trunk {
            self.core.metrics.attached.dec();
        }
        self.publish();
        for seat in attached.seats.into_values() {
            seat.room.leave(seat.place(), reason, false).await;
        }
        true
    }

    /// What a member's token gives on a channel, which it need not enter for that.
    fn may(&self, request: RequestId, channel: &str, member: Option<MemberRef>) {
        let Some(attached) = self.members.get(member) else {
            return self.refuse(Some(request), member, ErrorCode::UnknownMember, "no such member");
        };
        if !is_plain(channel, MAX_CHANNEL_NAME) {
            return self.refuse(Some(request), member, ErrorCode::BadField, BAD_NAME);
        }
        // These have no door for who isn't asked in.
        let is_private = is_call(channel) || is_livechat(channel);
        let rights = if is_private { Rights::NONE } else { attached.principal.channels.on(channel) };
        self.port.outbox.say(&ServerMessage::Rights { request, member, rights });
    }

    async fn leave(&mut self, channel: ChannelNumber, member: Option<MemberRef>) {
        if self.members.get(member).is_none() {
            return self.refuse(None, member, ErrorCode::UnknownMember, "no such member");
        }
        let Some(seat) = self.members.rise(member, channel) else {
            return self.refuse_in(channel, None, member, ErrorCode::NotJoined, "not in that channel");
        };
        self.publish();
        seat.room.leave(seat.place(), LeaveReason::Left, true).await;
    }

    /// A member's seat, or the refusal that there is none.
    pub(super) fn seat(
        &self,
        request: Option<RequestId>,
        channel: ChannelNumber,
        member: Option<MemberRef>,
    ) -> Option<(RoomHandle, suara_proto::TalkerNumber)> {
        let Some(attached) = self.members.get(member) else {
            self.refuse(request, member, ErrorCode::UnknownMember, "no such member");
            return None;
        };
        let Some(seat) = attached.seats.get(&channel) else {
            self.refuse_in(channel, request, member, ErrorCode::NotJoined, "not in that channel");
            return None;
        };
        Some((seat.room.clone(), seat.talker))
    }
}

pub(super) fn identity(principal: &crate::auth::Principal) -> suara_channel::Identity {
    suara_channel::Identity {
        user: principal.user.clone(),
        name: principal.name.clone(),
        role: principal.role.clone(),
        priority: principal.priority,
    }
}
