//! What both ends of a burst saw of it, told once it is over (as RTCP's reports tie RTP's timestamps to a clock, RFC 3550
//! section 6.4.1). All times are the gateway's, in microseconds, as the clock datagram tells it.

use serde::{Deserialize, Serialize};

/// What its talker saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// When the button was pressed.
    pub pressed_us: u64,
    /// When the grant was known there. Missing when the request had to wait in the queue: that is no access time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_us: Option<u64>,
    /// When the sound of `timestamp` was at the microphone.
    pub at_us: u64,
    /// Of a frame of the burst, in ticks of 48 kHz.
    pub timestamp: u32,
}

/// What one of its listeners saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When the sound of `timestamp` left the loudspeaker, as well as the client can know.
    pub at_us: u64,
    /// Of the first frame that was played, in ticks of 48 kHz.
    pub timestamp: u32,
    /// When it asked to join, if it came while the burst went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_us: Option<u64>,
}
