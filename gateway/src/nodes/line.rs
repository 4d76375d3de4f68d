//! One connection that is kept: made again when it is lost, and what is subscribed is subscribed again.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use redis::{PushInfo, PushKind, Value};
use suara_redis::{Link, RedisAddress, backoff, in_short};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

use super::metrics::NodesMetrics;

/// Subscriptions under way at a time, when all are made anew.
const MAX_UNDER_WAY: usize = 256;
/// A subscription that failed is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Which of a node's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Commands, and what comes on control topics.
    Control,
    /// Voice that goes.
    Speak,
    /// Voice that comes.
    Hear,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Control, Self::Speak, Self::Hear];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Speak => "speak",
            Self::Hear => "hear",
        }
    }
}

/// What is done about what happens on a line. Nothing in here may wait: the reader's task calls it.
pub(super) trait Listener: Send + Sync + 'static {
    /// A message came.
    fn heard(&self, kind: Kind, topic: &str, message: Vec<u8>);
    /// A topic is subscribed, or isn't any more.
    fn subscribed(&self, kind: Kind, topic: &str, is_subscribed: bool);
    /// The line is there, or lost: nothing is subscribed then.
    fn up(&self, kind: Kind, trouble: Option<String>);
}

/// The kept connection.
pub(super) struct Line {
    kind: Kind,
    link: ArcSwapOption<Link>,
    wanted: Mutex<HashSet<Arc<str>>>,
    changes: UnboundedSender<Arc<str>>,
}

/// What keeps it.
pub(super) struct Keeper {
    pub(super) line: Arc<Line>,
    pub(super) address: RedisAddress,
    /// So long a command may take; PING comes as often.
    pub(super) timeout: Duration,
    pub(super) metrics: NodesMetrics,
    changes: UnboundedReceiver<Arc<str>>,
}

/// What the connection's reader says to the keeper.
enum Event {
    /// The connection, or one of a cluster's, is lost.
    Lost,
    /// Redis took a subscription back, as it does when a slot moves.
    Unsubscribed(Arc<str>),
}

/// A subscription that was asked for, and what became of it.
type Settled = (Arc<str>, Option<bool>);

impl Line {
    pub(super) fn new(
        kind: Kind,
        address: RedisAddress,
        timeout: Duration,
        metrics: NodesMetrics,
    ) -> (Arc<Self>, Keeper) {
        let (sender, changes) = mpsc::unbounded_channel();
        let line = Self { kind, link: ArcSwapOption::empty(), wanted: Mutex::default(), changes: sender };
        let line = Arc::new(line);
        (line.clone(), Keeper { line, address, timeout, metrics, changes })
    }

    /// The connection, while there is one.
    pub(super) fn link(&self) -> Option<Link> {
        self.link.load().as_deref().cloned()
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is_up(&self) -> bool {
        self.link.load().is_some()
    }

    /// Subscribes, now or as soon as Redis is there.
    pub(super) fn want(&self, topic: &str) {
        let topic: Arc<str> = topic.into();
        self.lock().insert(topic.clone());
        self.changed(topic);
    }

    pub(super) fn unwant(&self, topic: &str) {
        let taken = self.lock().take(topic);
        if let Some(topic) = taken {
            self.changed(topic);
        }
    }

    fn changed(&self, topic: Arc<str>) {
        // Without its keeper the line has ended.
        self.changes.send(topic).unwrap_or_default();
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        // Nothing panics while it is held, and a set has no state that could be left half done.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    /// Connects, and again whenever the connection is lost, until `stop`.
    pub(super) async fn run<L: Listener>(mut self, listener: Arc<L>, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let reason = tokio::select! {
                reason = self.one_connection(&listener, &mut failures) => reason,
                () = stop.cancelled() => String::new(),
            };
            self.line.link.store(None);
            if stop.is_cancelled() {
                return;
            }
            let wait = backoff(failures, rand::random());
            let line = self.line.kind.name();
            if failures == 0 {
                tracing::warn!(line, redis = %self.address, %reason, "no Redis: other nodes can't be reached");
            } else {
                tracing::debug!(line, redis = %self.address, %reason, retry_in = ?wait, "still no Redis");
            }
            failures += 1;
            listener.up(self.line.kind, Some(reason));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Serves one connection; says why it ended.
    async fn one_connection<L: Listener>(&mut self, listener: &Arc<L>, failures: &mut u32) -> String {
        let (events, mut told) = mpsc::unbounded_channel();
        let alive = Alive::default();
        let pushes = reader(self.line.kind, listener.clone(), events, alive.0.clone());
        let link = match Link::connect(&self.address, self.timeout, pushes).await {
            Ok(link) => link,
            Err(reason) => return reason,
        };
        *failures = 0;
        self.metrics.connections.inc();
        tracing::info!(line = self.line.kind.name(), "Redis is there");
        while self.changes.try_recv().is_ok() {}
        self.line.link.store(Some(Arc::new(link.clone())));
        listener.up(self.line.kind, None);
        let mut subscriptions = Subscriptions::new(link.clone());
        subscriptions.all(&self.line);
        let mut probe: BoxFuture<'_, _> = Box::pin(probe(link.clone(), self.timeout));
        let mut again = tokio::time::interval(AGAIN_AFTER);
        let mut all_answer = true;
        loop {
            tokio::select! {
                Some(topic) = self.changes.recv() => subscriptions.queue.push(topic),
                Some((topic, settled)) = subscriptions.under_way.next(), if !subscriptions.under_way.is_empty() => {
                    if let Some(is_subscribed) = settled {
                        listener.subscribed(self.line.kind, &topic, is_subscribed);
                        if !is_subscribed {
                            subscriptions.failed.push(topic);
                        }
                    }
                }
                Some(event) = told.recv() => match event {
                    Event::Lost if !link.heals() => return "the connection broke off".to_owned(),
                    Event::Lost => subscriptions.all(&self.line),
                    Event::Unsubscribed(topic) => subscriptions.taken_back(&self.line, topic),
                },
                answered = &mut probe => {
                    match &answered {
                        Err(error) if !link.heals() => return in_short(error),
                        // Which of its masters doesn't answer, or does again, is found out topic by topic.
                        answered if answered.is_ok() != all_answer => subscriptions.all(&self.line),
                        _ => {}
                    }
                    all_answer = answered.is_ok();
                    probe = Box::pin(self::probe(link.clone(), self.timeout));
                }
                _ = again.tick() => {
                    let failed = std::mem::take(&mut subscriptions.failed);
                    subscriptions.queue.extend(failed);
                }
            }
            subscriptions.advance(&self.line);
        }
    }
}

/// What a connection says after it was given up, the next one says too: commands under way keep it for a while.
struct Alive(Arc<AtomicBool>);

impl Default for Alive {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

async fn probe(link: Link, every: Duration) -> redis::RedisResult<()> {
    tokio::time::sleep(every).await;
    link.ping().await
}

/// What is being subscribed and unsubscribed. Commands keep their order, so the last word about a topic counts.
struct Subscriptions {
    link: Link,
    queue: Vec<Arc<str>>,
    failed: Vec<Arc<str>>,
    under_way: FuturesUnordered<BoxFuture<'static, Settled>>,
}

impl Subscriptions {
    fn new(link: Link) -> Self {
        Self { link, queue: Vec::new(), failed: Vec::new(), under_way: FuturesUnordered::new() }
    }

    /// All that is wanted, from the start.
    fn all(&mut self, line: &Line) {
        self.failed.clear();
        self.queue = line.lock().iter().cloned().collect();
    }

    /// Redis says so of what this node gave up, too.
    fn taken_back(&mut self, line: &Line, topic: Arc<str>) {
        if line.lock().contains(&topic) {
            self.queue.push(topic);
        }
    }

    fn advance(&mut self, line: &Line) {
        while self.under_way.len() < MAX_UNDER_WAY
            && let Some(topic) = self.queue.pop()
        {
            let is_wanted = line.lock().contains(&topic);
            let link = self.link.clone();
            self.under_way.push(Box::pin(async move {
                let verb = if is_wanted { "SSUBSCRIBE" } else { "SUNSUBSCRIBE" };
                let done = link.run(redis::cmd(verb).arg(&*topic).take()).await;
                // Who fails to unsubscribe loses it with the connection; what comes for it meanwhile, nobody wants.
                (topic, is_wanted.then_some(done.is_ok()))
            }));
        }
    }
}

/// What Redis says unasked, told apart on the reader's task.
fn reader<L: Listener>(
    kind: Kind,
    listener: Arc<L>,
    events: UnboundedSender<Event>,
    alive: Arc<AtomicBool>,
) -> impl Fn(PushInfo) -> Result<(), redis::aio::SendError> + Send + Sync + 'static {
    move |push| {
        if !alive.load(Relaxed) {
            return Ok(());
        }
        match push.kind {
            PushKind::SMessage => {
                let mut data = push.data.into_iter();
                if let (Some(Value::BulkString(topic)), Some(Value::BulkString(message))) =
                    (data.next(), data.next())
                    && let Ok(topic) = std::str::from_utf8(&topic)
                {
                    listener.heard(kind, topic, message);
                }
            }
            PushKind::SUnsubscribe => {
                if let Some(Value::BulkString(topic)) = push.data.first()
                    && let Ok(topic) = std::str::from_utf8(topic)
                {
                    events.send(Event::Unsubscribed(topic.into())).unwrap_or_default();
                }
            }
            PushKind::Disconnection => events.send(Event::Lost).unwrap_or_default(),
            _ => {}
        }
        Ok(())
    }
}
