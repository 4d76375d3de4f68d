//! Points in time, as the caller counts them.

use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since an origin of the caller's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(u64);

impl Time {
    /// So many milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// So much earlier, and no earlier than the origin.
    #[must_use]
    pub(crate) const fn before(self, duration: Duration) -> Self {
        let millis = duration.as_millis();
        if millis > self.0 as u128 { Self(0) } else { Self(self.0 - millis as u64) }
    }

    /// How long ago `earlier` was; nothing, when it is in fact later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Rounds up to a whole millisecond, so that no deadline comes early, and stops at the end of time.
impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self(self.0.saturating_add(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_of_a_millisecond_is_waited_for_whole() {
        assert_eq!(Time(5) + Duration::from_micros(1_001), Time(7));
        assert_eq!(Time(5) + Duration::from_millis(2), Time(7));
    }

    #[test]
    fn time_has_an_end_and_no_wrap() {
        assert_eq!(Time(5) + Duration::MAX, Time(u64::MAX));
        assert_eq!(Time(5).saturating_since(Time(9)), Duration::ZERO);
    }
}
