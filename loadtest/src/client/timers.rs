//! Deadlines in order. A deadline that moves back costs nothing until its old moment comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// The next deadline of each of many things.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    armed: Vec<Option<Instant>>,
}

impl Timers {
    /// Wakes `index` at `moment` at the latest; an earlier wake-up that was asked for stays.
    pub(crate) fn set(&mut self, index: usize, moment: Option<Instant>) {
        if self.armed.len() <= index {
            self.armed.resize(index + 1, None);
        }
        let Some(moment) = moment else { return };
        if self.armed[index].is_none_or(|armed| armed > moment) {
            self.armed[index] = Some(moment);
            self.heap.push(Reverse((moment, index)));
        }
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((moment, _))| *moment)
    }

    /// Something whose moment has come. It may have been put off meanwhile: ask it.
    pub(crate) fn due(&mut self, now: Instant) -> Option<usize> {
        while let Some(&Reverse((moment, index))) = self.heap.peek() {
            if moment > now {
                return None;
            }
            self.heap.pop();
            if self.armed[index] == Some(moment) {
                self.armed[index] = None;
                return Some(index);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_earliest_comes_first_and_once() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut timers = Timers::default();
        timers.set(0, Some(at(9)));
        timers.set(3, Some(at(5)));
        timers.set(0, Some(at(7)));
        timers.set(0, Some(at(8)));
        assert_eq!(timers.next(), Some(at(5)));
        assert_eq!(timers.due(at(4)), None);
        assert_eq!(timers.due(at(10)), Some(3));
        assert_eq!(timers.due(at(10)), Some(0));
        assert_eq!(timers.due(at(10)), None, "the later moments of the same were put off");
    }
}
