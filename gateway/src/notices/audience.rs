//! Who is here, by user.

use std::collections::HashMap;
use std::sync::Arc;

use suara_proto::MemberRef;

use super::To;
use crate::session::Outbox;

/// One session of a user's, or one member of a trunk.
pub(super) struct Place {
    pub(super) role: Arc<str>,
    /// Of a trunk, which tells it of broadcasts itself.
    pub(super) member: Option<MemberRef>,
    pub(super) outbox: Outbox,
}

#[derive(Default)]
pub(super) struct Audience {
    /// In the order of coming, each with its number.
    users: HashMap<Arc<str>, Vec<(u64, Place)>>,
    last: u64,
}

impl Audience {
    pub(super) fn enter(&mut self, user: &Arc<str>, place: Place) -> u64 {
        self.last += 1;
        self.users.entry(user.clone()).or_default().push((self.last, place));
        self.last
    }

    pub(super) fn leave(&mut self, user: &str, number: u64) {
        let Some(places) = self.users.get_mut(user) else { return };
        places.retain(|(other, _)| *other != number);
        if places.is_empty() {
            self.users.remove(user);
        }
    }

    pub(super) fn newest(&self, user: &str) -> Option<&Place> {
        self.users.get(user)?.last().map(|(_, place)| place)
    }

    /// The sessions that a notification goes to from here.
    pub(super) fn listeners<'a>(&'a self, to: To<'a>) -> Box<dyn Iterator<Item = &'a Place> + 'a> {
        let own = |place: &&Place| place.member.is_none();
        let all = self.users.values().flatten().map(|(_, place)| place).filter(own);
        match to {
            To::Everybody => Box::new(all),
            To::User(user) => {
                Box::new(self.users.get(user).into_iter().flatten().map(|(_, place)| place).filter(own))
            }
            To::Role(role) => Box::new(all.filter(move |place| &*place.role == role)),
        }
    }
}
