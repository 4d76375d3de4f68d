//! The deadlines of a worker's connections: an indexed heap, changed in place.
//!
//! A connection has one deadline at a time, which moves with nearly every packet. In place of pushing a new entry each
//! time and finding the old one stale when it is due, its entry is moved.

use std::time::Instant;

/// Children of a node. Four are next to each other in memory: half as deep as two.
const ARITY: usize = 4;
/// A connection that has no entry.
const NONE: u32 = u32::MAX;

/// Deadlines by connection.
#[derive(Default)]
pub(crate) struct Timers {
    heap: Vec<(Instant, u32)>,
    /// Where in the heap a connection's entry is.
    places: Vec<u32>,
}

impl Timers {
    /// Sets, moves or clears a connection's deadline.
    pub(crate) fn set(&mut self, connection: usize, deadline: Option<Instant>) {
        if self.places.len() <= connection {
            self.places.resize(connection + 1, NONE);
        }
        match (self.places[connection], deadline) {
            (NONE, None) => {}
            (NONE, Some(deadline)) => {
                self.heap.push((deadline, connection as u32));
                self.up(self.heap.len() - 1);
            }
            (place, None) => self.remove(place as usize),
            (place, Some(deadline)) => {
                let place = place as usize;
                let before = std::mem::replace(&mut self.heap[place].0, deadline);
                if deadline < before {
                    self.up(place);
                } else if deadline > before {
                    self.down(place);
                }
            }
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out a connection whose deadline has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<usize> {
        let (deadline, connection) = *self.heap.first()?;
        if deadline > now {
            return None;
        }
        self.remove(0);
        Some(connection as usize)
    }

    fn remove(&mut self, place: usize) {
        let (_, connection) = self.heap.swap_remove(place);
        self.places[connection as usize] = NONE;
        if place < self.heap.len() {
            self.down(place);
            self.up(place);
        }
    }

    fn up(&mut self, mut place: usize) {
        let entry = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.heap[parent].0 <= entry.0 {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, entry);
    }

    fn down(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let first = place * ARITY + 1;
            let children = first..(first + ARITY).min(self.heap.len());
            let Some(least) = children.min_by_key(|child| self.heap[*child].0) else { break };
            if entry.0 <= self.heap[least].0 {
                break;
            }
            self.put(place, self.heap[least]);
            place = least;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: (Instant, u32)) {
        self.heap[place] = entry;
        self.places[entry.1 as usize] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[test]
    fn random_changes_agree_with_a_sorted_map() {
        let start = Instant::now();
        let (mut timers, mut model) = (Timers::default(), BTreeMap::new());
        let mut seed = 1_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..20_000 {
            let connection = random(50) as usize;
            match random(4) {
                0 => {
                    timers.set(connection, None);
                    model.remove(&connection);
                }
                1 => {
                    let now = start + Duration::from_millis(random(1000));
                    let due = model.iter().map(|(connection, at)| (*at, *connection)).min();
                    let popped = timers.pop(now);
                    assert_eq!(popped.is_some(), due.is_some_and(|(at, _)| at <= now));
                    if let Some(popped) = popped {
                        assert_eq!(model.remove(&popped), due.map(|(at, _)| at));
                    }
                }
                _ => {
                    let at = start + Duration::from_millis(random(1000));
                    timers.set(connection, Some(at));
                    model.insert(connection, at);
                }
            }
            assert_eq!(timers.next(), model.values().min().copied());
        }
    }
}
