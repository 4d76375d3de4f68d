//! The wire format of `suara/1`.
//!
//! Owns ids, limits, the datagrams, what a receiver counts of them, control messages, their framing, and the codes of errors, refusals and
//! closes. `PROTOCOL.md` beside this crate is the same thing in prose, and `vectors/` the same thing in bytes; the
//! three change together. Knows no socket, no clock and no rule of a channel.

pub mod clock;
pub mod code;
pub mod connect;
pub mod entry;
pub mod floor;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod message;
pub mod opus;
pub mod reception;
pub mod report;
pub mod text;
pub mod voice;
pub mod websocket;

pub use code::{CloseCode, DenyCause, ErrorCode, LeaveReason, RevokeCause};
pub use ids::{ChannelNumber, Grant, MemberRef, RequestId, TalkerNumber};
