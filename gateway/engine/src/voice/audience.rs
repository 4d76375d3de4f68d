//! Who hears a frame, by worker.

use std::sync::Arc;
use std::time::Instant;

use super::frame::Frame;
use super::variants::Earlier;

/// A connection's name within its engine, for as long as the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    pub(crate) worker: u8,
    pub(crate) seat: Seat,
}

/// A connection's name within its worker. Slots are used again; the generation tells who sits there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seat {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The connections that hear a channel. Immutable: a change is a new one.
///
/// A frame goes to each other worker once, with its audience, and each worker serves its own.
#[derive(Debug, Default)]
pub struct Audience {
    by_worker: Vec<Vec<Seat>>,
}

impl Audience {
    /// Sorts listeners by their workers.
    #[must_use]
    pub fn new(listeners: impl IntoIterator<Item = Handle>) -> Self {
        let mut by_worker: Vec<Vec<Seat>> = Vec::new();
        for Handle { worker, seat } in listeners {
            let worker = usize::from(worker);
            if by_worker.len() <= worker {
                by_worker.resize_with(worker + 1, Vec::new);
            }
            by_worker[worker].push(seat);
        }
        Self { by_worker }
    }

    /// How many listen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_worker.iter().map(Vec::len).sum()
    }

    /// Whether nobody listens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The listeners at one worker.
    pub(crate) fn at(&self, worker: u8) -> &[Seat] {
        self.by_worker.get(usize::from(worker)).map_or(&[], Vec::as_slice)
    }

    /// The workers that have listeners.
    pub(crate) fn workers(&self) -> impl Iterator<Item = u8> {
        self.by_worker
            .iter()
            .enumerate()
            .filter(|(_, seats)| !seats.is_empty())
            .map(|(worker, _)| worker as u8)
    }
}

/// A frame for an audience.
#[derive(Clone)]
pub(crate) struct Cast {
    pub(crate) frame: Frame,
    pub(crate) earlier: Earlier,
    pub(crate) audience: Arc<Audience>,
    /// Whose frame it is: it doesn't hear itself.
    pub(crate) sender: Option<Handle>,
    /// When it came: its age counts from here.
    pub(crate) since: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(worker: u8, slot: u32) -> Handle {
        Handle { worker, seat: Seat { slot, generation: 0 } }
    }

    #[test]
    fn listeners_are_sorted_by_worker() {
        let audience = Audience::new([handle(2, 1), handle(0, 5), handle(2, 3)]);
        assert_eq!(audience.workers().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(audience.at(2).iter().map(|seat| seat.slot).collect::<Vec<_>>(), [1, 3]);
        assert!(audience.at(1).is_empty() && audience.at(9).is_empty());
        assert_eq!(audience.len(), 3);
    }
}
