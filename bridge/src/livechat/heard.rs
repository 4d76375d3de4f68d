//! What the livechat's desk makes of what the gateway says.

use std::sync::Arc;
use std::time::Instant;

use suara_proto::message::{ChatMessage, ClientMessage, LIVECHAT_PREFIX};
use suara_proto::{ChannelNumber, CloseCode, ErrorCode, LeaveReason, MemberRef, RequestId};

use super::state::{Asked, Phase, RETURN_RETRY, State, Visitor, session_of, tell};
use super::told::{Message, Opened, Pass, Refusal, Told};
use crate::trunk::{ChatEvent, Link, TrunkEvent, Who};

impl State {
    pub(super) fn event(&mut self, now: Instant, event: TrunkEvent) {
        match event {
            TrunkEvent::Up(link) => self.up(now, link),
            TrunkEvent::Down { .. } => self.down(),
            TrunkEvent::VisitorSession { request, session, token, expires } => {
                if let Some(Asked::Mint(reply)) = self.asked.remove(&request) {
                    // Whoever asked may be gone.
                    reply.send(Ok(Pass { session, token, expires })).ok();
                }
            }
            TrunkEvent::Attached { request, who, expires, .. } => self.attached(now, request, who, expires),
            TrunkEvent::Joined(joined) => self.joined(now, joined.request, joined.channel),
            TrunkEvent::Refused { request, code } => self.refused(now, request, code),
            TrunkEvent::Detached { member, code } => {
                self.dismiss(
                    member,
                    if code == CloseCode::TokenExpired { Told::Expired } else { Told::Kicked },
                );
            }
            TrunkEvent::Left { member, reason, .. } if reason != LeaveReason::Left => {
                self.dismiss(
                    member,
                    if reason == LeaveReason::Expired { Told::Expired } else { Told::Kicked },
                );
            }
            TrunkEvent::Staff(event) => self.staff_event(now, event),
            TrunkEvent::Chat { channel, chat } => self.heard(now, channel, chat),
            _ => {}
        }
        self.bring_back(now);
        self.watch_again(now);
        self.metrics.visitors(self.visitors.len());
    }

    fn up(&mut self, now: Instant, link: Link) {
        self.link = Some(link);
        self.returns.clear();
        self.staff.back(now);
        self.returning = self.visitors.keys().map(|member| (now, *member)).collect();
    }

    /// Those who wait to be let in are told; the others stay, and what they say waits.
    fn down(&mut self) {
        self.link = None;
        self.staff.cut_off();
        self.channels.clear();
        self.deadlines.clear();
        for (_, asked) in self.asked.drain() {
            match asked {
                Asked::Mint(reply) => {
                    reply.send(Err(Refusal::Unavailable)).ok();
                }
                Asked::Inbox(reply) | Asked::Talk(reply) => {
                    reply.send(Err(ErrorCode::Unavailable)).ok();
                }
                Asked::Attach(_) | Asked::Join(_) | Asked::Page(_) | Asked::Watch(_) => {}
            }
        }
        self.visitors.retain(|_, visitor| {
            visitor.phase = Phase::Away;
            visitor.number = None;
            visitor.held.clear();
            match visitor.reply.take() {
                None => true,
                Some(reply) => {
                    reply.send(Err(Refusal::Unavailable)).ok();
                    false
                }
            }
        });
    }

    fn attached(&mut self, now: Instant, request: RequestId, who: Who, expires: u64) {
        let Some(Asked::Attach(member)) = self.asked.remove(&request) else { return };
        let Some(visitor) = self.visitors.get_mut(&member) else {
            // It went while the gateway was asked; its `detach` came too early to count.
            return self.say(&ClientMessage::Detach { member });
        };
        (visitor.channel, visitor.name, visitor.expires) = (who.user, who.name, expires);
        self.join(now, member);
    }

    fn joined(&mut self, now: Instant, request: RequestId, number: ChannelNumber) {
        let Some(Asked::Join(member)) = self.asked.remove(&request) else { return };
        let Some(visitor) = self.visitors.get_mut(&member) else { return };
        visitor.number = Some(number);
        self.channels.entry(number).or_default().insert(member);
        self.read(now, member);
    }

    /// A request was refused, or not answered in time.
    pub(super) fn refused(&mut self, now: Instant, request: RequestId, code: ErrorCode) {
        let Some(asked) = self.asked.remove(&request) else { return };
        let member = match asked {
            Asked::Mint(reply) => {
                let refusal = if code == ErrorCode::BadField { Refusal::Name } else { Refusal::Unavailable };
                reply.send(Err(refusal)).ok();
                return;
            }
            Asked::Inbox(reply) | Asked::Talk(reply) => {
                reply.send(Err(code)).ok();
                return;
            }
            Asked::Watch(member) => return self.does_not_watch(now, member, code),
            Asked::Attach(member) | Asked::Join(member) | Asked::Page(member) => member,
        };
        self.returns.remove(&member);
        let Some(visitor) = self.visitors.get_mut(&member) else { return };
        let refusal = match code {
            ErrorCode::Unauthenticated | ErrorCode::WrongUser => Refusal::Token,
            ErrorCode::Forbidden => Refusal::Forbidden,
            _ => Refusal::Unavailable,
        };
        match (visitor.reply.take(), refusal) {
            (Some(reply), _) => {
                reply.send(Err(refusal)).ok();
                self.give_up(member);
            }
            (None, Refusal::Token | Refusal::Forbidden) => self.dismiss(member, Told::Expired),
            (None, _) => {
                visitor.phase = Phase::Away;
                // It comes anew, from the log-in on: what it has of the gateway by now would be in its way.
                self.unseat(member);
                self.say(&ClientMessage::Detach { member });
                self.returning.push_back((now + RETURN_RETRY, member));
            }
        }
    }

    fn give_up(&mut self, member: MemberRef) {
        if self.forget(member).is_some_and(|visitor| !visitor.channel.is_empty()) {
            self.say(&ClientMessage::Detach { member });
        }
    }

    fn dismiss(&mut self, member: MemberRef, why: Told) {
        if let Some(visitor) = self.visitors.get_mut(&member) {
            if let Some(reply) = visitor.reply.take() {
                reply.send(Err(Refusal::Token)).ok();
            }
            tell(visitor, why);
            self.give_up(member);
        }
    }

    /// What comes on the chat stream.
    fn heard(&mut self, now: Instant, channel: ChannelNumber, event: ChatEvent) {
        match event {
            ChatEvent::Stored { member, id, message, at } => {
                let Some(visitor) = self.visitors.get_mut(&member) else { return };
                visitor.unacked.retain(|(known, _)| *known != id);
                tell(visitor, Told::Acked { id, number: message, at });
            }
            ChatEvent::NotStored { member, id, code } => self.not_stored(member, id, code),
            ChatEvent::Said { member, said } => self.said(channel, member, &message(&said)),
            ChatEvent::Typing { user, name, .. } => {
                let name: Arc<str> = name.into();
                for visitor in self.those_in(channel).filter(|visitor| *visitor.channel != *user) {
                    // Of no use to one that doesn't keep up.
                    visitor.outlet.iter().for_each(|outlet| {
                        outlet.try_send(Told::Typing { name: name.clone() }).ok();
                    });
                }
            }
            ChatEvent::Page { request, messages, more } => self.page(now, request, &messages, more),
            ChatEvent::NoPage { request, code } => self.refused(now, request, code),
        }
    }

    /// A message can't be stored now, or never: its sender is told, and may send it again.
    pub(super) fn not_stored(&mut self, member: MemberRef, id: String, code: ErrorCode) {
        let Some(visitor) = self.visitors.get_mut(&member) else { return };
        visitor.unacked.retain(|(known, _)| *known != id);
        tell(visitor, Told::Refused { id, code });
    }

    fn those_in(&self, channel: ChannelNumber) -> impl Iterator<Item = &Visitor> {
        let there = self.channels.get(&channel).into_iter().flatten();
        there.filter_map(|member| self.visitors.get(member))
    }

    fn said(&mut self, channel: ChannelNumber, by: Option<MemberRef>, said: &Message) {
        for member in self.channels.get(&channel).into_iter().flatten() {
            let Some(visitor) = self.visitors.get_mut(member) else { continue };
            if visitor.phase == Phase::Reading {
                visitor.held.push(said.clone());
            } else if visitor.seen.is_none_or(|seen| said.number > seen) {
                visitor.seen = Some(said.number);
                // Who said it has its acknowledgement.
                if by != Some(*member) {
                    tell(visitor, Told::Said(said.clone()));
                }
            }
        }
    }

    /// What was said before, or missed: then the visitor is here, and says what waited.
    fn page(&mut self, now: Instant, request: RequestId, messages: &[ChatMessage<'static>], more: bool) {
        let Some(Asked::Page(member)) = self.asked.remove(&request) else { return };
        let Some(visitor) = self.visitors.get_mut(&member) else { return };
        let fresh = |said: &&ChatMessage<'_>| visitor.seen.is_none_or(|seen| said.message > seen);
        let mut news: Vec<_> = messages.iter().filter(fresh).map(message).collect();
        let gap = visitor.seen.is_some() && more;
        visitor.seen = news.last().map(|message| message.number).or(visitor.seen).or(Some(0));
        if !gap {
            let held = std::mem::take(&mut visitor.held).into_iter();
            news.extend(held.filter(|message| visitor.seen.is_none_or(|seen| message.number > seen)));
            visitor.seen = news.last().map(|message| message.number).or(visitor.seen);
        }
        match visitor.reply.take() {
            Some(reply) => {
                let opened = Opened {
                    member,
                    session: session_of(&visitor.channel).into(),
                    name: visitor.name.clone(),
                    expires: visitor.expires,
                    said: news,
                };
                if reply.send(Ok(opened)).is_err() {
                    return self.give_up(member);
                }
            }
            None => {
                for message in news {
                    tell(visitor, Told::Said(message));
                }
            }
        }
        if gap {
            return self.read(now, member);
        }
        self.returns.remove(&member);
        self.open_again(member);
    }

    fn open_again(&mut self, member: MemberRef) {
        let Some(visitor) = self.visitors.get_mut(&member) else { return };
        visitor.phase = Phase::Open;
        let Some(channel) = visitor.number else { return };
        let waiting: Vec<_> = visitor.unacked.iter().cloned().collect();
        for (id, text) in waiting {
            self.post(channel, member, id, text);
        }
    }
}

/// One stored message, as the bridge keeps it. A visitor's user id is the name of its channel; everybody else is staff.
fn message(said: &ChatMessage<'_>) -> Message {
    Message {
        number: said.message,
        staff: !said.user.starts_with(LIVECHAT_PREFIX),
        name: (&*said.name).into(),
        text: (&*said.text).into(),
        at: said.at,
    }
}
