//! One client's session: takes its frames one after the other, and its voice as it comes.

use std::num::NonZeroU32;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::json;
use socketioxide::socket::Sid;
use suara_proto::LeaveReason;
use suara_proto::message::{ChannelMode, Rights};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_tungstenite::tungstenite::Message;

use super::admission::Entrance;
use super::fault::Fault;
use super::gate::Gate;
use super::legs::Legs;
use super::level::{Meter, SILENCE};
use super::messages::{self, Frame};
use super::parameters;
use super::peers::{Outbox, Presence};
use super::port::{Arrival, Happening, Owner};
use super::socket::{Socket, close, finish, refuse, write};
use super::{Rtc, admission};
use crate::audio::Format;
use crate::channel::{Channel, Chunk, Input};
use crate::desk::{Notice, Seated};
use crate::metrics::DropReason;
use crate::notify;
use crate::sio::{Admitted, Budget, query};

/// Messages that a client may send a second, and at once; its user's are counted together besides.
const MESSAGES_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
const MESSAGES_AT_ONCE: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// Messages beyond the rate that are answered before the client is shown the door.
const MAX_EXCESS: usize = 200;

/// Packets of a client's voice that wait for its session, which waits for the port's answers at most.
const MAX_ARRIVALS: usize = 64;

/// One client.
pub(super) struct Session {
    pub(super) rtc: Rtc,
    pub(super) admission: Admitted,
    _guest: Option<OwnedSemaphorePermit>,
    pub(super) presence: Presence,
    /// Of its channel.
    name: String,
    pub(super) channel: Channel,
    /// What the client may do there.
    pub(super) rights: Rights,
    mode: ChannelMode,
    pub(super) outbox: Outbox,
    pub(super) legs: Legs,
    rate: DefaultDirectRateLimiter,
    excess: usize,
    /// When something came last.
    heard: Instant,
    pub(super) voice: Voice,
}

/// What the client says.
pub(super) struct Voice {
    pub(super) gate: Gate<Chunk>,
    meter: Meter,
    budget: Budget,
}

/// Serves a client until it is gone.
pub(super) async fn run(rtc: Rtc, asked: &str, socket: Socket) {
    let sid = Sid::new();
    let (outbox, queue) = Outbox::new();
    match open(rtc.clone(), sid, asked, outbox.clone()).await {
        Ok((session, media, happenings)) => {
            let metrics = session.rtc.shared.metrics.clone();
            metrics.rtc_opened();
            let (sink, mut stream) = socket.split();
            let writer = tokio::spawn(write(sink, queue));
            session.serve(&mut stream, media, happenings).await;
            drop(outbox);
            finish(writer, stream).await;
            metrics.rtc_closed();
        }
        Err(fault) => {
            rtc.shared.metrics.bad_input(fault.code());
            tracing::debug!(%sid, fault = fault.code(), "a client of RTC was not let in");
            refuse(socket, fault).await;
        }
    }
}

type Opened = (Session, mpsc::Receiver<Arrival>, mpsc::UnboundedReceiver<Happening>);

async fn open(rtc: Rtc, sid: Sid, asked: &str, outbox: Outbox) -> Result<Opened, Fault> {
    let name = query(asked, "channel").filter(|name| !name.is_empty()).ok_or(Fault::BadChannel)?;
    let Entrance { admitted: admission, guest } = admission::let_in(&rtc, asked).await?;
    let listener = admission::listener(sid, &name);
    let (room, member) = (Box::from(listener.room().name), admission.attached.member);
    let who = admission.attached.who.clone();
    tracing::info!(%sid, %member, "a client of RTC logged in");
    // Before it joins: what the channel says of the floor waits for the client.
    let mut addresses = notify::rooms_of(&who.user, &who.role);
    addresses.push(notify::channel_room(&name));
    addresses.push(notify::socket_room(sid.as_str()));
    let presence = rtc.peers.enter(sid, room, member, who, outbox.clone(), addresses);
    let Seated { channel, rights, mode } = admission::join(&rtc, &admission, &name, listener.clone()).await?;
    let (media, arrivals) = mpsc::channel(MAX_ARRIVALS);
    let (events, happenings) = mpsc::unbounded_channel();
    let legs = Legs::new(rtc.port.clone(), Owner { sid, media, events }, listener.room().name.into());
    let quota = Quota::per_second(MESSAGES_PER_SECOND).allow_burst(MESSAGES_AT_ONCE);
    let (rate, heard) = (RateLimiter::direct(quota), Instant::now());
    let voice = Voice { gate: Gate::default(), meter: Meter::default(), budget: Budget::new(heard) };
    let excess = 0;
    let session = Session {
        rtc,
        admission,
        _guest: guest,
        presence,
        name,
        channel,
        rights,
        mode,
        outbox,
        legs,
        rate,
        excess,
        heard,
        voice,
    };
    Ok((session, arrivals, happenings))
}

impl Session {
    async fn serve(
        mut self,
        stream: &mut SplitStream<Socket>,
        mut media: mpsc::Receiver<Arrival>,
        mut happenings: mpsc::UnboundedReceiver<Happening>,
    ) {
        self.welcome();
        let (closed, full) = (self.rtc.shared.closed.clone(), self.outbox.full.clone());
        let mut ping = tokio::time::interval(self.rtc.ping_interval);
        ping.reset();
        let mut departure = self.rtc.shared.leaving.departure();
        let end = loop {
            let gate = self.voice.gate.deadline();
            let step = tokio::select! {
                message = stream.next() => match message {
                    Some(Ok(message)) => self.message(message).await,
                    Some(Err(_)) | None => break None,
                },
                Some(arrival) = media.recv() => { self.arrived(arrival); Ok(()) }
                Some(happening) = happenings.recv() => { self.happened(happening); Ok(()) }
                notice = self.admission.notices.recv() => self.noticed(notice).await,
                () = sleep_until(gate) => { self.tick(); Ok(()) }
                _ = ping.tick() => {
                    if self.heard.elapsed() > self.rtc.ping_interval + self.rtc.ping_timeout { break None }
                    self.outbox.put(Message::Ping(Default::default()));
                    Ok(())
                }
                () = full.cancelled() => break None,
                () = departure.look() => {
                    if departure.goes(self.channel.calm(Instant::now())) { Err(Fault::GoingAway) } else { Ok(()) }
                }
                () = closed.cancelled() => Err(Fault::GoingAway),
            };
            if let Err(fault) = step {
                break Some(fault);
            }
        };
        self.end(end).await;
    }

    async fn end(mut self, fault: Option<Fault>) {
        let member = self.admission.attached.member;
        self.silence();
        self.legs.close_all().await;
        if let Some(fault) = fault {
            self.outbox.say(messages::error(fault, None, None));
            self.outbox.put(close(fault));
        }
        let fault = fault.map(Fault::code);
        tracing::info!(sid = %self.presence.sid, %member, fault, "a client of RTC is gone");
    }

    fn welcome(&self) {
        let data = json!({
            "peerId": self.presence.sid,
            "routerRtpCapabilities": parameters::router_capabilities(),
            "producers": self.presence.welcome(),
            "rights": self.rights,
            "mode": self.mode,
        });
        self.outbox.say(messages::frame("welcome", &data, None));
    }

    /// An error ends the session.
    async fn message(&mut self, message: Message) -> Result<(), Fault> {
        self.heard = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                self.refuse(Fault::Malformed, None);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if self.rate.check().is_err() || !self.admission.share.may_ask() {
            self.excess += 1;
            self.refuse(Fault::RateLimited, None);
            return if self.excess > MAX_EXCESS { Err(Fault::RateLimited) } else { Ok(()) };
        }
        let frame = match Frame::read(&text) {
            Ok(frame) => frame,
            Err(fault) => {
                self.refuse(fault, None);
                return Ok(());
            }
        };
        let answered = match frame.request() {
            Ok(request) => self.request(request).await,
            Err(fault) => Err(fault),
        };
        match answered {
            Ok(Some((kind, data))) => self.outbox.say(messages::frame(kind, &data, frame.id.as_ref())),
            // What has no answer in the contract gets one where it is asked for.
            Ok(None) if frame.id.is_some() => {
                self.outbox.say(messages::frame(&frame.kind, &json!({}), frame.id.as_ref()));
            }
            Ok(None) => {}
            Err(fault) => self.refuse(fault, Some(&frame)),
        }
        Ok(())
    }

    fn refuse(&self, fault: Fault, frame: Option<&Frame>) {
        tracing::debug!(sid = %self.presence.sid, fault = fault.code(), "a message was refused");
        if fault.is_bad_input() {
            self.rtc.shared.metrics.bad_input(fault.code());
        }
        let (kind, id) = (frame.map(|frame| frame.kind.as_str()), frame.and_then(|frame| frame.id.as_ref()));
        self.outbox.say(messages::error(fault, kind, id));
    }

    fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::Connected(key) => {
                tracing::debug!(sid = %self.presence.sid, transport = %key, "a transport is connected");
            }
            Happening::Silent(consumer) => self.legs.silent(consumer),
            Happening::Closed(key, reason) => {
                if self.legs.lost(key) {
                    self.silence();
                }
                let data = json!({ "transportId": key.to_string(), "reason": reason });
                self.outbox.say(messages::frame("transport-closed", &data, None));
            }
        }
    }

    /// What somebody else did to the client; an error ends the session.
    async fn noticed(&mut self, notice: Option<Notice>) -> Result<(), Fault> {
        match notice {
            // A client of RTC is in one channel, for which its producer and its streams are.
            Some(Notice::Called { channel, .. }) => {
                if channel != self.name {
                    self.rtc.shared.desk.leave(self.admission.attached.member, channel);
                }
                Ok(())
            }
            Some(Notice::Left { channel, .. }) if channel != self.name => Ok(()),
            Some(Notice::Rights { channel, rights }) => {
                if channel == self.name {
                    self.entitled(rights).await;
                }
                Ok(())
            }
            Some(Notice::Told { event, payload }) => {
                self.outbox.say(messages::notification(&event, &payload));
                Ok(())
            }
            Some(Notice::Left { reason: LeaveReason::Kicked, .. } | Notice::Kicked) => Err(Fault::Kicked),
            Some(Notice::Left { reason: LeaveReason::Expired, .. } | Notice::Expired) => {
                Err(Fault::TokenExpired)
            }
            Some(Notice::Left { .. }) => Err(Fault::Forbidden),
            None => Err(Fault::GoingAway),
        }
    }

    fn arrived(&mut self, arrival: Arrival) {
        let Arrival { at, stamp, level, packet } = arrival;
        let metrics = &self.rtc.shared.metrics;
        if !self.voice.budget.spend(at, Format::Opus, &packet) {
            return metrics.dropped(DropReason::Rate, 1);
        }
        metrics.voice("from_client", 1, packet.len());
        let level = match level {
            Some(level) => level,
            None => self.voice.meter.measure(&packet),
        };
        let level = level.max(SILENCE);
        tracing::trace!(sid = %self.presence.sid, level, sequence = stamp.sequence, "a packet");
        let member = self.admission.attached.member;
        self.tick();
        for chunk in self.voice.gate.packet(at, level, Chunk { bytes: packet, stamp: Some(stamp) }) {
            if !self.channel.voice(Input::Voice { member, at, chunk }) {
                self.rtc.shared.metrics.dropped(DropReason::Backlog, 1);
            }
        }
    }

    /// Whoever has stopped speaking gives the floor back.
    fn tick(&mut self) {
        if self.voice.gate.tick(Instant::now()) {
            self.channel.tell(Input::Release { member: self.admission.attached.member });
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
