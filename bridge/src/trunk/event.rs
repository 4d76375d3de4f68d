//! What the gateway says, as the rest of the bridge needs it: owned, and sorted by whom it concerns.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};
use suara_proto::message::ServerMessage::{EmergencyAlert, EmergencyOver};
use suara_proto::message::{
    self, Alert, CallInfo, ChannelMode, Level, Member, Rights, ServerMessage, TalkerInfo,
};
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
    /// The answer to `guest`.
    GuestSession { request: RequestId, token: String },
    /// A member's token ended, or it was thrown out.
    Detached { member: MemberRef, code: CloseCode },
    /// The answer to `join`.
    Joined(Joined),
    /// A member was put into a call.
    Called(Called),
    /// A member was brought into the emergency channel, by its own doing; or has another number in a channel that it is in.
    Brought { member: MemberRef, channel: String, joined: Joined },
    /// The answer to `emergency`: where, and how long the microphone is to be open.
    Raised { request: RequestId, channel: ChannelNumber, microphone_ms: u32 },
    /// The answer to `may`.
    Rights { request: RequestId, rights: Rights },
    /// The answer to `verify`.
    Verified { request: RequestId, bearer: Bearer },
    /// The answer to `notify`.
    Notified { request: RequestId, kept: bool },
    /// What was kept for a member while it was away.
    Notification { member: MemberRef, event: String, payload: Value },
    /// A member is no longer in a channel.
    Left { member: MemberRef, channel: ChannelNumber, reason: LeaveReason },
    /// A request was refused.
    Refused { request: RequestId, code: ErrorCode },
    /// Who is in a channel.
    Roster { channel: ChannelNumber, roster: RosterEvent },
    /// Chat in a channel.
    Chat { channel: ChannelNumber, chat: ChatEvent },
    /// Somebody in a channel is in an emergency, as clients are told it, or no longer.
    Alert { channel: ChannelNumber, user: String, alert: Option<Value> },
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
    /// Of the member, in this channel.
    pub(crate) rights: Rights,
    pub(crate) mode: ChannelMode,
    pub(crate) version: u64,
    /// Missing where the trunk knows the channel already.
    pub(crate) members: Option<Vec<Person>>,
    /// The newest last.
    pub(crate) talking: Vec<Talking>,
}

#[cfg(test)]
impl Joined {
    /// An ordinary member in an ordinary channel, in which nobody talks.
    pub(crate) fn plain(request: RequestId, channel: ChannelNumber, talker: TalkerNumber) -> Self {
        let (rights, mode) = (Rights::all(), ChannelMode::Ptt);
        Self { request, channel, talker, rights, mode, version: 1, members: None, talking: Vec::new() }
    }
}

/// A call that a member is in, by another's doing.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) member: MemberRef,
    /// The name of its channel.
    pub(crate) channel: String,
    pub(crate) by: Who,
    /// Everybody who may be in it.
    pub(crate) users: Vec<String>,
    /// As if it had been asked for.
    pub(crate) joined: Joined,
}

/// A user, as others see it; clones are cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) user: Arc<str>,
    pub(crate) name: Arc<str>,
    /// Empty where there is none, or where it concerns nobody.
    pub(crate) role: Arc<str>,
}

/// Whose a token is that is no member's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) user: Arc<str>,
    pub(crate) is_service: bool,
    /// When the token ends, in seconds since 1970 (UTC).
    pub(crate) expires: u64,
}

/// A member of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) talker: TalkerNumber,
    pub(crate) who: Who,
    /// Its token doesn't let it talk.
    pub(crate) listen_only: bool,
    /// A dispatcher doesn't let it talk.
    pub(crate) muted: bool,
}

/// Who has the floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Talking {
    pub(crate) person: Person,
    pub(crate) grant: Grant,
    pub(crate) remaining_ms: u32,
    pub(crate) level: Level,
}

/// A change of a channel's roster, or the whole of it.
#[derive(Debug)]
pub(crate) struct RosterEvent {
    pub(crate) since: Option<u64>,
    pub(crate) version: u64,
    pub(crate) members: Option<Vec<Person>>,
    pub(crate) joined: Vec<Person>,
    pub(crate) left: Vec<TalkerNumber>,
    /// As they are now.
    pub(crate) changed: Vec<Person>,
}

/// What the floor did.
#[derive(Debug)]
pub(crate) enum FloorEvent {
    Granted { member: MemberRef, request: RequestId, grant: Grant, duration_ms: u32 },
    Denied { member: MemberRef, request: RequestId, cause: DenyCause },
    Revoked { member: MemberRef, grant: Grant, cause: RevokeCause, grace_ms: u32 },
    Queued { member: MemberRef, request: RequestId, position: u16, size: u16 },
    Warning { member: MemberRef, grant: Grant, remaining_ms: u32 },
    Taken(Talking),
    Idle { grant: Grant },
}

fn called(member: MemberRef, channel: String, call: CallInfo<'_>, joined: Joined) -> Called {
    let users = call.users.into_iter().map(Cow::into_owned).collect();
    Called { member, channel, by: who(&call.by, &call.name), users, joined }
}

fn alert(message: ServerMessage<'_>) -> Option<TrunkEvent> {
    let (channel, user, alert) = match message {
        ServerMessage::EmergencyAlert { channel, alert } => {
            (channel, alert.user.clone(), Some(payload(&alert)))
        }
        ServerMessage::EmergencyOver { channel, user, .. } => (channel, user, None),
        _ => return None,
    };
    Some(TrunkEvent::Alert { channel, user: user.into_owned(), alert })
}

/// An alert in the words of the clients: degrees are what they know.
fn payload(alert: &Alert<'_>) -> Value {
    let location = alert.location.map(|location| {
        let degrees = |e7: i32| f64::from(e7) / 1e7;
        let (latitude, longitude) = (degrees(location.latitude_e7), degrees(location.longitude_e7));
        json!({ "latitude": latitude, "longitude": longitude, "accuracy_m": location.accuracy_m })
    });
    json!({ "user_id": alert.user, "name": alert.name, "at": alert.at, "location": location, "text": alert.text })
}

/// The event in a message; `None` for what concerns the session alone.
pub(super) fn event(message: ServerMessage<'_>) -> Option<TrunkEvent> {
    Some(match message {
        ServerMessage::VisitorSession { request, session, token, expires } => {
            let (session, token) = (session.into_owned(), token.into_owned());
            TrunkEvent::VisitorSession { request, session, token, expires }
        }
        ServerMessage::GuestSession { request, token, .. } => {
            TrunkEvent::GuestSession { request, token: token.into_owned() }
        }
        ServerMessage::Attached { request, user, name, role, expires, .. } => {
            let who = Who { role: (&*role).into(), ..who(&user, &name) };
            TrunkEvent::Attached { request, who, expires }
        }
        ServerMessage::Rights { request, rights, .. } => TrunkEvent::Rights { request, rights },
        ServerMessage::Verified { request, user, scope, expires } => {
            let bearer = Bearer { user: (&*user).into(), is_service: scope == "service", expires };
            TrunkEvent::Verified { request, bearer }
        }
        ServerMessage::Notified { request, kept, .. } => TrunkEvent::Notified { request, kept },
        ServerMessage::Notification { member, event, payload, .. } => {
            TrunkEvent::Notification { member: member?, event: event.into_owned(), payload }
        }
        ServerMessage::Detached { member, code } => TrunkEvent::Detached { member, code },
        ServerMessage::Joined(joined) => return entry(joined),
        ServerMessage::EmergencyRaised { request, channel, microphone_ms, .. } => {
            TrunkEvent::Raised { request, channel, microphone_ms }
        }
        message @ (EmergencyAlert { .. } | EmergencyOver { .. }) => alert(message)?,
        ServerMessage::Left { member, channel, reason } => {
            TrunkEvent::Left { member: member?, channel, reason }
        }
        ServerMessage::Error { request, code, .. } => TrunkEvent::Refused { request: request?, code },
        ServerMessage::Roster { channel, since, version, members, joined, left, changed } => {
            let left = left.into_iter().map(|left| left.talker).collect();
            let (members, joined, changed) = (members.map(people), people(joined), people(changed));
            let roster = RosterEvent { since, version, members, joined, left, changed };
            TrunkEvent::Roster { channel, roster }
        }
        of_the_floor => {
            let (channel, floor) = floor_event(of_the_floor)?;
            TrunkEvent::Floor { channel, floor }
        }
    })
}

/// That a member is in a channel: at its own wish, or by another's call.
fn entry(joined: message::Joined<'_>) -> Option<TrunkEvent> {
    let message::Joined { request, member, channel, name, talker, rights, mode, version, call, .. } = joined;
    let members = joined.members.map(people);
    let mut talking: Vec<_> = joined.talking.into_iter().chain(joined.also_talking).map(talker_of).collect();
    talking.sort_by_key(|talking| talking.grant);
    let joined = |request| Joined { request, channel, talker, rights, mode, version, members, talking };
    match (request, call) {
        (Some(request), _) => Some(TrunkEvent::Joined(joined(request))),
        (None, Some(call)) => {
            Some(TrunkEvent::Called(called(member?, name.into_owned(), call, joined(RequestId(0)))))
        }
        (None, None) => Some(TrunkEvent::Brought {
            member: member?,
            channel: name.into_owned(),
            joined: joined(RequestId(0)),
        }),
    }
}

/// What the floor of which channel did; `None` for what concerns the session alone.
fn floor_event(message: ServerMessage<'_>) -> Option<(ChannelNumber, FloorEvent)> {
    Some(match message {
        ServerMessage::FloorGranted { member, channel, request, grant, duration_ms } => {
            (channel, FloorEvent::Granted { member: member?, request, grant, duration_ms })
        }
        ServerMessage::FloorDeny { member, channel, request, cause } => {
            (channel, FloorEvent::Denied { member: member?, request, cause })
        }
        ServerMessage::FloorRevoke { member, channel, grant, cause, grace_ms } => {
            (channel, FloorEvent::Revoked { member: member?, grant, cause, grace_ms })
        }
        ServerMessage::FloorQueued { member, channel, request, position, size } => {
            (channel, FloorEvent::Queued { member: member?, request, position, size })
        }
        ServerMessage::FloorWarning { member, channel, grant, remaining_ms } => {
            (channel, FloorEvent::Warning { member: member?, grant, remaining_ms })
        }
        ServerMessage::FloorTaken { channel, talking } => (channel, FloorEvent::Taken(talker_of(talking))),
        ServerMessage::FloorIdle { channel, grant } => (channel, FloorEvent::Idle { grant }),
        _ => return None,
    })
}

fn who(user: &str, name: &str) -> Who {
    Who { user: user.into(), name: name.into(), role: Arc::default() }
}

fn people(members: Vec<Member<'_>>) -> Vec<Person> {
    members
        .into_iter()
        .map(|member| Person {
            talker: member.talker,
            who: who(&member.user, &member.name),
            listen_only: member.listen_only,
            muted: member.muted,
        })
        .collect()
}

fn talker_of(info: TalkerInfo<'_>) -> Talking {
    let who = who(&info.user, &info.name);
    let person = Person { talker: info.talker, who, listen_only: false, muted: false };
    Talking { person, grant: info.grant, remaining_ms: info.remaining_ms, level: info.level }
}
