//! When each transport wants time next: asked for the earliest only, so that idle transports cost nothing. Pure.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Deadlines by key. One that is put off stays in the heap until its old time comes, for that is cheaper than to find it.
#[derive(Debug)]
pub(super) struct Alarms<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
    /// When each key is due, and the earliest time at which the heap has it.
    due: HashMap<K, (Instant, Instant)>,
}

impl<K> Default for Alarms<K> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), due: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash + Ord> Alarms<K> {
    /// Sets when `key` is due, in place of what was set before.
    pub(super) fn set(&mut self, key: K, at: Instant) {
        match self.due.get_mut(&key) {
            Some((due, queued)) if *queued <= at => *due = at,
            _ => {
                self.due.insert(key, (at, at));
                self.heap.push(Reverse((at, key)));
            }
        }
    }

    pub(super) fn forget(&mut self, key: K) {
        self.due.remove(&key);
    }

    /// When to look again; there may be nothing to do then.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// One that is due. It is not set any more.
    pub(super) fn pop(&mut self, now: Instant) -> Option<K> {
        while let Some(Reverse((at, key))) = self.heap.peek().copied() {
            if at > now {
                return None;
            }
            self.heap.pop();
            match self.due.get_mut(&key) {
                // It was set anew for an earlier time, or is gone.
                Some((_, queued)) if *queued != at => {}
                None => {}
                Some((due, _)) if *due <= now => {
                    self.due.remove(&key);
                    return Some(key);
                }
                Some((due, queued)) => {
                    *queued = *due;
                    self.heap.push(Reverse((*due, key)));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn popped(alarms: &mut Alarms<u32>, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| alarms.pop(now)).collect()
    }

    #[test]
    fn each_is_due_once_at_the_time_that_was_set_last() {
        let (mut alarms, start) = (Alarms::default(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        alarms.set(1, after(10));
        alarms.set(2, after(20));
        alarms.set(1, after(30));
        alarms.set(2, after(5));
        assert_eq!(alarms.next(), Some(after(5)));
        assert_eq!(popped(&mut alarms, after(5)), [2]);
        assert!(popped(&mut alarms, after(29)).is_empty());
        assert_eq!(popped(&mut alarms, after(30)), [1]);
        assert!(popped(&mut alarms, after(90)).is_empty());
        assert_eq!(alarms.next(), None);
    }

    #[test]
    fn what_is_forgotten_is_never_due() {
        let (mut alarms, start) = (Alarms::default(), Instant::now());
        alarms.set(1, start);
        alarms.set(2, start);
        alarms.forget(1);
        assert_eq!(popped(&mut alarms, start), [2]);
    }

    #[test]
    fn putting_off_again_and_again_takes_no_room() {
        let (mut alarms, start) = (Alarms::default(), Instant::now());
        for ms in 0..10_000 {
            alarms.set(1, start + Duration::from_millis(ms));
        }
        assert_eq!(alarms.heap.len(), 1);
        assert!(popped(&mut alarms, start).is_empty());
        assert_eq!(alarms.heap.len(), 1);
    }
}
