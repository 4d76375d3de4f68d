//! The node's part, with what it needs for it.

use std::collections::BTreeSet;

use suara_channel::{Grant, Time};

use super::FIRST_EPOCH;
use crate::ids::{Epoch, NodeId};
use crate::output::Standing;

#[derive(Debug)]
pub(super) enum Role {
    /// There are no other nodes.
    Lone,
    Seeking,
    /// It has the lease, and asks what the others know.
    Recovering {
        epoch: Epoch,
        lease: Time,
        ends: Time,
        again: Time,
        /// Those who have to answer yet; none: it isn't known who.
        silent: Option<BTreeSet<NodeId>>,
        /// It slept through the end once, and gave the answers time to be read.
        slept: bool,
    },
    Owner {
        epoch: Epoch,
        /// Until when the lease is trusted.
        lease: Time,
        renew: Time,
        beat: Time,
        bumping: bool,
    },
    Follower {
        owner: NodeId,
        epoch: Epoch,
        heard: Time,
        /// When to ask for what is missing; none: nothing is.
        hello: Option<Time>,
    },
    Split {
        epoch: Epoch,
        /// The first of its grants.
        first: Grant,
        /// Who decides on the side that counts, and when to ask it for its state.
        host: Option<(NodeId, Time)>,
    },
    /// It has nobody in the channel any more.
    Out,
}

impl Role {
    pub(super) const fn standing(&self) -> Standing {
        match self {
            Self::Lone => Standing::Owner { epoch: FIRST_EPOCH },
            Self::Seeking | Self::Recovering { .. } | Self::Out => Standing::Seeking,
            Self::Owner { epoch, .. } => Standing::Owner { epoch: *epoch },
            Self::Follower { owner, epoch, .. } => Standing::Follower { owner: *owner, epoch: *epoch },
            Self::Split { epoch, .. } => Standing::Split { epoch: *epoch },
        }
    }

    pub(super) const fn decides(&self) -> bool {
        matches!(self, Self::Lone | Self::Owner { .. } | Self::Split { .. })
    }
}
