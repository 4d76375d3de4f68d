//! Tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use suara_gateway::auth::{Claims, Minter, Scope};
use suara_gateway::livechat::VisitorPasses;

/// What every test's gateway checks tokens against.
pub(crate) const SECRET: &[u8] = b"the secret of the tests' gateways";
/// What vouches for bridges only.
pub(crate) const TRUNK_SECRET: &[u8] = b"the secret of the tests' own bridge";

/// What vouches for visitors only.
pub(crate) const LIVECHAT_SECRET: &[u8] = b"the secret of the tests' visitors";

/// Makes visitors' tokens, for an hour.
pub(crate) fn passes() -> VisitorPasses {
    let (minter, ttl) = (Minter::new(LIVECHAT_SECRET), Duration::from_secs(3600));
    VisitorPasses { minter, issuer: None, audience: None, ttl }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs()
}

/// A user who may talk everywhere, for an hour.
pub(crate) fn claims(user: &str) -> Claims {
    Claims {
        sub: user.to_owned(),
        name: Some(format!("Name of {user}")),
        role: Some("guard".to_owned()),
        exp: now() + 3600,
        nbf: None,
        channels: Some(vec!["*:listen,talk".to_owned()]),
        priority: 0,
        scope: Scope::User,
        iss: None,
        aud: None,
    }
}

/// The token that says so.
pub(crate) fn mint(claims: &Claims) -> String {
    Minter::new(SECRET).mint(claims).expect("claims can be written")
}
