//! What a client says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::alert::Location;
use super::broadcast::Broadcast;
use super::burst::{Heard, Said};
use super::floor::{DispatchAction, Level};
use super::is_default;
use super::livechat::MemberScope;
use crate::ids::{ChannelNumber, Grant, MemberRef, RequestId, TalkerNumber};

super::type_names![
    "hello",
    "renew",
    "attach",
    "detach",
    "visitor",
    "guest",
    "join",
    "leave",
    "floor_request",
    "floor_release",
    "floor_cancel",
    "dispatch",
    "roster_request",
    "may",
    "verify",
    "notify",
    "replay",
    "burst_report",
    "call",
    "call_end",
    "emergency",
    "emergency_cancel",
    "patch",
    "unpatch",
    "ping",
];

/// A message from a client to the gateway. `member` stands only in messages of a trunk, and always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage<'a> {
    /// The first message: who I am.
    Hello {
        /// The newest protocol version that the client speaks.
        version: u32,
        /// A JWT, or what the deployment's own check takes.
        #[serde(borrow)]
        token: Cow<'a, str>,
        /// The client's software, for the operator's eyes. Always a copy: serde borrows no `Cow` in an `Option`.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        client: Option<Cow<'a, str>>,
        /// From the last `welcome`: to take that session's place. Empty: a new session, that can be resumed later.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        resume: Option<Cow<'a, str>>,
        /// Whether it knows that it can be in channels that it never asked for: calls.
        #[serde(default, deserialize_with = "super::null_is_missing", skip_serializing_if = "is_default")]
        calls: bool,
    },
    /// A fresh token for the running session.
    Renew {
        /// Repeated in the answer.
        request: RequestId,
        /// Of the same user as before.
        #[serde(borrow)]
        token: Cow<'a, str>,
    },
    /// A trunk brings a member, or a fresh token for one.
    Attach {
        /// Repeated in the answer.
        request: RequestId,
        /// The trunk's own number for it.
        member: MemberRef,
        /// The member's own token.
        #[serde(borrow)]
        token: Cow<'a, str>,
        /// What the token has to be for.
        #[serde(default, deserialize_with = "super::null_is_missing", skip_serializing_if = "is_default")]
        scope: MemberScope,
    },
    /// A trunk asks for a livechat session for somebody who has no token.
    Visitor {
        /// Repeated in the answer.
        request: RequestId,
        /// How the visitor wants to be called.
        #[serde(borrow)]
        name: Cow<'a, str>,
    },
    /// A trunk asks for an identity for a client of old that has no token.
    Guest {
        /// Repeated in the answer.
        request: RequestId,
    },
    /// A trunk's member is gone.
    Detach {
        /// Which.
        member: MemberRef,
    },
    /// To enter a channel.
    Join {
        /// Repeated in the answer.
        request: RequestId,
        /// The channel's name.
        #[serde(borrow)]
        channel: Cow<'a, str>,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// To leave a channel.
    Leave {
        /// Which.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// Floor Request (TS 24.380, section 8.2.4).
    FloorRequest {
        /// Repeated in the answer.
        request: RequestId,
        /// Where to talk.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// How urgent it is.
        #[serde(default, deserialize_with = "super::null_is_missing", skip_serializing_if = "is_default")]
        level: Level,
        /// Less than what the token gives; missing: all of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        priority: Option<u8>,
        /// Rather wait in the queue than be denied.
        #[serde(default, deserialize_with = "super::null_is_missing", skip_serializing_if = "is_default")]
        queue: bool,
    },
    /// Floor Release (TS 24.380, section 8.2.8).
    FloorRelease {
        /// Where.
        channel: ChannelNumber,
        /// What was granted.
        grant: Grant,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// Takes a request back, whatever became of it: out of the queue, or its grant given back.
    FloorCancel {
        /// The request's number.
        request: RequestId,
        /// Where.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// What one with the right to `dispatch` does to the floor of others.
    Dispatch {
        /// Repeated in the answer.
        request: RequestId,
        /// Where.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// What.
        action: DispatchAction,
        /// To whom; for `clear` nobody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        talker: Option<TalkerNumber>,
    },
    /// Asks for a channel's whole roster, after a gap.
    RosterRequest {
        /// Which.
        channel: ChannelNumber,
    },
    /// What may this member do in the channel of that name? Asked without entering it.
    May {
        /// Repeated in the answer.
        request: RequestId,
        /// The channel's name.
        #[serde(borrow)]
        channel: Cow<'a, str>,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// A trunk asks whose a token is, without bringing a member.
    Verify {
        /// Repeated in the answer.
        request: RequestId,
        /// A broadcaster's, say.
        #[serde(borrow)]
        token: Cow<'a, str>,
    },
    /// A trunk says what a back end wants told.
    Notify {
        /// Repeated in the answer.
        request: RequestId,
        /// What, and to whom.
        #[serde(borrow, flatten)]
        broadcast: Broadcast<'a>,
    },
    /// The first and only message of a replay stream: a channel's last burst from its start.
    Replay {
        /// Which.
        channel: ChannelNumber,
        /// That of this grant and no other.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<Grant>,
    },
    /// What this side saw of a burst that is over. Never answered.
    BurstReport {
        /// Where.
        channel: ChannelNumber,
        /// Which burst.
        grant: Grant,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// From its talker.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<Said>,
        /// From a listener.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heard: Option<Heard>,
    },
    /// Calls users: they are put into a channel of their own, together with the caller.
    Call {
        /// Repeated in the answer.
        request: RequestId,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Their ids: one for a private call, several for a group's.
        #[serde(borrow)]
        users: Vec<Cow<'a, str>>,
    },
    /// Ends a call for all who are in it.
    CallEnd {
        /// Its channel.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
    },
    /// I am in an emergency: everybody in the emergency channel is told, and I am in it.
    Emergency {
        /// Repeated in the answer.
        request: RequestId,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<Location>,
        /// In words.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        text: Option<Cow<'a, str>>,
    },
    /// An emergency is over.
    EmergencyCancel {
        /// Where it was raised.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Whose; one's own when missing.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        user: Option<Cow<'a, str>>,
    },
    /// A dispatcher of two channels lets them hear each other.
    Patch {
        /// Repeated in the answer.
        request: RequestId,
        /// One.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The other.
        with: ChannelNumber,
    },
    /// And no longer.
    Unpatch {
        /// Repeated in the answer.
        request: RequestId,
        /// One.
        channel: ChannelNumber,
        /// Which of a trunk's members.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The other.
        with: ChannelNumber,
    },
    /// A sign of life.
    Ping {
        /// Repeated in the `pong`.
        nonce: u32,
    },
}

impl ClientMessage<'_> {
    /// The ordinary Floor Request: of the normal level, with all of the token's priority, and not to wait.
    #[must_use]
    pub const fn floor_request(
        request: RequestId,
        channel: ChannelNumber,
        member: Option<MemberRef>,
    ) -> Self {
        let (level, priority, queue) = (Level::Normal, None, false);
        Self::FloorRequest { request, channel, member, level, priority, queue }
    }
}
