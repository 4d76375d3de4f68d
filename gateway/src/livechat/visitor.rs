//! What a token of the scope `livechat` makes of its bearer.

use std::sync::Arc;

use suara_proto::message::{LIVECHAT_PREFIX, Right, Rights};

use crate::auth::{ChannelRights, Principal, Scope};

/// Whether a channel is a visitor's.
#[must_use]
pub fn is_livechat(channel: &str) -> bool {
    channel.starts_with(LIVECHAT_PREFIX)
}

/// The session's id in the name of a visitor's channel, or in a visitor's user id.
#[must_use]
pub fn session_of(channel: &str) -> Option<&str> {
    channel.strip_prefix(LIVECHAT_PREFIX)
}

/// A visitor has the name of its channel for an id, no role and no priority, and rights in that channel alone: no more
/// of them than its token gives, whoever signed that.
#[must_use]
pub fn as_visitor(principal: Principal) -> Principal {
    let user: Arc<str> = if is_livechat(&principal.user) {
        principal.user
    } else {
        format!("{LIVECHAT_PREFIX}{}", principal.user).into()
    };
    let given = principal.channels.on(&user);
    let rights: Rights = [Right::Listen, Right::Talk].into_iter().filter(|right| given.has(*right)).collect();
    let channels = ChannelRights::Only { channel: user.clone(), rights };
    Principal { user, role: Arc::from(""), scope: Scope::Livechat, channels, priority: 0, ..principal }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(user: &str, channels: ChannelRights) -> Principal {
        let (user, name, role) = (user.into(), "Budi".into(), "admin".into());
        Principal { user, name, role, scope: Scope::Livechat, channels, priority: 255, expires: 1 }
    }

    #[test]
    fn a_visitor_has_rights_in_its_own_channel_alone_and_no_role() {
        let visitor = as_visitor(principal("v1", ChannelRights::Everywhere(Rights::all())));
        assert_eq!((&*visitor.user, &*visitor.role, visitor.priority), ("livechat/v1", "", 0));
        assert_eq!(visitor.channels.on("livechat/v1"), [Right::Listen, Right::Talk].into_iter().collect());
        for other in ["livechat/v2", "ops", "livechat/v", "livechat/v1/x", ""] {
            assert_eq!(visitor.channels.on(other), Rights::NONE, "{other}");
        }
    }

    #[test]
    fn a_session_named_by_its_channel_stays_as_it_is() {
        let listed = ChannelRights::Listed(vec!["livechat/v1:listen".parse().unwrap()]);
        let visitor = as_visitor(principal("livechat/v1", listed));
        assert_eq!(&*visitor.user, "livechat/v1");
        assert_eq!(visitor.channels.on("livechat/v1"), [Right::Listen].into_iter().collect());
    }

    #[test]
    fn a_pattern_in_a_session_s_id_matches_nobody_else() {
        let visitor = as_visitor(principal("*", ChannelRights::Everywhere(Rights::all())));
        assert_eq!(visitor.channels.on("livechat/v1"), Rights::NONE);
        assert_eq!(session_of(&visitor.user), Some("*"));
    }
}
