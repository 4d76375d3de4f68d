//! Who somebody is: tokens in, a [`Principal`] out.
//!
//! Identity comes from here alone, never from a payload. Knows keys and claims, and no session or channel.

mod bans;
mod claims;
mod jwt;
mod remote;
mod rights;

use std::sync::Arc;
use std::time::SystemTime;

use suara_proto::ErrorCode;
use suara_store::Store;
use thiserror::Error;

pub use bans::{Bans, MAX_BAN};
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
    bans: Arc<Bans>,
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
    /// Its user was thrown out, and the time that was said is not over.
    #[error("the user is banned for now")]
    Banned,
    /// The deployment's own check doesn't answer.
    #[error("the check of tokens doesn't answer")]
    Unavailable,
}

impl AuthError {
    /// The code under which a session hears of it.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) | Self::Expired | Self::Banned => ErrorCode::Unauthenticated,
            Self::Unavailable => ErrorCode::Unavailable,
        }
    }
}

impl Authenticator {
    /// With `defaults` as the rights of a token that lists no channels, and bans that `store` keeps.
    #[must_use]
    pub fn new(
        keys: KeySet,
        remote: Option<RemoteCheck>,
        defaults: suara_proto::message::Rights,
        store: Store,
    ) -> Self {
        let bans = Arc::new(Bans::new(store));
        Self { keys: Arc::new(keys), remote: remote.map(Arc::new), defaults, bans }
    }

    /// Who is kept out.
    #[must_use]
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    /// Makes a token that says `claims`, where there is a secret that it can be signed with.
    #[must_use]
    pub fn mint(&self, claims: Claims) -> Option<String> {
        self.keys.mint(claims)
    }

    /// Who the token names.
    ///
    /// # Errors
    /// When neither a key nor the deployment's check vouches for it, or its user is banned.
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
        if matches!(principal.scope, Scope::User | Scope::Livechat | Scope::Guest) {
            self.bans.load().await;
            if self.bans.holds(&principal.user).is_some() {
                return Err(AuthError::Banned);
            }
        }
        Ok(principal)
    }
}
