//! What the gateway says, as the rest of the bridge needs it: owned, and sorted by whom it concerns.

use std::sync::Arc;

use suara_proto::message::{Member, ServerMessage, TalkerInfo};
use suara_proto::{
    ChannelNumber, CloseCode, DenyCause, ErrorCode, Grant, LeaveReason, MemberRef, RequestId, RevokeCause,
    TalkerNumber,
};

use super::Link;
use super::chat::ChatEvent;
use super::staff::StaffEvent;

/// Something happened on the trunk.
#[derive(Debug)]
pub(crate) enum TrunkEvent {
    /// It stands; nobody is attached.
    Up(Link),
    /// It is gone, and with it everybody's membership.
    Down { reason: String },
    /// The answer to `attach`.
    Attached { request: RequestId, who: Who, expires: u64 },
    /// The answer to `visitor`.
    VisitorSession { request: RequestId, session: String, token: String, expires: u64 },
    /// A member's token ended, or it was thrown out.
    Detached { member: MemberRef, code: CloseCode },
    /// The answer to `join`.
    Joined(Joined),
    /// A member is no longer in a channel.
    Left { member: MemberRef, channel: ChannelNumber, reason: LeaveReason },
    /// A request was refused.
    Refused { request: RequestId, code: ErrorCode },
    /// Who is in a channel.
    Roster { channel: ChannelNumber, roster: RosterEvent },
    /// Chat in a channel.
    Chat { channel: ChannelNumber, chat: ChatEvent },
    /// About visitors' conversations.
    Staff(StaffEvent),
    /// A channel's floor.
    Floor { channel: ChannelNumber, floor: FloorEvent },
}

/// The answer to `join`.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) request: RequestId,
    pub(crate) channel: ChannelNumber,
    pub(crate) talker: TalkerNumber,
    pub(crate) version: u64,
    /// Missing where the trunk knows the channel already.
    pub(crate) members: Option<Vec<Person>>,
    pub(crate) talking: Option<Talking>,
}

/// A user, as others see it; clones are cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) user: Arc<str>,
    pub(crate) name: Arc<str>,
    /// Empty where there is none, or where it concerns nobody.
    pub(crate) role: Arc<str>,
}

/// A member of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) talker: TalkerNumber,
    pub(crate) who: Who,
}

/// Who has the floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Talking {
    pub(crate) person: Person,
    pub(crate) grant: Grant,
    pub(crate) remaining_ms: u32,
}

/// A change of a channel's roster, or the whole of it.
#[derive(Debug)]
pub(crate) struct RosterEvent {
    pub(crate) since: Option<u64>,
    pub(crate) version: u64,
    pub(crate) members: Option<Vec<Person>>,
    pub(crate) joined: Vec<Person>,
    pub(crate) left: Vec<TalkerNumber>,
}

/// What the floor did.
#[derive(Debug)]
pub(crate) enum FloorEvent {
    Granted { member: MemberRef, request: RequestId, grant: Grant, duration_ms: u32 },
    Denied { member: MemberRef, request: RequestId, cause: DenyCause },
    Revoked { member: MemberRef, grant: Grant, cause: RevokeCause, grace_ms: u32 },
    Taken(Talking),
    Idle { grant: Grant },
}

/// The event in a message; `None` for what concerns the session alone.
pub(super) fn event(message: ServerMessage<'_>) -> Option<TrunkEvent> {
    Some(match message {
        ServerMessage::VisitorSession { request, session, token, expires } => {
            let (session, token) = (session.into_owned(), token.into_owned());
            TrunkEvent::VisitorSession { request, session, token, expires }
        }
        ServerMessage::Attached { request, user, name, role, expires, .. } => {
            let who = Who { role: (&*role).into(), ..who(&user, &name) };
            TrunkEvent::Attached { request, who, expires }
        }
        ServerMessage::Detached { member, code } => TrunkEvent::Detached { member, code },
        ServerMessage::Joined { request, channel, talker, version, members, talking, .. } => {
            let members = members.map(people);
            let talking = talking.map(talker_of);
            TrunkEvent::Joined(Joined { request: request?, channel, talker, version, members, talking })
        }
        ServerMessage::Left { member, channel, reason } => {
            TrunkEvent::Left { member: member?, channel, reason }
        }
        ServerMessage::Error { request, code, .. } => TrunkEvent::Refused { request: request?, code },
        ServerMessage::Roster { channel, since, version, members, joined, left, .. } => {
            let left = left.into_iter().map(|left| left.talker).collect();
            let roster =
                RosterEvent { since, version, members: members.map(people), joined: people(joined), left };
            TrunkEvent::Roster { channel, roster }
        }
        ServerMessage::FloorGranted { member, channel, request, grant, duration_ms } => {
            let floor = FloorEvent::Granted { member: member?, request, grant, duration_ms };
            TrunkEvent::Floor { channel, floor }
        }
        ServerMessage::FloorDeny { member, channel, request, cause } => {
            TrunkEvent::Floor { channel, floor: FloorEvent::Denied { member: member?, request, cause } }
        }
        ServerMessage::FloorRevoke { member, channel, grant, cause, grace_ms } => {
            let floor = FloorEvent::Revoked { member: member?, grant, cause, grace_ms };
            TrunkEvent::Floor { channel, floor }
        }
        ServerMessage::FloorTaken { channel, talking } => {
            TrunkEvent::Floor { channel, floor: FloorEvent::Taken(talker_of(talking)) }
        }
        ServerMessage::FloorIdle { channel, grant } => {
            TrunkEvent::Floor { channel, floor: FloorEvent::Idle { grant } }
        }
        ServerMessage::Welcome { .. }
        | ServerMessage::Renewed { .. }
        | ServerMessage::FloorQueued { .. }
        | ServerMessage::FloorCancelled { .. }
        | ServerMessage::FloorWarning { .. }
        | ServerMessage::Dispatched { .. }
        | ServerMessage::Replaying { .. }
        | ServerMessage::Draining { .. }
        | ServerMessage::Closing { .. }
        | ServerMessage::Pong { .. } => return None,
    })
}

fn who(user: &str, name: &str) -> Who {
    Who { user: user.into(), name: name.into(), role: Arc::default() }
}

fn people(members: Vec<Member<'_>>) -> Vec<Person> {
    members
        .into_iter()
        .map(|member| Person { talker: member.talker, who: who(&member.user, &member.name) })
        .collect()
}

fn talker_of(info: TalkerInfo<'_>) -> Talking {
    let person = Person { talker: info.talker, who: who(&info.user, &info.name) };
    Talking { person, grant: info.grant, remaining_ms: info.remaining_ms }
}
