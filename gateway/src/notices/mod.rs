//! Notifications: a bridge hears a back end's broadcast and says it here (`notify`); clients of `suara/1` get it on their
//! control stream, and what is meant for a user who is away is kept for its next log-in, where that was asked.
//!
//! A bridge delivers to its own sockets itself. Knows users, roles and outboxes; no channel but by name, no token.

mod audience;
mod copies;
mod keeper;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use suara_proto::MemberRef;
use suara_proto::message::{ServerMessage, encode};

use crate::session::{Outbox, SessionId};
use audience::{Audience, Place};
use copies::Copies;
pub use keeper::{KeepError, KeepFuture, Keeper, Kept, Memory};

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
    keeper: Box<dyn Keeper>,
}

impl Default for Notices {
    fn default() -> Self {
        Self::new(Box::new(Memory::default()))
    }
}

/// A user's being here by one session or one member of a trunk; over when it is dropped.
pub struct Here {
    notices: Arc<Notices>,
    user: Arc<str>,
    place: u64,
}

impl Notices {
    /// Keeps by `keeper`.
    #[must_use]
    pub fn new(keeper: Box<dyn Keeper>) -> Self {
        Self { audience: Mutex::default(), copies: Mutex::default(), keeper }
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
        let now = SystemTime::now();
        let kept = Kept { event: event.to_owned(), payload: payload.clone(), at: now, until: now + time };
        self.keeper.keep(user.to_owned(), kept).await?;
        // It may have come in meanwhile.
        if self.is_here(user) {
            self.hand_over(user).await;
        }
        Ok(())
    }

    /// Hands what was kept for a user to the newest of its places, once.
    pub async fn hand_over(&self, user: &str) {
        if !self.keeper.has(user) {
            return;
        }
        let mut back = Vec::new();
        for kept in self.keeper.take(user.to_owned(), SystemTime::now()).await {
            let Kept { event, payload, at: told, until } = kept;
            let at = told.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
            if let Some(Place { outbox, member, .. }) = self.audience().newest(user) {
                outbox.say(&notification(*member, &event, &payload, Some(at)));
            } else {
                // It went away again meanwhile.
                back.push(Kept { event, payload, at: told, until });
            }
        }
        for kept in back {
            if let Err(error) = self.keeper.keep(user.to_owned(), kept).await {
                tracing::warn!(%error, "a kept notification is lost");
            }
        }
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

impl Drop for Here {
    fn drop(&mut self) {
        self.notices.audience().leave(&self.user, self.place);
    }
}
