//! Which visitors are at other nodes. Each says who comes and goes, and now and then who is there, in parts: so what a lost word
//! has left is mended. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::words::NodeId;

/// Visitors of one node that are known at a time: more than it has sessions.
const MAX_VISITORS: usize = 100_000;
/// Visitors in one word: with the longest names half of what a word holds.
const PART: usize = 200;

#[derive(Default)]
pub(super) struct Elsewhere {
    nodes: BTreeMap<NodeId, HashMap<Arc<str>, Arc<str>>>,
}

/// A visitor that has come, or gone, as far as other nodes are concerned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) session: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) open: bool,
}

impl Elsewhere {
    /// The visitor's name, where it is at any other node.
    pub(super) fn name(&self, session: &str) -> Option<&Arc<str>> {
        self.nodes.values().find_map(|visitors| visitors.get(session))
    }

    /// Everybody, some more than once.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.nodes.values().flatten()
    }

    /// A visitor has come to a node, or gone from it.
    pub(super) fn set(&mut self, node: NodeId, session: &str, name: &str, open: bool) -> Option<Change> {
        let was_open = self.name(session).is_some();
        let visitors = self.nodes.entry(node).or_default();
        if open && visitors.len() < MAX_VISITORS {
            visitors.insert(session.into(), name.into());
        } else if !open {
            visitors.remove(session);
        }
        let open = self.name(session).is_some();
        (open != was_open).then(|| Change { session: session.into(), name: name.into(), open })
    }

    /// Who of a part of all visitors is at a node.
    pub(super) fn replace(
        &mut self,
        node: NodeId,
        (part, parts): (u16, u16),
        open: Vec<(String, String)>,
    ) -> Vec<Change> {
        let known = self.nodes.entry(node).or_default().iter();
        let gone: Vec<_> = known
            .filter(|(session, _)| part_of(session, parts) == part)
            .filter(|(session, _)| open.iter().all(|(other, _)| **other != ***session))
            .map(|(session, name)| (session.clone(), name.clone()))
            .collect();
        let mut changes: Vec<_> =
            gone.iter().filter_map(|(session, name)| self.set(node, session, name, false)).collect();
        let came = open.iter().filter_map(|(session, name)| self.set(node, session, name, true));
        changes.extend(came);
        changes
    }

    /// A node is dead, and with it its connections.
    pub(super) fn gone(&mut self, node: NodeId) -> Vec<Change> {
        let visitors = self.nodes.remove(&node).unwrap_or_default();
        let gone = visitors.into_iter().filter(|(session, _)| self.name(session).is_none());
        gone.map(|(session, name)| Change { session, name, open: false }).collect()
    }
}

/// All visitors of a node, in the parts of which each is a word.
pub(super) fn parts(open: &[(Arc<str>, Arc<str>)]) -> Vec<Vec<(String, String)>> {
    // Parts differ in size: half full on the average, none is too large.
    let count = u16::try_from(open.len().div_ceil(PART / 2).max(1)).unwrap_or(u16::MAX);
    let mut parts = vec![Vec::new(); count.into()];
    for (session, name) in open {
        if let Some(part) = parts.get_mut(usize::from(part_of(session, count))) {
            part.push((session.to_string(), name.to_string()));
        }
    }
    parts
}

/// Which part a session is in, at each node alike (FNV-1a).
fn part_of(session: &str, parts: u16) -> u16 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = session.bytes().fold(0x811c_9dc5, mix);
    u16::try_from(hash % u32::from(parts.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId(1);
    const OTHER: NodeId = NodeId(2);

    fn change(session: &str, open: bool) -> Change {
        Change { session: session.into(), name: session.to_uppercase().into(), open }
    }

    #[test]
    fn a_visitor_at_two_nodes_comes_once_and_goes_once() {
        let mut elsewhere = Elsewhere::default();
        assert_eq!(elsewhere.set(ONE, "a", "A", true), Some(change("a", true)));
        assert_eq!(elsewhere.set(OTHER, "a", "A", true), None);
        assert_eq!(elsewhere.set(ONE, "a", "A", false), None);
        assert_eq!(elsewhere.set(ONE, "a", "A", false), None, "said twice");
        assert_eq!(elsewhere.set(OTHER, "a", "A", false), Some(change("a", false)));
    }

    #[test]
    fn a_dead_nodes_visitors_are_gone_but_those_who_are_elsewhere() {
        let mut elsewhere = Elsewhere::default();
        for (node, session) in [(ONE, "a"), (ONE, "b"), (OTHER, "b")] {
            elsewhere.set(node, session, &session.to_uppercase(), true);
        }
        assert_eq!(elsewhere.gone(ONE), [change("a", false)]);
        assert_eq!(elsewhere.gone(ONE), []);
    }

    #[test]
    fn what_words_have_missed_is_mended_part_by_part() {
        let mut elsewhere = Elsewhere::default();
        elsewhere.set(ONE, "stale", "STALE", true);
        let open: Vec<_> = (0..1000).map(|n| (format!("v{n}").into(), format!("V{n}").into())).collect();
        let parts = parts(&open);
        assert!(parts.len() > 4 && parts.iter().all(|part| part.len() <= PART), "{}", parts.len());
        let count = u16::try_from(parts.len()).unwrap();
        let mut changes = Vec::new();
        for (part, open) in (0..).zip(parts) {
            changes.extend(elsewhere.replace(ONE, (part, count), open));
        }
        assert_eq!(changes.iter().filter(|change| change.open).count(), 1000);
        assert_eq!(changes.iter().filter(|change| !change.open).count(), 1);
        assert!(elsewhere.name("stale").is_none() && elsewhere.name("v999").is_some());
        assert_eq!(elsewhere.replace(ONE, (0, 1), vec![]).len(), 1000, "the last has gone");
    }
}
