//! Talker numbers: ascending from 1, and round again through those that have rested.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use suara_proto::TalkerNumber;

use crate::time::Time;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Numbers {
    /// The highest that was given in its turn.
    highest: u16,
    /// Above that, and claimed before their turn.
    ahead: BTreeSet<u16>,
    /// Given before, and rested.
    free: BTreeSet<u16>,
    /// At rest until a time, in the order of those times.
    resting: VecDeque<(Time, u16)>,
    last: u16,
}

impl Numbers {
    pub(crate) fn take(&mut self, now: Time) -> Option<TalkerNumber> {
        while let Some((_, number)) = self.resting.pop_front_if(|(until, _)| *until <= now) {
            self.free.insert(number);
        }
        let number = self.next_fresh().or_else(|| self.next_free())?;
        self.free.remove(&number);
        self.last = number;
        Some(TalkerNumber(number))
    }

    /// Gives a number that its holder had before, if nobody has it now; even one at rest, which rests for that holder.
    pub(crate) fn claim(&mut self, TalkerNumber(number): TalkerNumber) -> bool {
        if number > self.highest && !self.ahead.contains(&number) {
            return self.ahead.insert(number);
        }
        let resting = self.resting.iter().position(|(_, resting)| *resting == number);
        let rested = resting.and_then(|index| self.resting.remove(index)).is_some();
        self.free.remove(&number) || rested
    }

    pub(crate) fn rest(&mut self, number: TalkerNumber, until: Time) {
        self.resting.push_back((until, number.0));
    }

    fn next_fresh(&mut self) -> Option<u16> {
        loop {
            let next = self.highest.checked_add(1)?;
            self.highest = next;
            if !self.ahead.remove(&next) {
                return Some(next);
            }
        }
    }

    fn next_free(&self) -> Option<u16> {
        let after_last = (Bound::Excluded(self.last), Bound::Unbounded);
        self.free.range(after_last).next().or_else(|| self.free.first()).copied()
    }
}
