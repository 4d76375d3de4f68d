//! Which nodes live: who was heard of lately.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::NodeId;

/// Heartbeats come this often.
pub(super) const BEAT_EVERY: Duration = Duration::from_millis(500);
/// Who wasn't heard of for so long is dead: five heartbeats may be lost.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(3);
/// Nodes that are believed in. More are no deployment, but somebody who makes them up.
const MAX_NODES: usize = 1024;

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

/// The nodes that live, as far as this one has heard.
#[derive(Default)]
pub(super) struct Peers {
    seen: BTreeMap<NodeId, (Instant, Load)>,
}

impl Peers {
    /// A heartbeat; says whether the node is new.
    pub(super) fn heard(&mut self, node: NodeId, load: Load, now: Instant) -> bool {
        if self.seen.len() >= MAX_NODES && !self.seen.contains_key(&node) {
            return false;
        }
        self.seen.insert(node, (now, load)).is_none()
    }

    /// Takes a node out that says that it ends; says whether it was there.
    pub(super) fn left(&mut self, node: NodeId) -> bool {
        self.seen.remove(&node).is_some()
    }

    /// Takes those out that are silent for too long.
    pub(super) fn dead(&mut self, now: Instant) -> Vec<NodeId> {
        let is_dead = |at: Instant| now.saturating_duration_since(at) > DEAD_AFTER;
        let dead: Vec<_> =
            self.seen.iter().filter(|(_, (at, _))| is_dead(*at)).map(|(node, _)| *node).collect();
        for node in &dead {
            self.seen.remove(node);
        }
        dead
    }

    /// Nothing could be heard until now: silence begins to count here.
    pub(super) fn deaf_until(&mut self, now: Instant) {
        for (at, _) in self.seen.values_mut() {
            *at = now;
        }
    }

    pub(super) fn all(&self) -> Vec<Peer> {
        self.seen.iter().map(|(node, (_, load))| Peer { node: *node, load: load.clone() }).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_for_three_seconds_is_dead_once() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        assert!(peers.heard(NodeId(1), Load::default(), start));
        assert!(peers.heard(NodeId(2), Load::default(), start));
        assert!(!peers.heard(NodeId(2), Load::default(), start + Duration::from_secs(1)));
        assert_eq!(peers.dead(start + DEAD_AFTER), []);
        let later = start + DEAD_AFTER + Duration::from_millis(1);
        assert_eq!(peers.dead(later), [NodeId(1)]);
        assert_eq!(peers.dead(later), []);
        assert!(peers.left(NodeId(2)) && !peers.left(NodeId(2)));
    }

    #[test]
    fn while_nothing_can_be_heard_nobody_dies() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        peers.heard(NodeId(1), Load::default(), start);
        let back = start + Duration::from_secs(60);
        peers.deaf_until(back);
        assert_eq!(peers.dead(back + DEAD_AFTER), []);
        assert_eq!(peers.dead(back + 2 * DEAD_AFTER), [NodeId(1)]);
    }

    #[test]
    fn nodes_that_are_made_up_have_an_end() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        for node in 0..=MAX_NODES as u64 {
            peers.heard(NodeId(node), Load::default(), now);
        }
        assert_eq!(peers.len(), MAX_NODES);
    }
}
