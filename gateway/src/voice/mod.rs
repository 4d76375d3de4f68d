//! The data plane: frames in, look-up, frames out.
//!
//! Knows sessions and talkers as numbers, routes and queues. Never waits for the control plane, which publishes what
//! it decided as immutable [`Route`]s and [`OnAir`] tables.

mod ahead;
mod ingress;
mod outlet;
mod path;
mod queue;
mod redundancy;
mod relay;
mod remote;
mod replay;
mod route;
mod said;
mod tape;

pub use ahead::{Ahead, Due};
pub use ingress::{EarlyFrame, Ingress, OnAir};
pub use outlet::{Elsewhere, Outlet};
pub use queue::VoiceQueue;
pub use relay::Relay;
pub use remote::{Early, Remote};
pub use replay::Replay;
pub use route::{Ear, Listeners, Route, RouteCell, Speaker};
pub(crate) use said::with_earlier;
pub use said::{Heard, Spoken};
pub use tape::{Tape, Tapes};
