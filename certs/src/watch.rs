//! The PEM files of a production identity, reread when they change.
//!
//! Two small files are read at every poll and compared by content: that sees what modification times do not
//! (symbolic links swapped, times preserved or coarse), and costs microseconds a minute.

use std::{path::PathBuf, time::SystemTime};

use tracing::warn;

use crate::{
    error::{CertError, causes},
    identity::Identity,
    pem_pair::{ContentHash, PemPair},
};

/// What the files were when last looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Unreadable,
    Content(ContentHash),
}

/// Watches the two files of an identity.
pub(crate) struct Watch {
    cert: PathBuf,
    key: PathBuf,
    in_use: ContentHash,
    /// What was refused last, so that it is warned about once.
    refused: Option<Seen>,
}

/// What a look at the files has found.
pub(crate) enum Poll {
    /// What was known before.
    Unchanged,
    /// Another identity that can be used.
    Fresh(Identity),
    /// A change that cannot be used.
    Refused,
}

impl Watch {
    /// Reads the files for the first time, when nothing can go on without them.
    pub(crate) fn open(cert: PathBuf, key: PathBuf, now: SystemTime) -> Result<(Self, Identity), CertError> {
        let pair = PemPair::read(&cert, &key)?;
        let watch = Self { cert, key, in_use: pair.content_hash(), refused: None };
        let identity = watch.usable(&pair, now)?;
        Ok((watch, identity))
    }

    /// Reads the files again. What cannot be used is tried again every time, since time alone may heal it (a
    /// certificate becomes valid), but warned about only when it is new.
    pub(crate) fn poll(&mut self, now: SystemTime) -> Poll {
        let pair = match PemPair::read(&self.cert, &self.key) {
            Ok(pair) => pair,
            Err(error) => return self.refuse(Seen::Unreadable, &error),
        };
        let content = pair.content_hash();
        if content == self.in_use {
            self.refused = None;
            return Poll::Unchanged;
        }
        match self.usable(&pair, now) {
            Ok(identity) => {
                self.in_use = content;
                self.refused = None;
                Poll::Fresh(identity)
            }
            Err(error) => self.refuse(Seen::Content(content), &error),
        }
    }

    fn refuse(&mut self, seen: Seen, error: &CertError) -> Poll {
        if self.refused.replace(seen) == Some(seen) {
            return Poll::Unchanged;
        }
        let reason = causes(error);
        warn!(reason, "the changed certificate files cannot be used; the old certificate goes on");
        Poll::Refused
    }

    fn usable(&self, pair: &PemPair, now: SystemTime) -> Result<Identity, CertError> {
        let identity = pair.identity()?;
        let outside = |source| CertError::OutsideValidity { path: self.cert.clone(), source };
        identity.validity().check(now).map_err(outside)?;
        Ok(identity)
    }
}
