//! The development identity over weeks.

use std::{fs, path::Path, thread};

use suara_certs::{CertStore, Change};

use crate::support::{DAY, connect, in_use, start};

fn development(dir: &Path) -> CertStore {
    CertStore::development(dir, start()).unwrap()
}

#[test]
fn a_restart_serves_the_same_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let first = development(dir.path()).fingerprints();
    assert_eq!(CertStore::development(dir.path(), start() + DAY).unwrap().fingerprints(), first);
}

#[test]
fn after_a_renewal_new_handshakes_use_the_new_certificate_on_the_old_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let store = development(dir.path());
    let old = in_use(&store);
    let clone = store.clone();

    assert_eq!(store.tick(start() + 11 * DAY).unwrap(), Change::Announced);
    let switched = start() + 12 * DAY;
    assert_eq!(store.tick(switched).unwrap(), Change::Renewed);

    assert_ne!(in_use(&store), old);
    assert_eq!(connect(&clone, store.fingerprints(), switched), Ok(in_use(&store)));
    assert!(connect(&clone, [old], switched).is_err());
}

#[test]
fn a_renewal_moves_the_expiry_that_a_metric_shows() {
    let dir = tempfile::tempdir().unwrap();
    let store = development(dir.path());
    let before = store.not_after();
    assert!(before <= start() + 13 * DAY);

    assert_eq!(store.tick(start() + 11 * DAY).unwrap(), Change::Announced);
    assert_eq!(store.not_after(), before);
    assert_eq!(store.tick(start() + 12 * DAY).unwrap(), Change::Renewed);
    assert!(store.not_after() > start() + 23 * DAY);
}

#[test]
fn a_restart_during_the_overlap_forgets_neither_hash() {
    let dir = tempfile::tempdir().unwrap();
    let store = development(dir.path());
    for (days, change) in [(11, Change::Announced), (12, Change::Renewed)] {
        assert_eq!(store.tick(start() + days * DAY).unwrap(), change);
        let restarted = CertStore::development(dir.path(), start() + days * DAY).unwrap();
        assert_eq!(restarted.fingerprints(), store.fingerprints());
    }
}

#[test]
fn after_months_switched_off_it_starts_anew() {
    let dir = tempfile::tempdir().unwrap();
    let old = in_use(&development(dir.path()));
    let later = start() + 100 * DAY;

    let store = CertStore::development(dir.path(), later).unwrap();

    assert_ne!(in_use(&store), old);
    assert_eq!(store.fingerprints().len(), 1, "the expired one is listed no more");
    assert!(connect(&store, store.fingerprints(), later).is_ok());
}

#[test]
fn a_damaged_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let old = in_use(&development(dir.path()));
    fs::write(dir.path().join("current.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    fs::write(dir.path().join("next.pem"), [0xff; 100]).unwrap();
    fs::write(dir.path().join("retired.pem"), "").unwrap();

    let store = development(dir.path());

    assert_ne!(in_use(&store), old);
    assert_eq!(connect(&store, store.fingerprints(), start()), Ok(in_use(&store)));
    assert_eq!(development(dir.path()).fingerprints(), store.fingerprints(), "it was repaired on disk");
}

#[test]
fn a_directory_deleted_under_a_running_process_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path().join("certs");
    let store = development(&certs);
    fs::remove_dir_all(&certs).unwrap();

    assert_eq!(store.tick(start()).unwrap(), Change::Renewed);
    assert_eq!(development(&certs).fingerprints(), store.fingerprints());
}

#[test]
fn a_failed_tick_leaves_what_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path().join("certs");
    let store = development(&certs);
    let before = store.fingerprints();
    fs::remove_dir_all(&certs).unwrap();
    fs::write(&certs, "a file in its place").unwrap();

    let error = store.tick(start() + 12 * DAY).unwrap_err();

    assert!(error.to_string().contains("certs"), "{error}");
    assert_eq!(store.fingerprints(), before);
    assert_eq!(connect(&store, before.clone(), start()), Ok(before[0]));
}

#[test]
fn processes_that_start_at_once_serve_the_same_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let listed: Vec<_> = thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| development(dir.path()).fingerprints())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(listed.iter().all(|fingerprints| *fingerprints == listed[0]), "{listed:?}");
}

#[test]
fn what_one_process_renews_another_on_the_directory_follows() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (development(dir.path()), development(dir.path()));
    for (days, change) in [(11, Change::Announced), (12, Change::Renewed), (13, Change::Forgotten)] {
        let now = start() + days * DAY;
        assert_eq!(one.tick(now).unwrap(), change);
        assert_eq!(other.tick(now).unwrap(), change);
        assert_eq!(one.fingerprints(), other.fingerprints());
    }
}
