//! A channel, as far as this bridge is concerned: an actor that owns the presses, codecs and listeners of the members
//! that the bridge brought. Who may talk is the gateway's to say; the actor knows users and formats, and reaches
//! sockets through an [`Outlet`] only.

mod actor;
mod audience;
mod cast;
mod chat;
mod chunk;
mod floor;
mod hearing;
mod held;
mod pace;
mod press;
mod report;
mod roster;
mod spread;
mod stage;
mod talk;
mod talkers;
mod wish;

use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use suara_proto::message::ChannelMode;
use suara_proto::{ChannelNumber, MemberRef, TalkerNumber};
use tokio::sync::mpsc;

pub(crate) use audience::{Listener, Outlet, RTC, Room, Seat, Sender};
pub(crate) use cast::MAX_CAST;
pub(crate) use chat::{ChatWish, Stored};
pub(crate) use chunk::{Chunk, Stamp, Stand};
pub(crate) use wish::{BadWish, Wish};

use crate::leaving::FRESH;
use crate::metrics::Metrics;
use crate::trunk::{ChatEvent, FloorEvent, Link, Person, RosterEvent, Talking, Who};

/// Voice that waits for a channel's actor, in chunks: some seconds of one talker. An actor that is so far behind has no
/// use for more.
const MAX_BACKLOG: usize = 512;

/// Everything that can wake a channel's actor.
#[derive(Debug)]
pub(crate) enum Input {
    /// A member is in the channel, newly or again after the trunk was lost.
    Enter(Box<Enter>),
    /// A member who is there wants another format or spells the channel otherwise.
    Change { member: MemberRef, listener: Listener },
    /// A member who is there has another talker number.
    Renumber { member: MemberRef, talker: TalkerNumber },
    /// A member is gone.
    Exit { member: MemberRef },
    /// A member's chunk.
    Voice { member: MemberRef, at: Instant, chunk: Chunk },
    /// A member's `floor_request`.
    Press { member: MemberRef, wish: Wish },
    /// A member's `floor_release` or `floor_cancel`.
    Release { member: MemberRef },
    /// What the floor did.
    Floor(FloorEvent),
    /// Who came and went.
    Roster(RosterEvent),
    /// What a member wants of the channel's chat.
    ChatWish { member: MemberRef, wish: ChatWish },
    /// What the gateway says of it.
    Chat(ChatEvent),
    /// Voice from the gateway.
    Datagram(Bytes),
    /// An emergency of a user's, as clients are told it, or its end.
    Alert { user: String, alert: Option<Value> },
    /// The trunk is lost; members are brought back by further [`Input::Enter`]s.
    CutOff,
}

/// How a member is in the channel.
#[derive(Debug)]
pub(crate) struct Enter {
    pub(crate) member: MemberRef,
    pub(crate) who: Who,
    pub(crate) listener: Listener,
    pub(crate) link: Link,
    pub(crate) channel: ChannelNumber,
    pub(crate) talker: TalkerNumber,
    pub(crate) mode: ChannelMode,
    pub(crate) version: u64,
    pub(crate) members: Option<Vec<Person>>,
    pub(crate) talking: Vec<Talking>,
}

/// The way to a channel's actor; it ends when the last one is gone.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    inbox: mpsc::UnboundedSender<Input>,
    backlog: Arc<AtomicUsize>,
    calm: Calm,
}

/// Since when nobody talks in a channel, or wants to on this bridge; `None` while somebody does.
#[derive(Debug, Clone)]
struct Calm(Arc<Mutex<Option<Instant>>>);

impl Calm {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

impl Channel {
    /// Starts a channel's actor.
    pub(crate) fn start(outlet: Arc<dyn Outlet>, metrics: Metrics) -> Self {
        let (inbox, inputs) = mpsc::unbounded_channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        // Nobody here has heard the last burst end: no pause that has just begun.
        let calm =
            Calm(Arc::new(Mutex::new(Some(Instant::now().checked_sub(FRESH).unwrap_or_else(Instant::now)))));
        let state = actor::State::new(outlet, metrics);
        tokio::spawn(actor::run(state, inputs, Arc::clone(&backlog), calm.clone()));
        Self { inbox, backlog, calm }
    }

    /// For how long nobody has talked here, nor wants to on this bridge; `None` while somebody does.
    pub(crate) fn calm(&self, now: Instant) -> Option<Duration> {
        let since = *self.calm.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| now.saturating_duration_since(since))
    }

    /// What isn't voice: never refused.
    pub(crate) fn tell(&self, input: Input) {
        if self.inbox.send(input).is_err() {
            tracing::debug!("a channel's actor was gone");
        }
    }

    /// Voice: refused when too much waits already.
    pub(crate) fn voice(&self, input: Input) -> bool {
        if self.backlog.fetch_add(1, Ordering::Relaxed) >= MAX_BACKLOG {
            self.backlog.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.inbox.send(input).is_ok()
    }
}

#[cfg(test)]
mod scenes;
