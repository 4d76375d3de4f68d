//! What nodes, operations and epochs are called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One run of one process: a node that starts anew is another node. Chosen at random by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u64);

/// Sixteen hexadecimal digits, as in Redis.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A node's operation on one channel. A node's operations take effect in the order of their numbers, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId {
    /// Whose.
    pub node: NodeId,
    /// Ascending by one from where the replica started.
    pub number: u64,
}

/// A term of ownership: the fencing token of the lease, and the high half of every grant that is given in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u16);

impl Epoch {
    /// The one after it; the last has none.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who decides since when. A node on its own side of a split chooses its epoch itself, and may choose another's or, with
/// another replica, one that it had before: all three together are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Term {
    /// Since this epoch.
    pub epoch: Epoch,
    /// Who.
    pub by: NodeId,
    /// Which of that node's replicas: the number of its first operation.
    pub first: u64,
}
