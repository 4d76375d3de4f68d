//! Other nodes of the deployment, by Redis: who lives, what they say to each other about a channel, and its voice.
//!
//! Carries bytes and knows neither what packets mean nor who may talk. Nobody who calls in here waits for Redis: what
//! can't be sent is counted and lost, and what comes is handed over where it is read. Three connections are kept, so that
//! voice waits behind nothing: one for commands and control, one for voice that goes, one for voice that comes. What comes
//! from Redis is parsed like any peer's input.

mod berth;
mod envelope;
mod inner;
mod lease;
mod line;
mod metrics;
mod mooring;
mod news;
mod peers;
mod publish;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use berth::VoiceSink;
pub use envelope::MAX_WORD;
pub use metrics::{NodeDrop, NodesMetrics};
pub use mooring::{Heard, Mooring, Packet};
pub use news::{News, NewsFeed};
pub use peers::{Load, Peer};
pub use suara_cluster::{Epoch, LeaseAnswer, LeaseAsk, MAX_PACKET, NodeId};
pub use suara_redis::{AddressError, Prefix, PrefixError, RedisAddress};

use crate::metrics::Metrics;
use inner::Inner;

/// What nodes need to be told.
#[derive(Clone)]
pub struct NodesSettings {
    /// Where Redis is, version 7 or newer.
    pub redis: RedisAddress,
    /// What tells deployments on one Redis apart.
    pub prefix: Prefix,
    /// How long a channel is owned without a renewal. The same at all nodes.
    pub lease: Duration,
    /// What Redis doesn't answer within this has failed.
    pub timeout: Duration,
}

impl NodesSettings {
    /// The usual ones.
    #[must_use]
    pub fn new(redis: RedisAddress) -> Self {
        let (lease, timeout) = (Duration::from_secs(3), Duration::from_millis(500));
        Self { redis, prefix: Prefix::default(), lease, timeout }
    }
}

/// The way to the other nodes; the clones are one.
#[derive(Clone)]
pub struct Nodes(Arc<Inner>);

impl Nodes {
    /// Begins to look for Redis; whether it is there, [`trouble`](Self::trouble) says, and the log. To be called within a
    /// runtime.
    #[must_use]
    pub fn start(settings: NodesSettings, metrics: &Metrics) -> Self {
        let inner = Inner::start(settings, metrics);
        // A bridge of the same process has an id of its own.
        tracing::info!(gateway_node = %inner.me, "this gateway among the others");
        Self(inner)
    }

    /// This node.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.0.me
    }

    /// Enters a channel: its topics are subscribed until the mooring is dropped. Voice of other nodes goes to `voice`. To be
    /// called within a runtime.
    #[must_use]
    pub fn enter(&self, channel: &str, voice: Arc<dyn VoiceSink>) -> Mooring {
        mooring::enter(self, channel, voice)
    }

    /// Says something to all other nodes. Never waits; what can't be sent is counted and lost.
    pub fn say(&self, word: Bytes) {
        self.0.word(None, word);
    }

    /// Says something to one other node; likewise.
    pub fn tell(&self, node: NodeId, word: Bytes) {
        self.0.word(Some(node), word);
    }

    /// What all say from now on, behind whether Redis is there and which nodes are. Each feed gets everything; one that lets too
    /// many words wait loses those that come then, and nothing else.
    #[must_use]
    pub fn words(&self) -> NewsFeed {
        self.0.words()
    }

    /// The other nodes that live.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.0.peers().all()
    }

    /// What is wrong with Redis, if anything. Everything goes on, but for this node's own members alone.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble()
    }

    /// Says to all that this node ends, sees off what was said until now, and ends. To be called after the rooms have
    /// ended; waits a second at most.
    pub async fn stop(&self) {
        self.0.stop().await;
    }

    /// Ends without a word, as a crash does: what others make of that can be tested within one process.
    pub fn abandon(&self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests;
