//! Which nodes live, and what they say of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use suara_cluster::{Change, Membership};

use super::NodeId;
use crate::clock::Clock;

/// Heartbeats come this often.
pub(super) const BEAT_EVERY: Duration = Duration::from_millis(500);
/// Who wasn't heard of for so long is dead: five heartbeats may be lost.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(3);
/// What a node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Of the program.
    pub version: String,
    /// Users' sessions.
    pub sessions: u32,
    /// Channels with members there.
    pub channels: u32,
    /// Channels that it owns.
    pub owned: u32,
}

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Which.
    pub node: NodeId,
    /// What it last said.
    pub load: Load,
}

/// The nodes that live, as far as this one has heard, and what they said last.
pub(super) struct Peers {
    clock: Clock,
    membership: Membership,
    loads: BTreeMap<NodeId, Load>,
    /// Whether heartbeats come: Redis may answer, and bring nothing.
    hears: bool,
}

impl Peers {
    pub(super) fn new(own: NodeId) -> Self {
        let clock = Clock::start();
        let membership = Membership::new(clock.now(), own, BEAT_EVERY, DEAD_AFTER);
        Self { clock, membership, loads: BTreeMap::new(), hears: false }
    }

    /// A heartbeat.
    pub(super) fn heard(&mut self, node: NodeId, load: Load) {
        self.membership.heard(self.clock.now(), node);
        if self.membership.others().any(|other| other == node) {
            self.loads.insert(node, load);
        }
    }

    /// A node says that it ends.
    pub(super) fn left(&mut self, node: NodeId) {
        self.membership.left(node);
    }

    /// Heartbeats come from now on, or don't.
    pub(super) fn subscribed(&mut self, hears: bool) {
        self.hears = hears;
    }

    /// Time passes, in which Redis was there or not.
    pub(super) fn tick(&mut self, is_reachable: bool) {
        let now = self.clock.now();
        self.membership.reachable(now, is_reachable && self.hears);
        self.membership.handle_timeout(now);
    }

    /// What changed since it was last asked, to be called until `None`.
    pub(super) fn change(&mut self) -> Option<Change> {
        let change = self.membership.poll_change();
        if let Some(Change::Gone(node)) = change {
            self.loads.remove(&node);
        }
        change
    }

    pub(super) fn all(&self) -> Vec<Peer> {
        self.loads.iter().map(|(node, load)| Peer { node: *node, load: load.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_said_goes_with_it() {
        let mut peers = Peers::new(NodeId(1));
        let load = Load { sessions: 7, ..Load::default() };
        peers.heard(NodeId(1), Load::default());
        peers.heard(NodeId(2), load.clone());
        assert_eq!((peers.change(), peers.change()), (Some(Change::Came(NodeId(2))), None));
        assert_eq!(peers.all(), [Peer { node: NodeId(2), load }]);
        peers.left(NodeId(2));
        assert_eq!(peers.change(), Some(Change::Gone(NodeId(2))));
        assert_eq!(peers.all(), []);
    }

    #[test]
    fn a_newer_node_may_say_more() {
        let load: Load = serde_json::from_str(r#"{"sessions": 3, "mood": "fine"}"#).unwrap();
        assert_eq!(load, Load { sessions: 3, ..Load::default() });
    }
}
