//! The pure channel's decisions in the words of the protocol.

use suara_channel::{Channel, Effect, Member as ChannelMember, Talking};
use suara_proto::message::{ChannelMode, Member, Right, Rights, ServerMessage, TalkerInfo};
use suara_proto::{ChannelNumber, MemberRef, RequestId, TalkerNumber};

/// A channel as it is told to sessions.
pub(super) struct View<'a> {
    pub(super) number: ChannelNumber,
    pub(super) name: &'a str,
    pub(super) channel: &'a Channel,
}

/// What goes into the answer to a join.
pub(super) struct JoinAnswer<'a> {
    pub(super) request: RequestId,
    pub(super) member: Option<MemberRef>,
    pub(super) talker: TalkerNumber,
    pub(super) rights: Rights,
    pub(super) talking: Option<&'a Talking>,
    pub(super) with_members: bool,
}

impl<'a> View<'a> {
    /// The answer to a join.
    pub(super) fn joined(&self, answer: JoinAnswer<'a>) -> ServerMessage<'a> {
        let JoinAnswer { request, member, talker, rights, talking, with_members } = answer;
        ServerMessage::Joined {
            request,
            member,
            channel: self.number,
            name: self.name.into(),
            talker,
            rights,
            mode: ChannelMode::Ptt,
            version: self.channel.version(),
            members: with_members.then(|| self.members()),
            talking: talking.map(describe_talker),
        }
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
        | Effect::Refused { talker, .. } => Some(talker),
        Effect::Roster(_) | Effect::Speaker(_) | Effect::Taken(_) | Effect::Idle { .. } => None,
    }
}

fn describe_talker(talking: &Talking) -> TalkerInfo<'_> {
    TalkerInfo {
        talker: talking.talker,
        user: (&*talking.who.user).into(),
        name: (&*talking.who.name).into(),
        grant: talking.grant,
        remaining_ms: millis(talking.remaining),
    }
}

fn describe(member: &ChannelMember) -> Member<'_> {
    Member {
        talker: member.talker,
        user: (&*member.who.user).into(),
        name: (&*member.who.name).into(),
        role: (&*member.who.role).into(),
        listen_only: !member.rights.has(Right::Talk),
    }
}

fn millis(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
