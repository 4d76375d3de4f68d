//! The desk's task and what it knows.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use suara_proto::message::{ChannelMode, ClientMessage, Rights};
use suara_proto::{ChannelNumber, CloseCode, LeaveReason, MemberRef, RequestId};
use tokio::sync::{mpsc, oneshot, watch};

use super::answers::{RETURN_RETRY, answer};
use super::pending::{Asked, Pending, Reply};
use super::{AttachError, JoinError, Notice, Request, Routes, Seated, Token};
use crate::channel::{Channel, Input, Listener, Outlet};
use crate::livechat::FIRST_MEMBER as FIRST_VISITOR;
use crate::metrics::Metrics;
use crate::trunk::{Joined, Link, TrunkEvent, Who};

/// Members whose return is asked for at a time. More would make those who log in meanwhile wait behind them.
const RETURN_WINDOW: usize = 128;

pub(super) async fn run(
    mut state: State,
    mut requests: mpsc::UnboundedReceiver<Request>,
    mut events: mpsc::UnboundedReceiver<TrunkEvent>,
) {
    loop {
        let deadline = state.deadline();
        tokio::select! {
            request = requests.recv() => match request {
                Some(request) => state.request(Instant::now(), request),
                None => return,
            },
            event = events.recv() => match event {
                Some(event) => state.event(Instant::now(), event),
                None => return,
            },
            () = sleep_until(deadline) => state.tick(Instant::now()),
        }
    }
}

fn attach(request: RequestId, member: MemberRef, token: &Token) -> ClientMessage<'_> {
    ClientMessage::Attach { request, member, token: token.expose().into(), scope: token.scope }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

pub(super) struct Member {
    pub(super) token: Token,
    pub(super) notices: mpsc::UnboundedSender<Notice>,
    /// Known once the gateway has verified the token.
    pub(super) who: Option<Who>,
    pub(super) channels: BTreeMap<String, Membership>,
}

/// A channel that a member is in.
#[derive(Clone)]
pub(super) struct Membership {
    pub(super) listener: Listener,
    pub(super) rights: Rights,
    pub(super) mode: ChannelMode,
}

pub(super) struct Place {
    pub(super) channel: Channel,
    pub(super) number: Option<ChannelNumber>,
    pub(super) members: BTreeSet<MemberRef>,
}

/// Everything that the desk knows.
pub(super) struct State {
    pub(super) routes: Routes,
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) metrics: Metrics,
    pub(super) trouble: watch::Sender<Option<String>>,
    pub(super) link: Option<Link>,
    pub(super) members: HashMap<MemberRef, Member>,
    pub(super) last_member: u32,
    pub(super) places: HashMap<String, Place>,
    pub(super) numbers: HashMap<ChannelNumber, String>,
    pub(super) pending: Pending,
    /// Members to be brought back, each not before its time.
    pub(super) returning: VecDeque<(Instant, MemberRef)>,
    pub(super) returns_under_way: BTreeSet<MemberRef>,
    /// Calls that members were put into, until their sessions pick them up.
    pub(super) calls: HashMap<(MemberRef, String), Joined>,
    /// Alerts of channels that nobody was picked up in yet.
    pub(super) early_alerts: Vec<(ChannelNumber, String, Option<Value>)>,
}

impl State {
    pub(super) fn new(
        routes: Routes,
        outlet: Arc<dyn Outlet>,
        metrics: Metrics,
        trouble: watch::Sender<Option<String>>,
    ) -> Self {
        Self {
            routes,
            outlet,
            metrics,
            trouble,
            link: None,
            members: HashMap::new(),
            last_member: 0,
            places: HashMap::new(),
            numbers: HashMap::new(),
            pending: Pending::default(),
            returning: VecDeque::new(),
            returns_under_way: BTreeSet::new(),
            calls: HashMap::new(),
            early_alerts: Vec::new(),
        }
    }

    pub(super) fn request(&mut self, now: Instant, request: Request) {
        match request {
            Request::Attach { token, notices, reply } => self.attach(now, token, notices, reply),
            Request::Detach { member } => {
                if self.members.contains_key(&member) {
                    self.say(&ClientMessage::Detach { member });
                    self.forget(member);
                }
            }
            Request::Join { member, channel, listener, reply } => {
                self.join(now, member, channel, listener, reply);
            }
            Request::Leave { member, channel } => {
                let place = self.places.get(&channel).and_then(|place| place.number);
                if let Some(number) = self.decline(member, &channel).or(place) {
                    self.say(&ClientMessage::Leave { channel: number, member: Some(member) });
                }
                self.exit(member, &channel);
            }
            Request::Emergency { member, what, reply } => self.raise(now, member, *what, reply),
            Request::EndEmergency { member, channel, user } => self.end_emergency(member, &channel, user),
            Request::May { member, channel, reply } => self.may(now, member, channel, reply),
            Request::Guest { reply } => self.guest(now, reply),
            Request::Verify { token, reply } => self.verify(now, token, reply),
            Request::Notify { broadcast, reply } => self.notify_gateway(now, *broadcast, reply),
        }
        self.metrics.members(self.members.len());
    }

    pub(super) fn event(&mut self, now: Instant, event: TrunkEvent) {
        match event {
            TrunkEvent::Up(link) => self.up(now, link),
            TrunkEvent::Down { reason } => self.down(reason),
            TrunkEvent::Attached { request, who, .. } => self.attached(now, request, who),
            TrunkEvent::Detached { member, code } => {
                let expired = code == CloseCode::TokenExpired;
                self.dismiss(member, if expired { Notice::Expired } else { Notice::Kicked });
            }
            TrunkEvent::Joined(joined) => self.joined(joined),
            TrunkEvent::Called(called) => self.called(called),
            TrunkEvent::Brought { member, channel, joined } => self.brought(member, channel, joined),
            TrunkEvent::Raised { request, channel, microphone_ms } => {
                self.raised(request, channel, microphone_ms);
            }
            TrunkEvent::Rights { request, rights } => self.rights(request, rights),
            TrunkEvent::GuestSession { request, token } => self.guest_session(request, token),
            TrunkEvent::Verified { request, bearer } => self.verified(request, bearer),
            TrunkEvent::Notified { request, kept } => self.notified(request, kept),
            TrunkEvent::Notification { member, event, payload } => {
                self.notify(member, Notice::Told { event, payload });
            }
            TrunkEvent::VisitorSession { .. } | TrunkEvent::Staff(_) => {}
            TrunkEvent::Left { member, channel, reason } => self.left(member, channel, reason),
            TrunkEvent::Refused { request, code } => self.refused(now, request, code),
            TrunkEvent::Roster { channel, roster } => self.tell(channel, Input::Roster(roster)),
            TrunkEvent::Chat { channel, chat } => self.tell(channel, Input::Chat(chat)),
            TrunkEvent::Alert { channel, user, alert } => self.alert(channel, user, alert),
            TrunkEvent::Floor { channel, floor } => self.tell(channel, Input::Floor(floor)),
        }
        self.bring_back(now);
        self.metrics.members(self.members.len());
    }

    fn deadline(&self) -> Option<Instant> {
        let window_open = self.link.is_some() && self.returns_under_way.len() < RETURN_WINDOW;
        let next_return = self.returning.front().filter(|_| window_open).map(|(at, _)| *at);
        [self.pending.deadline(), next_return].into_iter().flatten().min()
    }

    pub(super) fn tick(&mut self, now: Instant) {
        for member in self.pending.expire(now) {
            self.returns_under_way.remove(&member);
            self.returning.push_back((now + RETURN_RETRY, member));
        }
        self.bring_back(now);
    }

    pub(super) fn say(&self, message: &ClientMessage<'_>) {
        if let Some(link) = &self.link {
            link.say(message);
        }
    }

    /// Begins something, unless there is no trunk or too much waits for it.
    pub(super) fn ask(&self, message: &ClientMessage<'_>) -> bool {
        self.link.as_ref().is_some_and(|link| link.ask(message))
    }

    pub(super) fn tell(&self, number: ChannelNumber, input: Input) {
        if let Some(place) = self.numbers.get(&number).and_then(|name| self.places.get(name)) {
            place.channel.tell(input);
        }
    }

    fn attach(
        &mut self,
        now: Instant,
        token: Token,
        notices: mpsc::UnboundedSender<Notice>,
        reply: oneshot::Sender<Result<(MemberRef, Who), AttachError>>,
    ) {
        let member = self.free_number();
        let request = self.pending.add(now, Asked::Attach { member, reply: Reply::To(reply) });
        if !self.ask(&attach(request, member, &token)) {
            if let Some(Asked::Attach { reply: Reply::To(reply), .. }) = self.pending.take(request) {
                answer(reply, Err(AttachError::Unavailable));
            }
            return;
        }
        self.members.insert(member, Member { token, notices, who: None, channels: BTreeMap::new() });
    }

    fn free_number(&mut self) -> MemberRef {
        loop {
            // Those above are the livechat's.
            self.last_member = (self.last_member + 1) % FIRST_VISITOR;
            let member = MemberRef(self.last_member);
            if !self.members.contains_key(&member) {
                return member;
            }
        }
    }

    fn join(
        &mut self,
        now: Instant,
        member: MemberRef,
        channel: String,
        listener: Listener,
        reply: oneshot::Sender<Result<Seated, JoinError>>,
    ) {
        let there = self.members.get_mut(&member).and_then(|entry| entry.channels.get_mut(&channel));
        let place = self.places.get(&channel);
        if let (Some(known), Some(place)) = (there, place) {
            known.listener = listener.clone();
            let Membership { rights, mode, .. } = *known;
            place.channel.tell(Input::Change { member, listener });
            answer(reply, Ok(Seated { channel: place.channel.clone(), rights, mode }));
        } else if !self.members.contains_key(&member) {
            answer(reply, Err(JoinError::Unavailable));
        } else {
            self.pick_up(now, member, channel, listener, reply);
        }
    }

    /// Asks the gateway to let a member in.
    pub(super) fn ask_for(
        &mut self,
        now: Instant,
        member: MemberRef,
        channel: String,
        listener: Listener,
        reply: oneshot::Sender<Result<Seated, JoinError>>,
    ) {
        let asked = Asked::Join { member, channel: channel.clone(), listener, reply: Reply::To(reply) };
        let request = self.pending.add(now, asked);
        if !self.ask(&ClientMessage::Join { request, channel: channel.into(), member: Some(member) })
            && let Some(Asked::Join { reply: Reply::To(reply), .. }) = self.pending.take(request)
        {
            answer(reply, Err(JoinError::Unavailable));
        }
    }

    /// A member that was brought back is brought into its channel.
    pub(super) fn rejoin(&mut self, now: Instant, member: MemberRef, channel: String, listener: Listener) {
        let asked = Asked::Join { member, channel: channel.clone(), listener, reply: Reply::Return };
        let request = self.pending.add(now, asked);
        self.say(&ClientMessage::Join { request, channel: channel.into(), member: Some(member) });
    }

    fn left(&mut self, member: MemberRef, number: ChannelNumber, reason: LeaveReason) {
        // What was our own wish is done already, and may have been followed by another join.
        if reason == LeaveReason::Left {
            return;
        }
        self.hang_up(member, number);
        if let Some(channel) = self.numbers.get(&number).cloned() {
            self.notify(member, Notice::Left { channel: channel.clone(), reason });
            self.exit(member, &channel);
        }
    }

    fn up(&mut self, now: Instant, link: Link) {
        self.link = Some(link);
        self.metrics.trunk_up(true);
        self.trouble.send_replace(None);
        self.returning = self.members.keys().map(|member| (now, *member)).collect();
        self.returns_under_way.clear();
    }

    fn down(&mut self, reason: String) {
        self.trouble.send_replace(Some(format!("no trunk to the gateway: {reason}")));
        if self.link.take().is_none() {
            return;
        }
        self.calls.clear();
        self.early_alerts.clear();
        self.metrics.trunk_up(false);
        self.numbers.clear();
        self.routes.write().clear();
        for place in self.places.values_mut() {
            place.number = None;
            place.channel.tell(Input::CutOff);
        }
        for asked in self.pending.drain() {
            match asked {
                Asked::Attach { member, reply: Reply::To(reply) } => {
                    answer(reply, Err(AttachError::Unavailable));
                    self.forget(member);
                }
                Asked::Attach { member, reply: Reply::TooLate } => self.forget(member),
                Asked::Join { reply: Reply::To(reply), .. } => answer(reply, Err(JoinError::Unavailable)),
                Asked::Emergency { reply: Reply::To(reply), .. } => {
                    answer(reply, Err(JoinError::Unavailable));
                }
                Asked::May { reply: Reply::To(reply) } => answer(reply, Err(JoinError::Unavailable)),
                Asked::Guest { reply: Reply::To(reply) } => answer(reply, Err(AttachError::Unavailable)),
                Asked::Verify { reply: Reply::To(reply) } => answer(reply, Err(AttachError::Unavailable)),
                Asked::Notify { reply: Reply::To(reply) } => answer(reply, Err(AttachError::Unavailable)),
                Asked::Emergency { .. }
                | Asked::May { .. }
                | Asked::Guest { .. }
                | Asked::Verify { .. }
                | Asked::Notify { .. } => {}
                Asked::Attach { reply: Reply::Return, .. } | Asked::Join { .. } => {}
            }
        }
    }

    /// Asks for the return of as many members as may be under way.
    fn bring_back(&mut self, now: Instant) {
        if self.link.is_none() {
            return;
        }
        while self.returns_under_way.len() < RETURN_WINDOW {
            let Some((_, member)) = self.returning.pop_front_if(|(at, _)| *at <= now) else { return };
            let Some(token) = self.members.get(&member).map(|entry| entry.token.clone()) else { continue };
            self.returns_under_way.insert(member);
            let request = self.pending.add(now, Asked::Attach { member, reply: Reply::Return });
            self.say(&attach(request, member, &token));
        }
    }

    pub(super) fn dismiss(&mut self, member: MemberRef, notice: Notice) {
        self.notify(member, notice);
        self.forget(member);
    }

    pub(super) fn notify(&self, member: MemberRef, notice: Notice) {
        if let Some(entry) = self.members.get(&member) {
            // A session that is gone has no use for it.
            entry.notices.send(notice).ok();
        }
    }

    pub(super) fn forget(&mut self, member: MemberRef) {
        let channels = self.members.get(&member).map(|entry| entry.channels.keys().cloned().collect());
        let channels: Vec<String> = channels.unwrap_or_default();
        for channel in channels {
            self.exit(member, &channel);
        }
        self.members.remove(&member);
        self.calls.retain(|(called, _), _| *called != member);
    }

    pub(super) fn exit(&mut self, member: MemberRef, channel: &str) {
        if let Some(entry) = self.members.get_mut(&member) {
            entry.channels.remove(channel);
        }
        let Some(place) = self.places.get_mut(channel) else { return };
        place.channel.tell(Input::Exit { member });
        place.members.remove(&member);
        if place.members.is_empty() {
            if let Some(number) = place.number {
                self.numbers.remove(&number);
                self.routes.write().remove(&number);
            }
            self.places.remove(channel);
            self.metrics.channels(self.places.len());
        }
    }
}
