//! How the floor is wished for, by a client that asks in so many words.

use serde::Deserialize as _;
use serde_json::Value;
use suara_proto::message::Level;

/// What a client that says nothing of it gets is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wish {
    /// How urgent it is.
    pub(crate) level: Level,
    /// Less than what the token gives; `None`: all of it.
    pub(crate) priority: Option<u8>,
    /// Rather wait in the queue than be denied.
    pub(crate) queue: bool,
}

/// The field of a wish that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadWish {
    Level,
    Priority,
    Queue,
}

impl Wish {
    /// Of a client that says nothing of the floor: while it keeps on sending it waits.
    pub(super) const UNSAID: Self = Self { level: Level::Normal, priority: None, queue: true };

    /// The wish in a `floor_request`'s payload: the fields of `suara/1`, each of which may be missing.
    ///
    /// # Errors
    /// Says which field is wrong.
    pub(crate) fn read(payload: &Value) -> Result<Self, BadWish> {
        let present = |name| payload.get(name).filter(|value| !value.is_null());
        let level = present("level")
            .map_or(Ok(Level::Normal), |level| Level::deserialize(level).map_err(|_| BadWish::Level))?;
        let priority = present("priority")
            .map(|priority| {
                priority.as_u64().and_then(|value| value.try_into().ok()).ok_or(BadWish::Priority)
            })
            .transpose()?;
        let queue = present("queue").map_or(Ok(false), |queue| queue.as_bool().ok_or(BadWish::Queue))?;
        Ok(Self { level, priority, queue })
    }
}
