//! The pure channel's decisions in the words of the protocol.

use suara_channel::{Channel, Effect, Member as ChannelMember, Talking};
use suara_proto::floor::{FloorDatagram, FloorWord};
use suara_proto::message::{Joined, Member, Right, Rights, ServerMessage, TalkerInfo};
use suara_proto::{ChannelNumber, MemberRef, RequestId, TalkerNumber};

use super::call::Call;

/// A channel as it is told to sessions.
pub(super) struct View<'a> {
    pub(super) number: ChannelNumber,
    pub(super) name: &'a str,
    pub(super) channel: &'a Channel,
    /// The number of the newest chat message, where it is known.
    pub(super) last_message: Option<u64>,
    pub(super) call: Option<&'a Call>,
}

/// What goes into the answer to a join.
#[derive(Clone, Copy)]
pub(super) struct JoinAnswer {
    /// None for one who resumes.
    pub(super) request: Option<RequestId>,
    pub(super) member: Option<MemberRef>,
    pub(super) talker: TalkerNumber,
    pub(super) rights: Rights,
    pub(super) with_members: bool,
}

impl<'a> View<'a> {
    /// The answer to a join, with those who talk, the newest grant last.
    pub(super) fn joined(&self, answer: JoinAnswer, talking: &'a [Talking]) -> ServerMessage<'a> {
        let JoinAnswer { request, member, talker, rights, with_members } = answer;
        ServerMessage::Joined(Joined {
            request,
            member,
            channel: self.number,
            name: self.name.into(),
            talker,
            rights,
            mode: self.channel.settings().mode,
            version: self.channel.version(),
            members: with_members.then(|| self.members()),
            talking: talking.last().map(describe_talker),
            also_talking: talking.iter().rev().skip(1).map(describe_talker).collect(),
            last_message: self.last_message,
            call: self.call.map(Call::info),
        })
    }

    /// The whole roster.
    pub(super) fn snapshot(&self) -> ServerMessage<'a> {
        ServerMessage::Roster {
            channel: self.number,
            since: None,
            version: self.channel.version(),
            members: Some(self.members()),
            joined: Vec::new(),
            left: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// What is said to one member alone.
    pub(super) fn personal(&self, effect: &Effect, member: Option<MemberRef>) -> Option<ServerMessage<'a>> {
        let channel = self.number;
        match *effect {
            Effect::Granted { request, grant, duration, .. } => {
                let duration_ms = millis(duration);
                Some(ServerMessage::FloorGranted { member, channel, request, grant, duration_ms })
            }
            Effect::Deny { request, cause, .. } => {
                Some(ServerMessage::FloorDeny { member, channel, request, cause })
            }
            Effect::Revoke { grant, cause, grace, .. } => {
                Some(ServerMessage::FloorRevoke { member, channel, grant, cause, grace_ms: millis(grace) })
            }
            Effect::Queued { request, position, size, .. } => {
                let [position, size] = [position, size].map(|n| u16::try_from(n).unwrap_or(u16::MAX));
                Some(ServerMessage::FloorQueued { member, channel, request, position, size })
            }
            Effect::Cancelled { request, .. } => {
                Some(ServerMessage::FloorCancelled { member, channel, request })
            }
            Effect::Warning { grant, remaining, .. } => {
                let remaining_ms = millis(remaining);
                Some(ServerMessage::FloorWarning { member, channel, grant, remaining_ms })
            }
            Effect::Refused { code, .. } => Some(ServerMessage::Error {
                request: None,
                member,
                channel: Some(channel),
                code,
                message: "this grant isn't yours to release".into(),
            }),
            _ => None,
        }
    }

    /// The same by datagram, for those that go this way too.
    pub(super) fn datagram(&self, effect: &Effect) -> Option<FloorDatagram> {
        let (talker, message) = match *effect {
            Effect::Granted { talker, request, grant, duration }
            | Effect::Repeat { talker, request, grant, duration } => {
                (talker, FloorWord::Granted { request, grant, duration_ms: millis(duration) })
            }
            Effect::Deny { talker, request, cause } => (talker, FloorWord::Deny { request, cause }),
            Effect::Revoke { talker, grant, cause, grace } => {
                (talker, FloorWord::Revoke { grant, cause, grace_ms: millis(grace) })
            }
            Effect::Queued { talker, request, position, .. } => {
                let position = u8::try_from(position).unwrap_or(u8::MAX);
                (talker, FloorWord::Queued { request, position })
            }
            _ => return None,
        };
        Some(FloorDatagram { channel: self.number, talker, message })
    }

    /// What everybody in the channel is told.
    pub(super) fn common(&self, effect: &'a Effect) -> Option<ServerMessage<'a>> {
        let channel = self.number;
        match effect {
            Effect::Taken(talking) => {
                Some(ServerMessage::FloorTaken { channel, talking: describe_talker(talking) })
            }
            Effect::Idle { grant } => Some(ServerMessage::FloorIdle { channel, grant: *grant }),
            Effect::Roster(delta) => Some(ServerMessage::Roster {
                channel,
                since: Some(delta.since),
                version: delta.version,
                members: None,
                joined: delta.joined.iter().map(describe).collect(),
                left: delta.left.clone(),
                changed: delta.changed.iter().map(describe).collect(),
            }),
            _ => None,
        }
    }

    fn members(&self) -> Vec<Member<'a>> {
        self.channel.members().map(describe).collect()
    }
}

/// The one whom an effect is for; `None` when it is for everybody.
pub(super) fn addressee(effect: &Effect) -> Option<TalkerNumber> {
    match *effect {
        Effect::Granted { talker, .. }
        | Effect::Deny { talker, .. }
        | Effect::Revoke { talker, .. }
        | Effect::Repeat { talker, .. }
        | Effect::Queued { talker, .. }
        | Effect::Cancelled { talker, .. }
        | Effect::Warning { talker, .. }
        | Effect::Gone { talker }
        | Effect::Refused { talker, .. } => Some(talker),
        Effect::Inactive
        | Effect::Roster(_)
        | Effect::Speakers(_)
        | Effect::Taken(_)
        | Effect::Idle { .. } => None,
    }
}

pub(super) fn describe_talker(talking: &Talking) -> TalkerInfo<'_> {
    TalkerInfo {
        talker: talking.talker,
        user: (&*talking.who.user).into(),
        name: (&*talking.who.name).into(),
        grant: talking.grant,
        remaining_ms: millis(talking.remaining),
        level: talking.level,
    }
}

fn describe(member: &ChannelMember) -> Member<'_> {
    Member {
        talker: member.talker,
        user: (&*member.who.user).into(),
        name: (&*member.who.name).into(),
        role: (&*member.who.role).into(),
        listen_only: !member.rights.has(Right::Talk),
        muted: member.muted,
        unreachable: member.unreachable,
    }
}

fn millis(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
