//! How fast a visitor may send. First what is too fast is refused; who goes on is shown the door.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Messages a second, and at once: faster than anybody types, and what a reconnected client has to send again.
const MESSAGES: (u32, u32) = (2, 10);
/// Frames of any kind: typing and nonsense besides.
const FRAMES: (u32, u32) = (10, 40);
/// Signs of typing that are passed on; more mean nothing new.
const TYPING: (u32, u32) = (1, 2);
/// Refused frames, less those within the rate, until the connection is closed. A client that sends again what it sent
/// too fast is refused some times; a flood is closed within the second.
const MAX_EXCESS: u32 = 40;

/// One connection's allowance.
pub(super) struct Pace {
    messages: DefaultDirectRateLimiter,
    frames: DefaultDirectRateLimiter,
    typing: DefaultDirectRateLimiter,
    excess: u32,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    TooFast,
    /// It went on.
    Out,
}

impl Default for Pace {
    fn default() -> Self {
        let [messages, frames, typing] = [MESSAGES, FRAMES, TYPING].map(limiter);
        Self { messages, frames, typing, excess: 0 }
    }
}

fn limiter((a_second, at_once): (u32, u32)) -> DefaultDirectRateLimiter {
    let [a_second, at_once] = [a_second, at_once].map(|n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
    RateLimiter::direct(Quota::per_second(a_second).allow_burst(at_once))
}

impl Pace {
    /// Any frame, before it is read.
    pub(super) fn frame(&mut self) -> Verdict {
        let fine = self.frames.check().is_ok();
        self.judge(fine)
    }

    /// A message, before it is stored.
    pub(super) fn message(&mut self) -> Verdict {
        let fine = self.messages.check().is_ok();
        self.judge(fine)
    }

    /// Whether a sign of typing is passed on.
    pub(super) fn typing(&self) -> bool {
        self.typing.check().is_ok()
    }

    fn judge(&mut self, fine: bool) -> Verdict {
        if fine {
            self.excess = self.excess.saturating_sub(1);
            return Verdict::Fine;
        }
        // One within the frames' rate and beyond the messages' has been credited above: it counts twice.
        self.excess += 2;
        if self.excess > MAX_EXCESS { Verdict::Out } else { Verdict::TooFast }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_is_refused_and_a_flood_is_shown_the_door() {
        let mut pace = Pace::default();
        let verdicts: Vec<_> = (0..200)
            .map(|_| match pace.frame() {
                Verdict::Fine => pace.message(),
                verdict => verdict,
            })
            .collect();
        assert!(verdicts[..10].iter().all(|verdict| *verdict == Verdict::Fine));
        let refused = verdicts.iter().position(|verdict| *verdict == Verdict::TooFast).unwrap();
        let out = verdicts.iter().position(|verdict| *verdict == Verdict::Out).unwrap();
        assert!(refused < out && out < 200, "{refused} {out}");
    }

    #[test]
    fn signs_of_typing_are_thinned_out() {
        let pace = Pace::default();
        let passed = (0..50).filter(|_| pace.typing()).count();
        assert!((2..5).contains(&passed), "{passed}");
    }
}
