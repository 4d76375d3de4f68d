//! Production PEM files that change under a running process.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use suara_certs::{CertError, CertStore, Change, Fingerprint, Identity, OutsideValidity};

use crate::support::{DAY, connect, in_use, start};

/// A certificate file and a key file, as an administrator has them.
struct Files {
    _dir: tempfile::TempDir,
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(issued: SystemTime) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Self { cert: dir.path().join("tls.crt"), key: dir.path().join("tls.key"), _dir: dir };
        files.renew(issued);
        files
    }

    fn renew(&self, issued: SystemTime) -> Fingerprint {
        let identity = issue_into(&self.cert, issued);
        fs::copy(&self.cert, &self.key).unwrap();
        identity.fingerprint()
    }

    fn store(&self) -> CertStore {
        CertStore::from_pem(self.cert.clone(), self.key.clone(), start()).unwrap()
    }
}

fn issue_into(path: &Path, issued: SystemTime) -> Identity {
    let identity = suara_certs::issue(issued).unwrap();
    identity.store(path).unwrap();
    identity
}

#[test]
fn files_that_stay_the_same_change_nothing() {
    let files = Files::new(start());
    let store = files.store();
    assert!(!store.is_development());
    assert_eq!(store.tick(start()).unwrap(), Change::Unchanged);
    assert_eq!(connect(&store, store.fingerprints(), start()), Ok(in_use(&store)));
}

#[test]
fn changed_files_are_reloaded() {
    let files = Files::new(start());
    let store = files.store();
    let renewed = files.renew(start() + DAY);

    assert_eq!(store.tick(start() + DAY).unwrap(), Change::Reloaded);

    assert_eq!(store.fingerprints(), [renewed]);
    assert_eq!(connect(&store, [renewed], start() + DAY), Ok(renewed));
    assert_eq!(store.tick(start() + DAY).unwrap(), Change::Unchanged);
}

#[cfg(unix)]
#[test]
fn a_swapped_symbolic_link_is_a_change_as_kubernetes_makes_it() {
    use std::os::unix::fs::symlink;

    let dir = tempfile::tempdir().unwrap();
    let volume = dir.path();
    issue_into(&volume.join("..2026_01/tls.pem"), start());
    symlink("..2026_01", volume.join("..data")).unwrap();
    symlink("..data/tls.pem", volume.join("tls.pem")).unwrap();
    let path = volume.join("tls.pem");
    let store = CertStore::from_pem(path.clone(), path, start()).unwrap();

    let renewed = issue_into(&volume.join("..2026_02/tls.pem"), start());
    symlink("..2026_02", volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    fs::remove_dir_all(volume.join("..2026_01")).unwrap();

    assert_eq!(store.tick(start()).unwrap(), Change::Reloaded);
    assert_eq!(in_use(&store), renewed.fingerprint());
}

#[test]
fn a_broken_change_is_refused_once_and_the_old_certificate_goes_on() {
    let files = Files::new(start());
    let store = files.store();
    let before = store.fingerprints();
    fs::write(&files.cert, "half a certif").unwrap();

    assert_eq!(store.tick(start()).unwrap(), Change::Refused);
    assert_eq!(store.tick(start()).unwrap(), Change::Unchanged, "it was said already");
    assert_eq!(store.fingerprints(), before);
    assert_eq!(connect(&store, before.clone(), start()), Ok(before[0]));

    fs::remove_file(&files.cert).unwrap();
    assert_eq!(store.tick(start()).unwrap(), Change::Refused, "another change");

    let renewed = files.renew(start());
    assert_eq!(store.tick(start()).unwrap(), Change::Reloaded);
    assert_eq!(in_use(&store), renewed);
}

#[test]
fn a_certificate_that_comes_before_its_key_waits_for_it() {
    let files = Files::new(start());
    let store = files.store();
    let renewed = issue_into(&files.cert, start());
    assert_eq!(store.tick(start()).unwrap(), Change::Refused);

    fs::copy(&files.cert, &files.key).unwrap();

    assert_eq!(store.tick(start()).unwrap(), Change::Reloaded);
    assert_eq!(in_use(&store), renewed.fingerprint());
}

#[test]
fn a_certificate_of_the_future_is_taken_when_it_becomes_valid() {
    let files = Files::new(start());
    let store = files.store();
    let renewed = files.renew(start() + 2 * DAY);

    assert_eq!(store.tick(start()).unwrap(), Change::Refused);
    assert_eq!(store.tick(start() + DAY).unwrap(), Change::Unchanged);
    assert_eq!(store.tick(start() + 2 * DAY).unwrap(), Change::Reloaded);
    assert_eq!(in_use(&store), renewed);
}

#[test]
fn files_that_return_to_what_is_in_use_are_no_change() {
    let files = Files::new(start());
    let store = files.store();
    let content = fs::read(&files.key).unwrap();
    fs::write(&files.key, "").unwrap();
    assert_eq!(store.tick(start()).unwrap(), Change::Refused);

    fs::write(&files.key, content).unwrap();
    assert_eq!(store.tick(start()).unwrap(), Change::Unchanged);

    fs::write(&files.key, "").unwrap();
    assert_eq!(store.tick(start()).unwrap(), Change::Refused, "broken a second time, said a second time");
}

#[test]
fn a_start_with_an_expired_certificate_is_an_error_that_names_the_file() {
    let files = Files::new(start() - 20 * DAY);
    let error = CertStore::from_pem(files.cert.clone(), files.key.clone(), start()).unwrap_err();
    let CertError::OutsideValidity { path, source } = error else { panic!("{error:?}") };
    assert_eq!(path, files.cert);
    assert!(matches!(source, OutsideValidity::Expired(_)), "{source}");
}

#[test]
fn a_start_without_the_files_is_an_error_that_names_the_missing_one() {
    let files = Files::new(start());
    fs::remove_file(&files.key).unwrap();
    let error = CertStore::from_pem(files.cert.clone(), files.key.clone(), start()).unwrap_err();
    assert!(error.to_string().ends_with("tls.key"), "{error}");
}
