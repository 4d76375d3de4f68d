//! The circuit breaker of one listener's path (RFC 8085, section 3.1.10; RFC 8083).
//!
//! Congestion control adapts to a path that answers. One that doesn't, or that loses most of what it gets, must not be
//! fed at the rate of speech at all: the breaker opens, voice stops, and a probe now and then finds out when the path is
//! back. Probes are voice too, so recovery costs nothing but its own round trip; and they don't wait for QUIC's probe
//! timeouts, which double each time.

use std::time::{Duration, Instant};

/// A path that has acknowledged nothing of what was sent over this many of its round trips is dead (RFC 8083,
/// section 4.1, counts intervals of reports in the same way).
const SILENT_ROUND_TRIPS: u32 = 4;
/// And over this time at least: radio links stall for shorter, and the frames of a stall are dropped by age.
const SILENT_AT_LEAST: Duration = Duration::from_millis(400);
/// Between probes of a dead path: five packets a second, at most a tenth of voice.
const PROBE_EVERY: Duration = Duration::from_millis(200);
/// Between looks at what the path reports.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Over which losses are counted.
const INTERVAL: Duration = Duration::from_secs(2);
/// Intervals in a row with too many losses that open the breaker (RFC 8083, section 4.3).
const BAD_INTERVALS: u32 = 3;
/// How many times what TCP would get over the path is too much (RFC 8083, section 4.3).
const TIMES_TCP: f64 = 10.0;
/// Packets that an interval must have for its losses to mean something.
const ENOUGH: u64 = 20;
/// How long voice stays off after too many losses, unless the path gets better by then.
const PENALTY: Duration = Duration::from_secs(2);

/// What a path has reported so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// ACK frames that came.
    pub(crate) acks: u64,
    /// Packets that were sent.
    pub(crate) sent: u64,
    /// Packets of these that were lost.
    pub(crate) lost: u64,
    /// The smoothed round trip.
    pub(crate) rtt: Duration,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It is sent.
    Open,
    /// It waits, and gets old.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Voice flows; nothing was acknowledged since `since`.
    Flowing { since: Option<Instant> },
    /// Nothing comes back.
    Dead { next_probe: Instant },
    /// Too much is lost.
    Lossy { until: Instant },
}

/// One path's breaker. Reads reports seldom, and never while nobody talks.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    next_look: Option<Instant>,
    acks: u64,
    interval: Option<(Instant, Report)>,
    bad: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Flowing { since: None }, next_look: None, acks: 0, interval: None, bad: 0 }
    }
}

impl Breaker {
    /// Whether voice is held back.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::Flowing { .. })
    }

    /// A frame is there to be sent at `now`.
    pub(crate) fn frame(&mut self, now: Instant, report: impl FnOnce() -> Report) -> Passage {
        if self.next_look.is_none_or(|next| next <= now) {
            self.next_look = Some(now + LOOK_EVERY);
            self.look(now, &report());
        }
        match &mut self.state {
            State::Flowing { since } => {
                since.get_or_insert(now);
                Passage::Open
            }
            State::Dead { next_probe } if *next_probe <= now => {
                *next_probe = now + PROBE_EVERY;
                Passage::Open
            }
            State::Dead { .. } => Passage::Closed,
            State::Lossy { until } if *until <= now => {
                self.state = State::Flowing { since: Some(now) };
                Passage::Open
            }
            State::Lossy { .. } => Passage::Closed,
        }
    }

    /// Something came from a path that seemed dead; returns whether voice flows again.
    pub(crate) fn heard(&mut self, now: Instant, report: &Report) -> bool {
        self.look(now, report);
        !self.is_open()
    }

    fn look(&mut self, now: Instant, report: &Report) {
        let answered = report.acks != self.acks;
        self.acks = report.acks;
        match self.state {
            State::Flowing { since: Some(_) } | State::Dead { .. } if answered => {
                self.state = State::Flowing { since: None };
            }
            State::Flowing { since: Some(since) } => {
                let patience = (report.rtt * SILENT_ROUND_TRIPS).max(SILENT_AT_LEAST);
                if now.saturating_duration_since(since) > patience {
                    self.state = State::Dead { next_probe: now + PROBE_EVERY };
                    // What a dead path lost says nothing about its rate.
                    (self.interval, self.bad) = (None, 0);
                }
            }
            _ => {}
        }
        if !self.is_open() {
            self.count_losses(now, report);
        }
    }

    fn count_losses(&mut self, now: Instant, report: &Report) {
        let Some((since, first)) = self.interval else {
            self.interval = Some((now, *report));
            return;
        };
        let length = now.saturating_duration_since(since);
        if length < INTERVAL {
            return;
        }
        self.interval = Some((now, *report));
        let (sent, lost) = (report.sent.saturating_sub(first.sent), report.lost.saturating_sub(first.lost));
        self.bad = if too_much(sent, lost, length, report.rtt) { self.bad + 1 } else { 0 };
        if self.bad >= BAD_INTERVALS {
            self.bad = 0;
            self.interval = None;
            self.state = State::Lossy { until: now + PENALTY };
        }
    }
}

/// Whether more was sent than [`TIMES_TCP`] what TCP would get at these losses, by the simplified equation of RFC 8083,
/// section 4.3: packets a second = 1 / (round trip × √(2·p/3)).
fn too_much(sent: u64, lost: u64, length: Duration, rtt: Duration) -> bool {
    if sent < ENOUGH || lost == 0 {
        return false;
    }
    let fraction = (lost as f64 / sent as f64).min(1.0);
    let tcp = 1.0 / (rtt.as_secs_f64().max(0.001) * (2.0 * fraction / 3.0).sqrt());
    sent as f64 / length.as_secs_f64() > TIMES_TCP * tcp
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn report(acks: u64) -> Report {
        Report { acks, rtt: Duration::from_millis(50), ..Report::default() }
    }

    #[test]
    fn a_path_that_answers_is_never_cut() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for n in 0..500 {
            assert_eq!(breaker.frame(start + FRAME * n, || report(u64::from(n))), Passage::Open);
        }
    }

    #[test]
    fn a_dead_path_gets_probes_only_and_opens_with_the_first_answer() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        let sent = (0..200).filter(|n| breaker.frame(start + FRAME * *n, || report(0)) == Passage::Open);
        let sent = sent.count();
        // 400 ms in full, and the next look; then five a second.
        assert!((20..=46).contains(&sent), "{sent}");
        assert!(breaker.is_open());
        assert!(breaker.heard(start + Duration::from_secs(4), &report(1)));
        assert_eq!(breaker.frame(start + Duration::from_secs(4), || report(1)), Passage::Open);
    }

    #[test]
    fn silence_is_no_dead_path() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        breaker.frame(start, || report(0));
        breaker.frame(start + FRAME, || report(0));
        let later = start + Duration::from_secs(60);
        // The ACKs of the last burst came while nobody looked.
        assert_eq!(breaker.frame(later, || report(2)), Passage::Open);
        assert_eq!(breaker.frame(later + FRAME, || report(2)), Passage::Open);
    }

    #[test]
    fn a_tenth_lost_is_borne_and_nine_tenths_are_not() {
        let interval = |lost| too_much(100, lost, INTERVAL, Duration::from_millis(300));
        assert!(!interval(10));
        assert!(interval(90));
    }

    #[test]
    fn three_bad_intervals_silence_it_for_a_while() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        let mut closed = 0;
        for n in 0..500 {
            let now = start + FRAME * n;
            let n = u64::from(n);
            let bad = Report { acks: n, sent: n, lost: n * 95 / 100, rtt: Duration::from_millis(300) };
            closed += usize::from(breaker.frame(now, || bad) == Passage::Closed);
        }
        assert!((90..=110).contains(&closed), "{closed}");
    }
}
