//! Clients learn a hash before it is used.

use std::time::Duration;

use suara_certs::{CertStore, Change};

use crate::support::{DAY, HOUR, connect, in_use, start};

#[test]
fn during_the_overlap_both_hashes_are_listed_with_that_in_use_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();
    let old = in_use(&store);

    assert_eq!(store.tick(start() + 9 * DAY).unwrap(), Change::Unchanged);
    assert_eq!(store.fingerprints(), [old]);

    assert_eq!(store.tick(start() + 10 * DAY).unwrap(), Change::Announced);
    let [first, new] = store.fingerprints()[..] else { panic!("{store:?}") };
    assert_eq!(first, old);

    assert_eq!(store.tick(start() + 12 * DAY).unwrap(), Change::Renewed);
    assert_eq!(store.fingerprints(), [new, old]);

    assert_eq!(store.tick(start() + 13 * DAY).unwrap(), Change::Forgotten);
    assert_eq!(store.fingerprints(), [new]);
}

#[test]
fn a_client_told_of_both_hashes_connects_before_and_after_the_switch() {
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();
    let announced = start() + 11 * DAY;
    assert_eq!(store.tick(announced).unwrap(), Change::Announced);
    let told = store.fingerprints();
    assert_eq!(connect(&store, told.clone(), announced), Ok(told[0]));

    let switched = start() + 12 * DAY;
    assert_eq!(store.tick(switched).unwrap(), Change::Renewed);
    assert_eq!(connect(&store, told.clone(), switched), Ok(told[1]));
}

#[test]
fn over_half_a_year_every_certificate_was_known_for_a_day_and_expired_never() {
    const STEP: Duration = HOUR;
    let dir = tempfile::tempdir().unwrap();
    let store = CertStore::development(dir.path(), start()).unwrap();
    let mut told_a_day_ago = vec![store.fingerprints(); 24];
    let mut renewals = 0;
    for step in 1..=24 * 180 {
        let now = start() + step * STEP;
        renewals += u32::from(store.tick(now).unwrap() == Change::Renewed);

        assert!(store.not_after() > now, "expired in step {step}");
        let oldest = told_a_day_ago.remove(0);
        assert!(oldest.contains(&in_use(&store)), "a stranger in step {step}");
        assert!((1..=3).contains(&store.fingerprints().len()), "{store:?}");
        told_a_day_ago.push(store.fingerprints());
    }
    assert!((14..=18).contains(&renewals), "{renewals} renewals");
}
