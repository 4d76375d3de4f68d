//! The channel's rooms at other nodes, as this one reaches them: packets of the replicas, the lease, and words that need no
//! order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use suara_channel::{Settings, Time};
use suara_cluster::{LeaseAsk, NodeId, Op, Packet, Replica, Rules};
use suara_proto::{LeaveReason, TalkerNumber};
use tokio::sync::mpsc;

use super::room::Room;
use super::seats::{Place, Seat};
use super::{Hub, RoomHandle};
use crate::metrics::DropReason;
use crate::nodes::{Heard, Mooring};
use crate::session::SessionId;
use crate::voice::{Ear, Early, Remote};

/// Frames that wait to be looked at by the channel's task. More is a flood of what nobody will hear.
const EARLY_QUEUE: usize = 16;
/// So long a new room waits for the first who comes in, which may wait for the store.
const FIRST_WORDS: Duration = Duration::from_secs(5);
/// So long a room that nobody is in any more waits for its last words to take effect.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The first byte of a [`Whisper`], where a packet has its version.
const WHISPER: u8 = 0xc1;

/// What is known of the other nodes.
pub(super) struct Abroad {
    mooring: Mooring,
    /// Stands for all of them.
    pub(super) session: SessionId,
    /// Whether they hear what is said here.
    pub(super) listens: bool,
    early: Early,
    frames: mpsc::Receiver<Bytes>,
    /// Those who sat here and aren't in the state that was adopted, until they are again.
    pub(super) lost: BTreeMap<TalkerNumber, Seat>,
    /// Whether sessions were told that the others are cut off.
    pub(super) is_split: bool,
    /// Whether this node decides.
    pub(super) owns: bool,
    /// Nobody is here yet, or any more: until then that may change, or its last words take effect.
    deserted: Option<Time>,
    /// Whether anybody has asked for anything.
    is_awaited: bool,
}

/// What is heard from there.
pub(super) enum Tidings {
    Heard(Heard),
    /// A frame of a grant that wasn't known when it came.
    Frame(Bytes),
}

/// From one room to the others of the channel: neither in order nor sure to come.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Whisper {
    /// A chat message of this number is stored.
    Chat { number: u64 },
    /// A member writes.
    Typing { talker: TalkerNumber, user: Arc<str>, name: Arc<str> },
}

impl Hub {
    /// Enters a channel together with the other nodes, where there may be any.
    pub(super) fn moor(
        &self,
        handle: &RoomHandle,
        settings: &Settings,
        now: Time,
    ) -> Option<(Replica, Abroad)> {
        let nodes = self.shared.nodes.as_ref()?;
        let (early, frames) = mpsc::channel(EARLY_QUEUE);
        let session = SessionId::random();
        let remote = Remote {
            session,
            channel: handle.number,
            route: handle.route.clone(),
            clock: self.shared.clock,
            metrics: self.shared.metrics.voice.clone(),
            sender: self.sender()?.clone(),
            early,
        };
        let mooring = nodes.enter(&handle.name, Arc::new(remote));
        let replica = Replica::new(nodes.id(), self.first_op(), settings.clone(), Rules::default(), now);
        let (early, lost) = (Early::default(), BTreeMap::new());
        let (listens, is_split, owns) = (false, false, false);
        let (deserted, is_awaited) = (Some(now + FIRST_WORDS), true);
        Some((
            replica,
            Abroad { mooring, session, listens, early, frames, lost, is_split, owns, deserted, is_awaited },
        ))
    }
}

impl Abroad {
    /// What comes next; never, where there is nobody. Cancel-safe.
    pub(super) async fn next(abroad: &mut Option<Self>) -> Tidings {
        let Some(Self { mooring, frames, .. }) = abroad else { return std::future::pending().await };
        tokio::select! {
            heard = mooring.next() => Tidings::Heard(heard),
            Some(frame) = frames.recv() => Tidings::Frame(frame),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.deserted
    }

    /// The way of voice to them, as a listener's.
    pub(super) fn ear(&self) -> Option<(SessionId, Ear)> {
        self.listens.then(|| (self.session, Ear::Queue(self.mooring.voice.clone())))
    }
}

impl Room {
    pub(super) fn hear(&mut self, tidings: Tidings) {
        let now = self.clock.now();
        match tidings {
            Tidings::Heard(Heard::Packet(packet)) => self.read(packet.from, &packet.bytes),
            Tidings::Heard(Heard::Lease { number, answer }) => self.replica.leased(now, number, answer),
            Tidings::Heard(Heard::Gone(node)) => self.replica.gone(now, node),
            Tidings::Heard(Heard::Reachable(reachable)) => {
                self.replica.hears(now, reachable);
                if reachable {
                    self.catch_up();
                }
            }
            Tidings::Frame(frame) => self.early_frame(frame),
        }
    }

    fn read(&mut self, from: NodeId, bytes: &[u8]) {
        let now = self.clock.now();
        if let Some(whisper) = bytes.strip_prefix(&[WHISPER]) {
            return match serde_json::from_slice(whisper) {
                Ok(whisper) => self.overheard(whisper),
                Err(error) => tracing::debug!(%from, %error, "a whisper that isn't understood"),
            };
        }
        match Packet::decode(bytes) {
            Ok(packet) => self.replica.receive(now, from, packet),
            Err(error) => tracing::debug!(%from, %error, "a packet that isn't understood"),
        }
    }

    pub(super) fn whisper(&self, whisper: &Whisper) {
        let Some(abroad) = &self.abroad else { return };
        let mut bytes = vec![WHISPER];
        if serde_json::to_writer(&mut bytes, whisper).is_ok() {
            abroad.mooring.send(None, bytes.into());
        }
    }

    pub(super) fn send_abroad(&self, to: Option<NodeId>, packet: &Packet) {
        let Some(abroad) = &self.abroad else { return };
        match packet.encode() {
            Ok(bytes) => abroad.mooring.send(to, bytes.into()),
            Err(error) => tracing::warn!(packet = packet.name(), %error, "a packet can't be sent"),
        }
    }

    pub(super) fn ask_lease(&self, number: u64, ask: LeaseAsk) {
        if let Some(abroad) = &self.abroad {
            abroad.mooring.lease(number, ask);
        }
    }

    /// Whether other nodes listen may have changed.
    pub(super) fn look_abroad(&mut self) {
        let listens = self.replica.other_nodes();
        if let Some(abroad) = self.abroad.as_mut().filter(|abroad| abroad.listens != listens) {
            abroad.listens = listens;
            self.audience_changed = true;
        }
    }

    /// A frame came before the decision that lets it be heard.
    fn early_frame(&mut self, frame: Bytes) {
        self.keep_early(frame);
        self.let_in_early();
    }

    fn keep_early(&mut self, frame: Bytes) {
        let now = self.clock.now();
        let Some(abroad) = &mut self.abroad else { return };
        let dropped = abroad.early.keep(now, frame);
        (0..dropped).for_each(|_| self.metrics.voice.dropped(DropReason::NoGrant));
    }

    /// Lets out what came too early of those who may be heard by now; before anybody else's frames can come after it.
    pub(super) fn let_in_early(&mut self) {
        // Those that nobody looked at yet are as old.
        while let Some(frame) = self.abroad.as_mut().and_then(|abroad| abroad.frames.try_recv().ok()) {
            self.keep_early(frame);
        }
        let now = self.clock.now();
        let Some(abroad) = &mut self.abroad else { return };
        let session = abroad.session;
        let speakers = self.speakers.iter().filter(|speaker| speaker.session == session);
        let due: Vec<_> =
            speakers.flat_map(|speaker| abroad.early.take(now, speaker.grant, speaker.talker)).collect();
        for frame in due {
            self.pass_on(&frame);
        }
    }

    /// Whether nobody is here any more, and all is said.
    pub(super) fn is_deserted(&mut self) -> bool {
        let now = self.clock.now();
        let is_empty = self.seats.is_empty() && self.entering == 0;
        let Some(abroad) = &mut self.abroad else { return is_empty };
        if !is_empty || !abroad.lost.is_empty() {
            (abroad.deserted, abroad.is_awaited) = (None, false);
            return false;
        }
        let until = *abroad.deserted.get_or_insert(now + LAST_WORDS);
        until <= now || (!abroad.is_awaited && self.then.is_empty())
    }

    /// Gives up what this node has of the channel.
    pub(super) fn cast_off(&mut self) {
        if self.abroad.is_some() {
            self.replica.quit(self.clock.now());
            self.decide();
            self.falls();
        }
    }

    /// One who is on its way back in, by the number that it had.
    pub(super) fn find_lost(&self, place: Place) -> Option<TalkerNumber> {
        self.abroad.as_ref().and_then(|abroad| place.find(&abroad.lost))
    }

    /// One who is on its way back in leaves.
    pub(super) fn leave_lost(&mut self, talker: TalkerNumber, reason: LeaveReason, confirm: bool) {
        let seat = self.abroad.as_mut().and_then(|abroad| abroad.lost.remove(&talker));
        let Some(seat) = seat else { return };
        self.metrics.members.dec();
        if let Some(port) = &seat.port {
            self.exit(port.id);
        }
        if confirm {
            self.confirm(&seat, reason);
        }
    }

    /// One who is on its way back in loses its transport.
    pub(super) fn lose_lost(&mut self, talker: TalkerNumber) {
        let seat = self.abroad.as_mut().and_then(|abroad| abroad.lost.get_mut(&talker));
        if let Some(port) = seat.and_then(|seat| seat.port.take()) {
            self.exit(port.id);
        }
    }

    /// One who was lost has a number again; it may have gone meanwhile.
    pub(super) fn found(&mut self, was: TalkerNumber, now: TalkerNumber) -> Option<&Seat> {
        let seat = self.abroad.as_mut().and_then(|abroad| abroad.lost.remove(&was));
        let Some(seat) = seat else {
            self.order(Op::Leave { talker: now, reason: LeaveReason::Left });
            return None;
        };
        if seat.port.is_none() {
            self.order(Op::Lose { talker: now });
        }
        Some(self.seats.entry(now).or_insert(seat))
    }
}
