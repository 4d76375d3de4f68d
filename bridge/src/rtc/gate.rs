//! When a producer's packets are speech: a client without a button talks by talking (RFC 6464), one with a button by its
//! button alone. Pure logic: time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// This loud begins a press, in dBov. Speech near a microphone is above -35, a quiet room below -55.
const OPENS: i8 = -45;

/// This loud keeps one up: the ends of words are quieter than their beginnings.
const KEEPS: i8 = -55;

/// Packets in a row that must be that loud: a click is no word.
const IN_A_ROW: usize = 2;

/// What was said right before a press began is sent along, so much of it: the beginning of a word is quiet.
const BEFORE: usize = 5;

/// A pause in speech is no end of it. Less would cut sentences in two, more would keep others waiting.
const PAUSE: Duration = Duration::from_millis(700);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was said.
    Quiet,
    /// Somebody speaks, or did so until a moment ago.
    Speaking { until: Instant },
    /// The client pressed its button.
    Pressed,
    /// The client has a button, and doesn't press it.
    Released,
}

/// One producer's gate; `T` is a packet.
#[derive(Debug)]
pub(super) struct Gate<T> {
    state: State,
    loud: usize,
    before: VecDeque<T>,
}

impl<T> Default for Gate<T> {
    fn default() -> Self {
        Self { state: State::Quiet, loud: 0, before: VecDeque::with_capacity(BEFORE) }
    }
}

impl<T> Gate<T> {
    /// Takes a packet of this level and returns those that are to be heard now, oldest first.
    pub(super) fn packet(&mut self, now: Instant, level: i8, packet: T) -> Vec<T> {
        match &mut self.state {
            State::Pressed => return vec![packet],
            State::Released => return Vec::new(),
            State::Speaking { until } => {
                if level >= KEEPS {
                    *until = now + PAUSE;
                }
                return vec![packet];
            }
            State::Quiet => {}
        }
        if self.before.len() == BEFORE {
            self.before.pop_front();
        }
        self.before.push_back(packet);
        self.loud = if level >= OPENS { self.loud + 1 } else { 0 };
        if self.loud < IN_A_ROW {
            return Vec::new();
        }
        self.loud = 0;
        self.state = State::Speaking { until: now + PAUSE };
        self.before.drain(..).collect()
    }

    /// The client presses its button; from now on it counts alone.
    pub(super) fn press(&mut self) {
        self.state = State::Pressed;
        self.before.clear();
    }

    /// The client releases its button; from now on it counts alone.
    pub(super) fn release(&mut self) {
        self.state = State::Released;
        self.before.clear();
    }

    /// Whether speech has just ended.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let over = matches!(self.state, State::Speaking { until } if until <= now);
        if over {
            self.state = State::Quiet;
        }
        over
    }

    /// When [`tick`](Self::tick) has something to say next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Speaking { until } => Some(until),
            State::Quiet | State::Pressed | State::Released => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    /// What is heard of packets of these levels, one each 20 ms, and when speech ended.
    fn heard(gate: &mut Gate<usize>, levels: &[i8]) -> (Vec<usize>, Vec<usize>) {
        let start = Instant::now();
        let (mut passed, mut ends) = (Vec::new(), Vec::new());
        for (number, level) in levels.iter().enumerate() {
            let now = start + FRAME * number as u32;
            if gate.tick(now) {
                ends.push(number);
            }
            passed.extend(gate.packet(now, *level, number));
        }
        (passed, ends)
    }

    #[test]
    fn speech_passes_from_its_quiet_beginning_to_its_end() {
        let mut levels = vec![-80; 20];
        levels.extend([-30; 50]);
        levels.extend([-80; 50]);
        let (passed, ends) = heard(&mut Gate::default(), &levels);
        assert_eq!(passed.first(), Some(&17), "three before the two that opened");
        assert_eq!(ends, [69 + 35], "700 ms after its last loud packet");
        assert!(passed.iter().copied().eq(17..104), "without a hole");
    }

    #[test]
    fn a_quiet_room_and_a_click_are_no_speech() {
        let mut levels = vec![-70; 100];
        levels[50] = -10;
        assert!(heard(&mut Gate::default(), &levels).0.is_empty());
    }

    #[test]
    fn a_pause_between_words_is_no_end() {
        let mut levels = vec![-30; 10];
        levels.extend([-127; 20]);
        levels.extend([-50; 10]);
        let (passed, ends) = heard(&mut Gate::default(), &levels);
        assert_eq!((passed.len(), ends.len()), (40, 0));
    }

    #[test]
    fn a_button_counts_alone_from_its_first_use() {
        let mut gate = Gate::default();
        gate.press();
        assert_eq!(heard(&mut gate, &[-127; 100]).0.len(), 100, "silence is said, too");
        assert_eq!(gate.deadline(), None);
        gate.release();
        assert!(heard(&mut gate, &[0; 100]).0.is_empty());
    }
}
