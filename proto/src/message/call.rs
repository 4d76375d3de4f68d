//! Words of calls: who is in one, and who made it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How many a call is between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Two users (TS 23.379, private call).
    Private,
    /// A dispatcher's choice of users (TS 23.379, ad hoc group call).
    Group,
    /// What a newer gateway's kind is read as.
    #[serde(other)]
    Other,
}

/// What a call's channel says of itself in `joined`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallInfo<'a> {
    /// How many it is between.
    pub kind: CallKind,
    /// The user who called.
    #[serde(borrow)]
    pub by: Cow<'a, str>,
    /// The caller's name, to show.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Everybody who may be in it, the caller first.
    #[serde(borrow)]
    pub users: Vec<Cow<'a, str>>,
}
