//! Words of the floor that both sides use.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{is_default, null_is_missing};
use crate::ids::{Grant, TalkerNumber};

/// How urgent a request is: TS 24.380's tiers. Ordered, the most urgent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Ordinary talk.
    #[default]
    Normal,
    /// Imminent peril: somebody may come to harm.
    ImminentPeril,
    /// An emergency: above all else, and without a talk limit.
    Emergency,
}

impl Level {
    /// Every level, the least urgent first.
    pub const ALL: [Self; 3] = [Self::Normal, Self::ImminentPeril, Self::Emergency];
}

/// What a dispatcher does to the floor of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchAction {
    /// Takes a talker's grant, or its place in the queue, back.
    Revoke,
    /// Lets a member talk no more.
    Mute,
    /// Lets it talk again.
    Unmute,
    /// Ends every grant and empties the queue.
    Clear,
}

impl DispatchAction {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Revoke, Self::Mute, Self::Unmute, Self::Clear];
}

/// How a channel's floor works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelMode {
    /// One talker at a time.
    #[default]
    Ptt,
    /// One talker, and one more of higher precedence together with it (TS 24.380's dual floor control).
    Dual,
    /// A conference: whoever asks may talk, up to a number.
    Open,
    /// What a newer gateway's mode is read as: its rules aren't known here, so don't ask for the floor.
    #[serde(other)]
    Other,
}

/// Who holds the floor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalkerInfo<'a> {
    /// Its number in voice frames.
    pub talker: TalkerNumber,
    /// Who it is, for those whose roster is behind.
    #[serde(borrow)]
    pub user: Cow<'a, str>,
    /// The name to show.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// By which grant.
    pub grant: Grant,
    /// Until the talk limit ends it; [`limits::UNLIMITED`](crate::limits::UNLIMITED) where there is none.
    pub remaining_ms: u32,
    /// How urgent it is.
    #[serde(default, deserialize_with = "null_is_missing", skip_serializing_if = "is_default")]
    pub level: Level,
}
