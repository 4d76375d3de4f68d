//! Tokens for the run's own users, signed with a secret of the gateway's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use crate::LoadError;
use crate::args::SecretArgs;

/// What the gateway calls its secret in `--data`.
const SECRET: &str = "jwt.secret";
/// Longer than any run.
const TTL: Duration = Duration::from_secs(4 * 3600);

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
    channels: &'a [String],
    scope: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    role: &'a str,
}

/// Makes tokens that the gateway with the same secret accepts.
#[derive(Clone)]
pub struct Minter {
    key: EncodingKey,
}

impl Minter {
    /// With the secret that a gateway was given, or else made in its data directory.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn new(args: &SecretArgs) -> Result<Self, LoadError> {
        let path = args.jwt_secret_file.clone().unwrap_or_else(|| args.data.join(SECRET));
        let secret = std::fs::read(&path).map_err(|source| LoadError::Secret { path, source })?;
        Ok(Self { key: EncodingKey::from_secret(secret.trim_ascii_end()) })
    }

    /// A user's token with these rights (`PATTERN:right,right`).
    ///
    /// # Errors
    /// When signing fails, which it doesn't.
    pub fn mint(&self, user: &str, channels: &[String]) -> Result<String, LoadError> {
        self.sign(user, channels, SystemTime::now() + TTL, "user", "")
    }

    /// A token that ended an hour ago.
    ///
    /// # Errors
    /// As [`mint`](Self::mint).
    pub fn expired(&self, user: &str, channels: &[String]) -> Result<String, LoadError> {
        self.sign(user, channels, SystemTime::now() - Duration::from_secs(3600), "user", "")
    }

    /// A visitor's token, for the livechat session of this id.
    ///
    /// # Errors
    /// As [`mint`](Self::mint).
    pub fn visitor(&self, session: &str) -> Result<String, LoadError> {
        let user = format!("livechat/{session}");
        let rights = [format!("{user}:listen,talk")];
        self.sign(&user, &rights, SystemTime::now() + TTL, "livechat", "")
    }

    /// A token of somebody with a role, and without rights in any channel.
    ///
    /// # Errors
    /// As [`mint`](Self::mint).
    pub fn staff(&self, user: &str, role: &str) -> Result<String, LoadError> {
        self.sign(user, &[], SystemTime::now() + TTL, "user", role)
    }

    fn sign(
        &self,
        user: &str,
        channels: &[String],
        ends: SystemTime,
        scope: &str,
        role: &str,
    ) -> Result<String, LoadError> {
        let exp = ends.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims { sub: user, exp, channels, scope, role };
        Ok(encode(&Header::new(Algorithm::HS256), &claims, &self.key)?)
    }
}
