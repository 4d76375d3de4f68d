//! Who somebody is: tokens in, a [`Principal`] out.
//!
//! Identity comes from here alone, never from a payload. Knows keys and claims, and no session or channel.

mod claims;
mod jwt;
mod remote;
mod rights;

use std::sync::Arc;
use std::time::SystemTime;

use suara_proto::ErrorCode;
use thiserror::Error;

pub use claims::{Claims, Principal, Scope};
pub use jwt::{KeyError, KeySet, Minter, read_secret};
pub use remote::RemoteCheck;
pub use rights::{ChannelGrant, ChannelRights, GrantError};

/// Verifies tokens, by keys first and then by the deployment's own check, where there is one.
#[derive(Clone)]
pub struct Authenticator {
    keys: Arc<KeySet>,
    remote: Option<Arc<RemoteCheck>>,
    defaults: suara_proto::message::Rights,
}

/// Why a token names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// Its signature, form or claims don't hold.
    #[error("the token doesn't hold: {0}")]
    Invalid(&'static str),
    /// It has ended.
    #[error("the token has ended")]
    Expired,
    /// The deployment's own check doesn't answer.
    #[error("the check of tokens doesn't answer")]
    Unavailable,
}

impl AuthError {
    /// The code under which a session hears of it.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) | Self::Expired => ErrorCode::Unauthenticated,
            Self::Unavailable => ErrorCode::Unavailable,
        }
    }
}

impl Authenticator {
    /// With `defaults` as the rights of a token that lists no channels.
    #[must_use]
    pub fn new(keys: KeySet, remote: Option<RemoteCheck>, defaults: suara_proto::message::Rights) -> Self {
        Self { keys: Arc::new(keys), remote: remote.map(Arc::new), defaults }
    }

    /// Who the token names.
    ///
    /// # Errors
    /// When neither a key nor the deployment's check vouches for it.
    pub async fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let claims = match (self.keys.verify(token), &self.remote) {
            (Err(AuthError::Invalid(_)), Some(remote)) => remote.verify(token).await?,
            (verdict, _) => verdict?,
        };
        let principal = Principal::from_claims(claims, self.defaults)?;
        // To the second, as sessions end: what a key tolerates would be welcomed and closed, or take a good token's
        // place in a renewal.
        if principal.seconds_left(SystemTime::now()) == 0 {
            return Err(AuthError::Expired);
        }
        Ok(principal)
    }
}
