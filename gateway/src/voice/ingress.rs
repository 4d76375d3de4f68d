//! One session's frames on their way in: parsed once, authorised by one look-up, handed to every listener.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use suara_engine::Frame;
use suara_proto::floor::{FloorDatagram, FloorWord, KIND_FLOOR};
use suara_proto::voice::VoiceFrame;
use suara_proto::{ChannelNumber, TalkerNumber};

use super::outlet::Outlet;
use super::route::Speaker;
use crate::clock::Clock;
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

/// Takes one session's datagrams.
pub struct Ingress {
    session: SessionId,
    on_air: ArcSwap<HashMap<ChannelNumber, OnAir>>,
    clock: Clock,
    metrics: VoiceMetrics,
    floor_rate: DefaultDirectRateLimiter,
}

/// Floor datagrams a second and session: one every 20 ms of two presses at a time.
const FLOOR_RATE: NonZeroU32 = NonZeroU32::new(100).unwrap();

impl Ingress {
    /// For a session that is in no channel yet.
    #[must_use]
    pub fn new(session: SessionId, clock: Clock, metrics: VoiceMetrics) -> Self {
        let floor_rate = RateLimiter::direct(Quota::per_second(FLOOR_RATE));
        Self { session, on_air: ArcSwap::default(), clock, metrics, floor_rate }
    }

    /// The session is in these channels from now on.
    pub fn publish(&self, on_air: HashMap<ChannelNumber, OnAir>) {
        self.on_air.store(Arc::new(on_air));
    }

    /// Forwards a datagram to its channel, or counts why not.
    pub fn datagram(&self, now: Instant, bytes: &[u8], out: &mut impl Outlet) {
        self.metrics.frames_in.inc();
        self.metrics.bytes_in.inc_by(bytes.len() as u64);
        let done = match bytes.first() {
            Some(&KIND_FLOOR) => self.floor(bytes),
            _ => self.forward(now, bytes, out),
        };
        if let Err(reason) = done {
            self.metrics.dropped(reason);
        }
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
        if header.flags.talk_ahead {
            return Err(DropReason::TalkAhead);
        }
        let route = channel.room.route.load();
        let by = (self.session, header.talker, header.grant);
        let own = |speaker: &&Speaker| (speaker.session, speaker.talker, speaker.grant) == by;
        let speaker = route.speakers.iter().find(own).ok_or(DropReason::NoGrant)?;
        if !speaker.heard(self.clock.at(now)) {
            return Err(DropReason::Rate);
        }
        let frame = Frame::new(bytes);
        out.send(&route.listeners.audience, &frame);
        for (session, queue) in &route.listeners.queues {
            if *session != self.session {
                queue.push(now, frame.clone());
            }
        }
        Ok(())
    }
}
