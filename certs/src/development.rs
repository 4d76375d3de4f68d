//! The development identity's life in a directory: issued, announced, used, retired.
//!
//! The files are the state. Every refresh reads them, takes the one step that is due, and reads them again:
//! so several processes on one directory come to the same identities, and a restart forgets nothing.

mod plan;

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustls_pki_types::CertificateDer;
use tracing::warn;

use self::plan::{Action, plan};
use crate::{
    error::{CertError, causes},
    files::{self, DirLock},
    identity::{Identity, encode_certificates},
    issue::issue,
    pem_pair,
    validity::Validity,
};

/// The certificate and key in use.
const CURRENT: &str = "current.pem";
/// The certificate and key to be used after those.
const NEXT: &str = "next.pem";
/// Certificates, without keys, that were in use and have not expired.
const RETIRED: &str = "retired.pem";

/// The directory of a development identity; nobody else's files are in it.
pub(crate) struct DevelopmentDir {
    dir: PathBuf,
}

/// What the directory holds after a refresh.
pub(crate) struct Slots {
    pub(crate) current: Identity,
    pub(crate) next: Option<Identity>,
    pub(crate) retired: Vec<CertificateDer<'static>>,
}

impl DevelopmentDir {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Brings the directory up to date and tells what is to be served.
    ///
    /// An error means that the directory cannot be used at all. A file in it that cannot be used is replaced.
    pub(crate) fn refresh(&self, now: SystemTime) -> Result<Slots, CertError> {
        files::create_private_dir(&self.dir)?;
        let _lock = DirLock::acquire(&self.dir)?;
        let current = self.usable(CURRENT, now)?;
        let next = self.usable(NEXT, now)?;
        let action =
            plan(now, current.as_ref().map(Identity::validity), next.as_ref().map(Identity::validity));
        match action {
            Action::Keep => {}
            Action::IssueCurrent => issue(now)?.store(&self.path(CURRENT))?,
            Action::IssueNext => issue(now)?.store(&self.path(NEXT))?,
            Action::Promote => self.promote(current.as_ref(), now)?,
        }
        self.slots(now)
    }

    /// Retires first, then replaces by one rename: a crash in between loses neither identity nor hash.
    fn promote(&self, current: Option<&Identity>, now: SystemTime) -> Result<(), CertError> {
        if let Some(end_entity) = current.and_then(|current| current.chain().first()) {
            let mut retired = self.retired(now)?;
            if !retired.contains(end_entity) {
                retired.push(end_entity.clone());
                self.write_retired(&retired)?;
            }
        }
        files::rename(&self.path(NEXT), &self.path(CURRENT))
    }

    fn slots(&self, now: SystemTime) -> Result<Slots, CertError> {
        let current = self.path(CURRENT);
        Ok(Slots {
            current: Identity::load(&current, &current)?,
            next: self.usable(NEXT, now)?,
            retired: self.retired(now)?,
        })
    }

    /// The identity in a file, unless there is none. One that cannot be used is removed, so that it is warned
    /// about once.
    fn usable(&self, name: &str, now: SystemTime) -> Result<Option<Identity>, CertError> {
        let path = self.path(name);
        let loaded = Identity::load(&path, &path).and_then(|identity| {
            let outside = |source| CertError::OutsideValidity { path: path.clone(), source };
            identity.validity().check(now).map_err(outside).map(|()| identity)
        });
        discard_unusable(&path, loaded)
    }

    /// The retired certificates that have not expired; the file is rid of the others.
    fn retired(&self, now: SystemTime) -> Result<Vec<CertificateDer<'static>>, CertError> {
        let path = self.path(RETIRED);
        let loaded = files::read(&path).and_then(|content| pem_pair::certificates(&path, &content));
        let mut retired = discard_unusable(&path, loaded)?.unwrap_or_default();
        let stored = retired.len();
        retired.retain(|der| Validity::of(der).is_ok_and(|validity| validity.contains(now)));
        if retired.len() < stored {
            self.write_retired(&retired)?;
        }
        Ok(retired)
    }

    fn write_retired(&self, retired: &[CertificateDer<'_>]) -> Result<(), CertError> {
        let path = self.path(RETIRED);
        if retired.is_empty() {
            return files::remove(&path);
        }
        files::write_private(&path, encode_certificates(retired).as_bytes())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Passes on what was loaded, nothing where there is no file, and an error only where there is one that
/// cannot be read: that is not ours to repair.
fn discard_unusable<T>(path: &Path, loaded: Result<T, CertError>) -> Result<Option<T>, CertError> {
    match loaded {
        Ok(loaded) => Ok(Some(loaded)),
        Err(CertError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error @ CertError::Read { .. }) => Err(error),
        Err(error) => {
            let reason = causes(&error);
            warn!(path = %path.display(), reason, "an unusable development certificate is replaced");
            files::remove(path)?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        time::{Duration, UNIX_EPOCH},
    };

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_crash_between_retiring_and_replacing_costs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let development = DevelopmentDir::new(dir.path());
        let start = UNIX_EPOCH + 20_000 * DAY;
        let old = development.refresh(start).unwrap().current;
        let announced = development.refresh(start + 11 * DAY).unwrap().next.unwrap();
        development.write_retired(old.chain()).unwrap();

        let slots = development.refresh(start + 12 * DAY).unwrap();

        assert_eq!(slots.current.fingerprint(), announced.fingerprint());
        assert_eq!(slots.retired, old.chain(), "retired once, though it was tried twice");
    }

    #[test]
    fn a_retired_certificate_is_kept_without_its_key_until_it_expires() {
        let dir = tempfile::tempdir().unwrap();
        let development = DevelopmentDir::new(dir.path());
        let start = UNIX_EPOCH + 20_000 * DAY;
        for days in [0, 11, 12] {
            development.refresh(start + days * DAY).unwrap();
        }

        let stored = fs::read_to_string(dir.path().join(RETIRED)).unwrap();
        assert!(stored.contains("CERTIFICATE") && !stored.contains("PRIVATE KEY"), "{stored}");

        assert!(development.refresh(start + 14 * DAY).unwrap().retired.is_empty());
        assert!(!dir.path().join(RETIRED).exists());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();

        let error = DevelopmentDir::new(&file.join("certs")).refresh(UNIX_EPOCH).err().unwrap();

        assert!(error.to_string().contains("file/certs"), "{error}");
    }
}
