//! Where what comes for a channel is handed over.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedSender;

use super::line::Kind;
use super::{Heard, NodeId};

/// Bytes of packets that may wait for a room. More is a room that stands still, or a flood; the log has what is lost again.
const MAX_WAITING: usize = 32 * 1024 * 1024;
/// What an empty packet counts as: what it costs to keep.
const PACKET_COST: usize = 256;

/// Parts of the table: one room that comes or goes costs a copy of a part.
const PARTS: usize = 64;

/// Takes voice of other nodes.
pub trait VoiceSink: Send + Sync {
    /// A voice datagram as `from` forwards it to its own listeners; parsed like any peer's. Called on the reader's task:
    /// it must not wait. `now` is when it came.
    fn voice(&self, from: NodeId, datagram: &[u8], now: Instant);
}

impl<F: Fn(NodeId, &[u8], Instant) + Send + Sync> VoiceSink for F {
    fn voice(&self, from: NodeId, datagram: &[u8], now: Instant) {
        self(from, datagram, now);
    }
}

/// One channel's place.
pub(super) struct Berth {
    pub(super) number: u64,
    pub(super) key: Arc<str>,
    pub(super) sink: Arc<dyn VoiceSink>,
    heard: UnboundedSender<Heard>,
    pub(super) waiting: Arc<AtomicUsize>,
    reach: Mutex<Reach>,
}

/// What of the channel's topics is subscribed, and what the room was told of it.
#[derive(Default)]
struct Reach {
    control: bool,
    voice: bool,
    told: Option<bool>,
}

impl Berth {
    pub(super) fn new(
        number: u64,
        key: Arc<str>,
        sink: Arc<dyn VoiceSink>,
        heard: UnboundedSender<Heard>,
    ) -> Self {
        Self { number, key, sink, heard, waiting: Arc::default(), reach: Mutex::default() }
    }

    /// A packet, unless too many wait.
    pub(super) fn packet(&self, packet: super::Packet) -> bool {
        let cost = cost_of(&packet);
        if self.waiting.load(Relaxed) + cost > MAX_WAITING {
            return false;
        }
        self.waiting.fetch_add(cost, Relaxed);
        self.say(Heard::Packet(packet));
        true
    }

    /// What there is little of.
    pub(super) fn say(&self, heard: Heard) {
        // Who dropped the mooring hears nothing any more.
        self.heard.send(heard).unwrap_or_default();
    }

    /// A topic is subscribed or not: the room hears when both are, and when one isn't any more or can't be.
    pub(super) fn subscribed(&self, kind: Kind, is_subscribed: bool) {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        match kind {
            Kind::Control => reach.control = is_subscribed,
            Kind::Hear => reach.voice = is_subscribed,
            Kind::Speak => return,
        }
        let both = reach.control && reach.voice;
        if (both || !is_subscribed) && reach.told != Some(both) {
            reach.told = Some(both);
            self.say(Heard::Reachable(both));
        }
    }
}

pub(super) fn cost_of(packet: &super::Packet) -> usize {
    PACKET_COST + packet.bytes.len()
}

type Part = HashMap<Arc<str>, Arc<Berth>>;

/// All berths by key. Readers take no lock: parts are swapped whole.
pub(super) struct Berths {
    hasher: RandomState,
    parts: Vec<ArcSwap<Part>>,
}

impl Default for Berths {
    fn default() -> Self {
        let parts = std::iter::repeat_with(ArcSwap::default).take(PARTS).collect();
        Self { hasher: RandomState::new(), parts }
    }
}

impl Berths {
    pub(super) fn find(&self, key: &str) -> Option<Arc<Berth>> {
        self.part(key).load().get(key).cloned()
    }

    /// Takes the place of an earlier one, whose room is about to end.
    pub(super) fn insert(&self, berth: &Arc<Berth>) {
        self.part(&berth.key).rcu(|part| {
            let mut part = Part::clone(part);
            part.insert(berth.key.clone(), berth.clone());
            part
        });
    }

    /// Takes the berth out, unless another has its place; says whether it did.
    pub(super) fn remove(&self, berth: &Berth) -> bool {
        let part = self.part(&berth.key);
        let is_it = |part: &Part| part.get(&berth.key).is_some_and(|there| there.number == berth.number);
        let before = part.rcu(|part| {
            let mut after = Part::clone(part);
            if is_it(part) {
                after.remove(&berth.key);
            }
            after
        });
        is_it(&before)
    }

    pub(super) fn each(&self, mut visit: impl FnMut(&Berth)) {
        for part in &self.parts {
            for berth in part.load().values() {
                visit(berth);
            }
        }
    }

    fn part(&self, key: &str) -> &ArcSwap<Part> {
        let hash = usize::try_from(self.hasher.hash_one(key) % PARTS as u64).unwrap_or(0);
        &self.parts[hash]
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::mpsc;

    use super::*;

    fn berth(number: u64) -> (Arc<Berth>, mpsc::UnboundedReceiver<Heard>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sink = Arc::new(|_: NodeId, _: &[u8], _: Instant| {});
        (Arc::new(Berth::new(number, "6F70".into(), sink, sender)), receiver)
    }

    #[test]
    fn what_waits_for_a_room_has_an_end() {
        let (berth, _heard) = berth(0);
        let bytes = Bytes::from(vec![0; 1024 * 1024]);
        let packet = || super::super::Packet { from: NodeId(1), to_me: false, bytes: bytes.clone() };
        let taken = (0..100).filter(|_| berth.packet(packet())).count();
        assert_eq!(taken, 31);
    }

    #[test]
    fn a_channel_is_reachable_when_both_topics_are_and_each_change_is_told_once() {
        let (berth, mut heard) = berth(0);
        for (kind, is_subscribed) in [
            (Kind::Control, true),
            (Kind::Hear, true),
            (Kind::Hear, true),
            (Kind::Control, false),
            (Kind::Hear, false),
            (Kind::Speak, false),
            (Kind::Control, true),
            (Kind::Hear, true),
        ] {
            berth.subscribed(kind, is_subscribed);
        }
        let told: Vec<_> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
        assert_eq!(told, [true, false, true].map(Heard::Reachable));
    }

    #[test]
    fn an_early_room_doesnt_take_a_later_one_with_it() {
        let berths = Berths::default();
        let ((early, _a), (late, _b)) = (berth(1), berth(2));
        berths.insert(&early);
        berths.insert(&late);
        assert!(!berths.remove(&early));
        assert_eq!(berths.find("6F70").map(|berth| berth.number), Some(2));
        assert!(berths.remove(&late) && berths.find("6F70").is_none());
    }
}
