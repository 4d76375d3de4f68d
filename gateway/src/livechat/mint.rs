//! Sessions for visitors who have no token: a name of the visitor's choice, an id of ours.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use suara_proto::message::LIVECHAT_PREFIX;
use suara_proto::text::is_plain;

use crate::auth::{Claims, Minter, Scope};

/// A visitor's name in characters: what fits into one line of an inbox.
pub const MAX_VISITOR_NAME: usize = 64;

/// Makes visitors' tokens.
pub struct VisitorPasses {
    /// Signs them.
    pub minter: Minter,
    /// Whom they are said to come from, where tokens have to say that.
    pub issuer: Option<String>,
    /// Whom they are said to be meant for, likewise.
    pub audience: Option<String>,
    /// How long one holds.
    pub ttl: Duration,
}

/// A visitor's session.
pub struct Pass {
    /// Its id.
    pub session: String,
    /// By which the visitor comes.
    pub token: String,
    /// When that ends, in seconds since 1970 (UTC).
    pub expires: u64,
}

impl VisitorPasses {
    /// A session for a visitor of this name; `None` when nobody may be called so.
    #[must_use]
    pub fn issue(&self, name: &str, now: SystemTime) -> Option<Pass> {
        let name = name.trim();
        // As long in bytes as any user's name: four bytes a character at most.
        if !is_plain(name, suara_proto::limits::MAX_USER_NAME) || name.chars().count() > MAX_VISITOR_NAME {
            return None;
        }
        let session = format!("{:032x}", rand::random::<u128>());
        let user = format!("{LIVECHAT_PREFIX}{session}");
        let expires = (now.duration_since(UNIX_EPOCH).unwrap_or_default() + self.ttl).as_secs();
        let claims = Claims {
            channels: Some(vec![format!("{user}:listen,talk")]),
            sub: user,
            name: Some(name.to_owned()),
            role: None,
            exp: expires,
            nbf: None,
            priority: 0,
            scope: Scope::Livechat,
            iss: self.issuer.clone(),
            aud: self.audience.clone().map(Into::into),
        };
        Some(Pass { session, token: self.minter.mint(&claims).ok()?, expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::KeySet;

    const SECRET: &[u8] = b"a secret that signs visitors' passes";

    fn passes() -> VisitorPasses {
        let ttl = Duration::from_secs(60);
        VisitorPasses { minter: Minter::new(SECRET), issuer: None, audience: None, ttl }
    }

    #[test]
    fn a_pass_is_for_one_session_and_holds_for_its_time() {
        let mut keys = KeySet::default();
        keys.add_livechat_secret(SECRET);
        let now = SystemTime::now();
        let (one, other) =
            (passes().issue(" Budi di Solo ", now).unwrap(), passes().issue("Budi", now).unwrap());
        assert_ne!(one.session, other.session);
        let claims = keys.verify(&one.token).unwrap();
        assert_eq!(claims.sub, format!("livechat/{}", one.session));
        assert_eq!(claims.name.as_deref(), Some("Budi di Solo"));
        assert_eq!(claims.channels, Some(vec![format!("livechat/{}:listen,talk", one.session)]));
        assert_eq!((claims.scope, claims.exp), (Scope::Livechat, one.expires));
    }

    #[test]
    fn names_that_could_deceive_are_nobodys() {
        let long = "n".repeat(MAX_VISITOR_NAME + 1);
        for name in ["", "  ", "a\nb", "abc\u{202e}dcba", &long] {
            assert!(passes().issue(name, SystemTime::now()).is_none(), "{name:?}");
        }
        assert!(passes().issue("<script>alert(1)</script>", SystemTime::now()).is_some(), "shown as it is");
    }
}
