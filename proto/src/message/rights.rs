//! What a member may do in a channel.

use serde::{Deserialize, Serialize};

/// One thing that a member may do in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// To be there and hear.
    Listen,
    /// To ask for the floor.
    Talk,
    /// To raise an emergency.
    Emergency,
    /// To revoke, mute, clear, patch.
    Dispatch,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::Listen, Self::Talk, Self::Emergency, Self::Dispatch];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of [`Right`]s; a list of names on the wire, of which unknown ones (a newer gateway's) are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Named>", into = "Vec<Right>")]
pub struct Rights(u8);

impl Rights {
    /// May do nothing.
    pub const NONE: Self = Self(0);

    /// May do everything.
    #[must_use]
    pub fn all() -> Self {
        Right::ALL.into_iter().collect()
    }

    /// Whether `right` is among them.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// These and those.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |set, right| set | right.bit()))
    }
}

/// A right as a peer named it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Known(Right),
    Unknown(#[expect(dead_code, reason = "read so that it is a string, then dropped")] String),
}

impl From<Vec<Named>> for Rights {
    fn from(names: Vec<Named>) -> Self {
        let known = |name| match name {
            Named::Known(right) => Some(right),
            Named::Unknown(_) => None,
        };
        names.into_iter().filter_map(known).collect()
    }
}

impl From<Vec<Right>> for Rights {
    fn from(rights: Vec<Right>) -> Self {
        rights.into_iter().collect()
    }
}

impl From<Rights> for Vec<Right> {
    fn from(rights: Rights) -> Self {
        Right::ALL.into_iter().filter(|right| rights.has(*right)).collect()
    }
}
