//! The channels of this gateway, by name.
//!
//! Each channel is a [`Room`](room::Room): a task that owns the pure [`Channel`](suara_channel::Channel), feeds it what
//! sessions ask for and carries out what it decides. The hub itself knows names and numbers only.

mod administer;
mod air;
mod alert;
mod call;
mod chat;
mod command;
mod early;
mod handle;
mod patch;
mod patched;
mod pending;
mod presence;
mod remote;
mod room;
mod seats;
mod standing;
mod submit;
mod view;
mod words;
mod writing;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use suara_channel::{Identity, JoinError, Settings};
use suara_cluster::NodeId;
use suara_engine::{Audience, Frame, Sender};
use suara_proto::message::Rights;
use suara_proto::{ChannelNumber, MemberRef, RequestId, TalkerNumber};
use suara_store::Store;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use wildmatch::WildMatch;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::session::Port;
use crate::voice::{Ear, RouteCell, Tapes};
pub use administer::{Glance, Present};
pub use alert::Alarm;
pub use call::{Call, CallSettings, is_call, names_call};
use chat::Newest;
pub use chat::Said;
use command::Command;
pub use handle::RoomHandle;
pub use pending::Told;
use room::Room;
pub use seats::Place;
use writing::Writing;

/// Commands that wait for a busy channel; then the sessions that send them wait, and nobody else.
const ROOM_QUEUE: usize = 1024;

/// Frames that wait for a busy channel to hold them: three talkers' whole holds. More are dropped.
const EARLY_QUEUE: usize = 64;

/// How long somebody waits for a channel that other nodes are in: longer than another node takes to go on where one has died, or
/// than it takes to find that Redis is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a join tries again when it met a channel that was just being given up.
const JOIN_TRIES: usize = 8;

/// Settings of the channels whose names match a pattern; the first match counts.
pub type ChannelSettings = Vec<(WildMatch, Settings)>;

/// One who wants to come in.
#[derive(Clone)]
pub struct Joining {
    /// The session.
    pub port: Port,
    /// Which of its members, on a trunk.
    pub member: Option<MemberRef>,
    /// The request to answer; none, when it is brought in.
    pub request: Option<RequestId>,
    /// How others see it.
    pub who: Identity,
    /// What it may do there.
    pub rights: Rights,
    /// The number of the newest chat message there, as far as the store says; 0 for none.
    pub last_message: Option<u64>,
    /// Whether its client may have been told already.
    pub told: Told,
}

/// One who goes on in its place.
pub struct Resuming {
    /// The session.
    pub port: Port,
    /// What its token says of it now.
    pub who: Identity,
    /// What it may do there by it.
    pub rights: Rights,
    /// Whether its client may have been told already.
    pub told: Told,
}

/// Why somebody can't come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinRefused {
    /// Too many are there.
    Full,
    /// It may not even listen.
    MayNotListen,
    /// The gateway closes.
    Closing,
    /// Nobody decides for now, or not soon enough.
    Unavailable,
}

impl From<JoinError> for JoinRefused {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Full => Self::Full,
            JoinError::MayNotListen => Self::MayNotListen,
        }
    }
}

/// All channels with somebody in them.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

type Rooms = HashMap<Arc<str>, RoomHandle>;

struct Shared {
    rooms: Mutex<Rooms>,
    next_number: AtomicU32,
    settings: ChannelSettings,
    clock: Clock,
    metrics: Metrics,
    tasks: TaskTracker,
    store: Store,
    /// The way to other nodes, where there may be any.
    nodes: Option<Nodes>,
    /// The first number of the next room's operations. No two rooms of a channel have the same.
    next_op: AtomicU64,
    /// The engine's, once it runs.
    sender: OnceLock<Sender>,
}

impl Hub {
    /// Without any channel yet, and with those of other nodes where there are `nodes`. Channels' tasks are tracked in `tasks`.
    #[must_use]
    pub fn new(
        settings: ChannelSettings,
        clock: Clock,
        metrics: Metrics,
        tasks: TaskTracker,
        store: Store,
        nodes: Option<Nodes>,
    ) -> Self {
        let (rooms, next_number, sender) = (Mutex::default(), AtomicU32::new(1), OnceLock::new());
        let next_op = AtomicU64::new(rand::random::<u32>().into());
        let shared =
            Shared { rooms, next_number, settings, clock, metrics, tasks, store, nodes, next_op, sender };
        Self { shared: Arc::new(shared) }
    }

    /// Its name among other nodes, where there may be any.
    fn node(&self) -> Option<NodeId> {
        self.shared.nodes.as_ref().map(Nodes::id)
    }

    /// The number here of the channel of that name, if it is here.
    fn number_of(&self, name: &str) -> Option<ChannelNumber> {
        self.shared.rooms().get(name).map(|room| room.number)
    }

    fn first_op(&self) -> u64 {
        self.shared.next_op.fetch_add(1 << 32, Relaxed)
    }

    /// From now on channels can send datagrams to the engine's connections.
    pub fn speaks_by(&self, sender: Sender) {
        self.shared.sender.get_or_init(|| sender);
    }

    fn sender(&self) -> Option<&Sender> {
        self.shared.sender.get()
    }

    /// Sends a datagram to one session, as voice goes: where it may be lost, or wait for its path.
    pub fn send(&self, ear: &Ear, datagram: &[u8]) {
        let (now, frame) = (Instant::now(), Frame::new(datagram));
        match ear {
            Ear::Connection(handle) => {
                if let Some(sender) = self.sender() {
                    sender.send(&Arc::new(Audience::new([*handle])), &frame, now);
                }
            }
            Ear::Queue(queue) => queue.push(now, frame),
        }
    }

    /// Brings a member into the channel of that name, which begins to exist with its first.
    ///
    /// # Errors
    /// When the channel refuses, and when it is a call's and the user isn't called.
    pub async fn join(
        &self,
        name: &str,
        mut joining: Joining,
    ) -> Result<(RoomHandle, TalkerNumber), JoinRefused> {
        for _ in 0..JOIN_TRIES {
            // Who asks for a call that is over hears the same as who isn't called.
            let room = self.room(name).ok_or(JoinRefused::MayNotListen)?;
            // Once the room is there: what is stored from now on is told to it.
            joining.last_message = self.last_message(&room).await;
            // Neither a closed inbox nor a dropped reply is a refusal: the channel emptied at this very moment, and a
            // new one takes its place.
            if let Some(verdict) = room.enter(joining.clone()).await {
                return verdict.map(|talker| (room, talker));
            }
        }
        Err(JoinRefused::Closing)
    }

    /// Tells the sessions in the channel of that name something that is already written; trunks tell their members
    /// themselves. Says how many there were.
    pub async fn notice(&self, name: &str, framed: bytes::Bytes) -> usize {
        let Some(room) = self.shared.rooms().get(name).cloned() else { return 0 };
        let (reply, told) = oneshot::channel();
        room.command(Command::Notice { framed, reply }).await;
        told.await.unwrap_or(0)
    }

    /// Makes a call's channel, which is there as soon as somebody enters it.
    #[must_use]
    pub fn call(&self, call: Call) -> RoomHandle {
        self.open(&mut self.shared.rooms(), &Call::name(), Some(call))
    }

    /// The channel of a call that another node has made.
    #[must_use]
    pub fn call_of(&self, name: &str, call: Call) -> RoomHandle {
        let mut rooms = self.shared.rooms();
        match rooms.get(name) {
            Some(room) => room.clone(),
            None => self.open(&mut rooms, name, Some(call)),
        }
    }

    fn room(&self, name: &str) -> Option<RoomHandle> {
        let mut rooms = self.shared.rooms();
        match rooms.get(name) {
            Some(room) => Some(room.clone()),
            None => (!is_call(name)).then(|| self.open(&mut rooms, name, None)),
        }
    }

    fn open(&self, rooms: &mut Rooms, name: &str, call: Option<Call>) -> RoomHandle {
        let number = ChannelNumber(self.shared.next_number.fetch_add(1, Relaxed));
        let settings = self.shared.settings.iter().find(|(pattern, _)| pattern.matches(name));
        let mut settings = settings.map_or_else(Settings::default, |(_, settings)| settings.clone());
        if call.is_some() {
            settings.t4 = settings.t4.or(Some(call::T4));
        }
        let (commands, inbox) = mpsc::channel(ROOM_QUEUE);
        let (early, early_inbox) = mpsc::channel(EARLY_QUEUE);
        let (peers, words) = mpsc::unbounded_channel();
        let handle = RoomHandle {
            number,
            name: Arc::from(name),
            route: RouteCell::default(),
            tapes: Tapes::default(),
            grace: settings.presence_grace,
            newest: Newest::default(),
            writing: Writing::default(),
            call: call.map(Arc::new),
            commands,
            early,
            peers,
        };
        let room =
            Room::new(handle.clone(), settings, self.clone(), self.shared.clock, self.shared.metrics.clone());
        rooms.insert(handle.name.clone(), handle.clone());
        self.shared.metrics.channels.inc();
        self.shared.tasks.spawn(room.run(inbox, early_inbox, words));
        handle
    }

    /// Forgets an empty channel, so that the next join makes a new one.
    fn retire(&self, room: &RoomHandle) {
        let mut rooms = self.shared.rooms();
        if rooms.get(&room.name).is_some_and(|present| present.number == room.number) {
            rooms.remove(&room.name);
            self.shared.metrics.channels.dec();
        }
    }
}

impl Shared {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use suara_proto::message::CallKind;

    use super::*;

    #[tokio::test]
    async fn a_channel_that_nobody_comes_into_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let url = suara_store::file_url(&directory.path().join("suara.db")).unwrap();
        let (store, tasks) = (Store::open(&url).await.unwrap(), TaskTracker::new());
        let metrics = Metrics::default();
        let hub =
            Hub::new(ChannelSettings::default(), Clock::start(), metrics.clone(), tasks.clone(), store, None);
        let users = vec!["ann".into(), "ben".into()];
        let call = Call { kind: CallKind::Private, by: "ann".into(), name: "Ann".into(), users };
        let room = hub.call(call);
        assert_eq!(metrics.channels.get(), 1);
        // The caller is gone before it asks to come in: nothing but time tells the channel so.
        drop(room);
        tasks.close();
        tokio::time::pause();
        tokio::time::timeout(2 * PATIENCE, tasks.wait()).await.expect("it is there for ever");
        assert_eq!(metrics.channels.get(), 0);
    }
}
