//! The identity that a process serves, shared by all its listeners and replaced while they run.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use crate::{
    development::{DevelopmentDir, Slots},
    error::CertError,
    fingerprint::Fingerprint,
    identity::Identity,
    provider, small_packets,
    validity::Validity,
    watch::{Poll, Watch},
};

/// The ALPN name of HTTP/3, which QUIC carries.
const H3: &[u8] = b"h3";

/// A handle on the identity being served: clones share it, and a renewal reaches all of them at once.
///
/// Handshakes look it up without a lock. [`tick`](Self::tick) is to be called about once a minute.
#[derive(Clone)]
pub struct CertStore {
    shared: Arc<Shared>,
}

/// What a [`tick`](CertStore::tick) has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// Nothing.
    Unchanged,
    /// The next development certificate is there: its hash is listed from now on, and used later.
    Announced,
    /// Another development certificate is in use.
    Renewed,
    /// The hash of a development certificate that is no longer in use has left the list.
    Forgotten,
    /// The PEM files have changed, and what they hold now is in use.
    Reloaded,
    /// The PEM files have changed and cannot be used: the old certificate goes on, and the reason was logged.
    /// Said once for each change.
    Refused,
}

struct Shared {
    served: ArcSwap<Served>,
    source: Mutex<Source>,
    development: bool,
}

enum Source {
    Development(DevelopmentDir),
    Files(Watch),
}

/// Everything that is replaced together.
struct Served {
    in_use: Arc<CertifiedKey>,
    validity: Validity,
    /// That in use first.
    fingerprints: Vec<Fingerprint>,
}

impl CertStore {
    /// Serves the development identity of a directory, which is made with mode 0700 where there is none. The
    /// directory is the store's own: nobody else's files are to be in it.
    pub fn development(dir: &Path, now: SystemTime) -> Result<Self, CertError> {
        let dir = DevelopmentDir::new(dir);
        let served = dir.refresh(now)?.into();
        Ok(Self::new(Source::Development(dir), served))
    }

    /// Serves the identity of two PEM files: the chain, the server's own certificate first, and its key.
    pub fn from_pem(cert: PathBuf, key: PathBuf, now: SystemTime) -> Result<Self, CertError> {
        let (watch, identity) = Watch::open(cert, key, now)?;
        Ok(Self::new(Source::Files(watch), identity.into()))
    }

    fn new(source: Source, served: Served) -> Self {
        let development = matches!(source, Source::Development(_));
        let shared =
            Shared { served: ArcSwap::from_pointee(served), source: Mutex::new(source), development };
        Self { shared: Arc::new(shared) }
    }

    /// Renews or reloads what is due. An error leaves everything as it was, and the next tick tries again.
    ///
    /// What could not be used is logged here, where its reason is known; what succeeded is the caller's to
    /// log.
    pub fn tick(&self, now: SystemTime) -> Result<Change, CertError> {
        let mut source = self.shared.source.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *source {
            Source::Development(dir) => Ok(self.refreshed(dir.refresh(now)?)),
            Source::Files(watch) => Ok(self.polled(watch.poll(now))),
        }
    }

    fn refreshed(&self, slots: Slots) -> Change {
        let fresh = Served::from(slots);
        let change = Change::between(&self.fingerprints(), &fresh.fingerprints);
        if change != Change::Unchanged {
            self.shared.served.store(Arc::new(fresh));
        }
        change
    }

    fn polled(&self, poll: Poll) -> Change {
        match poll {
            Poll::Unchanged => Change::Unchanged,
            Poll::Refused => Change::Refused,
            Poll::Fresh(identity) => {
                self.shared.served.store(Arc::new(identity.into()));
                Change::Reloaded
            }
        }
    }

    /// The hashes that clients are to be told: that in use first, then the next one, then those retired.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.shared.served.load().fingerprints.clone()
    }

    /// When the certificate in use expires.
    pub fn not_after(&self) -> SystemTime {
        self.shared.served.load().validity.not_after
    }

    /// Whether this is a development identity: such a one is for listeners on loopback only.
    pub fn is_development(&self) -> bool {
        self.shared.development
    }

    /// A server's configuration that always serves what is in use, for as long as the server lives.
    ///
    /// TLS 1.3 only where `alpn` has `h3`, since QUIC knows no other; otherwise 1.2 as well, for old clients.
    pub fn server_config(&self, alpn: &[&[u8]]) -> ServerConfig {
        let quic = alpn.contains(&H3);
        let versions = if quic { &[&TLS13][..] } else { &[&TLS13, &TLS12] };
        let provider = if quic { small_packets() } else { provider() };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider has cipher suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.ignore_client_order = quic;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shared.served.load().in_use))
    }
}

impl fmt::Debug for CertStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertStore")
            .field("development", &self.is_development())
            .field("fingerprints", &self.fingerprints())
            .finish_non_exhaustive()
    }
}

impl Change {
    /// By what is listed, and not by what was done: another process on the directory may have done it.
    fn between(before: &[Fingerprint], after: &[Fingerprint]) -> Self {
        if before.first() != after.first() {
            Self::Renewed
        } else if after.iter().any(|fingerprint| !before.contains(fingerprint)) {
            Self::Announced
        } else if before.len() > after.len() {
            Self::Forgotten
        } else {
            Self::Unchanged
        }
    }
}

impl From<Identity> for Served {
    fn from(identity: Identity) -> Self {
        Self {
            in_use: identity.certified(),
            validity: identity.validity(),
            fingerprints: vec![identity.fingerprint()],
        }
    }
}

impl From<Slots> for Served {
    fn from(Slots { current, next, retired }: Slots) -> Self {
        let mut served = Self::from(current);
        let others = next.iter().map(Identity::fingerprint).chain(retired.iter().map(Fingerprint::of));
        for fingerprint in others {
            if !served.fingerprints.contains(&fingerprint) {
                served.fingerprints.push(fingerprint);
            }
        }
        served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(marks: &[u8]) -> Vec<Fingerprint> {
        marks.iter().map(|mark| Fingerprint::from([*mark; 32])).collect()
    }

    #[test]
    fn a_change_is_told_by_what_is_listed_before_and_after() {
        let change = |before, after| Change::between(&list(before), &list(after));
        assert_eq!(change(&[1], &[1]), Change::Unchanged);
        assert_eq!(change(&[1], &[1, 2]), Change::Announced);
        assert_eq!(change(&[1, 2], &[2, 1]), Change::Renewed);
        assert_eq!(change(&[2, 1], &[2]), Change::Forgotten);
        assert_eq!(change(&[2, 1], &[2, 3]), Change::Announced);
    }
}
