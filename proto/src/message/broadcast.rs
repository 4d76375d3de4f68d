//! What a bridge heard of a back end.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A notification and for whom it is: one of `user`, `role` and `channel`, or everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast<'a> {
    /// The event's name.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// What it says.
    #[serde(default)]
    pub payload: Value,
    /// All clients of that user.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
    /// All whose token has that role.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Cow<'a, str>>,
    /// All in the channel of that name.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Cow<'a, str>>,
    /// If that user is away, keep it so long for its next log-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_ms: Option<u32>,
    /// What the message was made of, where other bridges hear it as well: the same from each of them.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<Cow<'a, str>>,
}
