//! A room's way to the rooms of the same channel at other nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::DropGuard;

use super::berth::{Berth, VoiceSink, cost_of};
use super::envelope::{self, Sort};
use super::lease::Call;
use super::metrics::What;
use super::publish::speak;
use super::topics::{Topics as _, hex};
use super::{LeaseAnswer, LeaseAsk, MAX_PACKET, NodeId, Nodes};
use crate::voice::VoiceQueue;

/// What a room hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// From a replica at another node.
    Packet(Packet),
    /// What became of [`Mooring::lease`].
    Lease {
        /// Which question is answered.
        number: u64,
        /// What Redis says.
        answer: LeaseAnswer,
    },
    /// A node is dead, or has said that it ends.
    Gone(NodeId),
    /// Whether the channel's topics are subscribed. Said first of all, and whenever it changes: what others sent before, or
    /// while it was false, wasn't heard.
    Reachable(bool),
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The node that sent it; never this one.
    pub from: NodeId,
    /// Whether it was sent to this node alone.
    pub to_me: bool,
    /// [`MAX_PACKET`] bytes at most.
    pub bytes: Bytes,
}

/// One channel's topics, subscribed until it is dropped.
pub struct Mooring {
    pub(super) nodes: Nodes,
    pub(super) berth: Arc<Berth>,
    pub(super) topic: Arc<str>,
    pub(super) heard: UnboundedReceiver<Heard>,
    pub(super) waiting: Arc<AtomicUsize>,
    /// What is put in here, all other nodes hear that are in the channel.
    pub voice: Arc<VoiceQueue>,
    pub(super) _speaking: DropGuard,
}

impl Mooring {
    /// What comes next. Cancel-safe.
    pub async fn next(&mut self) -> Heard {
        // The berth, which this owns, holds the other end.
        let Some(heard) = self.heard.recv().await else { return std::future::pending().await };
        if let Heard::Packet(packet) = &heard {
            self.waiting.fetch_sub(cost_of(packet), Relaxed);
        }
        heard
    }

    /// Sends a packet to one node, or to all that are in the channel. Never waits; what can't be sent is counted and lost.
    pub fn send(&self, to: Option<NodeId>, bytes: Bytes) {
        let nodes = &self.nodes.0;
        if bytes.len() > MAX_PACKET {
            nodes.metrics.dropped(What::Packet, super::NodeDrop::Oversized);
            return;
        }
        let head = envelope::write(Sort::Packet, nodes.me, to);
        nodes.publish(What::Packet, self.topic.clone(), head, bytes);
    }

    /// Asks about the channel's lease; the answer comes as [`Heard::Lease`] with this number, `Away` if Redis gives none in
    /// time. Questions are asked in order, and what is asked last is asked even if the mooring is dropped then.
    pub fn lease(&self, number: u64, ask: LeaseAsk) {
        self.nodes.0.ask(Call { berth: self.berth.clone(), number, ask });
    }
}

impl Drop for Mooring {
    fn drop(&mut self) {
        self.nodes.0.leave(&self.berth);
    }
}

/// Moors a channel's room, and begins to publish what is put into its queue of voice.
pub(super) fn enter(nodes: &Nodes, channel: &str, sink: Arc<dyn VoiceSink>) -> Mooring {
    let inner = &nodes.0;
    let (sender, heard) = mpsc::unbounded_channel();
    let key: Arc<str> = hex(channel).into();
    let berth = Arc::new(Berth::new(inner.number(), key.clone(), sink, sender));
    let voice = Arc::new(VoiceQueue::new(inner.voice.clone()));
    let stop = inner.stop.child_token();
    let (topic, line, metrics) = (inner.prefix.voice(&key), inner.speak_line(), inner.metrics.clone());
    inner.tasks.spawn(speak(inner.me, topic, voice.clone(), line, metrics, stop.clone()));
    inner.moor(&berth);
    let waiting = berth.waiting.clone();
    let topic = inner.prefix.control(&key).into();
    Mooring { nodes: nodes.clone(), berth, topic, heard, waiting, voice, _speaking: stop.drop_guard() }
}
