//! Files with secrets in them: read whole, written whole or not at all, and readable by their owner only.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::error::CertError;

/// Held while a directory's files are looked at and changed, so that two processes on it take turns.
pub(crate) struct DirLock {
    _file: File,
}

impl DirLock {
    const NAME: &str = ".lock";

    /// Waits for whoever holds it: that takes milliseconds, as nothing is done under it but small file work.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, CertError> {
        let path = dir.join(Self::NAME);
        let failed = |source| CertError::Write { path: path.clone(), source };
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.lock() {
            // Some network filesystems have no locks. The renames still keep every file whole there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            result => result.map_err(failed)?,
        }
        Ok(Self { _file: file })
    }
}

/// Makes a directory of mode 0700 where there is none; one that is there keeps the mode its owner gave it.
pub(crate) fn create_private_dir(dir: &Path) -> Result<(), CertError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| CertError::Write { path: dir.to_owned(), source })
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CertError> {
    fs::read(path).map_err(|source| CertError::Read { path: path.to_owned(), source })
}

/// Replaces a file by one of mode 0600: readers see the old content or the new, also after a crash.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), CertError> {
    // A temporary file has mode 0600, and is removed again where a later step fails.
    let write = |dir| -> io::Result<()> {
        let mut file = NamedTempFile::new_in(dir)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write(directory_of(path)).map_err(|source| CertError::Write { path: path.to_owned(), source })
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), CertError> {
    fs::rename(from, to).map_err(|source| CertError::Write { path: to.to_owned(), source })
}

pub(crate) fn remove(path: &Path) -> Result<(), CertError> {
    fs::remove_file(path).map_err(|source| CertError::Write { path: path.to_owned(), source })
}

/// The directory that a file is in: a bare file name is in the working directory.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, path::Path};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_readable_by_its_owner_only_even_when_it_replaces_an_open_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

        write_private(&path, b"new").unwrap();

        assert_eq!(mode(&path), 0o600);
        assert_eq!(read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left behind");
    }

    #[test]
    fn a_new_directory_is_its_owners_only() {
        let dir = tempfile::tempdir().unwrap();
        let nested = dir.path().join("data/certs");
        create_private_dir(&nested).unwrap();
        assert_eq!(mode(&nested), 0o700);
    }

    #[test]
    fn a_write_that_fails_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_private(&dir.path().join("absent/secret"), b"").unwrap_err();
        assert!(error.to_string().contains("absent/secret"), "{error}");
    }
}
