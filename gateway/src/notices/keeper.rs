//! What waits for users who are away. [`Memory`] holds it as long as the process lives; a store takes its place by the same
//! calls.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::Value;
use thiserror::Error;

/// Notifications of one user. One that is away for a month needs no more to know that something happened.
const MAX_PER_USER: usize = 100;

/// Bytes of all of them together, text and payloads.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What one takes beside its text.
const OVERHEAD: usize = 200;

/// A notification that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The event's name.
    pub event: String,
    /// What it says.
    pub payload: Value,
    /// When it was said.
    pub at: SystemTime,
    /// From then on nobody wants to know.
    pub until: SystemTime,
}

/// Why one isn't kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeepError {
    /// The user, or everybody together, has as many as may be.
    #[error("as many notifications wait as may")]
    Full,
    /// What keeps them doesn't answer.
    #[error("notifications can't be kept at the moment")]
    Unavailable,
}

/// An answer of a keeper's.
pub type KeepFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps notifications, in the order in which they came, and gives each away once.
pub trait Keeper: Send + Sync {
    /// Keeps one for a user. When it answers, it is kept.
    fn keep(&self, user: String, kept: Kept) -> KeepFuture<'_, Result<(), KeepError>>;
    /// Gives away what waits for a user and isn't out of date.
    fn take(&self, user: String, now: SystemTime) -> KeepFuture<'_, Vec<Kept>>;
    /// Whether it may be worth asking: `false` only where nothing waits.
    fn has(&self, user: &str) -> bool;
}

/// Keeps in memory.
#[derive(Default)]
pub struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    users: HashMap<String, Vec<(usize, Kept)>>,
    bytes: usize,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper for Memory {
    fn keep(&self, user: String, kept: Kept) -> KeepFuture<'_, Result<(), KeepError>> {
        Box::pin(ready(self.state().keep(user, kept)))
    }

    fn take(&self, user: String, now: SystemTime) -> KeepFuture<'_, Vec<Kept>> {
        let mut state = self.state();
        let waiting = state.users.remove(&user).unwrap_or_default();
        state.bytes -= waiting.iter().map(|(size, _)| size).sum::<usize>();
        let fresh = waiting.into_iter().map(|(_, kept)| kept).filter(|kept| kept.until > now).collect();
        Box::pin(ready(fresh))
    }

    fn has(&self, user: &str) -> bool {
        self.state().users.contains_key(user)
    }
}

impl State {
    fn keep(&mut self, user: String, kept: Kept) -> Result<(), KeepError> {
        let size = OVERHEAD + user.len() + kept.event.len() + kept.payload.to_string().len();
        let full = |state: &Self| {
            state.bytes + size > MAX_BYTES
                || state.users.get(&user).is_some_and(|waiting| waiting.len() >= MAX_PER_USER)
        };
        if full(self) {
            self.forget_old(kept.at);
        }
        if full(self) {
            return Err(KeepError::Full);
        }
        self.bytes += size;
        self.users.entry(user).or_default().push((size, kept));
        Ok(())
    }

    fn forget_old(&mut self, now: SystemTime) {
        for waiting in self.users.values_mut() {
            waiting.retain(|(_, kept)| kept.until > now);
        }
        self.users.retain(|_, waiting| !waiting.is_empty());
        self.bytes = self.users.values().flatten().map(|(size, _)| size).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use serde_json::json;

    use super::*;

    fn kept(text: &str, at: SystemTime, seconds: u64) -> Kept {
        Kept { event: text.into(), payload: json!({}), at, until: at + Duration::from_secs(seconds) }
    }

    fn keep(memory: &Memory, user: &str, kept: Kept) -> Result<(), KeepError> {
        memory.keep(user.into(), kept).now_or_never().unwrap()
    }

    fn take(memory: &Memory, user: &str, now: SystemTime) -> Vec<String> {
        memory.take(user.into(), now).now_or_never().unwrap().into_iter().map(|kept| kept.event).collect()
    }

    #[test]
    fn what_waits_is_given_away_once_in_order_unless_it_is_out_of_date() {
        let (memory, now) = (Memory::default(), SystemTime::now());
        for (text, seconds) in [("one", 60), ("old", 1), ("two", 60)] {
            keep(&memory, "alice", kept(text, now, seconds)).unwrap();
        }
        keep(&memory, "bob", kept("his", now, 60)).unwrap();
        assert!(memory.has("alice") && !memory.has("carol"));
        let later = now + Duration::from_secs(2);
        assert_eq!(take(&memory, "alice", later), ["one", "two"]);
        assert!(take(&memory, "alice", later).is_empty());
        assert_eq!(take(&memory, "bob", later), ["his"]);
        assert_eq!(memory.state().bytes, 0);
    }

    #[test]
    fn it_is_bounded_and_what_is_out_of_date_makes_room() {
        let (memory, now) = (Memory::default(), SystemTime::now());
        keep(&memory, "alice", kept("short", now, 1)).unwrap();
        for _ in 1..MAX_PER_USER {
            keep(&memory, "alice", kept("long", now, 60)).unwrap();
        }
        assert_eq!(keep(&memory, "alice", kept("more", now, 60)), Err(KeepError::Full));
        let later = now + Duration::from_secs(2);
        assert_eq!(keep(&memory, "alice", kept("more", later, 60)), Ok(()));
        assert_eq!(take(&memory, "alice", later).len(), MAX_PER_USER);
    }
}
