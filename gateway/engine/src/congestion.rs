//! Congestion control for voice: latency before completeness.
//!
//! Stock controllers are made for bulk: after a loss they make what comes next wait, and a queue that they fill makes
//! it old. Voice is sent at the rate of speech or not at all. So this one looks at **delay first**: as long as the path's
//! queue is short the window grows to what is sent; when packets begin to queue on the path it shrinks, and what
//! doesn't fit waits in the listener's own queue, where it is dropped when it gets old. A **loss** halves a large window,
//! as for everybody's bulk, but takes nothing from the few packets that a talker has under way: random loss of a radio
//! link is no reason to be silent. (RFC 8085, section 3.1; what ends it all is the circuit breaker, section 3.1.10.)

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory};

/// Bytes in flight at a path's start: a roster of a hundred and a burst of voice.
const INITIAL: u64 = 16 * 1024;
/// Loss alone leaves this much: one talker with redundancy at a round trip of 300 ms.
const LOSS_FLOOR: u64 = 4 * 1024;
/// A path's queue leaves this much: four packets of voice with redundancy.
const DELAY_FLOOR: u64 = 1200;
/// No window is larger: control messages are all the bulk that there is.
const CEILING: u64 = 256 * 1024;
/// Queueing on the path that is worth nothing yet; below it the window grows.
const LOW_DELAY: Duration = Duration::from_millis(25);
/// Queueing on the path at which the window shrinks.
const HIGH_DELAY: Duration = Duration::from_millis(60);

/// One path's window, and the factory that makes them.
#[derive(Debug, Clone)]
pub(crate) struct VoiceControl {
    /// Bytes that may be in flight.
    window: u64,
    mtu: u64,
    /// The window changes once a round trip at most: packets sent before this say nothing new.
    reacted: Option<Instant>,
    /// The round trip that the last ACK showed, above the path's shortest.
    queueing: Duration,
    /// Bytes acknowledged since the window last grew, while it was used.
    acknowledged: u64,
    /// Bytes acknowledged by the ACK that is being read.
    batch: u64,
}

impl Default for VoiceControl {
    fn default() -> Self {
        Self {
            window: INITIAL,
            mtu: 1200,
            reacted: None,
            queueing: Duration::ZERO,
            acknowledged: 0,
            batch: 0,
        }
    }
}

impl VoiceControl {
    /// Shrinks for a signal about a packet sent at `sent`; one for each round trip counts.
    fn shrink(&mut self, now: Instant, sent: Instant, to: u64) {
        if self.reacted.is_none_or(|reacted| sent > reacted) {
            self.reacted = Some(now);
            self.window = to.min(self.window);
            self.acknowledged = 0;
        }
    }

    /// Grows by a quarter for each window that was acknowledged while at least half of it was in use: one that isn't used
    /// says nothing about what the path would take.
    fn grow(&mut self, acknowledged: u64, in_flight_before: u64) {
        if self.queueing >= LOW_DELAY || in_flight_before < self.window / 2 {
            return;
        }
        self.acknowledged += acknowledged;
        if self.acknowledged >= self.window {
            self.acknowledged = 0;
            self.window = (self.window + self.window / 4).min(CEILING);
        }
    }
}

impl ControllerFactory for VoiceControl {
    fn build(self: Arc<Self>, _now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(Self { mtu: mtu.into(), ..Self::default() })
    }
}

impl Controller for VoiceControl {
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _app_limited: bool, rtt: &RttEstimator) {
        self.batch += bytes;
        // The smoothed round trip: one late ACK of a sleeping phone is no queue.
        self.queueing = rtt.get().saturating_sub(rtt.min());
        if self.queueing > HIGH_DELAY {
            self.shrink(now, sent, (self.window * 3 / 4).max(DELAY_FLOOR));
        }
    }

    fn on_end_acks(&mut self, _now: Instant, in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        let acknowledged = std::mem::take(&mut self.batch);
        self.grow(acknowledged, in_flight + acknowledged);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, persistent: bool, _lost_bytes: u64) {
        let half = (self.window / 2).max(LOSS_FLOOR);
        self.shrink(now, sent, if persistent { LOSS_FLOOR } else { half });
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.mtu = mtu.into();
    }

    fn window(&self) -> u64 {
        // quinn takes each packet for a full one before it looks at what is in it.
        self.window + self.mtu
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        INITIAL
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    #[test]
    fn loss_halves_bulk_and_leaves_voice_alone() {
        let mut control = VoiceControl { window: 64 * 1024, ..VoiceControl::default() };
        let mut now = Instant::now();
        for _ in 0..10 {
            let sent = now;
            now += RTT;
            control.on_congestion_event(now, sent + Duration::from_millis(1), false, 1200);
        }
        assert_eq!(control.window, LOSS_FLOOR);
    }

    #[test]
    fn losses_of_one_round_trip_count_once() {
        let mut control = VoiceControl { window: 64 * 1024, ..VoiceControl::default() };
        let start = Instant::now();
        for ms in 0..20 {
            control.on_congestion_event(start + RTT, start + Duration::from_millis(ms), false, 1200);
        }
        assert_eq!(control.window, 32 * 1024);
    }

    #[test]
    fn an_idle_window_does_not_grow() {
        let mut control = VoiceControl::default();
        for _ in 0..1000 {
            control.grow(140, 280);
        }
        assert_eq!(control.window, INITIAL);
        for _ in 0..1000 {
            control.grow(1200, CEILING);
        }
        assert_eq!(control.window, CEILING);
    }
}
