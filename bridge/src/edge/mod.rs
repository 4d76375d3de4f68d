//! What lies between HTTP and Socket.IO: which connection each client is on, and the layers that mend or refuse requests
//! before the Socket.IO library sees them. Knows HTTP, no event and no channel.

mod body;
mod line;
mod origin;

pub(crate) use body::mend_line_breaks;
pub(crate) use line::{Hold, Line, Lines, watch_requests};
pub(crate) use origin::{Origins, check_origin};
