//! Voice on its way out: frames shared by all who hear them, and the listeners' queues.
//!
//! Knows connections by their handles, and nothing of who may talk: that was decided before a frame comes here.

mod audience;
mod frame;
mod queue;
mod tally;
mod variants;

pub use audience::{Audience, Handle};
pub(crate) use audience::{Cast, Seat};
pub use frame::Frame;
pub(crate) use queue::VoiceQueue;
pub use tally::Tally;
pub(crate) use variants::Variants;
pub use variants::{Earlier, MAX_EARLIER};
