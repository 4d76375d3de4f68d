//! The engine over real sockets.

mod kit;
mod paths;
mod resilience;
mod sessions;
mod streams;
