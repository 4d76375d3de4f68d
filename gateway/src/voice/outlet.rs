//! Where frames leave for the engine's connections.

use std::sync::Arc;
use std::time::Instant;

use suara_engine::{Audience, Fanout, Frame, Sender};

use super::said::Spoken;

/// Sends a frame to the engine's connections of an audience.
pub trait Outlet {
    /// Sends it to all of them but the connection that it came from.
    fn send(&mut self, audience: &Arc<Audience>, spoken: &Spoken);

    /// Answers the connection of the engine that it came from; on another road there is none.
    fn answer(&mut self, frame: Frame);

    /// Whether what is sent on the road that the frame came by may be lost. If not, there is nothing to report.
    fn is_lossy(&self) -> bool;

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

    fn set_earlier(&mut self, count: u8) {
        Fanout::set_earlier(self, count);
    }

    fn answer(&mut self, frame: Frame) {
        Fanout::answer(self, frame);
    }
}

/// A frame that came at an instant on another road than the engine's: by TCP, where nothing is lost.
pub struct Elsewhere<'a>(pub &'a Sender, pub Instant);

impl Outlet for Elsewhere<'_> {
    fn send(&mut self, audience: &Arc<Audience>, spoken: &Spoken) {
        self.0.send_after(audience, &spoken.frame, &spoken.earlier, self.1);
    }

    fn answer(&mut self, _: Frame) {}

    fn is_lossy(&self) -> bool {
        false
    }

    fn set_earlier(&mut self, _: u8) {}
}
