//! Calls that no node knows. Their names are not chosen but drawn, so one that isn't there now is nobody's before long; who
//! tries names has them answered from here.

use std::time::Duration;

use moka::future::Cache;

/// So long a name is remembered: longer than who tries again waits, and shorter than it matters that an answer was wrong.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// Names that are remembered: a second's of many who try, in a megabyte.
const MAX_REMEMBERED: u64 = 10_000;

/// Names of calls that aren't there.
pub(super) struct Unknown(Cache<String, ()>);

impl Default for Unknown {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(REMEMBERED_FOR).build())
    }
}

impl Unknown {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) async fn note(&self, name: String) {
        self.0.insert(name, ()).await;
    }
}
