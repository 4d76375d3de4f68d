//! Words of patches.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ids::ChannelNumber;

/// A channel that another is patched to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patched<'a> {
    /// Its number; 0 where the node has nobody in it.
    pub channel: ChannelNumber,
    /// Its name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
}
