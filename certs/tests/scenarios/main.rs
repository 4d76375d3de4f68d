//! Scenarios over the public API: real rustls handshakes in memory, and a clock that the tests turn.

#![expect(clippy::unwrap_used, reason = "a scenario's helpers fail the scenario")]

mod handshakes;
mod overlap;
mod reload;
mod renewal;
mod support;
