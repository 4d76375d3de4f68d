//! Which nodes live: those that were heard of late.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use suara_channel::Time;

use crate::ids::NodeId;

/// Nodes that are known at a time; more are not taken in.
const MAX_NODES: usize = 1_024;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A node is there.
    Came(NodeId),
    /// A node is dead: it was silent for too long, or said so.
    Gone(NodeId),
}

/// The nodes that live, by their heartbeats. This node's own is the caller's to send, every [`every`](Self::every).
#[derive(Debug)]
pub struct Membership {
    own: NodeId,
    silence: Duration,
    every: Duration,
    /// Since when others can be heard.
    since: Time,
    heard: BTreeMap<NodeId, Time>,
    /// Nothing could be heard: nobody is dead for that.
    deaf: bool,
    changes: VecDeque<Change>,
}

impl Membership {
    /// A node that knows none so far, sends a heartbeat `every` so long, and holds others for dead after `silence`.
    #[must_use]
    pub fn new(now: Time, own: NodeId, every: Duration, silence: Duration) -> Self {
        Self {
            own,
            silence,
            every,
            since: now,
            heard: BTreeMap::new(),
            deaf: false,
            changes: VecDeque::new(),
        }
    }

    /// How often a heartbeat is to be sent.
    #[must_use]
    pub const fn every(&self) -> Duration {
        self.every
    }

    /// A node was heard.
    pub fn heard(&mut self, now: Time, node: NodeId) {
        if node == self.own || (self.heard.len() >= MAX_NODES && !self.heard.contains_key(&node)) {
            return;
        }
        if self.heard.insert(node, now).is_none() {
            self.changes.push_back(Change::Came(node));
        }
    }

    /// A node says that it stops.
    pub fn left(&mut self, node: NodeId) {
        if self.heard.remove(&node).is_some() {
            self.changes.push_back(Change::Gone(node));
        }
    }

    /// Redis went away, or is back. Without it nothing is heard, so nobody is held for dead until a silence after it.
    pub fn reachable(&mut self, now: Time, redis: bool) {
        if redis && self.deaf {
            self.heard.values_mut().for_each(|heard| *heard = now);
            self.since = now;
        }
        self.deaf = !redis;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let first = self.heard.values().min().filter(|_| !self.deaf)?;
        Some(*first + self.silence)
    }

    /// Holds for dead who was silent for too long.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.deaf {
            return;
        }
        let dead =
            self.heard.iter().filter(|(_, heard)| **heard + self.silence <= now).map(|(node, _)| *node);
        for node in dead.collect::<Vec<_>>() {
            self.left(node);
        }
    }

    /// What changed, in order. To be called until `None`.
    #[must_use]
    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// Whether a node is known to be dead: it wasn't heard for so long, and would have been.
    #[must_use]
    pub fn is_dead(&self, now: Time, node: NodeId) -> bool {
        let listened = !self.deaf && self.since + self.silence <= now;
        listened && node != self.own && !self.heard.contains_key(&node)
    }

    /// The others that live.
    pub fn others(&self) -> impl Iterator<Item = NodeId> {
        self.heard.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(1);
    const SILENCE: Duration = Duration::from_secs(3);

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_node_is_there_once_it_is_heard_and_dead_after_its_silence() {
        let mut nodes = Membership::new(at(0), NodeId(1), EVERY, SILENCE);
        nodes.heard(at(0), NodeId(1));
        nodes.heard(at(0), NodeId(2));
        nodes.heard(at(1_000), NodeId(2));
        assert_eq!(nodes.poll_change(), Some(Change::Came(NodeId(2))));
        assert_eq!(nodes.poll_timeout(), Some(at(4_000)));

        nodes.handle_timeout(at(3_999));
        assert_eq!(nodes.poll_change(), None);
        nodes.handle_timeout(at(4_000));
        assert_eq!(nodes.poll_change(), Some(Change::Gone(NodeId(2))));
        assert_eq!((nodes.poll_timeout(), nodes.others().count()), (None, 0));
        assert!(nodes.is_dead(at(4_000), NodeId(2)));
    }

    #[test]
    fn nobody_dies_while_nothing_can_be_heard() {
        let mut nodes = Membership::new(at(0), NodeId(1), EVERY, SILENCE);
        nodes.heard(at(0), NodeId(2));
        nodes.reachable(at(500), false);
        nodes.handle_timeout(at(60_000));
        assert!(nodes.others().eq([NodeId(2)]));

        nodes.reachable(at(60_000), true);
        assert_eq!(nodes.poll_timeout(), Some(at(63_000)));
    }
}
