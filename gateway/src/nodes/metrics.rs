//! What goes between nodes, counted.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Why a message to or from other nodes went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeDrop {
    /// Redis is away.
    Away,
    /// Redis took it not, or too late.
    Refused,
    /// Waited longer than it is worth.
    Stale,
    /// More wait already than may.
    Overflow,
    /// Larger than messages may be.
    Oversized,
    /// No message as nodes send them.
    Malformed,
}

impl NodeDrop {
    const ALL: [Self; 6] =
        [Self::Away, Self::Refused, Self::Stale, Self::Overflow, Self::Oversized, Self::Malformed];

    const fn name(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Refused => "refused",
            Self::Stale => "stale",
            Self::Overflow => "overflow",
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
        }
    }
}

/// What was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Packet,
    Voice,
    Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Dropped {
    what: &'static str,
    reason: &'static str,
}

/// Counters of what goes by Redis; plain atomics.
#[derive(Clone)]
pub struct NodesMetrics {
    /// Nodes that live, this one included; 0 where none was asked for.
    pub nodes: Gauge,
    /// 1 while Redis is there, as far as this node can tell.
    pub reachable: Gauge,
    /// Channels whose operations this node puts in order. Kept by the rooms.
    pub owned: Gauge,
    /// Voice frames published.
    pub voice_out: Counter,
    /// Voice frames of other nodes.
    pub voice_in: Counter,
    /// Packets and words published.
    pub packets_out: Counter,
    /// Packets and words of other nodes.
    pub packets_in: Counter,
    /// Lease scripts that Redis didn't answer.
    pub lease_failures: Counter,
    /// Connections made.
    pub connections: Counter,
    dropped: Family<Dropped, Counter>,
    by_reason: [[Counter; NodeDrop::ALL.len()]; 3],
}

impl Default for NodesMetrics {
    fn default() -> Self {
        let dropped = Family::<Dropped, Counter>::default();
        let by_reason = ["packet", "voice", "word"].map(|what| {
            NodeDrop::ALL
                .map(|reason| dropped.get_or_create(&Dropped { what, reason: reason.name() }).clone())
        });
        Self {
            nodes: Gauge::default(),
            reachable: Gauge::default(),
            owned: Gauge::default(),
            voice_out: Counter::default(),
            voice_in: Counter::default(),
            packets_out: Counter::default(),
            packets_in: Counter::default(),
            lease_failures: Counter::default(),
            connections: Counter::default(),
            dropped,
            by_reason,
        }
    }
}

impl NodesMetrics {
    pub(super) fn dropped(&self, what: What, reason: NodeDrop) {
        self.by_reason[what as usize][reason as usize].inc();
    }

    #[cfg(test)]
    pub(super) fn count_of(&self, what: What, reason: NodeDrop) -> u64 {
        self.by_reason[what as usize][reason as usize].get()
    }

    pub(crate) fn register(&self, suara: &mut Registry) {
        suara.register("nodes", "Nodes that live, this one included", self.nodes.clone());
        suara.register("node_reachable", "1 while Redis is there for this node", self.reachable.clone());
        suara.register(
            "channels_owned",
            "Channels whose operations this node puts in order",
            self.owned.clone(),
        );
        suara.register("node_voice_frames_sent", "Voice frames to other nodes", self.voice_out.clone());
        suara.register("node_voice_frames_received", "Voice frames of other nodes", self.voice_in.clone());
        suara.register("node_packets_sent", "Packets and words to other nodes", self.packets_out.clone());
        suara.register("node_packets_received", "Packets and words of other nodes", self.packets_in.clone());
        suara.register(
            "node_lease_failures",
            "Lease scripts that Redis didn't answer",
            self.lease_failures.clone(),
        );
        suara.register("node_connections", "Connections to Redis that were made", self.connections.clone());
        suara.register(
            "node_messages_dropped",
            "Messages between nodes that went no further",
            self.dropped.clone(),
        );
    }
}
