//! One client's session: takes its events one after the other, and knows which channels it is in.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::{Value, json};
use socketioxide::TransportType;
use socketioxide::extract::{AckSender, SocketRef};
use suara_proto::LeaveReason;
use suara_proto::message::Right;
use tokio::sync::mpsc;

use super::Shared;
use super::budget::Budget;
use super::emergency::Alarm;
use super::inbox::{Inbox, Incoming, Request, Signal};
use super::outlet::own_room;
use super::payload::{self, ChannelId, Fault};
use super::signals;
use super::staff::STAFF_ROOM;
use super::users::Share;
use crate::audio::Format;
use crate::channel::{Channel, Input, Listener, Seat};
use crate::desk::{Attached, JoinError, Notice};
use crate::edge::Hold;
use crate::livechat::StaffDesk;
use crate::metrics::DropReason;
use crate::notify::{self, Args};
use crate::signaling::{self, Identity, Peer};
use crate::trunk::Who;

/// Requests that a client may make a second, and at once; its user's are counted together besides.
const REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
const REQUESTS_AT_ONCE: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// A client may go while it logs in, of which the library doesn't tell: a session looks soon after, and then from time
/// to time, whether its socket is there.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LOOK_AFTER: Duration = Duration::from_secs(30);

/// A channel that the client is in.
pub(super) struct Membership {
    pub(super) id: ChannelId,
    pub(super) channel: Channel,
    pub(super) format: Format,
}

/// What a request is answered with, beside `status: "ok"`.
pub(super) type Answer = Result<Option<Value>, Fault>;

pub(super) struct Session {
    pub(super) shared: Shared,
    space: &'static str,
    pub(super) socket: SocketRef,
    pub(super) attached: Attached,
    share: Share,
    hold: Hold,
    /// In the order in which they were joined; the last one is talked in.
    pub(super) memberships: Vec<Membership>,
    rate: DefaultDirectRateLimiter,
    budget: Budget,
    peer: Peer,
    /// Where the client answers visitors.
    pub(super) staff: Option<StaffDesk>,
    /// Its voice goes to an emergency's channel.
    pub(super) alarm: Alarm,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.metrics.socket_closed();
    }
}

impl Session {
    pub(super) fn new(
        shared: &Shared,
        space: &'static str,
        socket: SocketRef,
        attached: Attached,
        share: Share,
    ) -> Self {
        let asked = socket.clone();
        let upgraded = move || asked.transport_type() == TransportType::Websocket;
        let hold = shared.lines.hold(socket.id, socket.req_parts(), upgraded);
        socket.join(own_room(socket.id));
        socket.join(notify::rooms_of(&attached.who.user, &attached.who.role));
        shared.metrics.socket_opened();
        tracing::info!(sid = %socket.id, space, member = %attached.member, "a client logged in");
        tracing::debug!(member = %attached.member, user = %attached.who.user, "who it is");
        let identity = Identity { user: attached.who.user.clone(), role: attached.who.role.clone() };
        let peer = shared.board.peer(Seat { space, sid: socket.id }, identity);
        let is_staff = shared.livechat_staff.iter().any(|role| **role == *attached.who.role);
        let staff = is_staff.then(|| {
            socket.join(STAFF_ROOM);
            shared.livechat.staff(attached.member)
        });
        let rate = RateLimiter::direct(Quota::per_second(REQUESTS_PER_SECOND).allow_burst(REQUESTS_AT_ONCE));
        Self {
            shared: shared.clone(),
            space,
            socket,
            attached,
            share,
            hold,
            memberships: Vec::new(),
            rate,
            budget: Budget::new(Instant::now()),
            peer,
            staff,
            alarm: Alarm::default(),
        }
    }

    /// Serves the client until it is gone.
    pub(super) async fn run(mut self, mut inbox: Inbox, mut notices: mpsc::UnboundedReceiver<Notice>) {
        let mut look = tokio::time::interval(LOOK_AFTER);
        look.reset_after(FIRST_LOOK);
        let mut departure = self.hold.departures(&self.shared.leaving);
        loop {
            tokio::select! {
                incoming = inbox.incoming.recv() => match incoming {
                    Some(Incoming::Request { request, payload, ack }) => self.request(request, payload, ack).await,
                    Some(Incoming::Voice { at, chunk }) => self.voice(at, chunk),
                    Some(Incoming::Gone) | None => break,
                },
                notice = notices.recv() => match notice {
                    Some(Notice::Left { channel, reason }) => self.left(&channel, reason),
                    Some(Notice::Called { channel, by, users }) => self.called(channel, &by, &users).await,
                    // Who may not talk is told so when it asks.
                    Some(Notice::Rights { .. }) => {}
                    Some(Notice::Told { event, payload }) => self.told(&event, payload),
                    Some(Notice::Expired) => return self.expire(),
                    Some(Notice::Kicked) | None => return self.disconnect(),
                },
                Some(signal) = inbox.signals.recv() => self.signal(signal).await,
                () = self.alarm.ends() => self.end_alarm(),
                () = departure.look() => if departure.goes(self.calm(Instant::now())) { return self.depart() },
                () = self.shared.closed.cancelled() => break,
                _ = look.tick() => if !self.socket.connected() { break },
            }
        }
        tracing::info!(sid = %self.socket.id, member = %self.attached.member, "a client is gone");
    }

    fn voice(&mut self, at: Instant, chunk: Bytes) {
        let there = self.alarm.place(&self.memberships).and_then(|at| self.memberships.get(at));
        let Some(Membership { channel, format, .. }) = there else {
            return self.shared.metrics.dropped(DropReason::NotJoined, 1);
        };
        if !self.budget.spend(at, *format, &chunk) {
            return self.shared.metrics.dropped(DropReason::Rate, 1);
        }
        if !channel.voice(Input::Voice { member: self.attached.member, at, chunk: chunk.into() }) {
            self.shared.metrics.dropped(DropReason::Backlog, 1);
        }
    }

    async fn request(&mut self, request: Request, payload: Option<Value>, ack: AckSender) {
        let mut ack = Some(ack);
        let answered = if self.rate.check().is_ok() && self.share.may_ask() {
            let payload = payload.as_ref();
            match request {
                Request::Join => self.join(payload.unwrap_or(&Value::Null)).await,
                Request::Leave => self.leave(payload.unwrap_or(&Value::Null)),
                Request::AskFloor => payload::wish(payload)
                    .and_then(|wish| self.floor(payload, |member| Input::Press { member, wish })),
                Request::ReleaseFloor => self.floor(payload, |member| Input::Release { member }),
                Request::Emergency => match self.emergency(payload).await {
                    Ok(said) => {
                        say(ack.take(), &said);
                        Ok(None)
                    }
                    Err(fault) => Err(fault),
                },
                Request::EndEmergency => self.end_emergency(payload),
                Request::Chat | Request::Typing | Request::History => match ack.take() {
                    Some(ack) => self.chat(request, payload, ack).map(|()| None),
                    None => Ok(None),
                },
                Request::LivechatReply
                | Request::LivechatTyping
                | Request::LivechatInbox
                | Request::LivechatHistory => match ack.take() {
                    Some(ack) => self.livechat(request, payload, ack).map(|()| None),
                    None => Ok(None),
                },
            }
        } else {
            Err(Fault::TooFast)
        };
        if let Err(fault) = answered {
            tracing::debug!(sid = %self.socket.id, ?request, ?fault, "a request was refused");
            if let Some(kind) = fault.kind() {
                self.shared.metrics.bad_input(kind);
            }
        }
        if let Some(ack) = ack {
            answer(ack, answered);
        }
    }

    pub(super) fn listener(&self, format: Format, id: &ChannelId) -> Listener {
        let seat = Seat { space: self.space, sid: self.socket.id };
        Listener { seat, line: self.hold.line().clone(), format, spelling: id.spelling.clone() }
    }

    /// Somebody calls: the client hears the call from now on, in the format that it speaks. It goes on to talk where it
    /// talked before, until it joins the call itself.
    async fn called(&mut self, name: String, by: &Who, users: &[String]) {
        let default = Format::new(None, self.shared.default_sample_rate);
        let Some(format) = self.memberships.last().map(|last| last.format).or(default.ok()) else { return };
        let id = ChannelId { spelling: json!(name), name };
        let listener = self.listener(format, &id);
        let Ok(seated) = self.shared.desk.join(self.attached.member, id.name.clone(), listener).await else {
            return tracing::debug!(sid = %self.socket.id, "a call was over before it was picked up");
        };
        let from = json!({ "user_id": &*by.user, "name": &*by.name });
        let payload = json!({ "channel_id": id.spelling, "from": from, "users": users });
        self.memberships.insert(0, Membership { id, channel: seated.channel, format });
        if let Err(error) = self.socket.emit("call", &payload) {
            tracing::debug!(%error, "a client could not be told that it is called");
        }
    }

    /// Signaling rooms are named like channels, and take the right to listen to the channel of that name.
    async fn signal(&mut self, signal: Signal) {
        let Self { shared, attached, share, peer, .. } = self;
        let may = async |room: &str| {
            if !share.may_ask() {
                return Err(signaling::Fault::TooFast);
            }
            match shared.desk.may(attached.member, room.to_owned()).await {
                Ok(rights) if rights.has(Right::Listen) => Ok(()),
                Ok(_) => Err(signaling::Fault::Forbidden),
                Err(JoinError::Name) => Err(signaling::Fault::RoomName),
                Err(_) => Err(signaling::Fault::Unavailable),
            }
        };
        signals::serve(shared, peer, signal, may).await;
    }

    async fn join(&mut self, payload: &Value) -> Answer {
        let payload::Join { channel: id, format } = payload::join(payload, self.shared.default_sample_rate)?;
        let listener = self.listener(format, &id);
        let seated = self.shared.desk.join(self.attached.member, id.name.clone(), listener).await?;
        if let Some(Membership { id: last, channel, .. }) = self.memberships.last()
            && last.name != id.name
        {
            // It talks in the new one from now on.
            channel.tell(Input::Release { member: self.attached.member });
        }
        self.memberships.retain(|membership| membership.id.name != id.name);
        self.socket.join(notify::channel_room(&id.name));
        let spelling = id.spelling.clone();
        self.memberships.push(Membership { id, channel: seated.channel, format });
        Ok(Some(spelling))
    }

    fn leave(&mut self, payload: &Value) -> Answer {
        let id = payload::leave(payload)?;
        let before = self.memberships.len();
        self.memberships.retain(|membership| membership.id.name != id.name);
        if self.memberships.len() == before {
            return Err(Fault::NotJoined);
        }
        self.alarm.left(&id.name);
        self.socket.leave(notify::channel_room(&id.name));
        self.shared.desk.leave(self.attached.member, id.name);
        Ok(Some(id.spelling))
    }

    fn floor(&self, payload: Option<&Value>, input: impl FnOnce(suara_proto::MemberRef) -> Input) -> Answer {
        let Membership { id, channel, .. } = self.membership(payload::floor(payload)?.as_ref())?;
        channel.tell(input(self.attached.member));
        Ok(Some(id.spelling.clone()))
    }

    /// The channel that is named, or the one joined last.
    pub(super) fn membership(&self, named: Option<&ChannelId>) -> Result<&Membership, Fault> {
        let membership = match named {
            None => self.memberships.last(),
            Some(id) => self.memberships.iter().find(|membership| membership.id.name == id.name),
        };
        membership.ok_or(Fault::NotJoined)
    }

    /// The gateway took the client out of a channel.
    fn left(&mut self, channel: &str, reason: LeaveReason) {
        let Some(at) = self.memberships.iter().position(|membership| membership.id.name == channel) else {
            return;
        };
        let Membership { id, .. } = self.memberships.remove(at);
        self.alarm.left(&id.name);
        self.socket.leave(notify::channel_room(&id.name));
        let payload = json!({ "channel_id": id.spelling, "reason": reason });
        if let Err(error) = self.socket.emit("channel_left", &payload) {
            tracing::debug!(%error, "a client could not be told that it is out of a channel");
        }
    }

    /// A notification that was kept comes as it would have come then.
    fn told(&self, event: &str, payload: Value) {
        if let Err(error) = self.socket.emit(event, &Args::kept(payload)) {
            tracing::debug!(%error, "a kept notification found no room");
        }
    }

    /// For how long nobody has talked in any of its channels; `None` while somebody does.
    fn calm(&self, now: Instant) -> Option<Duration> {
        let calm = |least: Duration, there: &Membership| Some(least.min(there.channel.calm(now)?));
        self.memberships.iter().try_fold(Duration::MAX, calm)
    }

    /// This node is about to stop: the connection breaks, and the client's own reconnect leads to another one.
    fn depart(self) {
        tracing::info!(sid = %self.socket.id, member = %self.attached.member, "a client is sent elsewhere");
        if !self.hold.sever() {
            tracing::debug!(sid = %self.socket.id, "its connection ends with all others");
        }
    }

    /// The token has ended: the connection breaks, and the client's own reconnect brings a fresh one, or is refused in
    /// the documented words. A disconnect by the server would keep it from reconnecting.
    fn expire(self) {
        tracing::info!(sid = %self.socket.id, member = %self.attached.member, "a client's token has ended");
        if !self.hold.sever() {
            self.disconnect();
        }
    }

    fn disconnect(self) {
        if let Err(error) = self.socket.clone().disconnect() {
            tracing::debug!(%error, "a client was gone before it was disconnected");
        }
    }
}

/// Answers a request, where the client asked for an answer.
pub(super) fn answer(ack: AckSender, answer: Answer) {
    let answer = match answer {
        Ok(None) => json!({ "status": "ok" }),
        Ok(Some(channel)) => json!({ "status": "ok", "channel": channel }),
        Err(fault) => json!({ "status": "error", "msg": fault.to_string() }),
    };
    say(Some(ack), &answer);
}

/// An answer in words of its own.
fn say(ack: Option<AckSender>, answer: &Value) {
    if let Some(Err(error)) = ack.map(|ack| ack.send(answer)) {
        tracing::debug!(%error, "an answer found no room");
    }
}
