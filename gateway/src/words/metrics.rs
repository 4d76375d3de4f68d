//! What is counted of words.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of words; clones share them.
#[derive(Clone, Default)]
pub struct WordMetrics {
    said: Counter,
    lost: Counter,
    heard: Counter,
    unreadable: Counter,
    unanswered: Counter,
    calls_sought: Counter,
    calls_unknown: Counter,
}

impl WordMetrics {
    pub(super) fn said(&self, carried: bool) {
        if carried {
            self.said.inc()
        } else {
            self.lost.inc()
        };
    }

    pub(super) fn heard(&self) {
        self.heard.inc();
    }

    pub(super) fn unreadable(&self) {
        self.unreadable.inc();
    }

    pub(super) fn unanswered(&self, nodes: usize) {
        self.unanswered.inc_by(nodes as u64);
    }

    /// Others are asked for a call by its name.
    pub(super) fn sought_call(&self) {
        self.calls_sought.inc();
    }

    /// Others have just said that there is no such call.
    pub(super) fn unknown_call(&self) {
        self.calls_unknown.inc();
    }

    /// Names everything in `suara`.
    pub fn register(&self, suara: &mut Registry) {
        suara.register("words_said", "Words to other nodes", self.said.clone());
        suara.register("words_lost", "Words that nothing carried", self.lost.clone());
        suara.register("words_heard", "Words of other nodes", self.heard.clone());
        suara.register(
            "words_unreadable",
            "Words of other nodes that make no sense here",
            self.unreadable.clone(),
        );
        suara.register(
            "words_unanswered",
            "Questions that another node didn't answer in time",
            self.unanswered.clone(),
        );
        suara.register(
            "words_calls_sought",
            "Calls that other nodes were asked for by name",
            self.calls_sought.clone(),
        );
        suara.register(
            "words_calls_unknown",
            "Calls that weren't asked for, for there was none by that name a moment ago",
            self.calls_unknown.clone(),
        );
    }
}
