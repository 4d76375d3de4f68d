//! The nodes that were listed of late: pure, time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::node::{Node, NodeId};

/// A node that isn't listed any more is asked itself for so long: as long as claims of its own may be found, nearly.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(60);

/// Nodes that are remembered. A hostile or broken index doesn't fill memory.
pub(super) const MAX_NODES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Roll(BTreeMap<NodeId, Seen>);

#[derive(Debug)]
struct Seen {
    node: Node,
    at: Instant,
    is_listed: bool,
}

impl Roll {
    /// Its entry was there.
    pub(super) fn listed(&mut self, node: Node, now: Instant) {
        if self.0.len() < MAX_NODES || self.0.contains_key(&node.id) {
            self.0.insert(node.id, Seen { node, at: now, is_listed: true });
        }
    }

    /// Its entry wasn't there.
    pub(super) fn missed(&mut self, id: NodeId, now: Instant) {
        if let Some(seen) = self.0.get_mut(&id) {
            seen.is_listed = false;
        }
        self.0.retain(|_, seen| seen.is_listed || now.saturating_duration_since(seen.at) < FORGOTTEN);
    }

    /// A node that was listed, of late at least: whether it lives, itself knows best.
    pub(super) fn find(&self, id: NodeId) -> Option<&Node> {
        self.0.get(&id).map(|seen| &seen.node)
    }

    pub(super) fn is_listed(&self, id: NodeId) -> bool {
        self.0.get(&id).is_some_and(|seen| seen.is_listed)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.0.keys().copied()
    }

    /// How many are listed.
    pub(super) fn len(&self) -> usize {
        self.0.values().filter(|seen| seen.is_listed).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: NodeId) -> Node {
        Node { id, peer: "10.0.0.7:9470".parse().unwrap(), started: 1, version: "0.1.0".into() }
    }

    #[test]
    fn a_node_that_is_listed_no_more_can_be_asked_for_a_while() {
        let (mut roll, now) = (Roll::default(), Instant::now());
        let [one, other] = [0; 2].map(|_| NodeId::random());
        roll.listed(node(one), now);
        roll.listed(node(other), now);
        roll.missed(one, now + FORGOTTEN / 2);
        assert!(!roll.is_listed(one) && roll.find(one).is_some());
        assert_eq!((roll.len(), roll.ids().count()), (1, 2));
        roll.missed(one, now + FORGOTTEN);
        assert!(roll.find(one).is_none());
        assert!(roll.is_listed(other), "nobody looked for it, which isn't its fault");
    }

    #[test]
    fn a_node_that_is_late_once_is_listed_again() {
        let (mut roll, now) = (Roll::default(), Instant::now());
        let id = NodeId::random();
        roll.listed(node(id), now);
        roll.missed(id, now);
        roll.listed(node(id), now);
        assert!(roll.is_listed(id));
        roll.missed(NodeId::random(), now);
        assert_eq!(roll.ids().count(), 1, "who was never listed is nobody");
    }

    #[test]
    fn there_are_no_more_nodes_than_may_be() {
        let (mut roll, now) = (Roll::default(), Instant::now());
        for _ in 0..2 * MAX_NODES {
            roll.listed(node(NodeId::random()), now);
        }
        assert_eq!(roll.len(), MAX_NODES);
    }
}
