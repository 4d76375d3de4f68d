//! The numbers that name things on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A channel, as its owner numbered it. Its name travels once, in `join` and `joined`.
    ChannelNumber(u32)
}

number! {
    /// A member within its channel. Not reused for [`limits::TALKER_REUSE`](crate::limits::TALKER_REUSE).
    TalkerNumber(u16)
}

number! {
    /// A number that a client chose for a request, repeated in its answer.
    ///
    /// While a floor request is not yet answered, the same number stands in the grant field of voice that is sent
    /// ahead of the grant.
    RequestId(u32)
}

number! {
    /// A member of a trunk, as the bridge numbered it.
    MemberRef(u32)
}

number! {
    /// One grant of a channel's floor: 16 bits of epoch above 16 bits of counter, so that a newer owner's grants and
    /// a newer grant of the same owner both compare greater.
    Grant(u32)
}

impl Grant {
    /// Puts a grant together from its epoch and its counter.
    #[must_use]
    pub const fn new(epoch: u16, counter: u16) -> Self {
        Self(((epoch as u32) << 16) | counter as u32)
    }

    /// The ownership epoch that this grant was given in.
    #[must_use]
    pub const fn epoch(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The count of grants within the epoch.
    #[must_use]
    pub const fn counter(self) -> u16 {
        self.0 as u16
    }

    /// The grant after this one; a full counter raises the epoch.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_grant_counter_raises_the_epoch() {
        let last = Grant::new(3, u16::MAX);
        assert_eq!(last.next(), Grant::new(4, 0));
        assert!(last.next() > last);
    }
}
