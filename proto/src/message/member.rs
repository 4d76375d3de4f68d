//! Who is in a channel, as others see it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{is_default, null_is_missing};
use crate::code::LeaveReason;
use crate::ids::TalkerNumber;

/// One member of a channel, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member<'a> {
    /// Its number in voice frames.
    pub talker: TalkerNumber,
    /// Who it is.
    #[serde(borrow)]
    pub user: Cow<'a, str>,
    /// The name to show.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The token's role.
    #[serde(borrow)]
    pub role: Cow<'a, str>,
    /// May not talk.
    #[serde(default, deserialize_with = "null_is_missing", skip_serializing_if = "std::ops::Not::not")]
    pub listen_only: bool,
    /// A dispatcher doesn't let it talk.
    #[serde(default, deserialize_with = "null_is_missing", skip_serializing_if = "is_default")]
    pub muted: bool,
    /// Its transport is lost; it may come back and is kept a place meanwhile.
    #[serde(default, deserialize_with = "null_is_missing", skip_serializing_if = "is_default")]
    pub unreachable: bool,
}

/// A member that went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalkerLeft {
    /// Which.
    pub talker: TalkerNumber,
    /// Why.
    pub reason: LeaveReason,
}
