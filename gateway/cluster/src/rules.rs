//! The times and bounds that all nodes keep to.

use std::time::Duration;

/// How long things take. All nodes of a deployment have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long Redis keeps a lease. 3 s: a channel whose owner died has another within it; less, and a node that stalls
    /// loses its channels.
    pub lease: Duration,
    /// How often it is renewed, and how long an answer is waited for: a third of the lease, so that two may be missed.
    pub renew: Duration,
    /// A packet that wasn't answered is sent again after so long; operations after twice as long each time, up to `renew`, and
    /// not at all while Redis is away. 150 ms: a round trip within a region is far below, and a
    /// talker doesn't feel it.
    pub resend: Duration,
    /// How often the owner says what the newest entry is. 500 ms: so long a lost last packet stays unnoticed.
    pub beat: Duration,
    /// A new owner asks the others for what the former one said last, and waits so long for those who are silent. 200 ms.
    pub recover: Duration,
    /// Entries that the owner keeps for those who missed some. 1 024; who missed more gets the whole state.
    pub kept: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(3),
            renew: Duration::from_secs(1),
            resend: Duration::from_millis(150),
            beat: Duration::from_millis(500),
            recover: Duration::from_millis(200),
            kept: 1_024,
        }
    }
}

impl Rules {
    /// For how long a lease is trusted here: a tenth less than Redis keeps it, so that a clock that runs slow by a tenth
    /// still ends it in time.
    pub(crate) fn trusted(&self) -> Duration {
        self.lease - self.lease / 10
    }
}
