//! Whom a broadcaster means. A name of its is never a Socket.IO room by itself: it is read here, and each kind of room has a
//! prefix of its own that nobody from outside can write.

use suara_proto::limits::{MAX_CHANNEL_NAME, MAX_USER_NAME};
use suara_proto::text::is_plain;

/// The room of all who logged in. Guests aren't in it.
pub(crate) const EVERYBODY: &str = "everybody";

/// Those whom a broadcaster can mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// All sockets of a user: `user_<id>`.
    User(String),
    /// All who have a role: `role_<role>`.
    Role(String),
    /// Who is in the channel of that name; or the one socket whose id it is, which no client chooses.
    Channel(String),
}

impl Address {
    /// Reads a broadcaster's room; `None` where it is no name at all.
    pub(crate) fn read(room: &str) -> Option<Self> {
        let (address, name, limit) = match room.split_once('_') {
            Some(("user", user)) => (Self::User(user.to_owned()), user, MAX_USER_NAME),
            Some(("role", role)) => (Self::Role(role.to_owned()), role, MAX_USER_NAME),
            _ => (Self::Channel(room.to_owned()), room, MAX_CHANNEL_NAME),
        };
        is_plain(name, limit).then_some(address)
    }

    /// The Socket.IO rooms that it is.
    pub(super) fn rooms(&self) -> Vec<String> {
        match self {
            Self::User(user) => vec![user_room(user)],
            Self::Role(role) => vec![role_room(role)],
            Self::Channel(name) => vec![channel_room(name), socket_room(name)],
        }
    }
}

/// Where a user's sockets are.
pub(crate) fn user_room(user: &str) -> String {
    format!("user:{user}")
}

/// Where the sockets of those are who have that role.
pub(crate) fn role_room(role: &str) -> String {
    format!("role:{role}")
}

/// Where the sockets of those are who are in that channel.
pub(crate) fn channel_room(name: &str) -> String {
    format!("in:{name}")
}

/// The room of one socket alone.
pub(crate) fn socket_room(id: &str) -> String {
    format!("seat:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_roles_have_their_prefix_and_all_else_is_a_channel() {
        assert_eq!(Address::read("user_7"), Some(Address::User("7".into())));
        assert_eq!(Address::read("user_a_b"), Some(Address::User("a_b".into())));
        assert_eq!(Address::read("role_admin"), Some(Address::Role("admin".into())));
        assert_eq!(Address::read("role:admin"), Some(Address::Channel("role:admin".into())));
        assert_eq!(Address::read("ops/gate-1"), Some(Address::Channel("ops/gate-1".into())));
        assert_eq!((Address::read(""), Address::read("user_"), Address::read("a\nb")), (None, None, None));
        assert_eq!(Address::read("role:admin").unwrap().rooms(), ["in:role:admin", "seat:role:admin"]);
    }
}
