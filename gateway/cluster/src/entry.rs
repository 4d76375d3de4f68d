//! The log: what was decided, in order.

use serde::{Deserialize, Serialize};
use suara_channel::{Grant, Time};

use crate::ids::{NodeId, OpId, Term};
use crate::op::Op;

/// One step of a channel, as its owner put it in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in the channel's time.
    pub at: Time,
    /// What.
    pub step: Step,
}

/// What an entry does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A node's operation.
    Op {
        /// Whose, and which.
        id: OpId,
        /// What.
        op: Op,
    },
    /// Deadlines take effect, after the newest voice of those who talk.
    Tick {
        /// When it was heard, by grant.
        media: Vec<(Grant, Time)>,
    },
    /// A new term of ownership begins.
    Term {
        /// Who decides from here on.
        term: Term,
        /// The first grant that is given in it.
        first: Grant,
    },
    /// A node is dead, or on another side: its members are unreachable, its guests gone.
    NodeGone(NodeId),
}
