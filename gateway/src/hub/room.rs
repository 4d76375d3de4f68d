//! One channel's task: commands in, the pure channel's decisions out to sessions and to the voice path.

use std::collections::BTreeMap;
use std::sync::Arc;

use suara_channel::{Asking, Channel, Effect, Identity, JoinError, Rights, Road, Settings};
use suara_proto::floor::{FloorDatagram, FloorWord};
use suara_proto::message::{DispatchAction, ServerMessage};
use suara_proto::{ErrorCode, Grant, LeaveReason, MemberRef, RequestId, TalkerNumber};
use tokio::sync::{mpsc, oneshot};

use super::administer::Glance;
use super::alert::{Alarm, Alerts};
use super::patch::{Patches, PeerWord};
use super::view::{JoinAnswer, View, addressee};
use super::{Hub, JoinRefused, Joining, RoomHandle, Said};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::session::{Port, SessionId};
use crate::voice::{Ahead, Ear, EarlyFrame, Listeners, Relay, Speaker};

/// Commands taken before the decisions go out: what a storm of joins has in common is then said once.
const BATCH: usize = 64;

/// A channel that no other node has owned before. Zero stays free for «none».
const FIRST_EPOCH: u16 = 1;

/// What sessions ask of a channel.
pub(super) enum Command {
    Join { joining: Box<Joining>, reply: oneshot::Sender<Result<TalkerNumber, JoinRefused>> },
    Leave { talker: TalkerNumber, reason: LeaveReason, confirm: bool },
    Lose { talker: TalkerNumber },
    Resume { talker: TalkerNumber, resuming: Box<(Port, Identity, Rights)>, reply: oneshot::Sender<bool> },
    FloorRequest { talker: TalkerNumber, asking: Asking },
    FloorCancel { talker: TalkerNumber, request: RequestId },
    Dispatch { by: TalkerNumber, request: RequestId, action: DispatchAction, talker: Option<TalkerNumber> },
    Patch { by: TalkerNumber, request: RequestId, peer: RoomHandle, on: bool },
    Raise { talker: TalkerNumber, alarm: Box<Alarm>, reply: oneshot::Sender<bool> },
    CancelAlert { by: TalkerNumber, user: Option<String>, reply: oneshot::Sender<Result<(), ErrorCode>> },
    EndCall { by: TalkerNumber, reply: oneshot::Sender<bool> },
    FloorDatagram(FloorDatagram),
    FloorRelease { talker: TalkerNumber, grant: Grant },
    Roster { session: SessionId },
    Chat(Box<Said>),
    Typing { talker: TalkerNumber },
    Glance { after: TalkerNumber, limit: usize, reply: oneshot::Sender<Glance> },
    Administer { action: DispatchAction, talker: TalkerNumber, reply: oneshot::Sender<Result<(), ErrorCode>> },
    Notice { framed: bytes::Bytes, reply: oneshot::Sender<usize> },
    TypingFrom { user: Arc<str>, name: Arc<str> },
}

/// Where a member sits.
pub(super) struct Seat {
    /// None while its transport is lost.
    pub(super) port: Option<Port>,
    pub(super) member: Option<MemberRef>,
    /// Whether it speaks of the floor by datagram, and is answered so.
    datagrams: bool,
}

/// A session that is in the channel, with one member or many.
pub(super) struct Present {
    pub(super) port: Port,
    pub(super) members: usize,
}

pub(super) struct Room {
    pub(super) handle: RoomHandle,
    pub(super) channel: Channel,
    pub(super) seats: BTreeMap<TalkerNumber, Seat>,
    pub(super) present: BTreeMap<SessionId, Present>,
    pub(super) speakers: Arc<[Speaker]>,
    pub(super) listeners: Arc<Listeners>,
    pub(super) route_changed: bool,
    pub(super) audience_changed: bool,
    pub(super) ahead: Ahead,
    /// Who hears a session's held voice: everybody but itself. Made when it is needed.
    pub(super) others: Option<(SessionId, Arc<Listeners>)>,
    /// Since it was looked at last.
    pub(super) somebody_left: bool,
    pub(super) alerts: Alerts,
    pub(super) patches: Patches,
    /// As they were published last.
    pub(super) relays: Arc<[Relay]>,
    pub(super) hub: Hub,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
}

impl Room {
    pub(super) fn new(
        handle: RoomHandle,
        settings: Settings,
        hub: Hub,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        Self {
            handle,
            channel: Channel::new(FIRST_EPOCH, settings),
            seats: BTreeMap::new(),
            present: BTreeMap::new(),
            speakers: Arc::default(),
            listeners: Arc::default(),
            route_changed: false,
            audience_changed: false,
            ahead: Ahead::default(),
            others: None,
            somebody_left: false,
            alerts: Alerts::default(),
            patches: Patches::default(),
            relays: Arc::default(),
            hub,
            clock,
            metrics,
        }
    }

    /// Serves until the channel is empty.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Command>,
        mut early: mpsc::Receiver<EarlyFrame>,
        mut peers: mpsc::UnboundedReceiver<PeerWord>,
    ) {
        let (mut batch, mut frames) = (Vec::with_capacity(BATCH), Vec::new());
        loop {
            let due = [self.channel.poll_timeout(), self.ahead.poll_timeout()].into_iter().flatten().min();
            let wake = due.map(|time| self.clock.instant(time).into());
            tokio::select! {
                count = inbox.recv_many(&mut batch, BATCH) => if count == 0 { break },
                _ = early.recv_many(&mut frames, BATCH) => {}
                word = peers.recv() => word.into_iter().for_each(|word| self.peer_word(word)),
                () = async { match wake {
                    Some(wake) => tokio::time::sleep_until(wake).await,
                    None => std::future::pending().await,
                } } => {}
            }
            self.hold(&mut frames);
            self.turn(&mut batch);
            if self.is_deserted_call() {
                self.end(LeaveReason::Ended);
                self.decide();
            }
            self.somebody_left = false;
            self.let_out();
            if self.seats.is_empty() {
                break;
            }
        }
        self.unpatch_all();
        self.hub.retire(&self.handle);
    }

    /// Takes a batch of commands and all that time has brought, then lets the decisions out.
    fn turn(&mut self, batch: &mut Vec<Command>) {
        for speaker in self.speakers.iter().filter(|speaker| speaker.was_heard()) {
            self.channel.media(speaker.grant, speaker.last_media());
        }
        // What was due comes before what came in after it.
        self.channel.handle_timeout(self.clock.now());
        for command in batch.drain(..) {
            self.command(command);
        }
        self.decide();
    }

    /// Lets the decisions out.
    fn decide(&mut self) {
        while let Some(effect) = self.channel.poll_effect() {
            self.carry_out(effect);
        }
        self.publish();
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Join { joining, reply } => {
                let verdict = self.join(*joining);
                if let Err(Ok(talker)) = reply.send(verdict) {
                    // The session ended while it waited.
                    self.leave(talker, LeaveReason::Disconnected, false);
                }
            }
            Command::Leave { talker, reason, confirm } => self.leave(talker, reason, confirm),
            Command::Lose { talker } => self.lose(talker),
            Command::Resume { talker, resuming, reply } => {
                let resumed = self.resume(talker, *resuming);
                // What it has of the floor is said before the session answers anything.
                self.decide();
                if reply.send(resumed) == Err(true) {
                    // The newer session ended while it waited.
                    self.leave(talker, LeaveReason::Disconnected, false);
                }
            }
            Command::FloorRequest { talker, asking } => self.channel.floor_request(now, talker, asking),
            Command::FloorCancel { talker, request } => self.channel.floor_cancel(now, talker, request),
            Command::FloorRelease { talker, grant } => {
                self.channel.floor_release(now, talker, grant, Road::Stream);
            }
            Command::Dispatch { by, request, action, talker } => self.dispatch(by, request, action, talker),
            Command::Patch { by, request, peer, on } => self.patch_for(by, request, peer, on),
            Command::Raise { talker, alarm, reply } => {
                reply.send(self.raise(talker, *alarm)).unwrap_or_default()
            }
            Command::CancelAlert { by, user, reply } => {
                reply.send(self.cancel_alert(by, user.as_deref())).unwrap_or_default();
            }
            Command::EndCall { by, reply } => reply.send(self.end_call(by)).unwrap_or_default(),
            Command::FloorDatagram(datagram) => self.floor_datagram(datagram),
            Command::Chat(said) => self.chat(&said),
            Command::Typing { talker } => self.typing(talker),
            Command::Notice { framed, reply } => reply.send(self.notice(&framed)).unwrap_or_default(),
            Command::TypingFrom { user, name } => self.typing_from(&user, &name),
            Command::Glance { after, limit, reply } => drop(reply.send(self.glance(after, limit))),
            Command::Administer { action, talker, reply } => {
                let done = self.channel.administer(now, action, Some(talker));
                reply.send(done).unwrap_or_default();
            }
            Command::Roster { session } => {
                if let Some(present) = self.present.get(&session) {
                    present.port.outbox.say(&self.view().snapshot());
                }
            }
        }
    }

    /// Says something to each session that is here itself.
    fn notice(&self, framed: &bytes::Bytes) -> usize {
        let own = self.seats.values().filter(|seat| seat.member.is_none());
        own.filter_map(|seat| seat.port.as_ref()).map(|port| port.outbox.send(framed.clone())).count()
    }

    fn join(&mut self, joining: Joining) -> Result<TalkerNumber, JoinRefused> {
        let Joining { port, member, request, who, rights, last_message } = joining;
        if let Some(last) = last_message {
            self.handle.newest.raise(last);
        }
        let now = self.clock.now();
        if self.handle.call.as_ref().is_some_and(|call| !call.admits(&who.user)) {
            return Err(JoinRefused::MayNotListen);
        }
        let talker = self.channel.join(now, who, rights).map_err(|error| match error {
            JoinError::Full => JoinRefused::Full,
            JoinError::MayNotListen => JoinRefused::MayNotListen,
        })?;
        self.metrics.members.inc();
        // A trunk that knows the channel needs no snapshot for each of its members: a thousand of them would be sent
        // a million entries.
        let with_members = self.enter(&port) == 1;
        let talking: Vec<_> = self.channel.all_talking(now).collect();
        let answer = JoinAnswer { request, member, talker, rights, talking: &talking, with_members };
        port.outbox.say(&self.view().joined(answer));
        if with_members {
            self.tell_alerts(&port);
            self.tell_patches(&port);
        }
        self.seats.insert(talker, Seat { port: Some(port), member, datagrams: false });
        Ok(talker)
    }

    /// One more member comes by that session; says how many it has here.
    pub(super) fn enter(&mut self, port: &Port) -> usize {
        let present = self.present.entry(port.id).or_insert_with(|| {
            self.audience_changed = true;
            Present { port: port.clone(), members: 0 }
        });
        present.members += 1;
        present.members
    }

    /// One member less comes by that session.
    pub(super) fn exit(&mut self, session: SessionId) {
        if let Some(present) = self.present.get_mut(&session) {
            present.members -= 1;
            if present.members == 0 {
                self.present.remove(&session);
                self.audience_changed = true;
            }
        }
    }

    pub(super) fn leave(&mut self, talker: TalkerNumber, reason: LeaveReason, confirm: bool) {
        let Some(Seat { port, member, .. }) = self.forget(talker) else { return };
        self.channel.leave(self.clock.now(), talker, reason);
        if let Some(port) = port.filter(|_| confirm) {
            port.outbox.say(&ServerMessage::Left { member, channel: self.handle.number, reason });
        }
    }

    /// A member is no member any more.
    pub(super) fn forget(&mut self, talker: TalkerNumber) -> Option<Seat> {
        let seat = self.seats.remove(&talker)?;
        self.somebody_left = true;
        self.metrics.members.dec();
        let dropped = self.ahead.leave(talker);
        self.dropped_early(dropped);
        if let Some(port) = &seat.port {
            self.exit(port.id);
        }
        Some(seat)
    }

    fn carry_out(&mut self, effect: Effect) {
        self.decide_early(&effect);
        self.decide_patches(&effect);
        match &effect {
            Effect::Granted { .. } => self.metrics.granted(),
            Effect::Deny { cause, .. } => self.metrics.denied(*cause),
            Effect::Revoke { cause, .. } => self.metrics.revoked(*cause),
            Effect::Idle { .. } => self.metrics.idled(),
            Effect::Refused { code, .. } => self.metrics.refused(*code),
            Effect::Speakers(speakers) => {
                let before = self.speakers.clone();
                self.speakers = speakers.iter().filter_map(|speaker| self.speaker(speaker)).collect();
                self.change_tapes(&before);
                self.route_changed = true;
                // The talker's frames are let through before it hears that it may send them.
                self.publish();
                return;
            }
            Effect::Gone { talker } => {
                self.forget(*talker);
                return;
            }
            Effect::Inactive => {
                self.end(LeaveReason::Ended);
                return;
            }
            Effect::Queued { .. } => self.metrics.queued(),
            Effect::Cancelled { .. } => self.metrics.cancelled(),
            Effect::Taken(talking) => {
                let own = self.speakers.iter().filter(|speaker| speaker.grant == talking.grant);
                own.for_each(|speaker| speaker.tape.names(talking));
            }
            Effect::Roster(_) | Effect::Repeat { .. } | Effect::Warning { .. } => {}
        }
        self.tell(&effect);
    }

    fn dispatch(
        &mut self,
        by: TalkerNumber,
        request: RequestId,
        action: DispatchAction,
        talker: Option<TalkerNumber>,
    ) {
        let done = self.channel.dispatch(self.clock.now(), by, action, talker);
        let Some(Seat { port: Some(port), member, .. }) = self.seats.get(&by) else { return };
        let (member, channel) = (*member, self.handle.number);
        port.outbox.say(&match done {
            Ok(()) => ServerMessage::Dispatched { request, member, channel, action },
            Err(code) => {
                self.metrics.refused(code);
                let message = match code {
                    ErrorCode::Forbidden => "no right to dispatch in this channel",
                    _ => "no such talker in this channel",
                };
                let (request, channel, message) = (Some(request), Some(channel), message.into());
                ServerMessage::Error { request, member, channel, code, message }
            }
        });
    }

    fn floor_datagram(&mut self, FloorDatagram { talker, message, .. }: FloorDatagram) {
        let (now, road) = (self.clock.now(), Road::Datagram);
        // One that came just before the loss has nobody to be answered.
        let Some(seat) = self.seats.get_mut(&talker).filter(|seat| seat.port.is_some()) else { return };
        seat.datagrams = true;
        match message {
            FloorWord::Request { request, level, priority, queue } => {
                self.channel.floor_request(now, talker, Asking { request, level, priority, queue, road });
            }
            FloorWord::Release { grant } => self.channel.floor_release(now, talker, grant, road),
            // The ingress lets no other through: they are the gateway's to say.
            FloorWord::Granted { .. }
            | FloorWord::Deny { .. }
            | FloorWord::Revoke { .. }
            | FloorWord::Queued { .. } => {}
        }
    }

    fn send(&self, ear: &Ear, datagram: &FloorDatagram) {
        self.hub.send(ear, &datagram.encode());
    }

    /// Sends an effect to the member or to everybody whom it concerns.
    fn tell(&self, effect: &Effect) {
        let view = self.view();
        if let Some(talker) = addressee(effect) {
            // Who left in the same batch has nobody to be told.
            let Some(seat) = self.seats.get(&talker) else { return };
            // Who is unreachable is told when it is back.
            let Some(port) = &seat.port else { return };
            if let Some(datagram) = view.datagram(effect).filter(|_| seat.datagrams) {
                self.send(&port.ear, &datagram);
            }
            if let Some(message) = view.personal(effect, seat.member) {
                port.outbox.say(&message);
            }
        } else if let Some(message) = view.common(effect) {
            let framed = suara_proto::message::encode(&message);
            for present in self.present.values() {
                present.port.outbox.send(framed.clone());
            }
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        let RoomHandle { number, name, call, newest, .. } = &self.handle;
        View {
            number: *number,
            name,
            channel: &self.channel,
            call: call.as_deref(),
            last_message: newest.get(),
        }
    }
}
