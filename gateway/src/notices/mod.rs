//! Notifications: a bridge hears a back end's broadcast and says it here (`notify`); clients of `suara/1` get it on their
//! control stream, and what is meant for a user who is away is kept for its next log-in, where that was asked.
//!
//! A bridge delivers to its own sockets itself. Knows users, roles and outboxes; no channel but by name, no token.

mod audience;
mod copies;
mod given;
mod keeper;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use suara_proto::MemberRef;
use suara_proto::message::{ServerMessage, encode};
use suara_store::{Notice, Store, StoreError};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};

use crate::session::{Outbox, SessionId};
use crate::words::{Answer, Question, Word, Words};
use audience::{Audience, Place};
use copies::Copies;
use given::{Given, copy_id, own_id};
pub use keeper::Keeping;

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
    given: Given,
    store: Store,
    asking: Semaphore,
    keeper: mpsc::Sender<Keeping>,
    words: Words,
}

/// A user's being here by one session or one member of a trunk; over when it is dropped.
pub struct Here {
    notices: Arc<Notices>,
    user: Arc<str>,
    place: u64,
}

impl Notices {
    /// With nobody here yet, and what `store` has kept; `words` ask other nodes. To be called within a runtime.
    #[must_use]
    pub fn start(store: Store, words: Words) -> Arc<Self> {
        let (keeper, waiting) = mpsc::channel(keeper::MAX_WAITING);
        let (audience, copies, asking) = (Mutex::default(), Mutex::default(), Semaphore::new(ASKING));
        let given = Given::default();
        let notices = Arc::new(Self { audience, copies, given, store, asking, keeper, words });
        tokio::spawn(keeper::run(Arc::downgrade(&notices), waiting));
        notices
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

    /// The id of a message that several bridges hear, where it is heard of for the first time. All that listen to one Redis say
    /// what they hear: the n-th copy from one of them is the n-th message.
    pub fn is_new(&self, copy: &str, from: SessionId, now: Duration) -> Option<String> {
        let times = self.copies.lock().unwrap_or_else(PoisonError::into_inner).is_new(copy, from, now);
        times.map(|times| copy_id(copy, times))
    }

    /// An id that no other message has.
    #[must_use]
    pub fn id(&self) -> String {
        own_id()
    }

    /// Tells a user's sessions, unless that was done here; says how many. Where the user is here by a trunk alone, the trunk tells
    /// it.
    pub fn tell_once(&self, id: &str, user: &str, event: &str, payload: &Value) -> usize {
        if self.given.has(id) {
            return 0;
        }
        if self.is_here(user) {
            self.given.note(id);
        }
        self.tell(To::User(user), event, payload)
    }

    /// Tells all that it is for, unless that was done here.
    pub fn tell_all_once(&self, id: &str, to: To<'_>, event: &str, payload: &Value) {
        if self.is_first(id) {
            self.tell(to, event, payload);
        }
    }

    /// Whether a message comes for the first time; from now on it has come.
    pub fn is_first(&self, id: &str) -> bool {
        let is_first = !self.given.has(id);
        self.given.note(id);
        is_first
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

    /// Whether a user is at this node, by whatever client.
    #[must_use]
    pub fn is_here(&self, user: &str) -> bool {
        self.audience().newest(user).is_some()
    }

    /// Keeps a notification for a user who isn't at this node, unless it is at another; in the order in which this is asked for.
    /// What comes of it goes to `keeping.done`.
    pub fn keep_if_away(&self, keeping: Keeping) {
        if let Err(refused) = self.keeper.try_send(keeping) {
            (refused.into_inner().done)(Err(KeepError::Unavailable));
        }
    }

    async fn keep(&self, keeping: &Keeping) -> Result<bool, KeepError> {
        let Keeping { user, event, payload, time, id, is_copy, .. } = keeping;
        let (user, event, payload) = (user.clone(), event.clone(), payload.to_string());
        let question = if *is_copy {
            // Told by that node's own bridges.
            Question::Here { user }
        } else {
            Question::Notify { user, event: event.clone(), payload: payload.clone(), id: id.clone() }
        };
        let yes = |answer: &Answer| *answer == Answer::Is(true);
        if self.words.ask(question, yes).await.iter().any(|(_, answer)| yes(answer)) {
            return Ok(false);
        }
        let (at, user) = (unix_ms(), &keeping.user);
        let expires_at = at.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let notice = Notice { id: id.clone(), event, payload, at, expires_at };
        let kept = match is_copy {
            true => self.store.keep_once(user, &notice, id).await,
            false => self.store.keep(user, &notice).await,
        };
        kept.map_err(|error| match error {
            StoreError::Full => KeepError::Full,
            _ => KeepError::Unavailable,
        })?;
        // It may have come in meanwhile.
        if self.is_here(user) {
            self.hand_over(user).await;
        }
        self.words.say(&Word::Kept { user: user.clone(), id: id.clone() });
        Ok(true)
    }

    /// Whether what another node has kept is to be taken: it is for a user who is here, or this node has told it, for who was asked
    /// to, and was slow, has done it after all.
    #[must_use]
    pub fn takes(&self, user: &str, id: &str) -> bool {
        self.is_here(user) || self.given.has(id)
    }

    /// Hands what was kept for a user to the newest of its places, once. While the store is away it waits on, for the next
    /// log-in.
    pub async fn hand_over(&self, user: &str) {
        for notice in self.take(user).await {
            let told = match (self.audience().newest(user), serde_json::from_str(&notice.payload)) {
                _ if self.given.has(&notice.id) => true,
                (Some(Place { outbox, member, .. }), Ok(payload)) => {
                    self.given.note(&notice.id);
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
