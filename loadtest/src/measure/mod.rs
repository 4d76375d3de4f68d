//! What is measured, and how: latencies, losses, and what the watched process costs.

mod arrival;
mod clock;
mod process;
mod seen;
mod tally;

pub(crate) use arrival::waited;
pub use arrival::{receive_stamped, stamp_arrivals};
pub use clock::{Clock, Phase};
pub use process::{Process, Sample, dropped_packets};
pub use seen::Seen;
pub use tally::{LATE, Second, Tally};
