//! Users who were thrown out for a while: their tokens name nobody until then.
//!
//! What counts is in memory, so that log-ins don't wait for the store; the store brings bans over a restart, and to nodes that
//! missed the word of one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use suara_store::Store;
use tokio::sync::OnceCell;

/// The longest ban. Who is to be kept out for good gets no token.
pub const MAX_BAN: Duration = Duration::from_secs(30 * 24 * 3600);

/// Bans at a time; more are an issuer's business.
const MAX_BANS: u32 = 10_000;

/// How often the store is read anew because bans came while it was.
const READS: usize = 3;

/// Everybody who is banned.
pub struct Bans {
    store: Store,
    loaded: OnceCell<()>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    until: HashMap<Arc<str>, Ban>,
    /// How often it was changed, so that what was read of the store meanwhile isn't believed.
    changes: u64,
}

#[derive(Clone, Copy)]
struct Ban {
    /// In milliseconds since 1970.
    until: u64,
    /// Known to be in the store: once it isn't any more, it is lifted. Others hold until they end.
    stored: bool,
}

impl Bans {
    pub(super) fn new(store: Store) -> Self {
        Self { store, loaded: OnceCell::new(), known: Mutex::default() }
    }

    /// Keeps a user out for so long, and says until when, in milliseconds since 1970; nothing, when there are as many bans as
    /// may be. [`Self::write`] makes it last.
    pub async fn ban(&self, user: &str, time: Duration) -> Option<u64> {
        self.load().await;
        let until =
            unix_ms().saturating_add(u64::try_from(time.min(MAX_BAN).as_millis()).unwrap_or(u64::MAX));
        self.known().put(user, Ban { until, stored: false }).then_some(until)
    }

    /// Writes a ban down. Says whether it outlives the gateway now; while the store is away that takes a while to know.
    pub async fn write(&self, user: &str, until: u64) -> bool {
        let stored = self.store.ban(user, until).await;
        match &stored {
            Ok(()) => self.is_stored(user, until),
            Err(error) => tracing::warn!(%error, "a ban holds as long as the gateway runs"),
        }
        stored.is_ok()
    }

    /// Lets a user in again. Says whether that outlives the gateway.
    pub async fn lift(&self, user: &str) -> bool {
        self.load().await;
        self.is_lifted(user);
        let written = self.store.ban(user, 0).await.is_ok();
        // What was read of the store while that was written may have the ban still.
        self.is_lifted(user);
        written
    }

    /// Another node keeps a user out, and has yet to write that down.
    pub fn is_told(&self, user: &str, until: u64) {
        let mut known = self.known();
        if known.until.get(user).is_none_or(|ban| ban.until != until) {
            known.put(user, Ban { until: until.min(latest()), stored: false });
        }
    }

    /// A ban is in the store. One that was lifted meanwhile stays lifted.
    pub fn is_stored(&self, user: &str, until: u64) {
        let mut known = self.known();
        known.changes += 1;
        match known.until.get_mut(user) {
            Some(ban) if ban.until == until.min(latest()) => ban.stored = true,
            Some(_) => {}
            None => drop(known.put(user, Ban { until: until.min(latest()), stored: true })),
        }
    }

    /// A ban is lifted.
    pub fn is_lifted(&self, user: &str) {
        let mut known = self.known();
        known.changes += 1;
        known.until.remove(user);
    }

    /// Until when a user is kept out, in milliseconds since 1970.
    #[must_use]
    pub fn holds(&self, user: &str) -> Option<u64> {
        self.known().until.get(user).map(|ban| ban.until).filter(|until| *until > unix_ms())
    }

    /// Learns what the store knows, once. While that is away, what is in memory counts.
    pub(super) async fn load(&self) {
        if self.loaded.initialized() || !self.store.is_up() {
            return;
        }
        let load = async || {
            let stored = self.store.bans(MAX_BANS).await?;
            let mut known = self.known();
            for (user, until) in stored {
                known.until.entry(user.into()).or_insert(Ban { until, stored: true });
            }
            Ok::<_, suara_store::StoreError>(())
        };
        if let Err(error) = self.loaded.get_or_try_init(load).await {
            tracing::warn!(%error, "bans from before are not known yet");
        }
    }

    /// Reads the store again: what other nodes have written there counts here from now on, whoever was told of it. Gives the
    /// users that weren't known to be banned.
    pub async fn read_again(&self) -> Vec<String> {
        if !self.store.is_up() {
            return Vec::new();
        }
        for _ in 0..READS {
            let changes = self.known().changes;
            match self.store.bans(MAX_BANS).await {
                Ok(stored) => {
                    if let Some(new) = self.known().take(changes, stored) {
                        return new;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "bans are read again later");
                    return Vec::new();
                }
            }
        }
        Vec::new()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// `false` when there are as many as may be.
    fn put(&mut self, user: &str, ban: Ban) -> bool {
        self.changes += 1;
        if self.until.len() >= MAX_BANS as usize {
            let now = unix_ms();
            self.until.retain(|_, ban| ban.until > now);
        }
        if self.until.len() >= MAX_BANS as usize && !self.until.contains_key(user) {
            return false;
        }
        self.until.insert(user.into(), ban);
        true
    }

    /// Takes what the store has for the truth, unless something has changed since it was asked.
    fn take(&mut self, changes: u64, stored: Vec<(String, u64)>) -> Option<Vec<String>> {
        if self.changes != changes {
            return None;
        }
        let before = std::mem::take(&mut self.until);
        let new = stored.iter().filter(|(user, _)| !before.contains_key(&**user));
        let new = new.map(|(user, _)| user.clone()).collect();
        // When there are more than are read, the store says of none that it isn't there.
        let all = stored.len() < MAX_BANS as usize;
        self.until = before.into_iter().filter(|(_, ban)| !ban.stored || !all).collect();
        self.until.extend(stored.into_iter().map(|(user, until)| (user.into(), Ban { until, stored: true })));
        Some(new)
    }
}

fn latest() -> u64 {
    unix_ms().saturating_add(u64::try_from(MAX_BAN.as_millis()).unwrap_or(u64::MAX))
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> u64 {
        unix_ms() + 60_000
    }

    fn users(known: &Known) -> Vec<&str> {
        let mut users: Vec<_> = known.until.keys().map(|user| &**user).collect();
        users.sort_unstable();
        users
    }

    #[test]
    fn what_the_store_has_lost_is_lifted_and_what_it_never_had_holds() {
        let mut known = Known::default();
        known.put("written", Ban { until: soon(), stored: true });
        known.put("unwritten", Ban { until: soon(), stored: false });
        let new = known.take(known.changes, vec![("another".to_owned(), soon())]);
        assert_eq!(new, Some(vec!["another".to_owned()]));
        assert_eq!(users(&known), ["another", "unwritten"]);
        let new = known.take(known.changes, vec![("unwritten".to_owned(), soon())]);
        assert_eq!((new, users(&known)), (Some(vec![]), vec!["unwritten"]));
        assert_eq!(known.take(known.changes, vec![]), Some(vec![]));
        assert!(users(&known).is_empty(), "it was in the store, and is not any more");
    }

    #[test]
    fn what_was_read_before_a_change_is_not_believed() {
        let mut known = Known::default();
        let changes = known.changes;
        known.put("eve", Ban { until: soon(), stored: true });
        assert_eq!(known.take(changes, vec![]), None);
        assert_eq!(users(&known), ["eve"]);
    }

    #[tokio::test]
    async fn a_word_of_a_ban_keeps_out_until_a_word_lifts_it() {
        let dir = tempfile::tempdir().unwrap();
        let url = suara_store::file_url(&dir.path().join("suara.db")).unwrap();
        let bans = Bans::new(Store::open(&url).await.unwrap());
        let until = soon();
        bans.is_told("eve", until);
        assert_eq!(bans.holds("eve"), Some(until));
        assert!(bans.read_again().await.is_empty() && bans.holds("eve").is_some(), "it is yet to be written");
        bans.is_stored("eve", until);
        assert!(bans.read_again().await.is_empty() && bans.holds("eve").is_none(), "the store knows better");
        bans.is_stored("eve", until);
        bans.is_lifted("eve");
        assert_eq!(bans.holds("eve"), None);
        bans.is_told("mal", u64::MAX);
        assert!(bans.holds("mal").unwrap() <= latest(), "no word bans for longer than may be");
    }
}
