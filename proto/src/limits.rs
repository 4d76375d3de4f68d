//! Bounds of the protocol, each with what a higher and a lower value would cost.

use std::time::Duration;

/// Whole datagram in bytes. Safari and Chromium report 1 024 as their largest; higher would vanish silently there,
/// lower would leave less room for redundant frames.
pub const MAX_DATAGRAM: usize = 1000;

/// Redundant earlier frames in one voice datagram. Two turn 20 % of loss into less than 1 %; a third costs more bytes
/// than it mends.
pub const MAX_REDUNDANT: usize = 2;

/// One Opus packet's sound. RFC 6716 allows 120 ms, which would alone be most of a mouth-to-ear budget.
pub const MAX_FRAME: Duration = Duration::from_millis(60);

/// One control message from a client in bytes. Holds the largest token that is in use (an RS512 JWT with many
/// channels is about 8 KiB) with room to spare; higher lets one client make the gateway buffer more.
pub const MAX_CLIENT_MESSAGE: usize = 64 * 1024;

/// One control message from the gateway in bytes: a roster of [`MAX_MEMBERS`] whose names are as long as they may be
/// and all quotes (two bytes each in JSON) is 8.4 MB, and fits.
pub const MAX_SERVER_MESSAGE: usize = 16 * 1024 * 1024;

/// Members of one channel. The talker number is 16 bits and rests a minute before it is reused, so that a storm of
/// joins and leaves needs this distance.
pub const MAX_MEMBERS: usize = 10_000;

/// Channels that one member is in at a time.
pub const MAX_CHANNELS_PER_MEMBER: usize = 64;

/// Members that one trunk attaches.
pub const MAX_MEMBERS_PER_TRUNK: usize = 20_000;

/// A channel's name in bytes.
pub const MAX_CHANNEL_NAME: usize = 128;

/// A user id or a display name in bytes, as tokens carry them; longer ones are refused at log-in.
pub const MAX_USER_NAME: usize = 128;

/// From the session's start to its `hello`. Less would refuse phones on slow links; more keeps half-open sessions.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// A client sends a `ping` at least this often when it has nothing else to say on the control stream.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// A session without a sign of life for this long is closed: three heartbeats.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// A session whose transport is lost keeps its places so long, where it asked to be resumable and the channel's settings
/// say nothing else.
pub const PRESENCE_GRACE: Duration = Duration::from_secs(10);

/// While the floor is held `floor_taken` is repeated this often. A client that has heard neither it nor voice for
/// three of these clears the talker by itself.
pub const FLOOR_RENEWAL: Duration = Duration::from_secs(2);

/// A talker number rests this long after its member left, so that a late frame can't be taken for a newcomer's.
pub const TALKER_REUSE: Duration = Duration::from_secs(60);

/// After a Release the talker's last frames may still be in flight: they are forwarded this long, unless the floor is
/// granted again before. Higher would hold no one up, but lets a client talk on after its Release.
pub const RELEASE_TAIL: Duration = Duration::from_millis(150);

/// What stands for "no limit" in a grant's duration and in `remaining_ms`: they are numbers that clients set timers by, and
/// said anew with every `floor_taken`.
pub const UNLIMITED: Duration = Duration::from_secs(3600);

/// Floor messages that go by datagram are repeated this often until they are answered: a lost one costs no more than a
/// lost frame of voice.
pub const FLOOR_REPEAT: Duration = Duration::from_millis(20);

/// And so many times: half a second. By then the stream's message is there, or the path is dead.
pub const FLOOR_REPEATS: u8 = 25;

/// One chat message in characters. Fits a client's message with each of them escaped; more is a document, not a message.
pub const MAX_CHAT_TEXT: usize = 4000;

/// A client's own name for a chat message, in bytes. Holds a UUID with room to spare; each is kept with its message.
pub const MAX_CHAT_ID: usize = 64;

/// Chat messages in one page of history: at their longest a page is 1.6 MB, a tenth of the gateway's longest message.
pub const MAX_CHAT_PAGE: u32 = 100;

/// Chat messages in a page for who names no number.
pub const CHAT_PAGE: u32 = 50;
