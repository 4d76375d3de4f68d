//! What the bridge counts, under Prometheus' conventions.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Label = [(&'static str, &'static str); 1];

/// The bridge's instruments; clones count into the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Arc<Instruments>);

#[derive(Debug, Default)]
struct Instruments {
    sockets: Gauge,
    visitors: Gauge,
    livechat: Family<Label, Counter>,
    rtc_clients: Gauge,
    rtc_transports: Gauge,
    members: Gauge,
    channels: Gauge,
    trunk_up: Gauge,
    trunk_connects: Counter,
    packets: Family<Label, Counter>,
    bytes: Family<Label, Counter>,
    dropped: Family<Label, Counter>,
    transcodes: Family<Label, Counter>,
    bad_input: Family<Label, Counter>,
    presses: Family<Label, Counter>,
    signals: Counter,
    broadcasts: Family<Label, Counter>,
    redis_up: Gauge,
    nodes: Gauge,
    owned_sessions: Gauge,
    tunnels: Gauge,
    forwarded: Family<Label, Counter>,
}

/// Why voice wasn't delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// Sent without having joined a channel.
    NotJoined,
    /// Larger than the settings allow.
    Oversized,
    /// Faster than anybody speaks.
    Rate,
    /// Not the format that the client announced.
    Malformed,
    /// The listener doesn't keep up.
    Stale,
    /// The listener's queue is full.
    QueueFull,
    /// The talker or the channel has more waiting than it may.
    Backlog,
    /// Said before the grant, and too long ago by the time it came.
    NoFloor,
    /// The floor was denied or revoked for this press.
    Blocked,
    /// No trunk to the gateway.
    TrunkDown,
    /// An Opus packet that fits in no datagram, or a datagram that the transport refused.
    Datagram,
}

impl DropReason {
    const fn name(self) -> &'static str {
        match self {
            Self::NotJoined => "not_joined",
            Self::Oversized => "oversized",
            Self::Rate => "rate",
            Self::Malformed => "malformed",
            Self::Stale => "stale",
            Self::QueueFull => "queue_full",
            Self::Backlog => "backlog",
            Self::NoFloor => "no_floor",
            Self::Blocked => "blocked",
            Self::TrunkDown => "trunk_down",
            Self::Datagram => "datagram",
        }
    }
}

/// What becomes of requests for sessions that aren't here: told from the start, so that the first of each is seen.
const FORWARDED: [&str; 6] = ["answered", "tunnel", "refused", "gone", "unsure", "nobody"];

impl Instruments {
    fn register_nodes(&self, registry: &mut Registry) {
        registry.register("nodes", "Nodes in the registry, this one too", self.nodes.clone());
        registry.register(
            "owned_sessions",
            "Sessions of this node that any node may be asked for",
            self.owned_sessions.clone(),
        );
        registry.register("tunnels", "WebSockets whose session is at another node", self.tunnels.clone());
        for outcome in FORWARDED {
            drop(self.forwarded.get_or_create(&[("outcome", outcome)]));
        }
        registry.register(
            "forwarded",
            "Requests for sessions that aren't here by outcome",
            self.forwarded.clone(),
        );
    }
}

impl Metrics {
    /// Instruments that `registry` shows.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let all = &*metrics.0;
        let registry = registry.sub_registry_with_prefix("suara_bridge");
        registry.register("sockets", "Socket.IO clients connected", all.sockets.clone());
        registry.register("visitors", "Livechat connections", all.visitors.clone());
        registry.register("livechat", "Livechat frames by what they are", all.livechat.clone());
        registry.register("rtc_clients", "RTC clients connected", all.rtc_clients.clone());
        registry.register("rtc_transports", "WebRTC transports of RTC clients", all.rtc_transports.clone());
        registry.register("members", "Clients logged in to the gateway", all.members.clone());
        registry.register("channels", "Channels with a member of this bridge", all.channels.clone());
        registry.register("trunk_up", "Whether the trunk to the gateway stands", all.trunk_up.clone());
        registry.register("trunk_connects", "Trunk sessions opened", all.trunk_connects.clone());
        registry.register("voice_packets", "Voice packets by way", all.packets.clone());
        registry.register("voice_bytes", "Bytes of voice by way", all.bytes.clone());
        registry.register("voice_dropped", "Voice packets dropped", all.dropped.clone());
        registry.register("transcodes", "Frames encoded or decoded", all.transcodes.clone());
        registry.register("bad_input", "Client messages that made no sense", all.bad_input.clone());
        registry.register("presses", "Presses of legacy clients by outcome", all.presses.clone());
        registry.register("signals", "WebRTC signals passed on", all.signals.clone());
        registry.register(
            "broadcasts",
            "Broadcasts of back ends by the way they came",
            all.broadcasts.clone(),
        );
        registry.register("redis_up", "Whether Redis is listened to", all.redis_up.clone());
        all.register_nodes(registry);
        metrics
    }

    pub(crate) fn socket_opened(&self) {
        self.0.sockets.inc();
    }

    pub(crate) fn socket_closed(&self) {
        self.0.sockets.dec();
    }

    pub(crate) fn visitors(&self, count: usize) {
        self.0.visitors.set(count as i64);
    }

    /// A livechat frame that passed: `send`, `ack`, `receive`.
    pub(crate) fn livechat(&self, what: &'static str) {
        self.0.livechat.get_or_create(&[("event", what)]).inc();
    }

    pub(crate) fn rtc_opened(&self) {
        self.0.rtc_clients.inc();
    }

    pub(crate) fn rtc_closed(&self) {
        self.0.rtc_clients.dec();
    }

    pub(crate) fn rtc_transports(&self, count: usize) {
        self.0.rtc_transports.set(count as i64);
    }

    pub(crate) fn members(&self, count: usize) {
        self.0.members.set(count as i64);
    }

    pub(crate) fn channels(&self, count: usize) {
        self.0.channels.set(count as i64);
    }

    pub(crate) fn trunk_up(&self, up: bool) {
        self.0.trunk_up.set(i64::from(up));
        if up {
            self.0.trunk_connects.inc();
        }
    }

    /// Voice that passed: `from_client`, `to_client`, `from_trunk`, `to_trunk`.
    pub(crate) fn voice(&self, direction: &'static str, packets: usize, bytes: usize) {
        self.0.packets.get_or_create(&[("direction", direction)]).inc_by(packets as u64);
        self.0.bytes.get_or_create(&[("direction", direction)]).inc_by(bytes as u64);
    }

    pub(crate) fn dropped(&self, reason: DropReason, packets: usize) {
        if packets > 0 {
            self.0.dropped.get_or_create(&[("reason", reason.name())]).inc_by(packets as u64);
        }
    }

    pub(crate) fn transcoded(&self, direction: &'static str) {
        self.0.transcodes.get_or_create(&[("direction", direction)]).inc();
    }

    pub(crate) fn bad_input(&self, kind: &'static str) {
        self.0.bad_input.get_or_create(&[("kind", kind)]).inc();
    }

    /// A broadcast that was delivered: `http`, `json`, `emitter`, `python`.
    pub(crate) fn broadcast(&self, way: &'static str) {
        self.0.broadcasts.get_or_create(&[("way", way)]).inc();
    }

    pub(crate) fn redis_up(&self, up: bool) {
        self.0.redis_up.set(i64::from(up));
    }

    pub(crate) fn nodes(&self, count: usize) {
        self.0.nodes.set(count as i64);
    }

    pub(crate) fn owned_sessions(&self, count: usize) {
        self.0.owned_sessions.set(count as i64);
    }

    pub(crate) fn tunnel_opened(&self) {
        self.0.tunnels.inc();
    }

    pub(crate) fn tunnel_closed(&self) {
        self.0.tunnels.dec();
    }

    /// A request for a session that isn't here, by one of [`FORWARDED`].
    pub(crate) fn forwarded(&self, outcome: &'static str) {
        self.0.forwarded.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(crate) fn signal(&self) {
        self.0.signals.inc();
    }

    pub(crate) fn press(&self, outcome: &'static str) {
        self.0.presses.get_or_create(&[("outcome", outcome)]).inc();
    }
}
