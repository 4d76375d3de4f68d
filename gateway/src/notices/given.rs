//! What users were told here, by the notifications' ids. Who is asked to tell something may be slow, and do it after all when
//! somebody else has kept it already: it is told once, whichever comes first.

use std::time::Duration;

use moka::sync::Cache;

/// So long what a message is made of names it: the same said again half a minute later may have the same name.
const COPIES_FOR: Duration = Duration::from_secs(20);
/// So long an id that nobody else has is remembered: a user who comes back within it isn't told again.
const OWN_FOR: Duration = Duration::from_secs(600);
/// Ids of either kind that are remembered: a second of the fastest trunk, and minutes of a busy back end, in some megabytes.
const MAX_REMEMBERED: u64 = 20_000;

/// A notification's id, by which it is known at all nodes.
pub(super) fn own_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The id of one that several nodes' bridges hear: what it was made of, and which time it was sent.
pub(super) fn copy_id(copy: &str, times: u64) -> String {
    format!("{copy}#{times}")
}

/// Ids of what was told here.
pub(super) struct Given {
    copies: Cache<String, ()>,
    own: Cache<String, ()>,
}

impl Default for Given {
    fn default() -> Self {
        let [copies, own] = [COPIES_FOR, OWN_FOR]
            .map(|time| Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(time).build());
        Self { copies, own }
    }
}

impl Given {
    /// Whether it was told here. What has no id never was, as far as is known.
    pub(super) fn has(&self, id: &str) -> bool {
        !id.is_empty() && self.of(id).contains_key(id)
    }

    /// It is told here.
    pub(super) fn note(&self, id: &str) {
        if !id.is_empty() {
            self.of(id).insert(id.to_owned(), ());
        }
    }

    fn of(&self, id: &str) -> &Cache<String, ()> {
        if id.contains('#') { &self.copies } else { &self.own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_known_by_its_id_and_what_has_none_is_always_new() {
        let (given, id, copy) = (Given::default(), own_id(), copy_id("a", 1));
        assert!([&id, &copy, ""].iter().all(|id| !given.has(id)));
        ["", &id, &copy].into_iter().for_each(|id| given.note(id));
        assert!(given.has(&id) && given.has(&copy));
        assert!(!given.has("") && !given.has(&copy_id("a", 2)) && !given.has(&own_id()));
    }
}
