//! Which numbers grants have, so that no two sides of a split give the same one to two talkers.
//!
//! The upper half of a grant is its epoch. One that comes with the lease is one node's alone; one that a node opens by itself,
//! because it is cut off, another may open too, and so may the next owner. So the lower half, the counter, is divided:
//! first come the grants of who has the lease, then those of nodes that nobody has numbered yet, then a share for each node by its
//! number. Numbers are given by the log ([`State`](crate::state::State)), so that nodes that were one channel have different ones. Who
//! has none, for it never was with the others, draws from its own random number an epoch of many, and a place among that part.

use std::ops::Range;

use suara_proto::Grant;

use crate::ids::{Epoch, NodeId};

/// Nodes that have a number at a time.
pub(crate) const NUMBERS: u8 = 128;

/// Those of who has the lease. Zero stays free for «none».
const LEASED: Range<u16> = 1..0x4000;
/// Those of nodes that have no number.
const UNNUMBERED: Range<u16> = LEASED.end..0x8000;
/// A node's share of the rest.
const SHARE: u16 = 0x100;
/// So many may be granted by one step: the most talkers that a mode has.
const MARGIN: u16 = 64;
/// Epochs that a node without a number draws from. Others' are soon above these, and not by them.
const DRAWN: u16 = 0x1000;

/// The first grant of an owner.
pub(crate) const fn leased(epoch: Epoch) -> Grant {
    Grant::new(epoch.0, LEASED.start)
}

/// Whether an owner has given so many that it is time for a new epoch: that is long before it gives those of others.
pub(crate) const fn is_long(next: Grant) -> bool {
    next.counter() >= LEASED.end / 2
}

/// The first grant of a node on its own, above all that it has seen. `first` tells the node's replicas apart.
pub(crate) fn apart(seen: Epoch, node: NodeId, first: u64, number: Option<u8>) -> Grant {
    if let Some(number) = number.filter(|number| *number < NUMBERS) {
        return Grant::new(seen.next().0, UNNUMBERED.end + u16::from(number) * SHARE);
    }
    let drawn = node.0 ^ first.rotate_left(32);
    let places = u64::from(UNNUMBERED.end - UNNUMBERED.start - SHARE);
    let place = UNNUMBERED.start + u16::try_from(drawn % places).unwrap_or_default();
    let epoch = u16::try_from((drawn >> 48) % u64::from(DRAWN)).unwrap_or_default();
    Grant::new(seen.next().0.max(epoch + 1), place)
}

/// The same in the next epoch, once so many are given that the next might be another's.
pub(crate) fn renewed(first: Grant, next: Option<Grant>) -> Option<Grant> {
    let next = next?;
    let left = (first.counter() + (SHARE - MARGIN)).checked_sub(next.counter());
    let is_spent = next.epoch() != first.epoch() || left.is_none_or(|left| left == 0);
    let epoch = next.epoch().checked_add(1)?;
    is_spent.then(|| Grant::new(epoch, first.counter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_apart_and_above_what_was_seen() {
        let first = |number| apart(Epoch(7), NodeId(5), 9, number);
        let shares: Vec<_> = (0..NUMBERS).map(|number| first(Some(number))).collect();
        assert!(shares.windows(2).all(|pair| pair[0].counter() + (SHARE - 1) < pair[1].counter()));
        assert_eq!(shares[0], Grant::new(8, 0x8000));
        assert_eq!(u32::from(shares[127].counter()) + u32::from(SHARE), 0x1_0000);
        let drawn = first(None);
        assert!(drawn.epoch() >= 8 && UNNUMBERED.contains(&drawn.counter()), "{drawn:?}");
        assert!(leased(Epoch(8)) < first(None).max(shares[0]));
    }

    #[test]
    fn who_never_met_draws_apart() {
        let draw =
            |node: u64| apart(Epoch(0), NodeId(node.wrapping_mul(0x9E37_79B9_7F4A_7C15)), 1 << 20, None);
        let drawn: std::collections::BTreeSet<_> = (1..=200).map(draw).collect();
        assert_eq!(drawn.len(), 200);
        assert!(drawn.iter().all(|first| (1..=DRAWN).contains(&first.epoch())));
    }

    #[test]
    fn a_share_that_is_spent_goes_on_in_the_next_epoch() {
        let first = Grant::new(8, 0x8100);
        let at = |counter| renewed(first, Some(Grant::new(8, counter)));
        assert_eq!((at(0x8100), at(0x81BF)), (None, None));
        assert_eq!(at(0x81C0), Some(Grant::new(9, 0x8100)));
        assert_eq!(renewed(first, Some(Grant::new(9, 0))), Some(Grant::new(10, 0x8100)));
        assert_eq!(renewed(first, None), None);
    }
}
