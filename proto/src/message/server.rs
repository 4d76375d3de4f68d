//! What the gateway says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::alert::Alert;
use super::entry::{Joined, Welcome};
use super::floor::{DispatchAction, TalkerInfo};
use super::member::{Member, TalkerLeft};
use super::null_is_missing;
use super::patch::Patched;
use super::rights::Rights;
use crate::code::{CloseCode, DenyCause, ErrorCode, LeaveReason, RevokeCause};
use crate::ids::{ChannelNumber, Grant, MemberRef, RequestId};

super::type_names![
    "welcome",
    "renewed",
    "attached",
    "detached",
    "visitor_session",
    "guest_session",
    "joined",
    "left",
    "roster",
    "floor_granted",
    "floor_deny",
    "floor_taken",
    "floor_idle",
    "floor_revoke",
    "floor_queued",
    "floor_cancelled",
    "floor_warning",
    "dispatched",
    "rights",
    "verified",
    "notified",
    "notification",
    "replaying",
    "called",
    "emergency_raised",
    "emergency_alert",
    "emergency_over",
    "patched",
    "channel_state",
    "error",
    "draining",
    "closing",
    "pong",
];

/// A message from the gateway to a client. `member` stands only in messages to a trunk that are about one of its
/// members; those without it are about a channel, and come once to each session in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    /// The answer to `hello`.
    #[serde(borrow)]
    Welcome(Welcome<'a>),
    /// The answer to `renew`.
    Renewed {
        /// Which.
        request: RequestId,
        /// When the fresh token ends.
        expires: u64,
    },
    /// The answer to `attach`.
    Attached {
        /// Which.
        request: RequestId,
        /// The member.
        member: MemberRef,
        /// Who the token says it is.
        #[serde(borrow)]
        user: Cow<'a, str>,
        /// How others see it.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// The token's role.
        #[serde(borrow)]
        role: Cow<'a, str>,
        /// When the token ends.
        expires: u64,
    },
    /// A trunk's member is no longer served; the trunk closes its leg.
    Detached {
        /// Which.
        member: MemberRef,
        /// Why.
        code: CloseCode,
    },
    /// The answer to `visitor`: a session of its own, and the token by which its visitor comes.
    VisitorSession {
        /// Which.
        request: RequestId,
        /// The session's id.
        #[serde(borrow)]
        session: Cow<'a, str>,
        /// A JWT of the scope `livechat`.
        #[serde(borrow)]
        token: Cow<'a, str>,
        /// When the token ends, in seconds since 1970 (UTC).
        expires: u64,
    },
    /// The answer to `guest`.
    GuestSession {
        /// Which.
        request: RequestId,
        /// A JWT of the scope `suara_guest`.
        #[serde(borrow)]
        token: Cow<'a, str>,
        /// When the token ends, in seconds since 1970 (UTC).
        expires: u64,
    },
    /// The answer to `join`; or, without `request`, a channel that a resumed session is in still, or that of a call.
    #[serde(borrow)]
    Joined(Joined<'a>),
    /// You are no longer in the channel.
    Left {
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Which.
        channel: ChannelNumber,
        /// Why.
        reason: LeaveReason,
    },
    /// Who came and who went; or, with `members`, who is here.
    Roster {
        /// Where.
        channel: ChannelNumber,
        /// The version that this leads from; missing with `members`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
        /// The version that this leads to.
        version: u64,
        /// The whole roster, on request.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        members: Option<Vec<Member<'a>>>,
        /// Who came.
        #[serde(
            borrow,
            default,
            deserialize_with = "null_is_missing",
            skip_serializing_if = "Vec::is_empty"
        )]
        joined: Vec<Member<'a>>,
        /// Who went.
        #[serde(default, deserialize_with = "null_is_missing", skip_serializing_if = "Vec::is_empty")]
        left: Vec<TalkerLeft>,
        /// Who is told anew, because something about it changed.
        #[serde(
            borrow,
            default,
            deserialize_with = "null_is_missing",
            skip_serializing_if = "Vec::is_empty"
        )]
        changed: Vec<Member<'a>>,
    },
    /// Floor Granted (TS 24.380, section 8.2.5).
    FloorGranted {
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Where.
        channel: ChannelNumber,
        /// The request that this answers.
        request: RequestId,
        /// To be put into every frame.
        grant: Grant,
        /// How long you may talk.
        duration_ms: u32,
    },
    /// Floor Deny (TS 24.380, section 8.2.6).
    FloorDeny {
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Where.
        channel: ChannelNumber,
        /// The request that this answers.
        request: RequestId,
        /// Why.
        cause: DenyCause,
    },
    /// Floor Taken (TS 24.380, section 8.2.9): to everybody in the channel, the talker included; repeated while it
    /// lasts.
    FloorTaken {
        /// Where.
        channel: ChannelNumber,
        /// By whom.
        #[serde(borrow, flatten)]
        talking: TalkerInfo<'a>,
    },
    /// Floor Idle (TS 24.380, section 8.2.7): nobody talks.
    FloorIdle {
        /// Where.
        channel: ChannelNumber,
        /// The grant that ended.
        grant: Grant,
    },
    /// Floor Revoke (TS 24.380, section 8.2.10): stop talking, and release.
    FloorRevoke {
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Where.
        channel: ChannelNumber,
        /// What is taken back.
        grant: Grant,
        /// Why.
        cause: RevokeCause,
        /// What is said until then is still heard.
        grace_ms: u32,
    },
    /// Floor Queue Position Info (TS 24.380, section 8.2.12): to one who waits, at first and with each change.
    FloorQueued {
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Where.
        channel: ChannelNumber,
        /// The request that waits.
        request: RequestId,
        /// 1 is next.
        position: u16,
        /// How many wait.
        size: u16,
    },
    /// The answer to `floor_cancel`: nothing of that request is in force any more.
    FloorCancelled {
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Where.
        channel: ChannelNumber,
        /// Which.
        request: RequestId,
    },
    /// To the talker: the talk limit (T2) is near.
    FloorWarning {
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Where.
        channel: ChannelNumber,
        /// What is about to end.
        grant: Grant,
        /// Until then.
        remaining_ms: u32,
    },
    /// The answer to `dispatch`.
    Dispatched {
        /// Which.
        request: RequestId,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Where.
        channel: ChannelNumber,
        /// What was done.
        action: DispatchAction,
    },
    /// The answer to `call`, after `joined` with its channel.
    Called {
        /// Which.
        request: RequestId,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Its channel.
        channel: ChannelNumber,
        /// Who of those that were called is put in, each with all clients that know calls.
        #[serde(borrow)]
        users: Vec<Cow<'a, str>>,
    },
    /// The answer to `may`.
    Rights {
        /// Which.
        request: RequestId,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// What its token gives there; a list, empty where it gives nothing.
        rights: Rights,
    },
    /// The answer to `verify`.
    Verified {
        /// Which.
        request: RequestId,
        /// Who the token says it is.
        #[serde(borrow)]
        user: Cow<'a, str>,
        /// What the token is for: `user`, `livechat`, `service`, `trunk`.
        #[serde(borrow)]
        scope: Cow<'a, str>,
        /// When it ends, in seconds since 1970 (UTC).
        expires: u64,
    },
    /// The answer to `notify`.
    Notified {
        /// Which.
        request: RequestId,
        /// Sessions that were told from here; a trunk's members are the trunk's to tell.
        sessions: u32,
        /// Whether it is kept for a user who is away.
        kept: bool,
    },
    /// What a back end wants told.
    Notification {
        /// Of a trunk: what was kept for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The event's name.
        #[serde(borrow)]
        event: Cow<'a, str>,
        /// What it says.
        #[serde(default)]
        payload: Value,
        /// When it was said, in milliseconds since 1970 (UTC), where it was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
    },
    /// The answer to `emergency`, after `joined` with its channel, if one wasn't there.
    EmergencyRaised {
        /// Which.
        request: RequestId,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The emergency channel.
        channel: ChannelNumber,
        /// How long the microphone is to be open.
        microphone_ms: u32,
    },
    /// Somebody is in an emergency: to everybody in the channel, and to who comes while it is in force.
    EmergencyAlert {
        /// Where.
        channel: ChannelNumber,
        /// What.
        #[serde(borrow, flatten)]
        alert: Alert<'a>,
    },
    /// That emergency is over.
    EmergencyOver {
        /// Where.
        channel: ChannelNumber,
        /// Who was in it.
        #[serde(borrow)]
        user: Cow<'a, str>,
        /// Who says so.
        #[serde(borrow)]
        by: Cow<'a, str>,
    },
    /// What a channel is patched to by now: to everybody in it, and to who comes; with `request` the answer to `patch` and
    /// `unpatch`.
    Patched {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// Which channel.
        channel: ChannelNumber,
        /// Which others: none any more when it is empty.
        #[serde(borrow)]
        with: Vec<Patched<'a>>,
    },
    /// Whether the gateway's node is cut off from the others that a channel spans: to everybody in it here, when that changes,
    /// and to who comes meanwhile.
    ChannelState {
        /// Which channel.
        channel: ChannelNumber,
        /// Whether those on other nodes neither hear nor are heard for now.
        split: bool,
    },
    /// The first message on a replay stream; the burst's frames follow.
    Replaying {
        /// Where.
        channel: ChannelNumber,
        /// Whose burst it is; nothing remains of one that is over.
        #[serde(borrow, flatten)]
        talking: TalkerInfo<'a>,
        /// Whether it goes on: what comes after the last frame here comes by datagram.
        live: bool,
        /// How many frames follow.
        frames: u32,
        /// How long ago the burst began.
        age_ms: u32,
    },
    /// A request was refused, or a message made no sense.
    Error {
        /// Which, where it had a number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Of a trunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberRef>,
        /// The channel that the message named by its number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<ChannelNumber>,
        /// What is wrong.
        code: ErrorCode,
        /// The same in words, for a developer's eyes.
        #[serde(borrow)]
        message: Cow<'a, str>,
    },
    /// The gateway will stop: reconnect when it suits you, within the time given.
    Draining {
        /// Sessions that are still there then are closed.
        deadline_ms: u32,
        /// Which of several nodes: where not to be.
        #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
        node: Option<Cow<'a, str>>,
        /// Addresses of its WebTransport server, as `/api/connect` says them, where they are its own.
        #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
        avoid: Vec<Cow<'a, str>>,
    },
    /// The last message: the session is closed right after it.
    Closing {
        /// Why.
        code: CloseCode,
        /// The same in words.
        #[serde(borrow)]
        reason: Cow<'a, str>,
        /// Don't come back sooner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u32>,
    },
    /// The answer to `ping`.
    Pong {
        /// From the `ping`.
        nonce: u32,
    },
}
