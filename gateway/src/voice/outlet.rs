//! Where frames leave for the engine's connections.

use std::sync::Arc;
use std::time::Instant;

use suara_engine::{Audience, Fanout, Frame, Sender};
use suara_proto::report::Report;

use super::said::Spoken;

/// Sends a frame to the engine's connections of an audience.
pub trait Outlet {
    /// Sends it to all of them but the connection that it came from.
    fn send(&mut self, audience: &Arc<Audience>, spoken: &Spoken);

    /// Whether what is sent on the road that the frame came by may be lost. If not, there is nothing to report.
    fn is_lossy(&self) -> bool;

    /// Tells the one whom it came from what came of its voice.
    fn tell(&mut self, report: &Report);

    /// Whoever it came from gets so many earlier packets with each frame from now on.
    fn set_earlier(&mut self, count: u8);
}

/// On the worker whose connection the frame came from.
impl Outlet for Fanout<'_> {
    fn send(&mut self, audience: &Arc<Audience>, spoken: &Spoken) {
        Fanout::send(self, audience, &spoken.frame, spoken.earlier.clone());
    }

    fn is_lossy(&self) -> bool {
        true
    }

    fn tell(&mut self, report: &Report) {
        self.answer(Frame::new(&report.encode()));
    }

    fn set_earlier(&mut self, count: u8) {
        Fanout::set_earlier(self, count);
    }
}

/// A frame that came at an instant on another road than the engine's: by TCP, where nothing is lost.
pub struct Elsewhere<'a>(pub &'a Sender, pub Instant);

impl Outlet for Elsewhere<'_> {
    fn send(&mut self, audience: &Arc<Audience>, spoken: &Spoken) {
        self.0.send_after(audience, &spoken.frame, &spoken.earlier, self.1);
    }

    fn is_lossy(&self) -> bool {
        false
    }

    fn tell(&mut self, _: &Report) {}

    fn set_earlier(&mut self, _: u8) {}
}
