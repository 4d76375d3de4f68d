//! Where frames leave for the engine's connections.

use std::sync::Arc;
use std::time::Instant;

use suara_engine::{Audience, Fanout, Frame, Sender};

/// Sends a frame to the engine's connections of an audience.
pub trait Outlet {
    /// Sends it to all of them but the connection that it came from.
    fn send(&mut self, audience: &Arc<Audience>, frame: &Frame);

    /// Answers the connection of the engine that it came from; on another road there is none.
    fn answer(&mut self, frame: &Frame);
}

/// On the worker whose connection the frame came from.
impl Outlet for Fanout<'_> {
    fn send(&mut self, audience: &Arc<Audience>, frame: &Frame) {
        Fanout::send(self, audience, frame);
    }

    fn answer(&mut self, frame: &Frame) {
        Fanout::answer(self, frame);
    }
}

/// A frame that came at an instant on another road than the engine's.
pub struct Elsewhere<'a>(pub &'a Sender, pub Instant);

impl Outlet for Elsewhere<'_> {
    fn send(&mut self, audience: &Arc<Audience>, frame: &Frame) {
        self.0.send(audience, frame, self.1);
    }

    fn answer(&mut self, _frame: &Frame) {}
}
