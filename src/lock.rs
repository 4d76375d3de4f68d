//! One process at a time has a data directory: two would take each other's places in its files.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::processes::Role;

/// The directory is this process' for as long as it lives; the system takes that back from one that dies.
pub(crate) struct DataLock {
    _file: File,
}

impl DataLock {
    /// A gateway and the bridges beside it share a directory; two gateways don't.
    pub(crate) fn take(data: &Path, role: Role) -> Result<Option<Self>> {
        if role == Role::Bridge {
            return Ok(None);
        }
        let path = data.join("lock");
        let file = File::options().write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("can't write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => bail!(
                "another gateway runs on the data directory {}: stop it, or give this one its own (--data)",
                data.display()
            ),
            Err(TryLockError::Error(error)) => {
                // Some network file systems know no locks.
                tracing::warn!(%error, "the data directory can't be locked: no other gateway may use it");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_one_gateways_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let take = |role| DataLock::take(dir.path(), role);
        let first = take(Role::Serve).unwrap();
        assert!(first.is_some());
        let refusal = take(Role::Gateway).err().unwrap().to_string();
        assert!(refusal.contains("--data") && refusal.contains(dir.path().to_str().unwrap()), "{refusal}");
        assert!(take(Role::Bridge).unwrap().is_none(), "a bridge runs beside it");
        drop(first);
        assert!(take(Role::Gateway).unwrap().is_some());
    }
}
