//! T4, inactivity (TS 24.380, table 11.1.3-1): the floor has been idle for too long, so the call is over.

use crate::effect::Effect;
use crate::floor::Step;
use crate::settings::Settings;
use crate::time::Time;

/// Since when there is somebody who could talk, and nobody does.
#[derive(Debug, Default)]
pub(crate) struct Inactivity {
    since: Option<Time>,
}

impl Inactivity {
    /// Nobody talks any more, or the first member came.
    pub(crate) fn begins(&mut self, now: Time) {
        self.since = Some(now);
    }

    /// Somebody talks, or nobody is there.
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
