//! What all sessions share: who may enter, the hub, the counters, and the list of those present.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use suara_proto::CloseCode;
use suara_proto::message::ServerMessage;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use suara_store::Store;

use crate::auth::{Authenticator, Scope};
use crate::chat::Chat;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::guests::GuestPasses;
use crate::hub::{CallSettings, ChannelSettings, Hub};
use crate::kpi::Kpis;
use crate::livechat::{Livechat, LivechatSettings};
use crate::metrics::Metrics;
use crate::nodes::{NodeId, Nodes, NodesSettings};
use crate::notices::Notices;
use crate::session::{Closing, Outbox, Port, Resumables, SessionId};
use crate::words::Words;

/// The middle of the gateway.
pub struct Core {
    /// Verifies tokens.
    pub auth: Authenticator,
    /// Knows the channels.
    pub hub: Hub,
    /// What is stored of what is written in channels.
    pub chat: Chat,
    /// Counts.
    pub metrics: Metrics,
    /// The one clock.
    pub clock: Clock,
    /// Sessions' and rooms' tasks, so that the end can wait for them.
    pub tasks: TaskTracker,
    /// Users' sessions that may be there at a time; trunks come besides.
    pub max_sessions: usize,
    /// How well bursts went.
    pub kpis: Kpis,
    /// Visitors, and who answers them.
    pub livechat: Livechat,
    /// Makes identities for clients without a token, where such are admitted.
    pub guests: Option<GuestPasses>,
    /// Sessions whose places can be taken.
    pub resumables: Resumables,
    /// Where users are found.
    pub directory: Arc<Directory>,
    /// Who may call whom.
    pub calls: CallSettings,
    /// Who is to be notified, and what waits for whom.
    pub notices: Arc<Notices>,
    /// The way to other nodes, where there may be any.
    pub nodes: Option<Nodes>,
    /// What is said to other nodes.
    pub words: Words,
    /// Which node this is, to clients; another one after each start.
    pub node: Box<str>,
    dismissed: CancellationToken,
    draining: OnceLock<Leaving>,
    present: Mutex<Crowd>,
}

/// Who is present: users' sessions, counted, and trunks'.
#[derive(Default)]
struct Crowd {
    sessions: HashMap<SessionId, Outbox>,
    users: usize,
    /// Users' sessions whose transport is lost and whose places are kept.
    kept: usize,
}

/// What a deployment settles.
pub struct Rules {
    /// Channels' settings by name.
    pub channels: ChannelSettings,
    /// Who may call whom.
    pub calls: CallSettings,
    /// The livechat's visitors and staff.
    pub livechat: LivechatSettings,
    /// Makes identities for clients without a token, where such are admitted.
    pub guests: Option<GuestPasses>,
    /// Users' sessions that may be there at a time.
    pub max_sessions: usize,
    /// How other nodes are reached, where there may be any.
    pub nodes: Option<NodesSettings>,
}

impl Core {
    /// With nobody there yet. To be called within a runtime.
    #[must_use]
    pub fn new(auth: Authenticator, rules: Rules, store: Store, metrics: Metrics, clock: Clock) -> Self {
        let Rules { channels, calls, livechat, guests, max_sessions, nodes } = rules;
        let (tasks, dismissed, present) = (TaskTracker::new(), CancellationToken::new(), Mutex::default());
        let nodes = nodes.map(|settings| Nodes::start(settings, &metrics));
        let hub = Hub::new(channels, clock, metrics.clone(), tasks.clone(), store.clone(), nodes.clone());
        let words = Words::new(metrics.words.clone());
        let notices = Notices::start(store.clone(), words.clone());
        let livechat = Livechat::new(livechat, words.clone());
        let chat = Chat::start(store, hub.clone(), livechat.clone(), metrics.chat.clone());
        let kpis = Kpis::new(metrics.kpi.clone());
        let directory = Arc::default();
        let (resumables, draining) = (Resumables::default(), OnceLock::new());
        let node = nodes.as_ref().map_or_else(|| NodeId(rand::random()), Nodes::id);
        let node = node.to_string().into();
        Self {
            auth,
            hub,
            chat,
            metrics,
            clock,
            tasks,
            max_sessions,
            kpis,
            livechat,
            guests,
            resumables,
            directory,
            calls,
            notices,
            nodes,
            words,
            node,
            dismissed,
            draining,
            present,
        }
    }

    /// Whether another session may come.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.present().users < self.max_sessions
    }

    /// How many people are here: users' sessions, and what trunks have attached.
    #[must_use]
    pub fn population(&self) -> usize {
        self.present().users + usize::try_from(self.metrics.attached.get()).unwrap_or(0)
    }

    /// Tells everybody that the gateway will stop, those too who are about to come in, and not to come back to `avoid`.
    pub fn announce_drain(&self, deadline: Duration, avoid: Option<&str>) {
        let present = self.present();
        // What doesn't fit into the message is no deadline.
        let deadline = deadline.min(Duration::from_millis(u32::MAX.into()));
        let leaving = || Leaving { until: Instant::now() + deadline, avoid: avoid.map(Into::into) };
        let leaving = self.draining.get_or_init(leaving);
        for outbox in present.sessions.values() {
            outbox.say(&leaving.said(&self.node));
        }
    }

    /// Whether the gateway is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.get().is_some() || self.dismissed.is_cancelled()
    }

    /// Ends every session with `going_away`, those to come too.
    pub fn dismiss_all(&self) {
        self.dismissed.cancel();
    }

    /// Waits until every session is to end.
    pub async fn dismissed(&self) -> Closing {
        self.dismissed.cancelled().await;
        Closing { retry_after_ms: Some(1000), ..Closing::new(CloseCode::GoingAway, "the gateway stops") }
    }

    /// Room to keep a lost session's places, if there is any: no more are kept than may be present.
    pub fn keep(&self) -> Option<Kept<'_>> {
        let mut present = self.present();
        let has_room = present.users + present.kept < self.max_sessions;
        has_room.then(|| {
            present.kept += 1;
            Kept { core: self }
        })
    }

    fn present(&self) -> MutexGuard<'_, Crowd> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's entry among those present; leaves when dropped.
pub struct Present<'a> {
    core: &'a Core,
    id: SessionId,
    scope: Scope,
}

impl<'a> Present<'a> {
    /// Enters the session, and says its `welcome`: nothing that is said to all who are present can come before it.
    ///
    /// # Errors
    /// When as many are present as may be. It counts here: those who came before may have been let in meanwhile.
    pub fn enter(
        core: &'a Core,
        port: &Port,
        scope: Scope,
        welcome: &ServerMessage<'_>,
    ) -> Result<Self, Closing> {
        let mut present = core.present();
        if scope == Scope::User && present.users >= core.max_sessions {
            return Err(Closing::overloaded());
        }
        port.outbox.say(welcome);
        if let Some(leaving) = core.draining.get() {
            port.outbox.say(&leaving.said(&core.node));
        }
        present.sessions.insert(port.id, port.outbox.clone());
        present.users += usize::from(scope == Scope::User);
        core.metrics.sessions.inc();
        Ok(Self { core, id: port.id, scope })
    }
}

/// That the gateway is about to stop.
struct Leaving {
    until: Instant,
    /// Its own address, where it has one.
    avoid: Option<Box<str>>,
}

impl Leaving {
    fn said<'a>(&'a self, node: &'a str) -> ServerMessage<'a> {
        let left = self.until.saturating_duration_since(Instant::now()).as_millis();
        let deadline_ms = u32::try_from(left).unwrap_or(u32::MAX);
        let avoid = self.avoid.iter().map(|address| (&**address).into()).collect();
        ServerMessage::Draining { deadline_ms, node: Some(node.into()), avoid }
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        let mut present = self.core.present();
        present.sessions.remove(&self.id);
        present.users -= usize::from(self.scope == Scope::User);
        self.core.metrics.sessions.dec();
    }
}

/// Room for the places of a session that is lost; free again when dropped.
pub struct Kept<'a> {
    core: &'a Core,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.core.present().kept -= 1;
    }
}
