//! What an operator may choose for a channel.

use std::time::Duration;

use suara_proto::limits;
use suara_proto::message::ChannelMode;

/// How a channel behaves. Deadlines are whole milliseconds; fractions are rounded up.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Taken is repeated this often while the floor is held. Zero: never.
    pub renewal: Duration,
    /// After a Release, late frames of that grant are forwarded this long.
    pub release_tail: Duration,
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
            renewal: limits::FLOOR_RENEWAL,
            release_tail: limits::RELEASE_TAIL,
            talker_reuse: limits::TALKER_REUSE,
            max_members: limits::MAX_MEMBERS,
        }
    }
}
