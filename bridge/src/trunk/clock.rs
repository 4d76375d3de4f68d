//! What time it is at the gateway, for reports of bursts (PROTOCOL.md, section 6.4): asked by datagram, and of the last
//! answers the fastest is believed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use suara_proto::clock::ClockDatagram;

/// Between two questions; a bridge is near its gateway and stays long.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// Questions and answers that are remembered.
const REMEMBERED: usize = 8;

/// One session's clock.
#[derive(Debug, Default)]
pub(super) struct GatewayClock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    asked: VecDeque<(u64, Instant)>,
    answers: VecDeque<Answer>,
    count: u64,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    rtt: Duration,
    middle: Instant,
    time_us: u64,
}

impl GatewayClock {
    /// The next question, asked at `now`.
    pub(super) fn ask(&self, now: Instant) -> ClockDatagram {
        let mut state = self.state();
        state.count += 1;
        let echo = state.count;
        state.asked.push_back((echo, now));
        if state.asked.len() > REMEMBERED {
            state.asked.pop_front();
        }
        ClockDatagram::Ask { echo }
    }

    /// Takes an answer; one that wasn't asked for means nothing.
    pub(super) fn answer(&self, now: Instant, datagram: &[u8]) {
        let Ok(ClockDatagram::Tell { echo, time_us }) = ClockDatagram::decode(datagram) else { return };
        let mut state = self.state();
        let Some(index) = state.asked.iter().position(|(asked, _)| *asked == echo) else { return };
        let Some((_, asked)) = state.asked.remove(index) else { return };
        let rtt = now.saturating_duration_since(asked);
        state.answers.push_back(Answer { rtt, middle: asked + rtt / 2, time_us });
        if state.answers.len() > REMEMBERED {
            state.answers.pop_front();
        }
    }

    /// A moment in microseconds of the gateway's; `None` before its first answer.
    pub(super) fn at(&self, moment: Instant) -> Option<u64> {
        let best = *self.state().answers.iter().min_by_key(|answer| answer.rtt)?;
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Some(match moment.checked_duration_since(best.middle) {
            Some(later) => best.time_us.saturating_add(micros(later)),
            None => best.time_us.saturating_sub(micros(best.middle - moment)),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_answer_is_believed_and_none_that_was_not_asked_for() {
        let (clock, start) = (GatewayClock::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let tell = |echo, time_us| ClockDatagram::Tell { echo, time_us }.encode();
        assert_eq!(clock.at(start), None);
        clock.ask(at(0));
        clock.answer(at(100), &tell(1, 1_010_000));
        assert_eq!(clock.at(at(0)), Some(960_000));
        clock.ask(at(200));
        clock.answer(at(210), &tell(2, 1_205_000));
        clock.answer(at(210), &tell(2, 9));
        clock.answer(at(210), &tell(77, 9));
        clock.answer(at(210), b"no clock");
        assert_eq!([clock.at(at(0)), clock.at(at(300))], [Some(1_000_000), Some(1_300_000)]);
    }
}
