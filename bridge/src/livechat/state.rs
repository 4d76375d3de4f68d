//! What the livechat's desk knows: who is here, in which channel, and what waits for the gateway.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use suara_proto::message::{ClientChat, ClientMessage, LIVECHAT_PREFIX, MemberScope};
use suara_proto::{ChannelNumber, ErrorCode, MemberRef, RequestId};
use tokio::sync::{mpsc, oneshot};

use super::numbers::{FIRST_MEMBER, FIRST_REQUEST, LAST_REQUEST};
use super::staff::{Shown, Staff, StaffRoom};
use super::told::{Message, Opened, Opening, Order, Pass, Refusal, Told};
use crate::desk::Token;
use crate::metrics::Metrics;
use crate::trunk::Link;

/// The gateway answers at once, but for tokens that it has to ask about elsewhere.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);
/// A member's return that nobody answered is asked for again after this long.
pub(super) const RETURN_RETRY: Duration = Duration::from_secs(2);
/// Returns that are asked for at a time; the rest waits.
const RETURN_WINDOW: usize = 64;
/// Messages of one visitor that aren't acknowledged yet. More is no conversation.
pub(super) const MAX_UNACKED: usize = 32;
/// What a visitor is shown of what was said before.
const PAGE: u32 = 50;
/// What one who was away is told at once.
const GAP_PAGE: u32 = 100;

pub(super) enum Asked {
    Mint(oneshot::Sender<Result<Pass, Refusal>>),
    Attach(MemberRef),
    Join(MemberRef),
    Page(MemberRef),
    /// One of staff is to be told of everything.
    Watch(MemberRef),
    Inbox(oneshot::Sender<Shown>),
    Talk(oneshot::Sender<Shown>),
}

/// How far a visitor has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No trunk, or not its turn yet.
    Away,
    Attaching,
    Joining,
    Reading,
    Open,
}

pub(super) struct Visitor {
    pub(super) token: Token,
    /// Nothing once its connection didn't keep up.
    pub(super) outlet: Option<mpsc::Sender<Told>>,
    pub(super) phase: Phase,
    /// Who waits to hear whether it is let in.
    pub(super) reply: Option<oneshot::Sender<Result<Opened, Refusal>>>,
    /// The channel's name, which is the visitor's user id too.
    pub(super) channel: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) expires: u64,
    pub(super) number: Option<ChannelNumber>,
    /// The newest message that it was told of; nothing before its first page.
    pub(super) seen: Option<u64>,
    /// What was said while it reads what was said before.
    pub(super) held: Vec<Message>,
    pub(super) unacked: VecDeque<(String, String)>,
}

/// Everything that the desk knows.
pub(super) struct State {
    pub(super) metrics: Metrics,
    pub(super) staff: Staff,
    pub(super) link: Option<Link>,
    pub(super) visitors: HashMap<MemberRef, Visitor>,
    pub(super) channels: HashMap<ChannelNumber, BTreeSet<MemberRef>>,
    pub(super) asked: HashMap<RequestId, Asked>,
    pub(super) deadlines: VecDeque<(Instant, RequestId)>,
    pub(super) returning: VecDeque<(Instant, MemberRef)>,
    pub(super) returns: BTreeSet<MemberRef>,
    last_request: u32,
    last_member: u32,
}

impl State {
    pub(super) fn new(room: Arc<dyn StaffRoom>, metrics: Metrics) -> Self {
        Self {
            metrics,
            staff: Staff::new(room),
            link: None,
            visitors: HashMap::new(),
            channels: HashMap::new(),
            asked: HashMap::new(),
            deadlines: VecDeque::new(),
            returning: VecDeque::new(),
            returns: BTreeSet::new(),
            last_request: FIRST_REQUEST,
            last_member: FIRST_MEMBER,
        }
    }

    pub(super) fn order(&mut self, now: Instant, order: Order) {
        match order {
            Order::Mint { name, reply } => self.mint(now, &name, reply),
            Order::Open { opening, reply } => self.open(now, opening, reply),
            Order::Send { member, id, text } => self.send(member, id, text),
            Order::Typing { member } => self.typing(member),
            Order::Close { member } => self.close(member),
            Order::Staff { member, order } => self.staff_order(now, member, order),
        }
        self.metrics.visitors(self.visitors.len());
    }

    fn mint(&mut self, now: Instant, name: &str, reply: oneshot::Sender<Result<Pass, Refusal>>) {
        let request = self.note(now, Asked::Mint(reply));
        if !self.ask(&ClientMessage::Visitor { request, name: name.into() }) {
            self.refused(now, request, ErrorCode::Unavailable);
        }
    }

    fn open(
        &mut self,
        now: Instant,
        Opening { token, after, outlet }: Opening,
        reply: oneshot::Sender<Result<Opened, Refusal>>,
    ) {
        let member = self.free_member();
        let visitor = Visitor {
            token,
            outlet: Some(outlet),
            phase: Phase::Away,
            reply: Some(reply),
            channel: Arc::from(""),
            name: Arc::from(""),
            expires: 0,
            number: None,
            seen: after,
            held: Vec::new(),
            unacked: VecDeque::new(),
        };
        self.visitors.insert(member, visitor);
        self.attach(now, member);
    }

    /// Says who a visitor is: the first step, at its coming and at its return.
    pub(super) fn attach(&mut self, now: Instant, member: MemberRef) {
        let Some(visitor) = self.visitors.get_mut(&member) else { return };
        visitor.phase = Phase::Attaching;
        let token = visitor.token.clone();
        let request = self.note(now, Asked::Attach(member));
        let attach = ClientMessage::Attach {
            request,
            member,
            token: token.expose().into(),
            scope: MemberScope::Livechat,
        };
        if !self.ask(&attach) {
            self.refused(now, request, ErrorCode::Unavailable);
        }
    }

    pub(super) fn join(&mut self, now: Instant, member: MemberRef) {
        let Some(visitor) = self.visitors.get_mut(&member) else { return };
        visitor.phase = Phase::Joining;
        let channel = visitor.channel.clone();
        let request = self.note(now, Asked::Join(member));
        self.say(&ClientMessage::Join { request, channel: (&*channel).into(), member: Some(member) });
    }

    pub(super) fn read(&mut self, now: Instant, member: MemberRef) {
        let Some(visitor) = self.visitors.get_mut(&member) else { return };
        let Some(channel) = visitor.number else { return };
        visitor.phase = Phase::Reading;
        let (after, limit) = (visitor.seen, if visitor.seen.is_some() { GAP_PAGE } else { PAGE });
        let request = self.note(now, Asked::Page(member));
        let (member, limit) = (Some(member), Some(limit));
        if !self.chat(&ClientChat::History { request, channel, member, before: None, after, limit }) {
            self.refused(now, request, ErrorCode::Unavailable);
        }
    }

    /// Sends a message, now or when the visitor is back in its channel.
    fn send(&mut self, member: MemberRef, id: String, text: String) {
        let Some(visitor) = self.visitors.get_mut(&member) else { return };
        if visitor.unacked.iter().any(|(known, _)| *known == id) {
            // It is under way: the answer will come.
            return;
        }
        if visitor.unacked.len() >= MAX_UNACKED {
            return tell(visitor, Told::Refused { id, code: ErrorCode::RateLimited });
        }
        visitor.unacked.push_back((id.clone(), text.clone()));
        if let (Phase::Open, Some(channel)) = (visitor.phase, visitor.number) {
            self.post(channel, member, id, text);
        }
    }

    /// Sends a message that waits; when too much does, its sender is told.
    pub(super) fn post(&mut self, channel: ChannelNumber, member: MemberRef, id: String, text: String) {
        let (known, member) = (id.as_str().into(), Some(member));
        if !self.chat(&ClientChat::Send { channel, member, id: known, text: text.into() })
            && let Some(member) = member
        {
            self.not_stored(member, id, ErrorCode::Unavailable);
        }
    }

    fn typing(&self, member: MemberRef) {
        let Some(visitor) = self.visitors.get(&member) else { return };
        if let (Phase::Open, Some(channel)) = (visitor.phase, visitor.number) {
            let said = self.chat(&ClientChat::Typing { channel, member: Some(member) });
            tracing::trace!(said, "a visitor writes");
        }
    }

    fn close(&mut self, member: MemberRef) {
        let Some(visitor) = self.forget(member) else { return };
        if visitor.phase != Phase::Away {
            self.say(&ClientMessage::Detach { member });
        }
    }

    pub(super) fn forget(&mut self, member: MemberRef) -> Option<Visitor> {
        self.unseat(member);
        self.returns.remove(&member);
        self.visitors.remove(&member)
    }

    /// What comes for its channel isn't for this visitor any more.
    pub(super) fn unseat(&mut self, member: MemberRef) {
        let Some(number) = self.visitors.get_mut(&member).and_then(|visitor| visitor.number.take()) else {
            return;
        };
        if let Some(there) = self.channels.get_mut(&number) {
            there.remove(&member);
            if there.is_empty() {
                self.channels.remove(&number);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let room = self.link.is_some() && self.returns.len() < RETURN_WINDOW;
        let next_return = self.returning.front().filter(|_| room).map(|(at, _)| *at);
        let next_watch = self.staff.waiting.front().map(|(at, _)| *at);
        [self.deadlines.front().map(|(at, _)| *at), next_return, next_watch].into_iter().flatten().min()
    }

    /// Gives up what wasn't answered, and brings back who waits for it.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some((_, request)) = self.deadlines.pop_front_if(|(at, _)| *at <= now) {
            if self.asked.contains_key(&request) {
                self.refused(now, request, ErrorCode::Unavailable);
            }
        }
        self.bring_back(now);
        self.watch_again(now);
    }

    pub(super) fn bring_back(&mut self, now: Instant) {
        while self.link.is_some() && self.returns.len() < RETURN_WINDOW {
            let Some((_, member)) = self.returning.pop_front_if(|(at, _)| *at <= now) else { return };
            if self.visitors.get(&member).is_some_and(|visitor| visitor.phase == Phase::Away) {
                self.returns.insert(member);
                self.attach(now, member);
            }
        }
    }

    pub(super) fn say(&self, message: &ClientMessage<'_>) {
        if let Some(link) = &self.link {
            link.say(message);
        }
    }

    fn ask(&self, message: &ClientMessage<'_>) -> bool {
        self.link.as_ref().is_some_and(|link| link.ask(message))
    }

    pub(super) fn chat(&self, message: &impl Serialize) -> bool {
        self.link.as_ref().is_some_and(|link| link.chat(message))
    }

    pub(super) fn note(&mut self, now: Instant, asked: Asked) -> RequestId {
        self.last_request =
            if self.last_request < LAST_REQUEST { self.last_request + 1 } else { FIRST_REQUEST };
        let request = RequestId(self.last_request);
        self.asked.insert(request, asked);
        self.deadlines.push_back((now + PATIENCE, request));
        request
    }

    fn free_member(&mut self) -> MemberRef {
        loop {
            self.last_member = self.last_member.checked_add(1).unwrap_or(FIRST_MEMBER);
            let member = MemberRef(self.last_member);
            if !self.visitors.contains_key(&member) {
                return member;
            }
        }
    }
}

/// Tells a connection. One that doesn't read is ended: its client comes back and is told what it missed.
pub(super) fn tell(visitor: &mut Visitor, told: Told) {
    if visitor.outlet.as_ref().is_some_and(|outlet| outlet.try_send(told).is_err()) {
        tracing::debug!("a visitor's connection doesn't keep up, or is gone");
        visitor.outlet = None;
    }
}

/// The session's id in a channel's name.
pub(super) fn session_of(channel: &str) -> &str {
    channel.strip_prefix(LIVECHAT_PREFIX).unwrap_or(channel)
}
