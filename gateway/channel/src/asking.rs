//! A request for the floor, as its member puts it.

use serde::{Deserialize, Serialize};
use suara_proto::RequestId;
use suara_proto::message::Level;

/// Floor Request (TS 24.380, 8.2.4) without the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// The member's number for it.
    pub request: RequestId,
    /// How urgent it is. Above [`Level::Normal`] it takes the right to raise an emergency.
    pub level: Level,
    /// No more than this; the member's own priority is the bound.
    pub priority: u8,
    /// Rather wait than be denied.
    pub queue: bool,
    /// How it came.
    pub road: Road,
}

/// What carried a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Road {
    /// The control stream: it comes once.
    Stream,
    /// A datagram: it may come again, and so may the one on the stream that it goes along with.
    Datagram,
}

impl From<RequestId> for Asking {
    /// The ordinary one.
    fn from(request: RequestId) -> Self {
        Self { request, level: Level::Normal, priority: u8::MAX, queue: false, road: Road::Stream }
    }
}

/// What one request is worth beside another. The greater takes precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Rank {
    pub(crate) level: Level,
    pub(crate) priority: u8,
}

impl Rank {
    /// Whether the floor is taken from `other`. Of two emergencies neither takes it from the other.
    pub(crate) fn pre_empts(self, other: Self, by_priority: bool) -> bool {
        let outranks = self.level == other.level && self.priority > other.priority;
        self.level > other.level || (by_priority && self.level < Level::Emergency && outranks)
    }
}
