//! HTTP over TCP connections that carry voice.
//!
//! Owns how connections are accepted, how long they may idle, and what the kernel holds back for a peer that doesn't
//! read. Knows no route and no protocol above HTTP.

mod listener;
mod serve;
mod stall;

pub use listener::{Peer, StallAwareListener};
pub use serve::{Accept, serve};
pub use stall::{StallAware, StallHandle};
