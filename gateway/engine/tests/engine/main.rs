//! The engine over real sockets.

#![allow(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]
#![allow(clippy::print_stderr, reason = "what a path did to voice is worth reading")]

mod ecn;
mod kit;
mod paths;
mod resilience;
mod sessions;
mod streams;
