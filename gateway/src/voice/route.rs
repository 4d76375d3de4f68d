//! Who may be heard, and by whom: what the control plane publishes for one channel.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, TryLockError};

use arc_swap::ArcSwap;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use suara_channel::Time;
use suara_engine::{Audience, Handle};
use suara_proto::voice::VoiceFrame;
use suara_proto::{Grant, RequestId, TalkerNumber};

use super::queue::VoiceQueue;
use super::relay::Relay;
use super::said::{Heard, Said};
use super::tape::Tape;
use crate::metrics::DropReason;
use crate::session::SessionId;

/// Frames a second and member; voice in 20 ms frames has 50, in 10 ms frames 100.
const FRAMES_PER_SECOND: u32 = 100;
/// Frames at once: held back at a press (300 ms in frames of 10 ms), then sent with the grant.
const FRAMES_AT_ONCE: u32 = 60;

/// Where a channel's present route is found.
pub type RouteCell = Arc<ArcSwap<Route>>;

/// A channel as the data plane sees it. Immutable: a change is a new one.
#[derive(Default)]
pub struct Route {
    /// Whose frames are forwarded.
    pub speakers: Arc<[Speaker]>,
    /// To whom.
    pub listeners: Arc<Listeners>,
    /// To which other channels as well; mostly none.
    pub relays: Arc<[Relay]>,
}

/// The one whose frames are forwarded.
#[derive(Clone)]
pub struct Speaker {
    /// Whose session they come on.
    pub session: SessionId,
    /// As whom.
    pub talker: TalkerNumber,
    /// By which grant.
    pub grant: Grant,
    /// What it says.
    pub tape: Arc<Tape>,
    /// The grant in another channel that it talks by here, when it is a guest from there.
    pub origin: Option<Grant>,
    air: Arc<Air>,
}

/// What frames leave behind for the control plane to read when it wants to.
struct Air {
    last_media: AtomicU64,
    heard: AtomicBool,
    /// The number of the request that was granted, and whether there is one.
    request: AtomicU64,
    /// Whether voice from before the grant is still leaving.
    draining: AtomicBool,
    rate: DefaultDirectRateLimiter,
    /// Only ever tried, never waited for. Frames of one grant come by one thread at a time, but for the moment in which its
    /// session changes, or held ones have all left.
    said: Mutex<Said>,
}

impl Speaker {
    /// A speaker that was given the floor at `now`.
    #[must_use]
    pub fn new(session: SessionId, talker: TalkerNumber, grant: Grant, now: Time) -> Self {
        let at_once = std::num::NonZeroU32::new(FRAMES_AT_ONCE).unwrap_or(std::num::NonZeroU32::MIN);
        let a_second = std::num::NonZeroU32::new(FRAMES_PER_SECOND).unwrap_or(std::num::NonZeroU32::MIN);
        let quota = Quota::per_second(a_second).allow_burst(at_once);
        let air = Air {
            last_media: AtomicU64::new(now.as_millis()),
            heard: AtomicBool::new(false),
            request: AtomicU64::new(u64::MAX),
            draining: AtomicBool::new(false),
            rate: RateLimiter::direct(quota),
            said: Mutex::default(),
        };
        let tape = Arc::new(Tape::new(grant, now));
        Self { session, talker, grant, tape, origin: None, air: Arc::new(air) }
    }

    /// It talks for one in another channel, who has that grant there.
    #[must_use]
    pub fn for_another(self, origin: Option<Grant>) -> Self {
        Self { origin, ..self }
    }

    /// The same talkspurt, whose frames come by another session from now on.
    #[must_use]
    pub fn by(&self, session: SessionId) -> Self {
        Self { session, ..self.clone() }
    }

    /// Notes a frame; `false` when frames come faster than voice does.
    #[must_use]
    pub fn heard(&self, now: Time) -> bool {
        self.air.last_media.fetch_max(now.as_millis(), Relaxed);
        self.air.heard.store(true, Relaxed);
        self.air.rate.check().is_ok()
    }

    /// Whether one more frame is within the rate of voice.
    #[must_use]
    pub fn may_say(&self) -> bool {
        self.air.rate.check().is_ok()
    }

    /// Takes a datagram of this speaker's; gives what listeners get of it.
    ///
    /// # Errors
    /// What becomes of it if nothing.
    pub fn take(&self, frame: &VoiceFrame<'_>) -> Result<Heard, DropReason> {
        match self.air.said.try_lock() {
            Ok(mut said) => said.take(frame, self.grant),
            Err(TryLockError::Poisoned(said)) => said.into_inner().take(frame, self.grant),
            Err(TryLockError::WouldBlock) => Said::default().take(frame, self.grant),
        }
    }

    /// Voice that was sent ahead under this request is this speaker's; `draining` says whether some is held still.
    pub fn answers(&self, request: RequestId, draining: bool) {
        self.air.draining.store(draining, Relaxed);
        self.air.request.store(request.0.into(), Relaxed);
    }

    /// All that was held has left.
    pub fn drained(&self) {
        self.air.draining.store(false, Relaxed);
    }

    /// Whether held voice is still leaving, so that newer has to queue behind it.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.air.draining.load(Relaxed)
    }

    /// The request that was granted last.
    #[must_use]
    pub fn request(&self) -> RequestId {
        RequestId(self.air.request.load(Relaxed) as u32)
    }

    /// Whether it was granted that request.
    #[must_use]
    pub fn asked_by(&self, request: RequestId) -> bool {
        self.air.request.load(Relaxed) == u64::from(request.0)
    }

    /// Whether any frame came.
    #[must_use]
    pub fn was_heard(&self) -> bool {
        self.air.heard.load(Relaxed)
    }

    /// When the last frame came.
    #[must_use]
    pub fn last_media(&self) -> Time {
        Time::from_millis(self.air.last_media.load(Relaxed))
    }
}

/// Where a session's voice goes.
#[derive(Clone)]
pub enum Ear {
    /// To a connection of the engine.
    Connection(Handle),
    /// To a queue that another transport empties.
    Queue(Arc<VoiceQueue>),
}

/// The sessions that hear a channel. Frames of a session's own members don't go to it.
#[derive(Default)]
pub struct Listeners {
    /// Connections of the engine.
    pub audience: Arc<Audience>,
    /// Other transports' queues.
    pub queues: Vec<(SessionId, Arc<VoiceQueue>)>,
}

impl<'a> FromIterator<(SessionId, &'a Ear)> for Listeners {
    fn from_iter<T: IntoIterator<Item = (SessionId, &'a Ear)>>(sessions: T) -> Self {
        let (mut handles, mut queues) = (Vec::new(), Vec::new());
        for (session, ear) in sessions {
            match ear {
                Ear::Connection(handle) => handles.push(*handle),
                Ear::Queue(queue) => queues.push((session, queue.clone())),
            }
        }
        Self { audience: Arc::new(Audience::new(handles)), queues }
    }
}
