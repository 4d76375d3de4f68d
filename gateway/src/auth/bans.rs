//! Users who were thrown out for a while: their tokens name nobody until then.
//!
//! What counts is in memory, so that log-ins don't wait for the store; the store brings bans over a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use suara_store::Store;
use tokio::sync::OnceCell;

/// The longest ban. Who is to be kept out for good gets no token.
pub const MAX_BAN: Duration = Duration::from_secs(30 * 24 * 3600);

/// Bans at a time; more are an issuer's business.
const MAX_BANS: u32 = 10_000;

/// Everybody who is banned.
pub struct Bans {
    store: Store,
    loaded: OnceCell<()>,
    until: Mutex<HashMap<Arc<str>, u64>>,
}

impl Bans {
    pub(super) fn new(store: Store) -> Self {
        Self { store, loaded: OnceCell::new(), until: Mutex::default() }
    }

    /// Keeps a user out for so long, and says until when, in milliseconds since 1970; nothing, when there are as many bans as
    /// may be. [`Self::write`] makes it last.
    pub async fn ban(&self, user: &str, time: Duration) -> Option<u64> {
        self.load().await;
        let now = unix_ms();
        let until = now.saturating_add(u64::try_from(time.min(MAX_BAN).as_millis()).unwrap_or(u64::MAX));
        let mut bans = self.until();
        if bans.len() >= MAX_BANS as usize {
            bans.retain(|_, until| *until > now);
        }
        if bans.len() >= MAX_BANS as usize && !bans.contains_key(user) {
            return None;
        }
        bans.insert(user.into(), until);
        Some(until)
    }

    /// Writes a ban down. Says whether it outlives the gateway now; while the store is away that takes a while to know.
    pub async fn write(&self, user: &str, until: u64) -> bool {
        let stored = self.store.ban(user, until).await;
        if let Err(error) = &stored {
            tracing::warn!(%error, "a ban holds as long as the gateway runs");
        }
        stored.is_ok()
    }

    /// Lets a user in again. Says whether that outlives the gateway.
    pub async fn lift(&self, user: &str) -> bool {
        self.load().await;
        self.until().remove(user);
        self.store.ban(user, 0).await.is_ok()
    }

    /// Until when a user is kept out, in milliseconds since 1970.
    #[must_use]
    pub fn holds(&self, user: &str) -> Option<u64> {
        self.until().get(user).copied().filter(|until| *until > unix_ms())
    }

    /// Learns what the store knows, once. While that is away, what is in memory counts.
    pub(super) async fn load(&self) {
        if self.loaded.initialized() || !self.store.is_up() {
            return;
        }
        let load = async || {
            let stored = self.store.bans(MAX_BANS).await?;
            let mut bans = self.until();
            for (user, until) in stored {
                bans.entry(user.into()).or_insert(until);
            }
            Ok::<_, suara_store::StoreError>(())
        };
        if let Err(error) = self.loaded.get_or_try_init(load).await {
            tracing::warn!(%error, "bans from before are not known yet");
        }
    }

    fn until(&self) -> MutexGuard<'_, HashMap<Arc<str>, u64>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
