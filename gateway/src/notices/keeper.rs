//! One after the other: notifications for users who aren't at this node. Whether they are at another takes a while to know, and
//! nobody's session waits for that.

use std::sync::Weak;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::{KeepError, Notices};

/// Notifications that wait to be kept: more than a store takes in the time after which who asked gives up.
pub(super) const MAX_WAITING: usize = 1024;

/// A notification to be kept for a user who is away.
pub struct Keeping {
    /// The user.
    pub user: String,
    /// The event.
    pub event: String,
    /// What it says.
    pub payload: Value,
    /// How long.
    pub time: Duration,
    /// What it is known by.
    pub id: String,
    /// Whether other nodes hear of it too: one of them keeps it.
    pub is_copy: bool,
    /// Hears whether it is kept, or why it can't be.
    pub done: Box<dyn FnOnce(Result<bool, KeepError>) + Send + Sync>,
}

pub(super) async fn run(notices: Weak<Notices>, mut waiting: mpsc::Receiver<Keeping>) {
    while let Some(keeping) = waiting.recv().await {
        let Some(notices) = notices.upgrade() else { return };
        let kept = notices.keep(&keeping).await;
        (keeping.done)(kept);
    }
}
