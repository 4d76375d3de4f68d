//! Requests that wait for the gateway's answer.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use suara_proto::message::Rights;
use suara_proto::{MemberRef, RequestId};
use tokio::sync::oneshot;

use super::{AttachError, JoinError, Raised, Seated, Token};
use crate::channel::Listener;
use crate::trunk::{Bearer, Who};

/// The gateway answers at once; what it has to ask elsewhere takes longer, but nobody waits longer to talk.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Numbers from here on are the livechat's, and then the channels' own, for their floor requests.
const FIRST_FOREIGN: u32 = crate::livechat::FIRST_REQUEST;

/// What was asked, and who waits for the answer: nobody, where the desk brings a member back by itself, or where the
/// asker was told that it took too long.
#[derive(Debug)]
pub(super) enum Asked {
    Attach { member: MemberRef, reply: Reply<Result<(MemberRef, Who), AttachError>> },
    Join { member: MemberRef, channel: String, listener: Listener, reply: Reply<Result<Seated, JoinError>> },
    Emergency { member: MemberRef, reply: Reply<Result<Raised, JoinError>> },
    May { reply: Reply<Result<Rights, JoinError>> },
    Guest { reply: Reply<Result<Token, AttachError>> },
    Verify { reply: Reply<Result<Bearer, AttachError>> },
    Notify { reply: Reply<Result<bool, AttachError>> },
}

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum Reply<T> {
    /// A client's session.
    To(oneshot::Sender<T>),
    /// Nobody: a member is brought back.
    Return,
    /// Nobody any more: what the answer gives is to be undone.
    TooLate,
}

impl<T> Reply<T> {
    /// Tells whoever waits that it took too long.
    fn expire(&mut self, error: T) {
        if let Self::To(reply) = std::mem::replace(self, Self::TooLate) {
            // Whoever asked may be gone.
            reply.send(error).ok();
        }
    }
}

/// The requests under way.
#[derive(Debug, Default)]
pub(super) struct Pending {
    asked: HashMap<RequestId, Asked>,
    deadlines: VecDeque<(Instant, RequestId)>,
    last: u32,
}

impl Pending {
    /// Notes a request, and gives it its number.
    pub(super) fn add(&mut self, now: Instant, asked: Asked) -> RequestId {
        // 0 is the trunk's own, for its renewals.
        self.last = if self.last + 1 < FIRST_FOREIGN { self.last + 1 } else { 1 };
        let request = RequestId(self.last);
        self.asked.insert(request, asked);
        self.deadlines.push_back((now + TIMEOUT, request));
        request
    }

    pub(super) fn take(&mut self, request: RequestId) -> Option<Asked> {
        self.asked.remove(&request)
    }

    /// Whether a member has raised an emergency and isn't answered yet.
    pub(super) fn raises(&self, member: MemberRef) -> bool {
        let by = |asked: &Asked| matches!(asked, Asked::Emergency { member: of, .. } if *of == member);
        self.asked.values().any(by)
    }

    /// The trunk is gone, and with it every answer.
    pub(super) fn drain(&mut self) -> Vec<Asked> {
        self.deadlines.clear();
        self.asked.drain().map(|(_, asked)| asked).collect()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(at, _)| *at)
    }

    /// Tells those who have waited too long. The requests stay: their answers may still come. Returns the members
    /// whose return was not answered.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<MemberRef> {
        let mut unreturned = Vec::new();
        while let Some((_, request)) = self.deadlines.pop_front_if(|(at, _)| *at <= now) {
            match self.asked.get_mut(&request) {
                Some(Asked::Attach { member, reply: Reply::Return }) => unreturned.push(*member),
                Some(Asked::Attach { reply, .. }) => reply.expire(Err(AttachError::Unavailable)),
                Some(Asked::Join { reply: Reply::Return, .. }) | None => {}
                Some(Asked::Join { reply, .. }) => reply.expire(Err(JoinError::Unavailable)),
                Some(Asked::Guest { reply }) => reply.expire(Err(AttachError::Unavailable)),
                Some(Asked::Verify { reply }) => reply.expire(Err(AttachError::Unavailable)),
                Some(Asked::Notify { reply }) => reply.expire(Err(AttachError::Unavailable)),
                Some(Asked::Emergency { reply, .. }) => reply.expire(Err(JoinError::Unavailable)),
                Some(Asked::May { reply }) => reply.expire(Err(JoinError::Unavailable)),
            }
        }
        unreturned
    }
}
