//! Which nodes there are: each keeps its own entry alive in Redis, and looks at the others'.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::cmd;

use super::node::{Node, NodeId};
use super::store::{Away, Store};
use crate::metrics::Metrics;

/// An entry that isn't renewed is gone after this: longer keeps the dead listed, shorter loses who pauses.
const ENTRY_TTL: Duration = Duration::from_secs(10);

/// So often it is renewed; three in a row have to fail until others take a node for dead.
pub(super) const BEAT: Duration = Duration::from_secs(3);

/// The ids of all nodes, by when they were last renewed; what is there has to be looked up one by one.
const INDEX: &str = "suara:nodes";

/// An id in the index without an entry is taken out when it is so old.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Nodes that are looked at. A hostile or broken index doesn't fill memory.
const MAX_NODES: isize = 256;

/// The nodes as they were seen at the last beat; clones share it.
#[derive(Clone)]
pub(crate) struct Registry {
    me: Arc<Node>,
    store: Arc<Store>,
    seen: Arc<RwLock<Vec<Node>>>,
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
    pub(super) fn new(me: Node, store: Arc<Store>, metrics: Metrics) -> Self {
        Self { me: Arc::new(me), store, seen: Arc::default(), metrics }
    }

    pub(crate) fn me(&self) -> &Node {
        &self.me
    }

    /// Renews the own entry and looks who else is there.
    pub(super) async fn beat(&self) -> Result<Beat, Away> {
        let mut set = cmd("SET");
        set.arg(entry(self.me.id)).arg(self.me.write()).arg("EX").arg(ENTRY_TTL.as_secs()).arg("GET");
        let before: Option<Vec<u8>> = self.store.ask(&set).await?;
        let now = milliseconds();
        self.store.ask::<()>(cmd("ZADD").arg(INDEX).arg(now).arg(self.me.id.to_string())).await?;
        self.look(now).await?;
        Ok(if before.is_some() { Beat::Renewed } else { Beat::Anew })
    }

    async fn look(&self, now: u64) -> Result<(), Away> {
        let newest = MAX_NODES - 1;
        let ids: Vec<(String, f64)> =
            self.store.ask(cmd("ZREVRANGE").arg(INDEX).arg(0).arg(newest).arg("WITHSCORES")).await?;
        let mut seen = Vec::new();
        for (name, renewed) in ids {
            let node = match name.parse() {
                Ok(id) => self.fetch(id).await?,
                Err(_) => None,
            };
            match node {
                Some(node) => seen.push(node),
                None if renewed + FORGOTTEN.as_millis() as f64 > now as f64 => {}
                None => self.store.ask::<()>(cmd("ZREM").arg(INDEX).arg(name)).await?,
            }
        }
        self.metrics.nodes(seen.len());
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(())
    }

    /// A node by its id, if it is there.
    pub(crate) async fn find(&self, id: NodeId) -> Result<Option<Node>, Away> {
        let known = {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            seen.iter().find(|node| node.id == id).cloned()
        };
        match known {
            Some(node) => Ok(Some(node)),
            // It may be younger than the last look.
            None => self.fetch(id).await,
        }
    }

    /// Whether Redis still has this node's own entry.
    pub(super) async fn is_listed(&self) -> Result<bool, Away> {
        self.store.ask(cmd("EXISTS").arg(entry(self.me.id))).await
    }

    /// Takes this node off the list.
    pub(super) async fn leave(&self) -> Result<(), Away> {
        self.store.ask::<()>(cmd("DEL").arg(entry(self.me.id))).await?;
        self.store.ask(cmd("ZREM").arg(INDEX).arg(self.me.id.to_string())).await
    }

    async fn fetch(&self, id: NodeId) -> Result<Option<Node>, Away> {
        let Some(written) = self.store.ask::<Option<Vec<u8>>>(cmd("GET").arg(entry(id))).await? else {
            return Ok(None);
        };
        match Node::read(id, &written) {
            Ok(node) => Ok(Some(node)),
            Err(fault) => {
                self.metrics.bad_input("node");
                tracing::debug!(%id, %fault, "the registry's entry of a node can't be used");
                Ok(None)
            }
        }
    }
}

fn entry(id: NodeId) -> String {
    format!("suara:node:{id}")
}

fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// When this run began, in milliseconds since 1970.
pub(super) fn now() -> u64 {
    milliseconds()
}
