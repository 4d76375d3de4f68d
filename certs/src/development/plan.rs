//! What to do about the development identity now: a decision, without files.

use std::time::{Duration, SystemTime};

use crate::{issue::LIFETIME, validity::Validity};

/// What is left of the current certificate when the next one is issued and its hash listed.
///
/// Between this and [`SWITCH`] clients learn the next hash. More time would reach clients that connect more
/// rarely, but a certificate would be used for less of its short life.
const ANNOUNCE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// What is left of the current certificate when the next one takes over.
///
/// A machine that sleeps overnight still switches before the current one expires; more would cut into the
/// time that [`ANNOUNCE`] leaves for learning.
const SWITCH: Duration = Duration::from_secs(24 * 60 * 60);

const _: () = assert!(
    SWITCH.as_secs() < ANNOUNCE.as_secs() && ANNOUNCE.as_secs() < LIFETIME.as_secs(),
    "a certificate is first used, then announces its successor, then gives way to it"
);

/// One step; after any of them there is a usable current identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing is to be done.
    Keep,
    /// There is nothing usable: issue an identity and use it at once.
    IssueCurrent,
    /// Issue an identity to be used later.
    IssueNext,
    /// Use the next identity from now on, and retire the current one if there is one.
    Promote,
}

/// Decides by when the identities at hand are valid.
pub(super) fn plan(now: SystemTime, current: Option<Validity>, next: Option<Validity>) -> Action {
    let usable = |validity: &Validity| validity.contains(now);
    match (current.filter(usable), next.filter(usable)) {
        (None, None) => Action::IssueCurrent,
        (None, Some(_)) => Action::Promote,
        (Some(current), next) => {
            let left = current.left(now);
            let successor = next.filter(|next| next.not_after > current.not_after);
            match successor {
                None if left < ANNOUNCE => Action::IssueNext,
                Some(_) if left < SWITCH => Action::Promote,
                _ => Action::Keep,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn now() -> SystemTime {
        UNIX_EPOCH + 20_000 * DAY
    }

    /// A certificate that has this much left now.
    fn with_left(left: Duration) -> Option<Validity> {
        let not_after = now() + left;
        Some(Validity { not_before: not_after - LIFETIME, not_after })
    }

    fn expired() -> Option<Validity> {
        let not_after = now() - SECOND;
        Some(Validity { not_before: not_after - LIFETIME, not_after })
    }

    #[test]
    fn the_first_start_issues_the_current_identity() {
        assert_eq!(plan(now(), None, None), Action::IssueCurrent);
    }

    #[test]
    fn a_fresh_identity_is_kept() {
        assert_eq!(plan(now(), with_left(12 * DAY), None), Action::Keep);
        assert_eq!(plan(now(), with_left(3 * DAY), None), Action::Keep);
    }

    #[test]
    fn with_less_than_three_days_left_the_next_is_issued() {
        assert_eq!(plan(now(), with_left(3 * DAY - SECOND), None), Action::IssueNext);
        assert_eq!(plan(now(), with_left(Duration::ZERO), None), Action::IssueNext);
    }

    #[test]
    fn the_next_waits_until_less_than_a_day_is_left() {
        let next = with_left(12 * DAY);
        assert_eq!(plan(now(), with_left(2 * DAY), next), Action::Keep);
        assert_eq!(plan(now(), with_left(DAY), next), Action::Keep);
        assert_eq!(plan(now(), with_left(DAY - SECOND), next), Action::Promote);
    }

    #[test]
    fn after_a_long_sleep_the_next_is_used_rather_than_a_hash_nobody_was_told() {
        assert_eq!(plan(now(), expired(), with_left(DAY)), Action::Promote);
        assert_eq!(plan(now(), None, with_left(DAY)), Action::Promote);
    }

    #[test]
    fn when_both_have_expired_everything_starts_anew() {
        assert_eq!(plan(now(), expired(), expired()), Action::IssueCurrent);
    }

    #[test]
    fn an_expired_next_is_replaced() {
        assert_eq!(plan(now(), with_left(2 * DAY), expired()), Action::IssueNext);
    }

    #[test]
    fn a_next_that_does_not_outlive_the_current_is_replaced() {
        assert_eq!(plan(now(), with_left(2 * DAY), with_left(2 * DAY)), Action::IssueNext);
    }

    #[test]
    fn an_identity_from_the_future_is_not_used() {
        let from_future = with_left(LIFETIME + DAY);
        assert_eq!(plan(now(), from_future, None), Action::IssueCurrent);
        assert_eq!(plan(now(), with_left(2 * DAY), from_future), Action::IssueNext);
    }
}
