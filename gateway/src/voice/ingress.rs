//! One session's frames on their way in: parsed once, authorised by one look-up, handed to every listener.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use suara_channel::Time;
use suara_engine::Frame;
use suara_proto::clock::{ClockDatagram, KIND_CLOCK};
use suara_proto::entry::{EntryDatagram, KIND_ENTRY};
use suara_proto::floor::{FloorDatagram, FloorWord, KIND_FLOOR};
use suara_proto::opus;
use suara_proto::report::{KIND_REPORT, Report};
use suara_proto::voice::VoiceFrame;
use suara_proto::{ChannelNumber, ErrorCode, Grant, RequestId, TalkerNumber};

use super::outlet::Outlet;
use super::path::Path;
use super::route::{Ear, Route, Speaker};
use super::said::Spoken;
use super::tape::Tape;
use crate::clock::Clock;
use crate::directory::{Wish, Wishes};
use crate::hub::RoomHandle;
use crate::metrics::{DropReason, VoiceMetrics};
use crate::session::SessionId;

/// A channel that a session is in: its route, and the talker numbers that are the session's own.
#[derive(Clone)]
pub struct OnAir {
    /// The channel.
    pub room: RoomHandle,
    /// One for a user's session; one per member for a trunk's. Sorted.
    pub talkers: Arc<[TalkerNumber]>,
}

/// A frame that came before its grant, or before all that was said ahead of it has left.
pub struct EarlyFrame {
    /// When it came.
    pub at: Time,
    /// Whose it is.
    pub talker: TalkerNumber,
    /// The request that it was said under.
    pub request: RequestId,
    /// How long it sounds.
    pub sound: Duration,
    /// The datagram.
    pub bytes: Bytes,
}

/// Takes one session's datagrams.
pub struct Ingress {
    session: SessionId,
    ear: Ear,
    /// For what its own task is to do.
    wishes: Arc<Wishes>,
    on_air: ArcSwap<HashMap<ChannelNumber, OnAir>>,
    clock: Clock,
    metrics: VoiceMetrics,
    floor_rate: DefaultDirectRateLimiter,
    early_rate: DefaultDirectRateLimiter,
    replay_rate: DefaultDirectRateLimiter,
    clock_rate: DefaultDirectRateLimiter,
    report_rate: DefaultDirectRateLimiter,
    /// Touched by the transport that brings the datagrams, and by nobody else.
    path: Mutex<Path>,
    left: AtomicBool,
}

/// Floor and entry datagrams a second and session: one every 20 ms of two requests at a time.
const FLOOR_RATE: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Frames a second and session that wait: they go by the channel's task, which has better to do than to hear a flood.
const EARLY_RATE: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Questions for the clock a second and session, and how many at once: four in a second at the start, then one in two.
const CLOCK_RATE: NonZeroU32 = NonZeroU32::new(10).unwrap();
const CLOCKS_AT_ONCE: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Reports a second and session: one is enough, and one more where a path begins to lose.
const REPORT_RATE: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// Replays at once; one a second after that. Each may be a thousand times as long as its request.
const REPLAYS_AT_ONCE: NonZeroU32 = NonZeroU32::new(5).unwrap();

impl Ingress {
    /// For a session that is in no channel yet, and is answered at `ear`.
    #[must_use]
    pub fn new(
        session: SessionId,
        ear: Ear,
        wishes: Arc<Wishes>,
        clock: Clock,
        metrics: VoiceMetrics,
    ) -> Self {
        let floor_rate = RateLimiter::direct(Quota::per_second(FLOOR_RATE));
        let early_rate = RateLimiter::direct(Quota::per_second(EARLY_RATE));
        let replays = Quota::per_second(NonZeroU32::MIN).allow_burst(REPLAYS_AT_ONCE);
        let replay_rate = RateLimiter::direct(replays);
        let clocks = Quota::per_second(CLOCK_RATE).allow_burst(CLOCKS_AT_ONCE);
        let clock_rate = RateLimiter::direct(clocks);
        let report_rate = RateLimiter::direct(Quota::per_second(REPORT_RATE));
        let (on_air, path, left) = (ArcSwap::default(), Mutex::default(), AtomicBool::new(false));
        Self {
            session,
            ear,
            wishes,
            on_air,
            clock,
            metrics,
            floor_rate,
            early_rate,
            replay_rate,
            clock_rate,
            report_rate,
            path,
            left,
        }
    }

    /// The client ends the session by its own wish. To be said before the session learns that it is gone.
    pub fn leave(&self) {
        self.left.store(true, Release);
    }

    /// Whether it was the client's wish.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.left.load(Acquire)
    }

    /// The session is in these channels from now on.
    pub fn publish(&self, on_air: HashMap<ChannelNumber, OnAir>) {
        self.on_air.store(Arc::new(on_air));
    }

    /// Forwards a datagram to its channel, or counts why not.
    pub fn datagram(&self, now: Instant, bytes: &[u8], out: &mut impl Outlet) {
        let is_clock = bytes.first() == Some(&KIND_CLOCK);
        if !is_clock {
            self.metrics.frames_in.inc();
            self.metrics.bytes_in.inc_by(bytes.len() as u64);
        }
        let done = match bytes.first() {
            Some(&KIND_FLOOR) => self.floor(bytes),
            Some(&KIND_CLOCK) => self.tell(now, bytes, out),
            Some(&KIND_REPORT) => self.report(bytes, out),
            Some(&KIND_ENTRY) => self.enter(bytes),
            _ => self.forward(now, bytes, out),
        };
        if let Err(reason) = done {
            self.metrics.dropped(reason);
        }
    }

    /// A burst of a channel that the session is in, or why there is none for it.
    pub(super) fn tape(
        &self,
        channel: ChannelNumber,
        grant: Option<Grant>,
    ) -> Result<Arc<Tape>, (ErrorCode, &'static str)> {
        let on_air = self.on_air.load();
        let present = on_air.get(&channel).ok_or((ErrorCode::NotJoined, "not in that channel"))?;
        if self.replay_rate.check().is_err() {
            return Err((ErrorCode::RateLimited, "replays are asked for too often"));
        }
        present.room.tapes.find(grant).ok_or((ErrorCode::NoBurst, "nothing to replay"))
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Answers what time it is, at once: control needn't wake for it.
    fn tell(&self, now: Instant, bytes: &[u8], out: &mut impl Outlet) -> Result<(), DropReason> {
        let Ok(ClockDatagram::Ask { echo }) = ClockDatagram::decode(bytes) else {
            return Err(DropReason::Malformed);
        };
        if self.clock_rate.check().is_err() {
            return Err(DropReason::Rate);
        }
        let time_us = self.clock.micros(now);
        let answer = Frame::new(&ClockDatagram::Tell { echo, time_us }.encode());
        match &self.ear {
            Ear::Connection(_) => out.answer(answer),
            Ear::Queue(queue) => queue.push(now, answer),
        }
        self.metrics.clock_answers.inc();
        Ok(())
    }

    /// Passes a floor message on to its channel.
    fn floor(&self, bytes: &[u8]) -> Result<(), DropReason> {
        let datagram = FloorDatagram::decode(bytes).map_err(|fault| {
            tracing::trace!(session = %self.session, fault = fault.name(), "floor datagram refused");
            DropReason::Malformed
        })?;
        let on_air = self.on_air.load();
        let channel = on_air.get(&datagram.channel).ok_or(DropReason::NotJoined)?;
        if channel.talkers.binary_search(&datagram.talker).is_err() {
            return Err(DropReason::WrongTalker);
        }
        match datagram.message {
            FloorWord::Request { .. } | FloorWord::Release { .. } => {}
            _ => return Err(DropReason::Malformed),
        }
        if self.floor_rate.check().is_err() {
            return Err(DropReason::Rate);
        }
        // A channel that is too busy gets it again in 20 ms.
        if channel.room.floor_datagram(datagram) { Ok(()) } else { Err(DropReason::Overflow) }
    }

    /// Passes a wish to enter a channel on to the session, which may do that.
    fn enter(&self, bytes: &[u8]) -> Result<(), DropReason> {
        let datagram = EntryDatagram::decode(bytes).map_err(|fault| {
            tracing::trace!(session = %self.session, fault = fault.name(), "entry datagram refused");
            DropReason::Malformed
        })?;
        let EntryDatagram::Join { request, channel } = datagram else { return Err(DropReason::Malformed) };
        if self.floor_rate.check().is_err() {
            return Err(DropReason::Rate);
        }
        let wish = Wish::Join { request, channel: channel.into() };
        if self.wishes.push(wish) { Ok(()) } else { Err(DropReason::Overflow) }
    }

    /// Takes what a listener reports, which concerns nobody but itself.
    fn report(&self, bytes: &[u8], out: &mut impl Outlet) -> Result<(), DropReason> {
        let report = Report::decode(bytes).map_err(|fault| {
            tracing::trace!(session = %self.session, fault = fault.name(), "report refused");
            DropReason::Malformed
        })?;
        if self.report_rate.check().is_err() {
            return Err(DropReason::Rate);
        }
        self.metrics.loss.reported(report.expected, report.lost);
        out.set_earlier(self.path().reported(&report));
        Ok(())
    }

    fn path(&self) -> MutexGuard<'_, Path> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Voice that has to wait: for its grant, or for what was said before it.
    fn queue(
        &self,
        now: Instant,
        channel: &OnAir,
        frame: &VoiceFrame<'_>,
        request: RequestId,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        if self.early_rate.check().is_err() {
            return Err(DropReason::Rate);
        }
        let ticks = opus::ticks(frame.packet).unwrap_or_default();
        let sound = Duration::from_micros(u64::from(ticks) * 1000 / u64::from(opus::TICKS_PER_MS));
        let (talker, bytes) = (frame.header.talker, Bytes::copy_from_slice(bytes));
        let early = EarlyFrame { at: self.clock.at(now), talker, request, sound, bytes };
        if channel.room.early_frame(early) { Ok(()) } else { Err(DropReason::Overflow) }
    }

    fn forward(&self, now: Instant, bytes: &[u8], out: &mut impl Outlet) -> Result<(), DropReason> {
        let frame = VoiceFrame::decode(bytes).map_err(|fault| {
            tracing::trace!(session = %self.session, fault = fault.name(), "voice frame refused");
            DropReason::Malformed
        })?;
        let header = frame.header;
        let on_air = self.on_air.load();
        let channel = on_air.get(&header.channel).ok_or(DropReason::NotJoined)?;
        if channel.talkers.binary_search(&header.talker).is_err() {
            return Err(DropReason::WrongTalker);
        }
        if out.is_lossy() {
            let now = Duration::from_millis(self.clock.at(now).as_millis());
            if let Some(report) = self.path().heard(now, &frame) {
                out.answer(Frame::new(&report.encode()));
            }
        }
        let route = channel.room.route.load();
        let request = header.flags.talk_ahead.then_some(RequestId(header.grant.0));
        let own = |speaker: &&Speaker| {
            let by_right = request.map_or(speaker.grant == header.grant, |request| speaker.asked_by(request));
            (speaker.session, speaker.talker) == (self.session, header.talker) && by_right
        };
        let speaker = match (route.speakers.iter().find(own), request) {
            (Some(speaker), _) if !speaker.is_draining() => speaker,
            (Some(speaker), None) => return self.queue(now, channel, &frame, speaker.request(), bytes),
            (_, Some(request)) => return self.queue(now, channel, &frame, request, bytes),
            (None, None) => return Err(DropReason::NoGrant),
        };
        if !speaker.heard(self.clock.at(now)) {
            return Err(DropReason::Rate);
        }
        let heard = speaker.take(&frame)?;
        for spoken in heard.repaired.iter().flatten().filter(|_| speaker.may_say()) {
            self.metrics.loss.repaired();
            self.say(now, &route, speaker, spoken, out);
        }
        self.say(now, &route, speaker, &heard.spoken, out);
        Ok(())
    }

    /// Hands a frame to every listener.
    fn say(&self, now: Instant, route: &Route, speaker: &Speaker, spoken: &Spoken, out: &mut impl Outlet) {
        speaker.tape.record(&spoken.frame);
        out.send(&route.listeners.audience, spoken);
        for (session, queue) in &route.listeners.queues {
            if *session != self.session {
                queue.push(now, spoken.frame.clone());
            }
        }
        for relay in route.relays.iter() {
            relay.pass_on(&spoken.frame, speaker.grant, self.clock.at(now), now);
        }
    }
}
