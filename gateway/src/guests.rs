//! Guests: clients of old that come to a bridge without a token, where the deployment admits such.
//!
//! The bridge holds no key, so it asks for a token for each (PROTOCOL.md, section 7), and attaches the guest with it. What a
//! guest may do is settled here, whatever its token says.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use suara_proto::message::{Right, Rights};

use crate::auth::{ChannelGrant, Claims, Minter, Principal, Scope};

/// What every guest's user id begins with.
pub const GUEST_PREFIX: &str = "guest-";

/// How long a guest's token holds. Its client comes again after that, as another guest.
const TTL: Duration = Duration::from_secs(24 * 3600);

/// Makes guests' tokens.
pub struct GuestPasses {
    /// Signs them.
    pub minter: Minter,
    /// Whom they are said to come from, where tokens have to say that.
    pub issuer: Option<String>,
    /// Whom they are said to be meant for, likewise.
    pub audience: Option<String>,
    /// Where guests may listen and talk; without it they may where a token can that lists no channels.
    pub channels: Option<Vec<ChannelGrant>>,
}

/// A guest's token, and when it ends, in seconds since 1970 (UTC).
pub struct GuestPass {
    /// By which the guest is attached.
    pub token: String,
    /// Its end.
    pub expires: u64,
}

impl GuestPasses {
    /// A token for one guest; `None` where none can be signed.
    #[must_use]
    pub fn issue(&self, now: SystemTime) -> Option<GuestPass> {
        let expires = (now.duration_since(UNIX_EPOCH).unwrap_or_default() + TTL).as_secs();
        let grants =
            |grants: &Vec<ChannelGrant>| grants.iter().map(|grant| grant.as_str().to_owned()).collect();
        let claims = Claims {
            sub: format!("{GUEST_PREFIX}{:016x}", rand::random::<u64>()),
            name: None,
            role: None,
            exp: expires,
            nbf: None,
            channels: self.channels.as_ref().map(grants),
            priority: 0,
            scope: Scope::Guest,
            iss: self.issuer.clone(),
            aud: self.audience.clone().map(Into::into),
        };
        Some(GuestPass { token: self.minter.mint(&claims).ok()?, expires })
    }
}

/// A guest is called so, has no role and no priority, and listens and talks at most, whoever signed its token.
#[must_use]
pub fn as_guest(principal: Principal) -> Principal {
    let called = |name: Arc<str>| -> Arc<str> {
        if name.starts_with(GUEST_PREFIX) { name } else { format!("{GUEST_PREFIX}{name}").into() }
    };
    let most: Rights = [Right::Listen, Right::Talk].into_iter().collect();
    let (user, name) = (called(principal.user), called(principal.name));
    let channels = principal.channels.limited_to(most);
    Principal { user, name, role: Arc::from(""), scope: Scope::Guest, channels, priority: 0, ..principal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{ChannelRights, KeySet};

    const SECRET: &[u8] = b"a secret that signs guests' passes....";

    fn passes(channels: Option<Vec<ChannelGrant>>) -> GuestPasses {
        GuestPasses { minter: Minter::new(SECRET), issuer: None, audience: None, channels }
    }

    #[test]
    fn each_guest_is_another_and_may_what_was_settled() {
        let mut keys = KeySet::default();
        keys.add_livechat_secret(SECRET);
        let now = SystemTime::now();
        let settled = passes(Some(vec!["lobby*:listen".parse().unwrap()]));
        let claims = [settled.issue(now).unwrap(), passes(None).issue(now).unwrap()]
            .map(|pass| keys.verify(&pass.token).unwrap());
        assert_ne!(claims[0].sub, claims[1].sub);
        assert!(claims.iter().all(|claims| claims.sub.starts_with("guest-") && claims.scope == Scope::Guest));
        assert_eq!(claims[0].channels, Some(vec!["lobby*:listen".to_owned()]));
        assert_eq!(claims[1].channels, None);
    }

    #[test]
    fn whoever_signed_its_token_a_guest_is_no_more_than_that() {
        let channels = ChannelRights::Everywhere(Rights::all());
        let (user, role) = ("boss".into(), "admin".into());
        let boss = Principal {
            user,
            name: "Boss".into(),
            role,
            scope: Scope::Guest,
            channels,
            priority: 255,
            expires: 1,
        };
        let guest = as_guest(boss);
        assert_eq!(
            (&*guest.user, &*guest.name, &*guest.role, guest.priority),
            ("guest-boss", "guest-Boss", "", 0)
        );
        assert_eq!(guest.channels.on("ops"), [Right::Listen, Right::Talk].into_iter().collect());
    }
}
