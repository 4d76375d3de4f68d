//! Secrets of this machine: made on first start, kept in the data directory with mode 0600.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use suara_gateway::Keys;
use suara_gateway::auth::{Claims, Minter, Scope, read_secret};

/// Signs users' tokens in development.
pub(crate) const DEVELOPMENT_SECRET: &str = "jwt.secret";
/// Signs the tokens of this gateway's own bridges, and of nobody else.
const TRUNK_SECRET: &str = "trunk.secret";
/// Signs visitors' tokens where users' are signed elsewhere.
const LIVECHAT_SECRET: &str = "livechat.secret";
/// Makes QUIC's reset and token keys: after a restart, clients learn at once that their connections are gone.
const QUIC_SECRET: &str = "quic.secret";
/// What a bridge on the same data directory enters with.
pub(crate) const TRUNK_TOKEN: &str = "trunk.token";
/// A trunk's token holds this long and is renewed long before: a bridge that was copied elsewhere is soon shut out.
const TRUNK_TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

/// The secret in `dir` of that name, made when it isn't there.
pub(crate) fn secret(dir: &Path, name: &str) -> Result<Vec<u8>> {
    create_dir(dir)?;
    let path = dir.join(name);
    if !path.exists() {
        let text: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
        // Another process may make it at the same moment: then that one counts.
        match create_new(&path, text.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("can't write {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(read_secret(&path)?)
}

/// The development secret that a gateway has made in `dir`. Nobody else makes one: no gateway would take what it signs.
pub(crate) fn made_secret(dir: &Path) -> Result<Vec<u8>> {
    read_secret(&dir.join(DEVELOPMENT_SECRET)).context(
        "is --data the gateway's own? It makes the secret when it first starts without --jwt-secret-file, \
         --jwt-keys and --auth-url",
    )
}

/// The gateway's own secret for its bridges.
pub(crate) fn trunk_secret(dir: &Path) -> Result<Vec<u8>> {
    secret(dir, TRUNK_SECRET)
}

/// The gateway's own secret for visitors of a livechat.
pub(crate) fn livechat_secret(dir: &Path) -> Result<Vec<u8>> {
    secret(dir, LIVECHAT_SECRET)
}

/// The secret that all nodes share. It lets in, so nobody else on this machine may read it.
pub(crate) fn peer_secret(path: &Path) -> Result<Vec<u8>> {
    let mode =
        fs::metadata(path).with_context(|| format!("can't read {}", path.display()))?.permissions().mode();
    ensure!(mode & 0o077 == 0, "{} can be read by others than its owner; give it mode 0600", path.display());
    Ok(read_secret(path)?)
}

/// The WebTransport server's keys.
pub(crate) fn quic_keys(dir: &Path) -> Result<Keys> {
    Ok(Keys::derive(&secret(dir, QUIC_SECRET)?))
}

/// Writes a fresh token for bridges on the same data directory.
pub(crate) fn write_trunk_token(dir: &Path, secret: &[u8]) -> Result<()> {
    let token = Minter::new(secret).mint(&claims("trunk", Scope::Trunk, TRUNK_TOKEN_TTL))?;
    replace(&dir.join(TRUNK_TOKEN), token.as_bytes())
}

/// Claims of a token that holds from now on.
pub(crate) fn claims(user: &str, scope: Scope, ttl: Duration) -> Claims {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Claims {
        sub: user.to_owned(),
        name: None,
        role: None,
        exp: (now + ttl).as_secs(),
        nbf: None,
        channels: None,
        priority: 0,
        scope,
        iss: None,
        aud: None,
    }
}

/// Puts `content` in place of a file, whole or not at all, readable by its owner alone.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        // The temporary file has mode 0600 from its first moment.
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(content)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().with_context(|| format!("can't write {}", path.display()))
}

pub(crate) fn create_dir(dir: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("can't make the data directory {}", dir.display()))
}

fn create_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let refusal = format!("{:#}", made_secret(&data).unwrap_err());
        assert!(refusal.contains("--data") && refusal.contains(DEVELOPMENT_SECRET), "{refusal}");
        assert!(!data.exists(), "who only signs makes nothing");
        let first = secret(&data, DEVELOPMENT_SECRET).unwrap();
        assert_eq!(first, made_secret(&data).unwrap());
        assert_eq!(first, secret(&data, DEVELOPMENT_SECRET).unwrap());
        assert!(first.len() >= 32);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.join(DEVELOPMENT_SECRET)), 0o600);
        assert_eq!(mode(&data), 0o700);
        write_trunk_token(&data, &first).unwrap();
        assert_eq!(mode(&data.join(TRUNK_TOKEN)), 0o600);
    }

    #[test]
    fn the_nodes_secret_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("peer.secret");
        assert!(peer_secret(&path).is_err());
        fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(peer_secret(&path).unwrap_err().to_string().contains("0600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(peer_secret(&path).unwrap(), b"0123456789abcdef0123456789abcdef");
    }
}
