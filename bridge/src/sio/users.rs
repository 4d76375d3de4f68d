//! What one user may take of the bridge, however many sockets it comes with: the way to the gateway is everybody's.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Sockets that a user may have at a time: some phones and tabs, each in both namespaces, and those of a lost network
/// that the pings haven't found yet. Higher multiplies what one user can ask for and be sent; lower refuses a user whose
/// network comes and goes.
const MAX_SOCKETS: usize = 32;

/// Requests that a user may make a second, and at once, of the eight hundred a second that the trunk carries for
/// everybody. Lower would refuse one that joins its channels on several phones at a time.
const REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();
const REQUESTS_AT_ONCE: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Users whose rate is remembered beyond those who are there. They are looked through when there are more.
const MAX_REMEMBERED: usize = 1024;

/// Everybody who is there.
#[derive(Clone)]
pub(super) struct Users(Arc<Table>);

struct Table {
    sockets: Mutex<HashMap<Arc<str>, usize>>,
    rate: DefaultKeyedRateLimiter<Arc<str>>,
}

/// One socket's share, until it is dropped.
pub(crate) struct Share {
    table: Arc<Table>,
    user: Arc<str>,
}

impl Default for Users {
    fn default() -> Self {
        let quota = Quota::per_second(REQUESTS_PER_SECOND).allow_burst(REQUESTS_AT_ONCE);
        Self(Arc::new(Table { sockets: Mutex::default(), rate: RateLimiter::keyed(quota) }))
    }
}

impl Users {
    /// Another socket of `user`'s, or `None` where it has as many as it may.
    pub(super) fn enter(&self, user: &Arc<str>) -> Option<Share> {
        let mut sockets = self.0.lock();
        let count = sockets.entry(Arc::clone(user)).or_default();
        if *count >= MAX_SOCKETS {
            return None;
        }
        *count += 1;
        Some(Share { table: Arc::clone(&self.0), user: Arc::clone(user) })
    }
}

impl Table {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Whether the user may make a request now.
    pub(crate) fn may_ask(&self) -> bool {
        self.table.rate.check_key(&self.user).is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut sockets = self.table.lock();
        if let Some(count) = sockets.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                sockets.remove(&self.user);
            }
        }
        if self.table.rate.len() > sockets.len() + MAX_REMEMBERED {
            self.table.rate.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_sockets_and_no_more() {
        let (users, alice) = (Users::default(), Arc::from("alice"));
        let mut held: Vec<_> = (0..MAX_SOCKETS).map(|_| users.enter(&alice).unwrap()).collect();
        assert!(users.enter(&alice).is_none());
        assert!(users.enter(&Arc::from("bob")).is_some(), "others aren't concerned");
        held.pop();
        assert!(users.enter(&alice).is_some());
        held.clear();
        assert!(users.0.lock().is_empty());
    }

    #[test]
    fn the_rate_is_the_users_and_outlives_its_sockets() {
        let (users, alice) = (Users::default(), Arc::from("alice"));
        let (first, second) = (users.enter(&alice).unwrap(), users.enter(&alice).unwrap());
        let passed = (0..100).filter(|n| if n % 2 == 0 { first.may_ask() } else { second.may_ask() }).count();
        assert!((60..65).contains(&passed), "{passed}");
        drop((first, second));
        assert!(!(0..3).all(|_| users.enter(&alice).unwrap().may_ask()));
    }
}
