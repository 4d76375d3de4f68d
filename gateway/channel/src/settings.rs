//! What an operator may choose for a channel.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use suara_proto::limits;
use suara_proto::message::ChannelMode;

/// How a channel behaves. Deadlines are whole milliseconds; fractions are rounded up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How the floor works.
    pub mode: ChannelMode,
    /// T1, end of RTP media (TS 24.380, table 11.1.3-1): a talker without voice for so long loses the floor. 4 s; more
    /// leaves the channel blocked by one who vanished, less cuts off one whose network stalls.
    pub t1: Duration,
    /// T2, stop talking: the talk limit of one grant. 30 s; more lets a stuck button block the channel for longer.
    pub t2: Duration,
    /// T3, stop talking grace: from a Revoke to the forced end. 3 s; less cuts off the end of a sentence.
    pub t3: Duration,
    /// T4, inactivity (TS 24.380, table 11.1.3-1): a call in which nobody has talked for so long is over. None in a channel
    /// that is there for good; 30 s in a call: less ends it while somebody thinks, more leaves it open by mistake.
    pub t4: Option<Duration>,
    /// The talker is warned so long before T2. Zero, or no less than T2: never.
    pub warning: Duration,
    /// Requests that wait at a time, of those that want to. 10; zero denies what can't be granted, but for a request that
    /// takes precedence.
    pub queue_depth: usize,
    /// Whether a higher priority takes the floor from a lower one. A more urgent level always does.
    pub pre_emption: bool,
    /// T3 towards a talker for whom an emergency waits, where that is shorter. 300 ms: a client that gives the floor back
    /// has done so by then, and the others hold the emergency up no longer.
    pub emergency_grace: Duration,
    /// Talkers at a time in the mode `open`.
    pub max_talkers: usize,
    /// T20: a Granted that goes by datagram is said again this often, until there is voice. Zero: never.
    pub repeat: Duration,
    /// C20: and so many times.
    pub repeats: u8,
    /// Taken is repeated this often while the floor is held. Zero: never.
    pub renewal: Duration,
    /// After a Release, late frames of that grant are forwarded this long.
    pub release_tail: Duration,
    /// A member whose transport is lost is kept its place this long. 10 s: a network that changes, or a page that wakes, is
    /// back by then; more leaves those in the roster who won't come back. Zero: it is gone at once.
    pub presence_grace: Duration,
    /// A talker number rests this long after its member left.
    pub talker_reuse: Duration,
    /// Members at a time. No more than 65 535 are ever numbered.
    pub max_members: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: ChannelMode::Ptt,
            t1: Duration::from_secs(4),
            t2: Duration::from_secs(30),
            t3: Duration::from_secs(3),
            t4: None,
            warning: Duration::from_secs(5),
            queue_depth: 10,
            pre_emption: true,
            emergency_grace: Duration::from_millis(300),
            max_talkers: 8,
            repeat: limits::FLOOR_REPEAT,
            repeats: limits::FLOOR_REPEATS,
            renewal: limits::FLOOR_RENEWAL,
            release_tail: limits::RELEASE_TAIL,
            presence_grace: limits::PRESENCE_GRACE,
            talker_reuse: limits::TALKER_REUSE,
            max_members: limits::MAX_MEMBERS,
        }
    }
}

impl Settings {
    /// Talkers at a time.
    pub(crate) fn talkers(&self) -> usize {
        match self.mode {
            ChannelMode::Ptt | ChannelMode::Other => 1,
            ChannelMode::Dual => 2,
            ChannelMode::Open => self.max_talkers.max(1),
        }
    }
}
