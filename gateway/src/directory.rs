//! Who is here, by user id: how one part of the gateway reaches the sessions of a user.
//!
//! Each session has a list of [`Wishes`] that its own task carries out, so that nobody else touches what is a session's. A
//! trunk's members are in the directory by their own users, and share the trunk's list.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use suara_proto::{ChannelNumber, MemberRef, RequestId, TalkerNumber};
use tokio::sync::Notify;

use crate::hub::{Call, RoomHandle};
use crate::session::SessionId;

/// Invitations that may wait for one session: more than a trunk's session is called at a time. What comes beyond reaches
/// nobody; what takes a member out of something is taken always, for there is no more of it than there are places.
const MAX_INVITATIONS: usize = 1024;
/// Wishes of any kind that may wait when one comes by datagram, which comes again.
const MAX_BEFORE_JOIN: usize = 16;

/// What a session's own task is asked to do.
pub enum Wish {
    /// To bring a member into a call's channel.
    Enter {
        /// Which of a trunk's members.
        member: Option<MemberRef>,
        /// The call's.
        room: RoomHandle,
    },
    /// To enter a channel: its own client's, by datagram.
    Join {
        /// The client's number for it.
        request: RequestId,
        /// The channel's name.
        channel: Box<str>,
    },
    /// To make a call that a member asked for, now that other nodes have said who of the called is there.
    Call(Box<Calling>),
    /// To forget a member's place: the channel has put it out, and has told it.
    Rise {
        /// Which of a trunk's members.
        member: Option<MemberRef>,
        /// Where it was.
        channel: ChannelNumber,
    },
    /// To know a member's place by another talker number: the channel has given it, and has told the member.
    Renumber {
        /// Which of a trunk's members.
        member: Option<MemberRef>,
        /// Where.
        channel: ChannelNumber,
        /// The number so far.
        was: TalkerNumber,
        /// The number from now on.
        talker: TalkerNumber,
    },
    /// To throw a member out, or the session where it is no trunk's.
    Kick {
        /// Which of a trunk's members.
        member: Option<MemberRef>,
    },
}

/// A call that is about to be made.
pub struct Calling {
    /// Which of a trunk's members calls.
    pub member: Option<MemberRef>,
    /// To be answered.
    pub request: RequestId,
    /// Whom it is between.
    pub call: Call,
    /// Who of them can be reached at other nodes.
    pub elsewhere: BTreeSet<String>,
}

/// What one session is asked to do, in that order. A channel of tokio's would do, but holds a kilobyte for each idle session.
#[derive(Default)]
pub struct Wishes {
    waiting: Mutex<VecDeque<Wish>>,
    filled: Notify,
}

impl Wishes {
    /// Asks for something; `false` when too much is asked for already. Never waits.
    pub fn push(&self, wish: Wish) -> bool {
        let mut waiting = self.waiting();
        let most = match wish {
            Wish::Enter { .. } => MAX_INVITATIONS,
            Wish::Join { .. } => MAX_BEFORE_JOIN,
            Wish::Call(_) | Wish::Rise { .. } | Wish::Renumber { .. } | Wish::Kick { .. } => usize::MAX,
        };
        if waiting.len() >= most {
            return false;
        }
        waiting.push_back(wish);
        drop(waiting);
        self.filled.notify_one();
        true
    }

    /// The next; waits until there is one. Cancel-safe. One task at a time may wait.
    pub async fn next(&self) -> Wish {
        loop {
            let wish = self.waiting().pop_front();
            match wish {
                Some(wish) => return wish,
                None => self.filled.notified().await,
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Wish>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a user is: a session of its own, or a member of a trunk.
#[derive(Clone)]
pub struct Whereabouts {
    /// The session.
    pub session: SessionId,
    /// Which of a trunk's members.
    pub member: Option<MemberRef>,
    /// Whether its client knows that it can be in channels that it never asked for.
    pub calls: bool,
    /// How the session is asked for something.
    pub wishes: Arc<Wishes>,
}

/// All users' whereabouts.
#[derive(Default)]
pub struct Directory {
    users: Mutex<HashMap<Arc<str>, Vec<Whereabouts>>>,
}

/// An entry of the [`Directory`]; out of it when dropped.
pub struct Listing {
    directory: Arc<Directory>,
    user: Arc<str>,
    session: SessionId,
    member: Option<MemberRef>,
}

impl Directory {
    /// Enters a user's whereabouts.
    #[must_use]
    pub fn list(self: &Arc<Self>, user: Arc<str>, whereabouts: Whereabouts) -> Listing {
        let (session, member) = (whereabouts.session, whereabouts.member);
        let mut users = self.users();
        match users.get_mut(&user) {
            Some(all) => all.push(whereabouts),
            // Most are at one place: a list with room for more would be that of every session.
            None => drop(users.insert(user.clone(), vec![whereabouts])),
        }
        Listing { directory: self.clone(), user, session, member }
    }

    /// Everywhere that a user is.
    #[must_use]
    pub fn find(&self, user: &str) -> Vec<Whereabouts> {
        self.users().get(user).cloned().unwrap_or_default()
    }

    /// Where a user can be called.
    #[must_use]
    pub fn find_callable(&self, user: &str) -> Vec<Whereabouts> {
        let mut found = self.find(user);
        found.retain(|place| place.calls);
        found
    }

    fn users(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Whereabouts>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        let mut users = self.directory.users();
        let Some(all) = users.get_mut(&self.user) else { return };
        all.retain(|place| (place.session, place.member) != (self.session, self.member));
        if all.is_empty() {
            users.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(session: SessionId, member: Option<u32>) -> Whereabouts {
        let member = member.map(MemberRef);
        Whereabouts { session, member, calls: true, wishes: Arc::default() }
    }

    #[test]
    fn a_user_is_found_wherever_it_is_until_it_is_gone() {
        let directory = Arc::new(Directory::default());
        let [phone, trunk] = [SessionId::random(), SessionId::random()];
        let own = directory.list("alice".into(), at(phone, None));
        let one = directory.list("alice".into(), at(trunk, Some(1)));
        let _other = directory.list("bob".into(), at(trunk, Some(2)));
        let found = |user| -> Vec<_> {
            directory.find(user).iter().map(|place| (place.session, place.member)).collect()
        };

        assert_eq!(found("alice"), [(phone, None), (trunk, Some(MemberRef(1)))]);
        drop(one);
        assert_eq!(found("alice"), [(phone, None)]);
        drop(own);
        assert!(found("alice").is_empty() && !directory.users().contains_key("alice"));
        assert_eq!(found("bob").len(), 1);
    }

    #[tokio::test]
    async fn wishes_come_in_their_order_and_too_many_invitations_reach_nobody() {
        let wishes = Wishes::default();
        let rise = |channel| Wish::Rise { member: None, channel: ChannelNumber(channel) };
        for channel in 0..u32::try_from(MAX_INVITATIONS).unwrap() {
            assert!(wishes.push(rise(channel)));
        }
        assert!(!wishes.push(Wish::Enter { member: None, room: RoomHandle::of_nobody() }));
        assert!(wishes.push(rise(7)));

        let Wish::Rise { channel, .. } = wishes.next().await else { panic!("that came first") };
        assert_eq!(channel, ChannelNumber(0));
    }
}
