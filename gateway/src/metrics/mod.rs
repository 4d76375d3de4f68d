//! What the gateway counts, in Prometheus' conventions.
//!
//! The voice path reaches its counters by index, never by label: see [`VoiceMetrics::dropped`].

mod histogram;
mod kpi;
mod loss;

use std::fmt::Write;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use suara_engine::Tally;
use suara_proto::{CloseCode, DenyCause, ErrorCode, RevokeCause};

pub use histogram::DurationHistogram;
pub use kpi::KpiMetrics;
pub use loss::LossMetrics;

use crate::chat::ChatMetrics;
use crate::nodes::NodesMetrics;
use crate::words::WordMetrics;

/// Why a voice frame went no further. A dropped frame is no error: it is counted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// No voice datagram as the protocol has them.
    Malformed,
    /// For a channel that its sender isn't in.
    NotJoined,
    /// With another member's talker number.
    WrongTalker,
    /// Without the floor, or with a grant that is over.
    NoGrant,
    /// Sent ahead of a grant that never came, or too much of it.
    TalkAhead,
    /// Faster than voice is.
    Rate,
    /// Waited for its listener longer than voice is worth.
    Stale,
    /// Pushed out of a full queue.
    Overflow,
    /// Larger than its listener's transport takes.
    TooLarge,
    /// Forwarded already, as it came or repaired.
    Duplicate,
}

impl DropReason {
    const ALL: [Self; 10] = [
        Self::Malformed,
        Self::NotJoined,
        Self::WrongTalker,
        Self::NoGrant,
        Self::TalkAhead,
        Self::Rate,
        Self::Stale,
        Self::Overflow,
        Self::TooLarge,
        Self::Duplicate,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotJoined => "not_joined",
            Self::WrongTalker => "wrong_talker",
            Self::NoGrant => "no_grant",
            Self::TalkAhead => "talk_ahead",
            Self::Rate => "rate",
            Self::Stale => "stale",
            Self::Overflow => "overflow",
            Self::TooLarge => "too_large",
            Self::Duplicate => "duplicate",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    decision: &'static str,
    cause: &'static str,
}

/// Voice counters: plain atomics, cloned into every session once.
#[derive(Clone)]
pub struct VoiceMetrics {
    /// Datagrams that came.
    pub frames_in: Counter,
    /// Frames handed to listeners' transports.
    pub frames_out: Counter,
    /// Bytes of the former.
    pub bytes_in: Counter,
    /// Bytes of the latter.
    pub bytes_out: Counter,
    /// How long frames waited for their listener.
    pub queue_age: DurationHistogram,
    /// What paths lose, and what is done about it.
    pub loss: LossMetrics,
    /// Packets that the kernel didn't take.
    pub unsent: Counter,
    /// Questions for the clock that were answered.
    pub clock_answers: Counter,
    /// Frames and packets that were lost between workers.
    pub crowded_out: Counter,
    dropped: Family<Reason, Counter>,
    by_reason: [Counter; DropReason::ALL.len()],
}

impl Default for VoiceMetrics {
    fn default() -> Self {
        let dropped = Family::<Reason, Counter>::default();
        let by_reason =
            DropReason::ALL.map(|reason| dropped.get_or_create(&Reason { reason: reason.name() }).clone());
        Self {
            frames_in: Counter::default(),
            frames_out: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            queue_age: DurationHistogram::default(),
            loss: LossMetrics::default(),
            unsent: Counter::default(),
            clock_answers: Counter::default(),
            crowded_out: Counter::default(),
            dropped,
            by_reason,
        }
    }
}

impl VoiceMetrics {
    /// Counts a frame that goes no further.
    pub fn dropped(&self, reason: DropReason) {
        self.by_reason[reason as usize].inc();
    }

    /// Counts what the engine has done since it last told.
    pub fn tally(&self, tally: &Tally) {
        self.frames_out.inc_by(tally.frames);
        self.bytes_out.inc_by(tally.bytes);
        self.loss.sent(tally.with_earlier);
        self.by_reason[DropReason::Stale as usize].inc_by(tally.stale);
        self.by_reason[DropReason::Overflow as usize].inc_by(tally.overflow);
        self.by_reason[DropReason::TooLarge as usize].inc_by(tally.too_large);
        self.unsent.inc_by(tally.unsent);
        self.crowded_out.inc_by(tally.crowded_out);
        for &(age, count) in &tally.ages {
            self.queue_age.observe_many(age, count);
        }
    }
}

/// Everything that the gateway counts.
#[derive(Clone, Default)]
pub struct Metrics {
    /// The data plane's share.
    pub voice: VoiceMetrics,
    /// Chat's.
    pub chat: ChatMetrics,
    /// How well bursts went.
    pub kpi: KpiMetrics,
    /// What goes between nodes.
    pub nodes: NodesMetrics,
    /// What is said between nodes.
    pub words: WordMetrics,
    /// Sessions that are welcomed and not yet ended.
    pub sessions: Gauge,
    /// Sessions on a WebSocket, welcomed or not.
    pub websockets: Gauge,
    /// Members in channels, each channel counted.
    pub members: Gauge,
    /// Channels with somebody in them.
    pub channels: Gauge,
    /// Channels whose members at other nodes are cut off.
    pub split_channels: Gauge,
    /// Members that trunks have attached.
    pub attached: Gauge,
    /// Control messages that came.
    pub messages_in: Counter,
    /// Control messages that went.
    pub messages_out: Counter,
    /// When the certificate in use ends, in seconds since 1970.
    pub certificate_expiry: Gauge,
    closes: Family<Reason, Counter>,
    errors: Family<Reason, Counter>,
    decisions: Family<Decision, Counter>,
}

impl Metrics {
    /// Counts a session's end.
    pub fn closed(&self, code: CloseCode) {
        self.closes.get_or_create(&Reason { reason: code.name() }).inc();
    }

    /// Counts a refusal.
    pub fn refused(&self, code: ErrorCode) {
        self.errors.get_or_create(&Reason { reason: code.name() }).inc();
    }

    /// Counts a Granted.
    pub fn granted(&self) {
        self.decided("granted", "");
    }

    /// Counts a Deny.
    pub fn denied(&self, cause: DenyCause) {
        self.decided("deny", cause.name());
    }

    /// Counts a Revoke.
    pub fn revoked(&self, cause: RevokeCause) {
        self.decided("revoke", cause.name());
    }

    /// Counts a place in the queue that somebody was told of.
    pub fn queued(&self) {
        self.decided("queued", "");
    }

    /// Counts a request that was taken back.
    pub fn cancelled(&self) {
        self.decided("cancelled", "");
    }

    /// Counts an Idle.
    pub fn idled(&self) {
        self.decided("idle", "");
    }

    fn decided(&self, decision: &'static str, cause: &'static str) {
        self.decisions.get_or_create(&Decision { decision, cause }).inc();
    }

    /// Names everything in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        self.chat.register(registry);
        let suara = registry.sub_registry_with_prefix("suara");
        suara.register("sessions", "Sessions that are welcomed and not yet ended", self.sessions.clone());
        suara.register("websockets", "Sessions on a WebSocket, welcomed or not", self.websockets.clone());
        suara.register("members", "Members in channels", self.members.clone());
        suara.register("channels", "Channels with members", self.channels.clone());
        let split = "Channels whose members at other nodes are cut off";
        suara.register("channels_split", split, self.split_channels.clone());
        suara.register("trunk_members", "Members attached by trunks", self.attached.clone());
        suara.register(
            "control_messages_received",
            "Control messages from clients",
            self.messages_in.clone(),
        );
        suara.register("control_messages_sent", "Control messages to clients", self.messages_out.clone());
        suara.register("session_closes", "Ended sessions by reason", self.closes.clone());
        suara.register("request_errors", "Refused requests by reason", self.errors.clone());
        suara.register("floor_decisions", "Decisions about the floor", self.decisions.clone());
        suara.register_with_unit(
            "certificate_expiry_timestamp",
            "When the certificate in use ends",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        self.kpi.register(suara);
        self.nodes.register(suara);
        self.words.register(suara);
        let voice = &self.voice;
        suara.register("voice_frames_received", "Voice datagrams from clients", voice.frames_in.clone());
        suara.register("voice_frames_sent", "Voice frames handed to listeners", voice.frames_out.clone());
        suara.register_with_unit(
            "voice_received",
            "Bytes of voice from clients",
            Unit::Bytes,
            voice.bytes_in.clone(),
        );
        suara.register_with_unit(
            "voice_sent",
            "Bytes of voice to listeners",
            Unit::Bytes,
            voice.bytes_out.clone(),
        );
        suara.register_with_unit(
            "voice_queue_age",
            "How long frames waited for their listener",
            Unit::Seconds,
            voice.queue_age.clone(),
        );
        suara.register("voice_frames_dropped", "Voice frames that went no further", voice.dropped.clone());
        voice.loss.register(suara);
        suara.register("packets_unsent", "Packets that the kernel didn't take", voice.unsent.clone());
        suara.register(
            "clock_answers",
            "Questions for the clock that were answered",
            voice.clock_answers.clone(),
        );
        suara.register(
            "worker_overflow",
            "Frames and packets lost between workers",
            voice.crowded_out.clone(),
        );
    }
}

/// The registry as a scrape reads it, in OpenMetrics' text.
#[must_use]
pub fn render(registry: &Registry) -> String {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, registry).is_err() {
        text.clear();
        // Writing to a string can't fail; an empty page would hide it if it did.
        writeln!(text, "# the registry could not be written").unwrap_or_default();
    }
    text
}
