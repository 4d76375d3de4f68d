//! What the desk makes of the gateway's answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use suara_proto::message::ClientMessage;
use suara_proto::{ErrorCode, LeaveReason, MemberRef, RequestId};
use tokio::sync::oneshot;

use super::pending::{Asked, Reply};
use super::state::{Membership, Place, State};
use super::{AttachError, JoinError, Notice, Seated};
use crate::channel::{Channel, Enter, Input, Listener};
use crate::trunk::{Joined, Who};

/// When what checks tokens doesn't answer, a member's return is asked for again after this long.
pub(super) const RETURN_RETRY: Duration = Duration::from_secs(2);

impl State {
    pub(super) fn attached(&mut self, now: Instant, request: RequestId, who: Who) {
        let Some(Asked::Attach { member, reply }) = self.pending.take(request) else { return };
        self.returns_under_way.remove(&member);
        let Some(entry) = self.members.get_mut(&member) else { return };
        entry.who = Some(who.clone());
        match reply {
            Reply::To(reply) if !reply.is_closed() => answer(reply, Ok((member, who))),
            // Its client went away while the gateway was asked.
            Reply::To(_) | Reply::TooLate => {
                self.say(&ClientMessage::Detach { member });
                self.forget(member);
            }
            Reply::Return => {
                for (channel, membership) in entry.channels.clone() {
                    self.rejoin(now, member, channel, membership.listener);
                }
            }
        }
    }

    pub(super) fn joined(&mut self, joined: Joined) {
        let asked = self.pending.take(joined.request);
        if let Some(Asked::Join { member, channel, listener, reply }) = asked {
            self.sit(joined, member, channel, listener, reply);
        }
    }

    /// The gateway has let a member in.
    pub(super) fn sit(
        &mut self,
        joined: Joined,
        member: MemberRef,
        channel: String,
        listener: Listener,
        reply: Reply<Result<Seated, JoinError>>,
    ) {
        let number = joined.channel;
        let entry = self.members.get_mut(&member);
        let who = entry.as_ref().and_then(|entry| entry.who.clone());
        let (Some(entry), Some(who), Some(link)) = (entry, who, self.link.clone()) else { return };
        // One that was brought back may have asked for another format meanwhile.
        let listener = match (&reply, entry.channels.get(&channel)) {
            (Reply::Return, Some(newer)) => newer.listener.clone(),
            _ => listener,
        };
        let unwanted = match &reply {
            Reply::To(reply) => reply.is_closed(),
            Reply::TooLate => true,
            // It left while it was brought back.
            Reply::Return => !entry.channels.contains_key(&channel),
        };
        if unwanted {
            return self.say(&ClientMessage::Leave { channel: number, member: Some(member) });
        }
        let Joined { rights, mode, .. } = joined;
        let membership = Membership { listener: listener.clone(), rights, mode };
        let before = entry.channels.insert(channel.clone(), membership);
        if before.is_some_and(|before| before.rights != rights) {
            // A session that is gone has no use for it.
            entry.notices.send(Notice::Rights { channel: channel.clone(), rights }).ok();
        }
        let place = self.places.entry(channel.clone()).or_insert_with(|| Place {
            channel: Channel::start(Arc::clone(&self.outlet), self.metrics.clone()),
            number: None,
            members: BTreeSet::new(),
        });
        place.members.insert(member);
        if place.number != Some(number) {
            place.number = Some(number);
            self.numbers.insert(number, channel);
            self.routes.write().insert(number, place.channel.clone());
        }
        let Joined { talker, version, members, talking, .. } = joined;
        let channel = number;
        let enter = Enter { member, who, listener, link, channel, talker, mode, version, members, talking };
        place.channel.tell(Input::Enter(Box::new(enter)));
        for (_, user, alert) in self.early_alerts.extract_if(.., |(of, ..)| *of == number) {
            place.channel.tell(Input::Alert { user, alert });
        }
        if let Reply::To(reply) = reply {
            answer(reply, Ok(Seated { channel: place.channel.clone(), rights, mode }));
        }
        self.metrics.channels(self.places.len());
    }

    pub(super) fn refused(&mut self, now: Instant, request: RequestId, code: ErrorCode) {
        match self.pending.take(request) {
            None => tracing::debug!(%code, "the gateway refused a floor message"),
            Some(Asked::Attach { member, reply }) => {
                self.returns_under_way.remove(&member);
                let guest = self.members.get(&member).is_some_and(|entry| entry.token.is_guests());
                // A gateway that was started anew may admit no guests any more.
                let unwanted = guest && code == ErrorCode::Forbidden;
                let refused = matches!(code, ErrorCode::Unauthenticated | ErrorCode::WrongUser);
                match reply {
                    Reply::Return if refused || unwanted => {
                        self.dismiss(member, Notice::Expired);
                    }
                    Reply::Return => self.returning.push_back((now + RETURN_RETRY, member)),
                    Reply::To(reply) => {
                        self.forget(member);
                        let error = if unwanted { AttachError::NoGuests } else { attach_error(code) };
                        answer(reply, Err(error));
                    }
                    Reply::TooLate => self.forget(member),
                }
            }
            Some(Asked::Join { reply: Reply::To(reply), .. }) => answer(reply, Err(join_error(code))),
            Some(Asked::Join { member, channel, reply: Reply::Return, .. }) => {
                self.notify(member, Notice::Left { channel: channel.clone(), reason: LeaveReason::Expired });
                self.exit(member, &channel);
            }
            Some(Asked::Emergency { reply: Reply::To(reply), .. }) => answer(reply, Err(join_error(code))),
            Some(Asked::May { reply: Reply::To(reply) }) => answer(reply, Err(join_error(code))),
            Some(Asked::Guest { reply: Reply::To(reply) }) => {
                let no_guests = matches!(code, ErrorCode::Forbidden | ErrorCode::UnknownType);
                let error = if no_guests { AttachError::NoGuests } else { AttachError::Unavailable };
                answer(reply, Err(error));
            }
            Some(Asked::Verify { reply: Reply::To(reply) }) => answer(reply, Err(attach_error(code))),
            Some(Asked::Notify { reply: Reply::To(reply) }) => answer(reply, Err(attach_error(code))),
            Some(
                Asked::Join { reply: Reply::TooLate, .. }
                | Asked::Emergency { .. }
                | Asked::May { .. }
                | Asked::Guest { .. }
                | Asked::Verify { .. }
                | Asked::Notify { .. },
            ) => {}
        }
    }
}

pub(super) fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    // Whoever asked may be gone.
    reply.send(value).ok();
}

fn attach_error(code: ErrorCode) -> AttachError {
    match code {
        ErrorCode::Unauthenticated | ErrorCode::WrongUser | ErrorCode::BadField => AttachError::Refused,
        ErrorCode::Forbidden => {
            tracing::warn!(
                "the gateway doesn't take this bridge for one: its token has not the scope of a trunk"
            );
            AttachError::Unavailable
        }
        _ => AttachError::Unavailable,
    }
}

fn join_error(code: ErrorCode) -> JoinError {
    match code {
        ErrorCode::Forbidden => JoinError::Forbidden,
        ErrorCode::ChannelFull => JoinError::Full,
        ErrorCode::TooManyChannels => JoinError::TooMany,
        ErrorCode::BadField => JoinError::Name,
        ErrorCode::RateLimited => JoinError::TooFast,
        _ => JoinError::Unavailable,
    }
}
