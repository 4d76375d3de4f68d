//! T4, inactivity (TS 24.380, table 11.1.3-1): the floor has been idle for too long, so the call is over.

use crate::effect::Effect;
use crate::floor::Step;
use crate::settings::Settings;
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// Since when there is somebody who could talk, and nobody does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Inactivity {
    /// Whether anybody is there: guests alone are no call.
    is_open: bool,
    since: Option<Time>,
}

impl Inactivity {
    /// The first member came; perhaps a guest talks.
    pub(crate) fn opens(&mut self, now: Time, talks: bool) {
        self.is_open = true;
        self.since = (!talks).then_some(now);
    }

    /// The last member is gone.
    pub(crate) fn closes(&mut self) {
        *self = Self::default();
    }

    /// Nobody talks any more.
    pub(crate) fn begins(&mut self, now: Time) {
        self.since = self.is_open.then_some(now);
    }

    /// Somebody talks.
    pub(crate) fn ends(&mut self) {
        self.since = None;
    }

    pub(crate) fn poll_timeout(&self, settings: &Settings) -> Option<Time> {
        Some(self.since? + settings.t4?)
    }

    /// Says so once; what comes of it is the caller's to decide.
    pub(crate) fn handle_timeout(&mut self, step: &mut Step<'_>) {
        if self.poll_timeout(step.settings).is_some_and(|due| due <= step.now) {
            self.since = None;
            step.say(Effect::Inactive);
        }
    }
}
