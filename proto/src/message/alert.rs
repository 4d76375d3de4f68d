//! Words of emergency alerts.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ids::TalkerNumber;

/// A place on Earth, in WGS 84. Whole numbers, as everywhere: 10⁻⁷ degrees are 11 mm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// In 10⁻⁷ degrees, north is positive.
    pub latitude_e7: i32,
    /// In 10⁻⁷ degrees, east is positive.
    pub longitude_e7: i32,
    /// So many metres around it, at 95 % confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<u32>,
}

impl Location {
    /// Whether latitude and longitude are within their bounds.
    #[must_use]
    pub const fn is_on_earth(self) -> bool {
        self.latitude_e7.unsigned_abs() <= 900_000_000 && self.longitude_e7.unsigned_abs() <= 1_800_000_000
    }
}

/// An emergency that somebody raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert<'a> {
    /// Its number in the channel when it was raised.
    pub talker: TalkerNumber,
    /// Who.
    #[serde(borrow)]
    pub user: Cow<'a, str>,
    /// The name to show.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// When, in milliseconds since 1970 (UTC), by the gateway's clock.
    pub at: u64,
    /// Where, if it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// In words, if it was said.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
}
