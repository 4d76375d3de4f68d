//! What the rooms of one channel tell each other, at all nodes and in the order of what is decided; and the small facts that all
//! of them keep.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use suara_cluster::{Op, Say};
use suara_proto::LeaveReason;

use super::room::Room;

/// What a fact's key begins with that is an alert; its user follows.
pub(super) const ALERT: &str = "alert/";

/// The same of a patch; the node that keeps it and its guest's number follow.
pub(super) const PATCH: &str = "patch/";

/// From a room to those of the same channel at all nodes, its own included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RoomWord {
    /// The call is over.
    Ended,
    /// An alert is, and by whom.
    AlertOver {
        /// Whose it was.
        user: Arc<str>,
        /// Who says so.
        by: Arc<str>,
    },
    /// A patch is to end: its node ends it.
    Unpatch {
        /// The other channel's name.
        with: Arc<str>,
    },
}

impl Room {
    pub(super) fn say_rooms(&mut self, word: &RoomWord) {
        if let Ok(bytes) = serde_json::to_vec(word) {
            self.order(Op::Say { to: Say::Rooms, bytes });
        }
    }

    /// A room says something, perhaps this one. What isn't understood is a newer node's.
    pub(super) fn said(&mut self, to: &Say, bytes: &[u8]) {
        match (to, serde_json::from_slice(bytes)) {
            (Say::Rooms, Ok(RoomWord::Ended)) => self.end(LeaveReason::Ended),
            (Say::Rooms, Ok(RoomWord::AlertOver { user, by })) => self.alert_over(&user, &by),
            (Say::Rooms, Ok(RoomWord::Unpatch { with })) => self.unpatch_by_name(&with),
            _ => tracing::debug!(channel = %self.handle.number, "a word that isn't understood"),
        }
    }

    /// A fact has changed. Those of patches are looked at when all is told ([`look_at_patches`](Self::look_at_patches)).
    pub(super) fn shared(&mut self, key: &str, value: Option<&[u8]>) {
        if let Some(user) = key.strip_prefix(ALERT) {
            self.alert_shared(user, value);
        }
    }
}
