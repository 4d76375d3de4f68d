//! What the gateway says to those who come: into a session, into a channel.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::call::CallInfo;
use super::floor::{ChannelMode, TalkerInfo};
use super::member::Member;
use super::rights::Rights;
use super::{is_default, null_is_missing};
use crate::ids::{ChannelNumber, MemberRef, RequestId, TalkerNumber};

/// The answer to `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome<'a> {
    /// The protocol version of this session.
    pub version: u32,
    /// Names the session in logs and support cases; gives no rights.
    #[serde(borrow)]
    pub session: Cow<'a, str>,
    /// Who the token says you are.
    #[serde(borrow)]
    pub user: Cow<'a, str>,
    /// How others see you.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The token's role.
    #[serde(borrow)]
    pub role: Cow<'a, str>,
    /// When the token ends, in seconds since 1970 (UTC).
    pub expires: u64,
    /// Say something at least this often.
    pub heartbeat_ms: u32,
    /// Having heard nothing for this long, either side takes the other for gone.
    pub idle_timeout_ms: u32,
    /// `floor_taken` is repeated this often.
    pub floor_renewal_ms: u32,
    /// The name of the channel in which emergencies are raised; `may` asks what the token gives there. A gateway from before this
    /// field says none.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub emergency_channel: Option<Cow<'a, str>>,
    /// What takes this session's place once it is lost; for those who asked for it. A secret.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Cow<'a, str>>,
    /// Whether it took the place of the one before: each of its channels is told about next.
    #[serde(default, deserialize_with = "null_is_missing", skip_serializing_if = "is_default")]
    pub resumed: bool,
}

/// The answer to `join`; or, without `request`, a channel that a resumed session is in still, or that of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined<'a> {
    /// Which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Of a trunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberRef>,
    /// The channel's number from now on.
    pub channel: ChannelNumber,
    /// Its name, as asked for.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// You, in this channel.
    pub talker: TalkerNumber,
    /// What you may do here.
    pub rights: Rights,
    /// How the floor works here.
    pub mode: ChannelMode,
    /// The roster's version that follows.
    pub version: u64,
    /// Everybody here, you included; left out towards a trunk that knows the channel already.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member<'a>>>,
    /// Who talks at this moment.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub talking: Option<TalkerInfo<'a>>,
    /// Who else does, in a mode with several talkers: those of older grants.
    #[serde(borrow, default, deserialize_with = "null_is_missing", skip_serializing_if = "Vec::is_empty")]
    pub also_talking: Vec<TalkerInfo<'a>>,
    /// The number of the channel's newest chat message, 0 for none; missing while the store doesn't answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<u64>,
    /// What call this is the channel of.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallInfo<'a>>,
}
