//! Messages on their way into the store. The word of another node's may have one fetched before the store's answer is here: its sender
//! knows it by its id then too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use suara_proto::MemberRef;
use suara_store::{Draft, Message};

use super::Hub;
use crate::session::SessionId;

/// One that is on its way, and whose it is.
pub(super) struct Own {
    pub(super) draft: Draft,
    pub(super) session: SessionId,
    pub(super) member: Option<MemberRef>,
}

/// Those of a channel, by this node's sessions. As many as wait for the store at most.
#[derive(Clone, Default)]
pub(super) struct Writing(Arc<Mutex<Vec<Own>>>);

impl Writing {
    /// It is on its way no more.
    pub(super) fn end(&self, draft: &Draft) {
        self.take(|own| (&own.user, &own.id) == (&draft.user, &draft.id));
    }

    /// Whose a message is that was fetched.
    pub(super) fn of(&self, message: &Message) -> Option<Own> {
        self.take(|own| (&*own.user, own.at, &*own.text) == (&*message.user, message.at, &*message.text))
    }

    fn take(&self, is_it: impl Fn(&Draft) -> bool) -> Option<Own> {
        let mut all = self.lock();
        let place = all.iter().position(|own| is_it(&own.draft))?;
        Some(all.remove(place))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Own>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// A message goes to the store. What comes of it is told by [`Hub::chat`] or [`Hub::not_written`].
    pub fn writes(&self, draft: &Draft, session: SessionId, member: Option<MemberRef>) {
        if self.shared.nodes.is_none() || !self.shared.store.is_shared() {
            return;
        }
        if let Some(room) = self.shared.rooms().get(&draft.channel) {
            room.writing.lock().push(Own { draft: draft.clone(), session, member });
        }
    }

    /// It wasn't stored, or was before.
    pub fn not_written(&self, draft: &Draft) {
        if let Some(room) = self.shared.rooms().get(&draft.channel) {
            room.writing.end(draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_fetched_is_its_senders_once() {
        let draft = |id: &str, at| {
            let [channel, user, name, role, text] = ["ops", "bob", "Bob", "guard", "here"].map(Into::into);
            Draft { channel, user, name, role, id: id.into(), text, at }
        };
        let message = |user: &str, at| {
            let [name, role, text] = ["Bob", "guard", "here"].map(Into::into);
            Message { number: 7, user: user.into(), name, role, text, at }
        };
        let writing = Writing::default();
        for own in [draft("a", 1), draft("b", 2), draft("c", 3)] {
            writing.lock().push(Own { draft: own, session: SessionId::random(), member: None });
        }
        assert!(writing.of(&message("alice", 2)).is_none());
        assert_eq!(writing.of(&message("bob", 2)).map(|own| own.draft.id), Some("b".into()));
        assert!(writing.of(&message("bob", 2)).is_none());
        writing.end(&draft("a", 9));
        assert!(writing.of(&message("bob", 1)).is_none());
        assert_eq!(writing.lock().len(), 1);
    }
}
