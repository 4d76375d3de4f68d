//! Which rights a token gives on which channels.

use std::str::FromStr;
use std::sync::Arc;

use suara_proto::message::{Right, Rights};
use thiserror::Error;
use wildmatch::WildMatch;

/// `PATTERN:right,right`, as tokens and `suara token --channel` write it. In the pattern `*` stands for any text and
/// `?` for one character.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelGrant {
    text: String,
    pattern: WildMatch,
    rights: Rights,
}

/// Why a text is no [`ChannelGrant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GrantError {
    /// There is no colon that parts pattern and rights.
    #[error("a channel grant is written PATTERN:right,right")]
    NoColon,
    /// A right that doesn't exist.
    #[error("the rights are listen, talk, emergency and dispatch")]
    UnknownRight,
}

impl FromStr for ChannelGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        // A channel's name may hold colons; a right may not.
        let (pattern, rights) = text.rsplit_once(':').ok_or(GrantError::NoColon)?;
        let rights =
            rights.split(',').map(right).collect::<Option<Rights>>().ok_or(GrantError::UnknownRight)?;
        Ok(Self { text: text.to_owned(), pattern: WildMatch::new(pattern), rights })
    }
}

impl ChannelGrant {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn right(name: &str) -> Option<Right> {
    match name.trim() {
        "listen" => Some(Right::Listen),
        "talk" => Some(Right::Talk),
        "emergency" => Some(Right::Emergency),
        "dispatch" => Some(Right::Dispatch),
        _ => None,
    }
}

/// All that one user may do in channels.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelRights {
    /// The same everywhere: what the deployment gives to tokens that name no channels.
    Everywhere(Rights),
    /// What the token lists; what several patterns give adds up.
    Listed(Vec<ChannelGrant>),
    /// In one channel, whatever characters are in its name.
    Only {
        /// Which.
        channel: Arc<str>,
        /// What.
        rights: Rights,
    },
}

impl ChannelRights {
    /// Whether there is a channel, or could be, on which they give this right.
    #[must_use]
    pub fn anywhere(&self, right: Right) -> bool {
        match self {
            Self::Everywhere(rights) | Self::Only { rights, .. } => rights.has(right),
            Self::Listed(grants) => grants.iter().any(|grant| grant.rights.has(right)),
        }
    }

    /// The same channels, and of the rights there no others than these.
    #[must_use]
    pub fn limited_to(self, most: Rights) -> Self {
        let limited =
            |rights: Rights| Right::ALL.into_iter().filter(|r| rights.has(*r) && most.has(*r)).collect();
        match self {
            Self::Everywhere(rights) => Self::Everywhere(limited(rights)),
            Self::Only { channel, rights } => Self::Only { channel, rights: limited(rights) },
            Self::Listed(mut grants) => {
                for grant in &mut grants {
                    grant.rights = limited(grant.rights);
                }
                Self::Listed(grants)
            }
        }
    }

    /// The rights on the channel of that name.
    #[must_use]
    pub fn on(&self, channel: &str) -> Rights {
        match self {
            Self::Everywhere(rights) => *rights,
            Self::Only { channel: only, rights } if **only == *channel => *rights,
            Self::Only { .. } => Rights::NONE,
            Self::Listed(grants) => grants
                .iter()
                .filter(|grant| grant.pattern.matches(channel))
                .fold(Rights::NONE, |rights, grant| rights.union(grant.rights)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_of_several_patterns_add_up() {
        let rights =
            ChannelRights::Listed(vec!["ops*:listen".parse().unwrap(), "ops-1:talk".parse().unwrap()]);
        assert_eq!(rights.on("ops-1"), [Right::Listen, Right::Talk].into_iter().collect());
        assert_eq!(rights.on("ops-2"), [Right::Listen].into_iter().collect());
        assert_eq!(rights.on("lobby"), Rights::NONE);
    }

    #[test]
    fn rights_are_limited_wherever_they_are_given() {
        let most = [Right::Listen, Right::Talk].into_iter().collect();
        let listed = ChannelRights::Listed(vec!["ops*:listen,dispatch".parse().unwrap()]);
        assert_eq!(listed.limited_to(most).on("ops-1"), [Right::Listen].into_iter().collect());
        assert_eq!(ChannelRights::Everywhere(Rights::all()).limited_to(most).on("x"), most);
        let only = ChannelRights::Only { channel: "a".into(), rights: Rights::all() };
        assert_eq!((only.clone().limited_to(most).on("a"), only.on("b")), (most, Rights::NONE));
    }

    #[test]
    fn a_channel_name_may_hold_a_colon() {
        let rights = ChannelRights::Listed(vec!["site:7:talk,listen".parse().unwrap()]);
        assert!(rights.on("site:7").has(Right::Talk));
    }

    #[test]
    fn bad_grants_are_named() {
        assert_eq!("ops".parse::<ChannelGrant>(), Err(GrantError::NoColon));
        assert_eq!("ops:shout".parse::<ChannelGrant>(), Err(GrantError::UnknownRight));
        assert_eq!("ops:".parse::<ChannelGrant>(), Err(GrantError::UnknownRight));
    }
}
