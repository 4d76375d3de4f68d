//! Words between nodes about users: who is thrown out, who is to be notified, who is called, which visitors are here.
//!
//! A word is a hint and may be lost: what must not be lost is in the store, which each node reads again after it was cut off.
//! Knows what is said and who asks whom; not what carries it ([`Carrier`]), and of channels their names alone.

mod ask;
mod bans;
mod calls;
mod carry;
mod channels;
mod hear;
mod metrics;
mod unknown;
mod word;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::mpsc;

pub use ask::PATIENCE;
pub use carry::speak_by;
pub use metrics::WordMetrics;
pub use word::{
    Answer, CallWord, ChannelWord, Fault, LivechatWord, MAX_WORD, MemberWord, Question, ToWord, Word, decode,
    encode,
};

use crate::core::Core;
pub use crate::nodes::NodeId;
use ask::Questions;
use unknown::Unknown;

/// What carries words to other nodes. Nothing in it waits; it loses what it can't carry.
pub trait Carrier: Send + Sync + 'static {
    /// The other nodes that live, as far as is known.
    fn others(&self) -> Vec<NodeId>;
    /// To all other nodes; `false` when it is lost here already.
    fn say(&self, word: Bytes) -> bool;
    /// To one of them.
    fn tell(&self, node: NodeId, word: Bytes) -> bool;
}

/// What a carrier brings. What one node says to all, or to one, comes in the order in which it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Another node's word.
    Word {
        /// Whose.
        from: NodeId,
        /// As it was said.
        bytes: Bytes,
    },
    /// Another node lives.
    Came(NodeId),
    /// Another node is dead.
    Gone(NodeId),
    /// Words can be heard, for the first time or again: those before may have been missed.
    Back,
    /// Nothing is heard for now.
    Cut,
}

/// The way to say words to other nodes, and to ask them; clones share it.
#[derive(Clone, Default)]
pub struct Words(Arc<Inner>);

#[derive(Default)]
struct Inner {
    carrier: OnceLock<Arc<dyn Carrier>>,
    questions: Questions,
    unknown_calls: Unknown,
    metrics: WordMetrics,
}

impl Words {
    /// Without other nodes, until it is given a way to them ([`start`]).
    #[must_use]
    pub fn new(metrics: WordMetrics) -> Self {
        Self(Arc::new(Inner { metrics, ..Inner::default() }))
    }

    /// Whether there is no other node that could be told anything.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.0.carrier.get().is_none_or(|carrier| carrier.others().is_empty())
    }

    /// Whether other nodes may be there, now or later.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        self.0.carrier.get().is_some()
    }

    /// Says a word to all other nodes. Never waits.
    pub fn say(&self, word: &Word) {
        let Some(carrier) = self.0.carrier.get() else { return };
        let said = encode(word).is_some_and(|bytes| carrier.say(bytes));
        self.0.metrics.said(said);
    }

    /// Says a word to one of them.
    pub fn tell(&self, node: NodeId, word: &Word) {
        let Some(carrier) = self.0.carrier.get() else { return };
        let said = encode(word).is_some_and(|bytes| carrier.tell(node, bytes));
        self.0.metrics.said(said);
    }

    fn others(&self) -> Vec<NodeId> {
        self.0.carrier.get().map(|carrier| carrier.others()).unwrap_or_default()
    }
}

/// Gives `core` a way to other nodes, and hears what they say, until the gateway stops. To be called once, within a runtime.
pub fn start(core: &Arc<Core>, carrier: Arc<dyn Carrier>, arrivals: mpsc::Receiver<Arrival>) {
    if core.words.0.carrier.set(carrier).is_ok() {
        core.tasks.spawn(hear::hear(core.clone(), arrivals));
    }
}
