//! Entering a channel by datagram, besides the control stream (`PROTOCOL.md`, 5.8): whichever comes first is done, and the other is
//! the same request.

use suara_proto::entry::EntryDatagram;
use suara_proto::{MemberRef, RequestId};

use super::errands::{Lane, Waiting};
use super::outbox::Closing;
use super::serve::Session;
use crate::auth::Scope;

/// Requests that are remembered.
const REMEMBERED: usize = 8;

/// A client's newest requests to enter a channel, the last one last.
#[derive(Default)]
pub(super) struct Entries(Vec<Entry>);

struct Entry {
    request: RequestId,
    /// It came by datagram, and its message on the stream is still to come.
    ahead: bool,
}

impl Entries {
    /// A message came on the stream: whether it has been done already.
    fn has_come(&mut self, request: RequestId) -> bool {
        let ahead = self.0.iter_mut().find(|entry| entry.request == request && entry.ahead);
        ahead.map(|entry| entry.ahead = false).is_some()
    }

    fn knows(&self, request: RequestId) -> bool {
        self.0.iter().any(|entry| entry.request == request)
    }

    pub(super) fn note(&mut self, request: RequestId, ahead: bool) {
        self.0.retain(|entry| entry.request != request);
        if self.0.len() == REMEMBERED {
            self.0.remove(0);
        }
        self.0.push(Entry { request, ahead });
    }
}

impl Session<'_> {
    pub(super) fn join_by_stream(&mut self, request: RequestId, channel: &str, member: Option<MemberRef>) {
        let lane = Lane { member, channel: channel.into() };
        if self.errands.is_busy(&lane) {
            return self.wait(&lane, request, Waiting::Join { request });
        }
        if member.is_none() {
            if self.entries.has_come(request) {
                return;
            }
            self.entries.note(request, false);
        }
        if let Err((code, message)) = self.join(request, lane, false) {
            self.refuse(Some(request), member, code, message);
        }
    }

    /// Joins, or answers again. What is refused is left to the message on the stream: this may have overtaken what came before
    /// that one, a `leave` or a fresh token. And what was left again is left.
    pub(super) fn join_by_datagram(&mut self, request: RequestId, channel: &str) -> Result<(), Closing> {
        let lane = Lane { member: None, channel: channel.into() };
        // What is under way is answered when it is done, or comes on the stream.
        if self.scope == Scope::Trunk || self.errands.is_busy(&lane) {
            return Ok(());
        }
        if self.entries.knows(request) {
            self.answer_by_datagram(request, channel);
        } else if self.admit()? {
            // Above the rate it is as good as lost.
            self.join(request, lane, true).unwrap_or_default();
        }
        Ok(())
    }

    /// Says that a request to enter has brought its client in, if it is in.
    pub(super) fn answer_by_datagram(&self, request: RequestId, channel: &str) {
        let seats = self.members.get(None).into_iter().flat_map(|attached| attached.seats.values());
        let joined = seats.filter(|seat| &*seat.room.name == channel).map(|seat| EntryDatagram::Joined {
            request,
            channel: seat.room.number,
            talker: seat.talker,
        });
        for answer in joined {
            self.core.hub.send(&self.port.ear, &answer.encode());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_came_by_datagram_is_done_once_and_its_number_may_serve_again() {
        let mut entries = Entries::default();
        entries.note(RequestId(1), true);
        assert!(entries.knows(RequestId(1)) && entries.has_come(RequestId(1)));
        assert!(entries.knows(RequestId(1)) && !entries.has_come(RequestId(1)), "another of that number");
        for request in 2..=9 {
            entries.note(RequestId(request), false);
        }
        assert!(!entries.knows(RequestId(1)) && entries.knows(RequestId(2)));
        assert_eq!(entries.0.len(), REMEMBERED);
    }
}
