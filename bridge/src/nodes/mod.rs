//! Several nodes as one: which there are, what belongs to which, and the way from one to another.
//!
//! A node writes itself and what it holds into Redis ([`keeper`]), and a request for something of another node's is
//! passed on to that one's peer listener ([`forward`], [`peer`]), whose address comes from the registry alone. Knows
//! Redis and HTTP; what the things are that belong to nodes, and what is asked of them, others know.

mod claims;
mod forward;
mod keeper;
mod names;
mod node;
mod pass;
mod peer;
mod registry;
mod roll;
mod store;
mod tunnel;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use suara_redis::RedisAddress;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::signaling::Living;

pub(crate) use claims::{Claim, Claims};
pub(crate) use forward::{Asked, Forwarder, Tunnels, WITHIN};
pub(crate) use names::Names;
pub(crate) use node::{Node, NodeId, PeerAddress};
pub(crate) use peer::{PeerDoor, check_peer};

use keeper::Keeper;
use pass::Pass;
use registry::Registry;
use store::{Away, Store, Trust};

/// Redis that came back, perhaps empty, is believed when it says that something isn't there after so long: by then
/// each node has seen that it was away, and has written anew what is its own.
const SETTLED: Duration = Duration::from_secs(10);

/// Questions for Redis of one sort that are under way at a time: more would make a slow one slower.
const AT_ONCE: usize = 64;

/// A node that leaves doesn't wait longer for Redis.
const LEAVE_PATIENCE: Duration = Duration::from_millis(500);

/// This node among the others; clones share it.
#[derive(Clone)]
pub(crate) struct Nodes {
    registry: Registry,
    claims: Claims,
    trust: Trust,
    pass: Pass,
    kept: CancellationToken,
    metrics: Metrics,
}

/// Who has something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Another node, which is there.
    Node(Node),
    /// A node that isn't there any more.
    Gone,
    /// Nobody.
    Nobody,
    /// It can't be known at the moment.
    Unsure,
}

/// A node that isn't kept in Redis yet.
pub(crate) struct Newcomer(Keeper);

impl Nodes {
    /// This node, which peers reach at `peer`; `secret` is what all nodes share.
    pub(crate) fn new(
        redis: &RedisAddress,
        names: Names,
        peer: PeerAddress,
        secret: Option<&[u8]>,
        metrics: Metrics,
    ) -> (Self, Newcomer) {
        let (trust, shaken) = (Trust::default(), Arc::new(Notify::new()));
        let store = |line| Arc::new(Store::new(line, redis.clone(), trust.clone(), shaken.clone()));
        let (own, store) = (store("beat"), store("registry"));
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let me = Node { id: NodeId::random(), peer, started: registry::now(), version };
        let (claims, errands) = Claims::new(me.id, names.clone(), store.clone(), metrics.clone());
        let registry = Registry::new(me, names, [own.clone(), store.clone()], trust.clone(), metrics.clone());
        let (pass, kept) = (Pass::new(secret), CancellationToken::new());
        let keeper = Keeper {
            own,
            store,
            shaken,
            registry: registry.clone(),
            claims: claims.clone(),
            errands: tokio::sync::Mutex::new(errands),
        };
        (Self { registry, claims, trust, pass, kept, metrics }, Newcomer(keeper))
    }

    /// Keeps this node and what it holds in Redis, until it leaves or `shutdown`.
    pub(crate) fn keep(&self, Newcomer(keeper): Newcomer, shutdown: &CancellationToken) {
        let kept = self.kept.clone();
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = keeper.run(kept) => {}
                () = shutdown.cancelled() => {}
            }
        });
    }

    pub(crate) const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Who has what is called `key`, if it isn't this node.
    pub(crate) async fn owner(&self, key: &str) -> Owner {
        match self.look_up(key).await {
            Ok(owner) => owner,
            Err(Away) => Owner::Unsure,
        }
    }

    async fn look_up(&self, key: &str) -> Result<Owner, Away> {
        let Some(holder) = self.claims.holder(key).await? else {
            return self.unless_unsure(Owner::Nobody).await;
        };
        let Some(id) = std::str::from_utf8(&holder).ok().and_then(|text| text.parse::<NodeId>().ok()) else {
            self.metrics.bad_input("node");
            return Ok(Owner::Nobody);
        };
        if id == self.registry.me().id {
            // It was this node's, and has just ended.
            return Ok(Owner::Nobody);
        }
        match self.registry.find(id).await? {
            Some(node) if self.may_ask(&node) => Ok(Owner::Node(node)),
            Some(_) => {
                self.metrics.bad_input("node");
                Ok(Owner::Gone)
            }
            None => self.unless_unsure(Owner::Gone).await,
        }
    }

    /// That something is missing is believed of a Redis that can't have lost it.
    async fn unless_unsure(&self, owner: Owner) -> Result<Owner, Away> {
        // Asked after what was missing: where Redis was emptied before, this node's own entry is missing too, or was
        // written anew, which was noticed.
        let is_whole = self.registry.is_listed().await? && self.trust.age(Instant::now()) >= SETTLED;
        Ok(if is_whole { owner } else { Owner::Unsure })
    }

    /// Without a secret only this machine's nodes are asked: who can write into Redis can't have others asked.
    fn may_ask(&self, node: &Node) -> bool {
        self.pass.is_kept() || node.peer.is_loopback()
    }

    /// Takes this node off the list, for good.
    pub(crate) async fn leave(&self) {
        if self.kept.is_cancelled() {
            return;
        }
        self.kept.cancel();
        if !matches!(tokio::time::timeout(LEAVE_PATIENCE, self.registry.leave()).await, Ok(Ok(()))) {
            tracing::debug!("this node leaves without a word to Redis");
        }
    }
}

impl Living for Nodes {
    fn me(&self) -> NodeId {
        self.registry.me().id
    }

    fn lives(&self, node: NodeId) -> Option<bool> {
        self.registry.lives(node, Instant::now())
    }
}

/// What peers are told to connect to: what the deployment says, or else the address that was bound.
///
/// # Errors
/// Says in words what is wrong with it.
pub(crate) fn announced(bound: SocketAddr, said: Option<&str>) -> Result<PeerAddress, &'static str> {
    match said {
        Some(said) => said.parse().map_err(|_| "it must be HOST:PORT"),
        None if bound.ip().is_unspecified() => Err("say by --peer-announce which address other nodes reach"),
        None => bound.to_string().parse().map_err(|_| "it must be HOST:PORT"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_told_an_address_that_they_can_reach() {
        let bound = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(announced(bound("127.0.0.1:99"), None).unwrap().to_string(), "127.0.0.1:99");
        assert_eq!(announced(bound("[::1]:99"), None).unwrap().to_string(), "[::1]:99");
        assert_eq!(announced(bound("0.0.0.0:99"), Some("node-1:9470")).unwrap().to_string(), "node-1:9470");
        assert!(announced(bound("0.0.0.0:99"), None).is_err());
        assert!(announced(bound("127.0.0.1:99"), Some("http://node-1")).is_err());
    }
}
