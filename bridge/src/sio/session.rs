//! One client's session: takes its events one after the other, and knows which channels it is in.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::{Value, json};
use socketioxide::TransportType;
use socketioxide::extract::{AckSender, SocketRef};
use suara_proto::LeaveReason;
use tokio::sync::mpsc;

use super::Shared;
use super::budget::Budget;
use super::inbox::{Incoming, Request};
use super::outlet::own_room;
use super::payload::{self, ChannelId, Fault};
use super::users::Share;
use crate::audio::Format;
use crate::channel::{Channel, Input, Listener, Seat};
use crate::desk::{Attached, Notice};
use crate::edge::Hold;
use crate::metrics::DropReason;

/// Requests that a client may make a second, and at once; its user's are counted together besides.
const REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
const REQUESTS_AT_ONCE: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// A client may go while it logs in, of which the library doesn't tell: a session looks soon after, and then from time
/// to time, whether its socket is there.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LOOK_AFTER: Duration = Duration::from_secs(30);

/// A channel that the client is in.
struct Membership {
    id: ChannelId,
    channel: Channel,
    format: Format,
}

/// What a request is answered with, beside `status: "ok"`.
type Answer = Result<Option<Value>, Fault>;

pub(super) struct Session {
    shared: Shared,
    space: &'static str,
    socket: SocketRef,
    attached: Attached,
    share: Share,
    hold: Hold,
    /// In the order in which they were joined; the last one is talked in.
    memberships: Vec<Membership>,
    rate: DefaultDirectRateLimiter,
    budget: Budget,
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
        shared.metrics.socket_opened();
        tracing::info!(sid = %socket.id, space, member = %attached.member, "a client logged in");
        tracing::debug!(member = %attached.member, user = %attached.who.user, "who it is");
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
        }
    }

    /// Serves the client until it is gone.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Incoming>,
        mut notices: mpsc::UnboundedReceiver<Notice>,
    ) {
        let mut look = tokio::time::interval(LOOK_AFTER);
        look.reset_after(FIRST_LOOK);
        loop {
            tokio::select! {
                incoming = inbox.recv() => match incoming {
                    Some(Incoming::Request { request, payload, ack }) => self.request(request, payload, ack).await,
                    Some(Incoming::Voice { at, chunk }) => self.voice(at, chunk),
                    Some(Incoming::Gone) | None => break,
                },
                notice = notices.recv() => match notice {
                    Some(Notice::Left { channel, reason }) => self.left(&channel, reason),
                    Some(Notice::Expired) => return self.expire(),
                    Some(Notice::Kicked) | None => return self.disconnect(),
                },
                () = self.shared.closed.cancelled() => break,
                _ = look.tick() => if !self.socket.connected() { break },
            }
        }
        tracing::info!(sid = %self.socket.id, member = %self.attached.member, "a client is gone");
    }

    fn voice(&mut self, at: Instant, chunk: Bytes) {
        let Some(Membership { channel, format, .. }) = self.memberships.last() else {
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
        let answered = if self.rate.check().is_ok() && self.share.may_ask() {
            let payload = payload.as_ref();
            match request {
                Request::Join => self.join(payload.unwrap_or(&Value::Null)).await,
                Request::Leave => self.leave(payload.unwrap_or(&Value::Null)),
                Request::AskFloor => self.floor(payload, |member| Input::Press { member }),
                Request::ReleaseFloor => self.floor(payload, |member| Input::Release { member }),
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
        answer(ack, answered);
    }

    async fn join(&mut self, payload: &Value) -> Answer {
        let payload::Join { channel: id, format } = payload::join(payload, self.shared.default_sample_rate)?;
        let listener = Listener {
            seat: Seat { space: self.space, sid: self.socket.id },
            line: self.hold.line().clone(),
            format,
            spelling: id.spelling.clone(),
        };
        let channel = self.shared.desk.join(self.attached.member, id.name.clone(), listener).await?;
        if let Some(Membership { id: last, channel, .. }) = self.memberships.last()
            && last.name != id.name
        {
            // It talks in the new one from now on.
            channel.tell(Input::Release { member: self.attached.member });
        }
        self.memberships.retain(|membership| membership.id.name != id.name);
        let spelling = id.spelling.clone();
        self.memberships.push(Membership { id, channel, format });
        Ok(Some(spelling))
    }

    fn leave(&mut self, payload: &Value) -> Answer {
        let id = payload::leave(payload)?;
        let before = self.memberships.len();
        self.memberships.retain(|membership| membership.id.name != id.name);
        if self.memberships.len() == before {
            return Err(Fault::NotJoined);
        }
        self.shared.desk.leave(self.attached.member, id.name);
        Ok(Some(id.spelling))
    }

    fn floor(&self, payload: Option<&Value>, input: impl FnOnce(suara_proto::MemberRef) -> Input) -> Answer {
        let membership = match payload::floor(payload)? {
            None => self.memberships.last(),
            Some(id) => self.memberships.iter().find(|membership| membership.id.name == id.name),
        };
        let Membership { id, channel, .. } = membership.ok_or(Fault::NotJoined)?;
        channel.tell(input(self.attached.member));
        Ok(Some(id.spelling.clone()))
    }

    /// The gateway took the client out of a channel.
    fn left(&mut self, channel: &str, reason: LeaveReason) {
        let Some(at) = self.memberships.iter().position(|membership| membership.id.name == channel) else {
            return;
        };
        let Membership { id, .. } = self.memberships.remove(at);
        let payload = json!({ "channel_id": id.spelling, "reason": reason });
        if let Err(error) = self.socket.emit("channel_left", &payload) {
            tracing::debug!(%error, "a client could not be told that it is out of a channel");
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
    if let Err(error) = ack.send(&answer) {
        tracing::debug!(%error, "an answer found no room");
    }
}
