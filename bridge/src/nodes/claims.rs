//! What belongs to this node: keys of whatever kind, each written into Redis with the node's id while it lives here.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::cmd;
use tokio::sync::mpsc;

use super::AT_ONCE;
use super::names::Names;
use super::node::NodeId;
use super::store::{Away, Store};
use crate::metrics::Metrics;

/// A claim that isn't renewed ends after this. Longer than any pause that its session outlives.
const CLAIM_TTL: Duration = Duration::from_secs(60);

/// Who claims something waits no longer than this for Redis.
const CLAIM_PATIENCE: Duration = Duration::from_millis(500);

/// Ends and repetitions that wait to be told to Redis; what finds no room ends by its time to live, or is renewed.
const MAX_WAITING: usize = 4096;

/// What is to be told to Redis besides the regular renewals.
pub(super) enum Errand {
    /// It couldn't be told at once.
    Write(Box<str>),
    /// It is no more.
    Remove(Box<str>),
}

/// The keys that are this node's; clones share them.
#[derive(Clone)]
pub(crate) struct Claims(Arc<Inner>);

struct Inner {
    me: NodeId,
    names: Names,
    store: Arc<Store>,
    held: Mutex<HashSet<Box<str>>>,
    errands: mpsc::Sender<Errand>,
    metrics: Metrics,
}

/// Something of this node's, until its last clone is gone. It has no name at first.
#[derive(Clone)]
pub(crate) struct Claim(Arc<ClaimInner>);

struct ClaimInner {
    claims: Claims,
    key: OnceLock<Box<str>>,
}

impl Claims {
    pub(super) fn new(
        me: NodeId,
        names: Names,
        store: Arc<Store>,
        metrics: Metrics,
    ) -> (Self, mpsc::Receiver<Errand>) {
        let (errands, waiting) = mpsc::channel(MAX_WAITING);
        let held = Mutex::default();
        (Self(Arc::new(Inner { me, names, store, held, errands, metrics })), waiting)
    }

    /// A claim on something whose name isn't known yet.
    pub(crate) fn open(&self) -> Claim {
        Claim(Arc::new(ClaimInner { claims: self.clone(), key: OnceLock::new() }))
    }

    /// Whether it is this node's.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.held().contains(key)
    }

    /// Whose it is, as Redis has it; in bytes, for who wrote it isn't known.
    pub(super) async fn holder(&self, key: &str) -> Result<Option<Vec<u8>>, Away> {
        self.0.store.ask(cmd("GET").arg(self.0.names.claim(key))).await
    }

    /// Writes all of them anew.
    pub(super) async fn renew(&self) -> Result<(), Away> {
        let keys: Vec<_> = self.held().iter().cloned().collect();
        stream::iter(keys).map(|key| self.write(key)).buffer_unordered(AT_ONCE).try_collect().await
    }

    pub(super) async fn run(&self, errand: Errand) -> Result<(), Away> {
        match errand {
            Errand::Write(key) if self.has(&key) => self.write(key).await,
            Errand::Write(_) => Ok(()),
            Errand::Remove(key) => self.0.store.ask(cmd("DEL").arg(self.0.names.claim(&key))).await,
        }
    }

    async fn write(&self, key: Box<str>) -> Result<(), Away> {
        let mut set = cmd("SET");
        set.arg(self.0.names.claim(&key)).arg(self.0.me.to_string()).arg("EX").arg(CLAIM_TTL.as_secs());
        self.0.store.ask(&set).await
    }

    fn held(&self) -> MutexGuard<'_, HashSet<Box<str>>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, key: Box<str>) {
        let mut held = self.held();
        held.insert(key);
        self.0.metrics.owned_sessions(held.len());
    }

    fn remove(&self, key: &str) {
        let mut held = self.held();
        held.remove(key);
        self.0.metrics.owned_sessions(held.len());
        drop(held);
        // Without room it ends by its time to live.
        self.0.errands.try_send(Errand::Remove(key.into())).ok();
    }
}

impl Claim {
    /// Gives it its name, and tells Redis: when this returns others can find it, unless Redis is away or slow, and then
    /// it is this node's all the same.
    pub(crate) async fn name(&self, key: &str) {
        let claims = &self.0.claims;
        if self.0.key.set(key.into()).is_err() {
            return;
        }
        claims.insert(key.into());
        let told = tokio::time::timeout(CLAIM_PATIENCE, claims.write(key.into())).await;
        if !matches!(told, Ok(Ok(()))) {
            // Without room the next renewal tells it.
            claims.0.errands.try_send(Errand::Write(key.into())).ok();
        }
    }
}

impl Drop for ClaimInner {
    fn drop(&mut self) {
        if let Some(key) = self.key.get() {
            self.claims.remove(key);
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&self.0.key.get().is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use suara_redis::{Prefix, RedisAddress};

    use super::super::store::Trust;
    use super::*;

    fn claims() -> (Claims, mpsc::Receiver<Errand>) {
        let address = RedisAddress::parse("redis://127.0.0.1:1").unwrap();
        let store = Arc::new(Store::new("test", address, Trust::default(), Arc::default()));
        let names = Names::new(Prefix::default(), "test");
        Claims::new(NodeId::random(), names, store, Metrics::default())
    }

    #[tokio::test]
    async fn a_claim_holds_until_its_last_clone_is_gone_though_redis_is_away() {
        let (claims, mut errands) = claims();
        let first = claims.open();
        let second = first.clone();
        first.name("a").await;
        assert!(claims.has("a") && !claims.has("b"));
        assert!(matches!(errands.try_recv(), Ok(Errand::Write(key)) if &*key == "a"), "told later");
        drop(first);
        assert!(claims.has("a"));
        drop(second);
        assert!(!claims.has("a"));
        assert!(matches!(errands.try_recv(), Ok(Errand::Remove(key)) if &*key == "a"));
    }

    #[tokio::test]
    async fn a_claim_without_a_name_leaves_nothing_behind() {
        let (claims, mut errands) = claims();
        drop(claims.open());
        assert!(errands.try_recv().is_err());
    }

    #[tokio::test]
    async fn more_ends_than_there_is_room_for_are_forgotten() {
        let (claims, _errands) = claims();
        for number in 0..2 * MAX_WAITING {
            claims.open().name(&number.to_string()).await;
        }
        assert_eq!(claims.held().len(), 0);
    }
}
