//! What nodes, epochs and questions about leases are.

/// One run of one process: a node that starts anew is another node. Chosen at random; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u64);

/// Sixteen hexadecimal digits, as in Redis.
impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A term of ownership: the fencing token of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u16);

/// What is asked of the channel's lease in Redis. All of it is by the node that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseAsk {
    /// To own the channel, if nobody else does. The new epoch is `max(counter, wanted - 1) + 1`, also for the node that has
    /// the lease already.
    Take {
        /// At least.
        wanted: Epoch,
    },
    /// To own it for another lease time.
    Renew {
        /// In this epoch.
        epoch: Epoch,
    },
    /// To go on in a new epoch, `max(counter, above) + 1`, because others have seen higher ones.
    Bump {
        /// The present one.
        epoch: Epoch,
        /// The new one is higher than this.
        above: Epoch,
    },
    /// Nobody is left in the channel: the lease is free, and the next [`Mine`](LeaseAnswer::Mine) is `clean`.
    Release {
        /// The present one.
        epoch: Epoch,
    },
    /// Another node is to own it: the lease is that node's for a lease time, so that it can take it and nobody else can.
    HandOver {
        /// The present one.
        epoch: Epoch,
        /// To whom.
        to: NodeId,
    },
}

/// What Redis said. A lease is counted from the time at which the question was put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// Another node has the lease.
    Held {
        /// Which.
        by: NodeId,
        /// In which epoch.
        epoch: Epoch,
    },
    /// This node has it.
    Mine {
        /// In which epoch.
        epoch: Epoch,
        /// Whether no other node can have a state of this channel: it was never owned before, or released by the last.
        /// `false` where that isn't known.
        clean: bool,
    },
    /// Nobody has it: what was to be renewed, bumped or released is this node's no more, or is released now.
    Free,
    /// Redis doesn't answer.
    Away,
}
