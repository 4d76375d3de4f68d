//! What is counted of chat.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::metrics::DurationHistogram;

/// Messages in one transaction, from one to as many as there may be.
const BATCHES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The counters; clones share them.
#[derive(Clone)]
pub struct ChatMetrics {
    stored: Counter,
    duplicates: Counter,
    not_stored: Counter,
    commit: DurationHistogram,
    batch: Histogram,
}

impl Default for ChatMetrics {
    fn default() -> Self {
        Self {
            stored: Counter::default(),
            duplicates: Counter::default(),
            not_stored: Counter::default(),
            commit: DurationHistogram::default(),
            batch: Histogram::new(BATCHES),
        }
    }
}

impl ChatMetrics {
    pub(super) fn stored(&self, fresh: bool) {
        if fresh { &self.stored } else { &self.duplicates }.inc();
    }

    pub(super) fn not_stored(&self) {
        self.not_stored.inc();
    }

    pub(super) fn committed(&self, messages: usize, took: Duration) {
        self.commit.observe(took);
        self.batch.observe(messages as f64);
    }

    /// Names everything in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let suara = registry.sub_registry_with_prefix("suara");
        suara.register("chat_messages_stored", "Chat messages stored", self.stored.clone());
        suara.register(
            "chat_messages_repeated",
            "Chat messages that were there already",
            self.duplicates.clone(),
        );
        suara.register(
            "chat_messages_failed",
            "Chat messages that the store didn't take",
            self.not_stored.clone(),
        );
        suara.register_with_unit(
            "chat_commit",
            "How long a transaction of chat messages took",
            Unit::Seconds,
            self.commit.clone(),
        );
        suara.register("chat_commit_messages", "Chat messages in a transaction", self.batch.clone());
    }
}
