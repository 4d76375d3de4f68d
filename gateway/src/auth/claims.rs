//! What a token says, and who that makes its bearer.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use suara_proto::limits::MAX_USER_NAME;
use suara_proto::message::Rights;
use suara_proto::text::is_plain;

use super::AuthError;
use super::rights::{ChannelGrant, ChannelRights};

/// The claims of a token, as JWTs and the answers of `--auth-url` carry them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Who: the user's id in the deployment.
    pub sub: String,
    /// The name to show; the id where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the user is in the deployment, such as `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When the token ends, in seconds since 1970 (UTC).
    pub exp: u64,
    /// From when on it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// `PATTERN:right,right` each; without the field the deployment's default rights hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// Among requests for the floor, 0 to 255.
    #[serde(default)]
    pub priority: u8,
    /// What the token is for.
    #[serde(default)]
    pub scope: Scope,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom it is meant for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<serde_json::Value>,
}

/// What a token is for.
///
/// Read from a list of words, as OAuth has scopes (RFC 8693, section 4.2): other words in it, such as `openid`, mean
/// nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "String")]
pub enum Scope {
    /// A person at a client.
    #[default]
    User,
    /// A listener's livechat session.
    Livechat,
    /// A back end that broadcasts or administers.
    Service,
    /// A bridge that brings members of its own.
    Trunk,
    /// A client of old that came to a bridge without a token.
    #[serde(rename = "suara_guest")]
    Guest,
}

impl Scope {
    /// As it stands in tokens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Livechat => "livechat",
            Self::Service => "service",
            Self::Trunk => "trunk",
            Self::Guest => "suara_guest",
        }
    }
}

impl From<String> for Scope {
    fn from(words: String) -> Self {
        let known = words.split_whitespace().find_map(|word| match word {
            "livechat" => Some(Self::Livechat),
            "service" => Some(Self::Service),
            "trunk" => Some(Self::Trunk),
            "suara_guest" => Some(Self::Guest),
            _ => None,
        });
        known.unwrap_or_default()
    }
}

/// Somebody whose token was verified.
#[derive(Clone)]
pub struct Principal {
    /// The user's id in the deployment.
    pub user: Arc<str>,
    /// The name to show.
    pub name: Arc<str>,
    /// The role, empty where there is none.
    pub role: Arc<str>,
    /// What the token is for.
    pub scope: Scope,
    /// What it gives in channels.
    pub channels: ChannelRights,
    /// Among requests for the floor.
    pub priority: u8,
    /// When it ends, in seconds since 1970 (UTC).
    pub expires: u64,
}

impl Principal {
    pub(super) fn from_claims(claims: Claims, defaults: Rights) -> Result<Self, AuthError> {
        let name = claims.name.unwrap_or_else(|| claims.sub.clone());
        let role = claims.role.unwrap_or_default();
        if !is_plain(&claims.sub, MAX_USER_NAME) || !is_plain(&name, MAX_USER_NAME) {
            return Err(AuthError::Invalid("sub or name is empty, too long or holds control characters"));
        }
        if !role.is_empty() && !is_plain(&role, MAX_USER_NAME) {
            return Err(AuthError::Invalid("role is too long or holds control characters"));
        }
        let channels = match claims.channels {
            None => ChannelRights::Everywhere(defaults),
            Some(grants) => ChannelRights::Listed(
                grants.iter().map(|grant| grant.parse::<ChannelGrant>()).collect::<Result<_, _>>().map_err(
                    |_| AuthError::Invalid("channels has an entry that isn't PATTERN:right,right"),
                )?,
            ),
        };
        let (user, name, role) = (claims.sub.into(), name.into(), role.into());
        Ok(Self {
            user,
            name,
            role,
            scope: claims.scope,
            channels,
            priority: claims.priority,
            expires: claims.exp,
        })
    }

    /// Seconds of validity that are left at `now`; zero when it has ended.
    #[must_use]
    pub fn seconds_left(&self, now: SystemTime) -> u64 {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.expires.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_of_other_words_is_a_users() {
        let scope = |text: &str| serde_json::from_str::<Scope>(text).unwrap();
        assert_eq!(scope("\"user\""), Scope::User);
        assert_eq!(scope("\"openid profile\""), Scope::User);
        assert_eq!(scope("\"openid trunk\""), Scope::Trunk);
        assert!(serde_json::from_str::<Scope>("7").is_err());
        assert_eq!(serde_json::to_string(&Scope::Livechat).unwrap(), "\"livechat\"");
    }
}
