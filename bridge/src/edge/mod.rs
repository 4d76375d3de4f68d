//! What lies between TCP and Socket.IO: connections that know since when they are stalled, and the layers that mend
//! or refuse requests before the Socket.IO library sees them. Knows HTTP, no event and no channel.

mod body;
mod line;
mod listener;
mod origin;
mod stall;

pub(crate) use body::mend_line_breaks;
pub(crate) use line::{Hold, Line, Lines, watch_requests};
pub use listener::{Peer, StallAwareListener};
pub(crate) use origin::{Origins, check_origin};
pub use stall::{StallAware, StallHandle};
