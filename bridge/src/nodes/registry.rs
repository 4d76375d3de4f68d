//! Which nodes there are: each keeps its own entry alive in Redis, and looks at the others'.
//!
//! This is where the bridge decides who lives. An entry is renewed on a connection of its own, which nothing else is asked on.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt as _, stream};
use redis::cmd;

use super::names::Names;
use super::node::{Node, NodeId};
use super::roll::{FORGOTTEN, MAX_NODES, Roll};
use super::store::{Away, Store, Trust};
use super::{AT_ONCE, SETTLED};
use crate::metrics::Metrics;

/// An entry that isn't renewed is gone after this: longer keeps the dead listed, shorter loses who pauses.
const ENTRY_TTL: Duration = Duration::from_secs(10);

/// So often it is renewed; four in a row have to fail until others take a node for dead.
pub(super) const BEAT: Duration = Duration::from_secs(2);

/// What nodes have in Redis; clones share it.
#[derive(Clone)]
pub(crate) struct Registry(Arc<Inner>);

struct Inner {
    me: Node,
    names: Names,
    /// For this node's own entry, and nothing else.
    own: Arc<Store>,
    store: Arc<Store>,
    trust: Trust,
    roll: RwLock<Roll>,
    metrics: Metrics,
}

/// What a beat found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// The entry was there.
    Renewed,
    /// It wasn't: this is the first, or Redis lost what it was given.
    Anew,
}

impl Registry {
    pub(super) fn new(
        me: Node,
        names: Names,
        [own, store]: [Arc<Store>; 2],
        trust: Trust,
        metrics: Metrics,
    ) -> Self {
        Self(Arc::new(Inner { me, names, own, store, trust, roll: RwLock::default(), metrics }))
    }

    pub(crate) fn me(&self) -> &Node {
        &self.0.me
    }

    /// Renews the own entry.
    pub(super) async fn beat(&self) -> Result<Beat, Away> {
        let Inner { me, names, own, .. } = &*self.0;
        let mut set = cmd("SET");
        set.arg(names.entry(me.id)).arg(me.write()).arg("EX").arg(ENTRY_TTL.as_secs()).arg("GET");
        let mut add = cmd("ZADD");
        add.arg(names.index()).arg(milliseconds()).arg(me.id.to_string());
        // The entry says who lives; one whose id is in no index is found by those who know it, and with the next beat.
        let (before, _) = tokio::join!(own.ask::<Option<Vec<u8>>>(&set), own.ask::<()>(&add));
        Ok(if before?.is_some() { Beat::Renewed } else { Beat::Anew })
    }

    /// Looks who is there. What can't be found out stays as it was.
    pub(super) async fn look(&self) -> Result<(), Away> {
        let Inner { names, store, .. } = &*self.0;
        let mut newest = cmd("ZREVRANGE");
        newest.arg(names.index()).arg(0).arg(MAX_NODES - 1).arg("WITHSCORES");
        let index: Result<Vec<(String, f64)>, Away> = store.ask(&newest).await;
        let indexed = index.as_deref().unwrap_or_default();
        let mut ids: Vec<NodeId> = indexed.iter().filter_map(|(name, _)| name.parse().ok()).collect();
        ids.extend(self.roll().ids());
        ids.sort_unstable();
        ids.dedup();
        let looks = stream::iter(ids).map(async |id| (id, self.fetch(id).await)).buffer_unordered(AT_ONCE);
        let found: Vec<_> = looks.collect().await;
        self.0.metrics.nodes(self.roll().len());
        let oldest = milliseconds() as f64 - FORGOTTEN.as_millis() as f64;
        for (name, _) in indexed.iter().filter(|(_, renewed)| *renewed < oldest) {
            let id = name.parse().ok();
            let is_gone = found.iter().any(|(of, node)| Some(*of) == id && matches!(node, Ok(None)));
            if id.is_none() || is_gone {
                store.ask::<()>(cmd("ZREM").arg(names.index()).arg(name)).await?;
            }
        }
        index?;
        found.into_iter().try_for_each(|(_, node)| node.map(drop))
    }

    /// A node by its id, if it is there, or was of late.
    pub(crate) async fn find(&self, id: NodeId) -> Result<Option<Node>, Away> {
        let known = self.roll().find(id).cloned();
        match known {
            Some(node) => Ok(Some(node)),
            // It may be younger than the last look.
            None => self.fetch(id).await,
        }
    }

    /// Whether a node lives; nothing while Redis can't be relied on.
    pub(super) fn lives(&self, id: NodeId, now: Instant) -> Option<bool> {
        let is_listed = self.roll().is_listed(id);
        (is_listed || self.0.trust.age(now) >= SETTLED).then_some(is_listed)
    }

    /// Whether Redis still has this node's own entry.
    pub(super) async fn is_listed(&self) -> Result<bool, Away> {
        self.0.store.ask(cmd("EXISTS").arg(self.0.names.entry(self.0.me.id))).await
    }

    /// Takes this node off the list.
    pub(super) async fn leave(&self) -> Result<(), Away> {
        let Inner { me, names, own, .. } = &*self.0;
        // Behind what was asked there before.
        own.ask::<()>(cmd("DEL").arg(names.entry(me.id))).await?;
        own.ask(cmd("ZREM").arg(names.index()).arg(me.id.to_string())).await
    }

    async fn fetch(&self, id: NodeId) -> Result<Option<Node>, Away> {
        let Inner { names, store, metrics, .. } = &*self.0;
        let written: Option<Vec<u8>> = store.ask(cmd("GET").arg(names.entry(id))).await?;
        let node = written.and_then(|written| match Node::read(id, &written) {
            Ok(node) => Some(node),
            Err(fault) => {
                metrics.bad_input("node");
                tracing::debug!(bridge_node = %id, %fault, "the registry's entry of a node can't be used");
                None
            }
        });
        match &node {
            Some(node) => self.roll_mut().listed(node.clone(), Instant::now()),
            None => self.roll_mut().missed(id, Instant::now()),
        }
        Ok(node)
    }

    fn roll(&self) -> RwLockReadGuard<'_, Roll> {
        self.0.roll.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn roll_mut(&self) -> RwLockWriteGuard<'_, Roll> {
        self.0.roll.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// When this run began, in milliseconds since 1970.
pub(super) fn now() -> u64 {
    milliseconds()
}
