//! Notifications: a bridge hears a back end's broadcast and says it here (`notify`); clients of `suara/1` get it on their
//! control stream, and what is meant for a user who is away is kept for its next log-in, where that was asked.
//!
//! A bridge delivers to its own sockets itself. Knows users, roles and outboxes; no channel but by name, no token.

mod audience;
mod copies;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use suara_proto::MemberRef;
use suara_proto::message::{ServerMessage, encode};
use suara_store::{Notice, Store, StoreError};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::session::{Outbox, SessionId};
use audience::{Audience, Place};
use copies::Copies;

/// How many ask the store at a time what waits for them. When everybody logs in at once, the others stand in line here and
/// not before the store, which has messages to store.
const ASKING: usize = 2;

/// Why a notification isn't kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeepError {
    /// The user has as many as may be.
    #[error("as many notifications wait as may")]
    Full,
    /// The store doesn't answer.
    #[error("notifications can't be kept at the moment")]
    Unavailable,
}

/// For whom a notification is, but for those in a channel: the channel's own task tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<'a> {
    /// Every session.
    Everybody,
    /// All sessions of a user.
    User(&'a str),
    /// All whose token has that role.
    Role(&'a str),
}

/// Who is here to be notified, and what waits for those who aren't.
pub struct Notices {
    audience: Mutex<Audience>,
    copies: Mutex<Copies>,
    store: Store,
    asking: Semaphore,
}

/// A user's being here by one session or one member of a trunk; over when it is dropped.
pub struct Here {
    notices: Arc<Notices>,
    user: Arc<str>,
    place: u64,
}

impl Notices {
    /// With nobody here yet, and what `store` has kept.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { audience: Mutex::default(), copies: Mutex::default(), store, asking: Semaphore::new(ASKING) }
    }

    /// A session is here, or a trunk's member.
    pub fn enter(
        self: &Arc<Self>,
        user: &Arc<str>,
        role: &Arc<str>,
        member: Option<MemberRef>,
        outbox: Outbox,
    ) -> Here {
        let place = self.audience().enter(user, Place { role: role.clone(), member, outbox });
        Here { notices: self.clone(), user: user.clone(), place }
    }

    /// Whether this is the first time that it is heard of. Several bridges that listen to one Redis all say what they hear:
    /// the n-th copy from one of them is the n-th message.
    pub fn is_new(&self, copy: &str, from: SessionId, now: Duration) -> bool {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).is_new(copy, from, now)
    }

    /// Tells all sessions that it is for; says how many.
    pub fn tell(&self, to: To<'_>, event: &str, payload: &Value) -> usize {
        let framed = encode(&notification(None, event, payload, None));
        let audience = self.audience();
        let mut told = 0;
        for place in audience.listeners(to) {
            place.outbox.send(framed.clone());
            told += 1;
        }
        told
    }

    /// Whether a user is here, by whatever client.
    #[must_use]
    pub fn is_here(&self, user: &str) -> bool {
        self.audience().newest(user).is_some()
    }

    /// Keeps a notification for a user who is away.
    ///
    /// # Errors
    /// When there is no room for it, or what keeps it doesn't answer.
    pub async fn keep(
        &self,
        user: &str,
        event: &str,
        payload: &Value,
        time: Duration,
    ) -> Result<(), KeepError> {
        let (at, event) = (unix_ms(), event.to_owned());
        let expires_at = at.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let notice = Notice { event, payload: payload.to_string(), at, expires_at };
        self.store.keep(user, &notice).await.map_err(|error| match error {
            StoreError::Full => KeepError::Full,
            _ => KeepError::Unavailable,
        })?;
        // It may have come in meanwhile.
        if self.is_here(user) {
            self.hand_over(user).await;
        }
        Ok(())
    }

    /// Hands what was kept for a user to the newest of its places, once. While the store is away it waits on, for the next
    /// log-in.
    pub async fn hand_over(&self, user: &str) {
        for notice in self.take(user).await {
            let told = match (self.audience().newest(user), serde_json::from_str(&notice.payload)) {
                (Some(Place { outbox, member, .. }), Ok(payload)) => {
                    outbox.say(&notification(*member, &notice.event, &payload, Some(notice.at)));
                    true
                }
                // It went away again meanwhile.
                (None, _) => false,
                // Nobody could be told that.
                (_, Err(_)) => true,
            };
            if !told && let Err(error) = self.store.keep(user, &notice).await {
                tracing::warn!(%error, "a kept notification is lost");
            }
        }
    }

    async fn take(&self, user: &str) -> Vec<Notice> {
        let Ok(_asking) = self.asking.acquire().await else { return Vec::new() };
        if !self.store.is_up() {
            return Vec::new();
        }
        self.store.take(user).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "what was kept waits on");
            Vec::new()
        })
    }

    fn audience(&self) -> MutexGuard<'_, Audience> {
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client is told; `at` is when it was said, for one that was kept.
pub fn notification<'a>(
    member: Option<MemberRef>,
    event: &'a str,
    payload: &'a Value,
    at: Option<u64>,
) -> ServerMessage<'a> {
    ServerMessage::Notification { member, event: event.into(), payload: payload.clone(), at }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Here {
    fn drop(&mut self) {
        self.notices.audience().leave(&self.user, self.place);
    }
}
