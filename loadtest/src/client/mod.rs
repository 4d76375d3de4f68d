//! Client sessions that cost little: many connections of `quinn-proto` to a thread, few sockets, batched system calls.
//!
//! `lane` moves datagrams, `link` speaks QUIC and WebTransport for one connection, `session` speaks `suara/1`, and
//! `driver` is the loop that runs all of a thread's sessions. No task, no channel and no timer of a runtime is spent on
//! a session.

mod driver;
mod lane;
mod link;
mod quic;
mod session;
mod shared;
mod timers;

pub use driver::{Fleet, run};
pub(crate) use lane::{Lane, Receiver};
pub(crate) use link::{Event, Link};
pub use quic::{Acks, Quic};
pub use session::{Plan, Role, Voice};
pub use shared::Shared;
