//! What a node's parts share, and the one place at which everything that comes is told apart.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use suara_cluster::Change;
use suara_redis::Prefix;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::berth::{Berth, Berths};
use super::envelope::{self, Fault, MAX_WORD, Sort};
use super::lease::{Call, Desk};
use super::line::{Kind, Line, Listener};
use super::metrics::{NodeDrop, NodesMetrics, What};
use super::news::{Around, NewsFeed};
use super::peers::{BEAT_EVERY, Load, Peers};
use super::publish::{Farewell, Publication, Queue, publish, queue};
use super::topics::Topics as _;
use super::{Heard, NodeId, NodesSettings, Packet};
use crate::metrics::{Metrics, VoiceMetrics};

/// Words that may wait for who listens to them.
const MAX_NEWS: usize = 4096;
/// A node's entry lives so long without being renewed.
const ENTRY_TTL: Duration = Duration::from_secs(5);
/// The end waits no longer for Redis.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(super) struct Inner {
    pub(super) me: NodeId,
    pub(super) prefix: Prefix,
    pub(super) berths: Berths,
    /// One comes or goes at a time: who goes gives up no topic of who came meanwhile.
    mooring: Mutex<()>,
    pub(super) metrics: NodesMetrics,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) voice: VoiceMetrics,
    all: Metrics,
    control: Arc<Line>,
    speak: Arc<Line>,
    hear: Arc<Line>,
    queue: Queue,
    calls: mpsc::UnboundedSender<Call>,
    numbers: AtomicU64,
    peers: Mutex<Peers>,
    listeners: Mutex<Vec<mpsc::Sender<(NodeId, Bytes)>>>,
    around: watch::Sender<Around>,
    trouble: Mutex<[Option<String>; Kind::ALL.len()]>,
    farewell: Farewell,
    last_words: TaskTracker,
    everybody: Arc<str>,
}

impl Inner {
    pub(super) fn start(settings: NodesSettings, all: &Metrics) -> Arc<Self> {
        let NodesSettings { redis, prefix, lease, timeout } = settings;
        let metrics = all.nodes.clone();
        // 0 says "to all" where a node's number stands.
        let me = NodeId(rand::random::<u64>().max(1));
        let line = |kind| Line::new(kind, redis.clone(), timeout, metrics.clone());
        let ((control, a), (speak, b), (hear, c)) =
            (line(Kind::Control), line(Kind::Speak), line(Kind::Hear));
        let (queue, publications) = queue();
        let (calls, asked) = mpsc::unbounded_channel();
        let (stop, farewell, last_words) = <(CancellationToken, Farewell, TaskTracker)>::default();
        let everybody: Arc<str> = prefix.all().into();
        control.want(&everybody);
        control.want(&prefix.inbox(me));
        let publisher = publish(control.clone(), publications, metrics.clone(), farewell.clone());
        last_words.spawn(publisher);
        let desk = Desk {
            me,
            prefix: prefix.clone(),
            lease,
            timeout,
            line: control.clone(),
            metrics: metrics.clone(),
        };
        last_words.spawn(desk.run(asked, farewell.closing()));
        last_words.close();
        let mut around = Around::default();
        around.reachable(false);
        let inner = Arc::new(Self {
            me,
            prefix,
            berths: Berths::default(),
            mooring: Mutex::default(),
            metrics,
            stop,
            tasks: TaskTracker::new(),
            voice: all.voice.clone(),
            all: all.clone(),
            control,
            speak,
            hear,
            queue,
            calls,
            numbers: AtomicU64::new(0),
            peers: Mutex::new(Peers::new(me)),
            listeners: Mutex::default(),
            around: watch::Sender::new(around),
            trouble: Mutex::new(Kind::ALL.map(|_| Some("not connected yet".to_owned()))),
            farewell,
            last_words,
            everybody,
        });
        inner.metrics.nodes.set(1);
        for keeper in [a, b, c] {
            inner.tasks.spawn(keeper.run(inner.clone(), inner.stop.clone()));
        }
        inner.tasks.spawn(inner.clone().live());
        inner
    }

    /// A number that no mooring of this node had before.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    /// Puts the berth in its place and subscribes its topics.
    pub(super) fn moor(&self, berth: &Arc<Berth>) {
        let _alone = lock(&self.mooring);
        self.berths.insert(berth);
        for (line, topic) in self.topics(berth) {
            line.want(&topic);
            if !line.is_up() {
                berth.subscribed(line.kind(), false);
            }
        }
    }

    /// Gives the topics up, unless a later room has them.
    pub(super) fn leave(&self, berth: &Berth) {
        let _alone = lock(&self.mooring);
        if self.berths.remove(berth) {
            for (line, topic) in self.topics(berth) {
                line.unwant(&topic);
            }
        }
    }

    fn topics(&self, berth: &Berth) -> [(&Line, String); 2] {
        [(&*self.control, self.prefix.control(&berth.key)), (&*self.hear, self.prefix.voice(&berth.key))]
    }

    pub(super) fn speak_line(&self) -> Arc<Line> {
        self.speak.clone()
    }

    pub(super) fn publish(&self, what: What, topic: Arc<str>, head: [u8; envelope::HEAD], body: Bytes) {
        if !self.control.is_up() {
            self.metrics.dropped(what, NodeDrop::Away);
            return;
        }
        let publication = Publication { what, topic, head, body, since: Instant::now() };
        if !self.queue.put(publication) {
            self.metrics.dropped(what, NodeDrop::Overflow);
        }
    }

    pub(super) fn ask(&self, call: Call) {
        if let Err(mpsc::error::SendError(Call { berth, number, .. })) = self.calls.send(call) {
            berth.say(Heard::Lease { number, answer: super::LeaseAnswer::Away });
        }
    }

    pub(super) fn word(&self, to: Option<NodeId>, word: Bytes) {
        if word.len() > MAX_WORD {
            self.metrics.dropped(What::Word, NodeDrop::Oversized);
            return;
        }
        let topic = to.map_or_else(|| self.everybody.clone(), |node| self.prefix.inbox(node).into());
        self.publish(What::Word, topic, envelope::write(Sort::Word, self.me, to), word);
    }

    pub(super) fn words(&self) -> NewsFeed {
        let (sender, receiver) = mpsc::channel(MAX_NEWS);
        lock(&self.listeners).push(sender);
        NewsFeed::new(receiver, self.around.subscribe())
    }

    pub(super) fn peers(&self) -> MutexGuard<'_, Peers> {
        lock(&self.peers)
    }

    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).iter().flatten().next().cloned()
    }

    pub(super) async fn stop(&self) {
        // Behind all that was said before, however much waits.
        let head = envelope::write(Sort::Bye, self.me, None);
        let (topic, body, since) = (self.everybody.clone(), Bytes::new(), Instant::now());
        self.farewell.say(Publication { what: What::Word, topic, head, body, since });
        let forget = async {
            self.last_words.wait().await;
            if let Some(mut link) = self.control.link() {
                let entry = self.prefix.entry(self.me);
                return redis::cmd("DEL").arg(entry).query_async(&mut link).await;
            }
            Ok(())
        };
        // An entry that stays has an end.
        drop(tokio::time::timeout(LAST_WORDS, forget).await);
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(super) fn abandon(&self) {
        self.stop.cancel();
        self.farewell.abandon();
    }

    /// Says that this node lives, and looks who else does.
    async fn live(self: Arc<Self>) {
        let mut beat = tokio::time::interval(BEAT_EVERY);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = beat.tick() => {}
            }
            let is_up = self.control.is_up();
            if is_up {
                self.beat();
            }
            let mut peers = self.peers();
            peers.tick(is_up);
            self.tell_of(peers);
        }
    }

    fn beat(self: &Arc<Self>) {
        let head = envelope::write(Sort::Beat, self.me, None);
        self.publish(What::Word, self.everybody.clone(), head, self.load().into());
        self.enter_registry();
    }

    fn load(&self) -> Vec<u8> {
        let number =
            |gauge: &prometheus_client::metrics::gauge::Gauge| u32::try_from(gauge.get()).unwrap_or(0);
        let load = Load {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sessions: number(&self.all.sessions),
            channels: number(&self.all.channels),
            owned: number(&self.metrics.owned),
        };
        serde_json::to_vec(&load).unwrap_or_default()
    }

    /// For who looks into Redis: what the heartbeat says, under a key that ends with this node.
    fn enter_registry(self: &Arc<Self>) {
        let Some(mut link) = self.control.link() else { return };
        let mut set = redis::cmd("SET");
        let ttl = u64::try_from(ENTRY_TTL.as_millis()).unwrap_or(u64::MAX);
        set.arg(self.prefix.entry(self.me)).arg(self.load()).arg("PX").arg(ttl);
        self.tasks.spawn(async move {
            // It comes again with the next heartbeat.
            drop(set.query_async::<()>(&mut link).await);
        });
    }

    /// Tells who came and who is gone, while nobody else changes it: who begins to listen now hears it once.
    fn tell_of(&self, mut peers: MutexGuard<'_, Peers>) {
        while let Some(change) = peers.change() {
            self.metrics.nodes.set(i64::try_from(peers.all().len() + 1).unwrap_or(i64::MAX));
            match change {
                Change::Came(node) => {
                    tracing::info!(gateway_node = %node, "another gateway is there");
                    self.around.send_modify(|around| around.came(node));
                }
                Change::Gone(node) => {
                    tracing::warn!(gateway_node = %node, "another gateway is gone");
                    self.berths.each(|berth| berth.say(Heard::Gone(node)));
                    self.around.send_modify(|around| around.gone(node));
                }
            }
        }
    }

    fn heard_word(&self, from: NodeId, word: &Bytes) {
        lock(&self.listeners).retain(|listener| match listener.try_send((from, word.clone())) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.metrics.dropped(What::Word, NodeDrop::Overflow);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
    }

    fn faulty(&self, what: What, fault: Fault) {
        let reason = match fault {
            Fault::Malformed => NodeDrop::Malformed,
            Fault::Oversized => NodeDrop::Oversized,
        };
        self.metrics.dropped(what, reason);
    }

    fn heard_voice(&self, topic: &str, message: &[u8]) {
        let now = Instant::now();
        match envelope::read_voice(message) {
            Ok((from, _)) if from == self.me => {}
            Ok((from, datagram)) => {
                if let Some(berth) = self.prefix.key(topic).and_then(|key| self.berths.find(key)) {
                    self.metrics.voice_in.inc();
                    berth.sink.voice(from, datagram, now);
                }
            }
            Err(fault) => self.faulty(What::Voice, fault),
        }
    }

    fn heard_control(&self, topic: &str, message: Bytes) {
        let (sort, from, to) = match envelope::read(&message) {
            Ok(head) => head,
            Err(fault) => return self.faulty(What::Packet, fault),
        };
        if from == self.me || to.is_some_and(|to| to != self.me) {
            return;
        }
        let body = message.slice(envelope::HEAD..);
        match (sort, self.prefix.key(topic)) {
            (Sort::Packet, Some(key)) => {
                let Some(berth) = self.berths.find(key) else { return };
                self.metrics.packets_in.inc();
                if !berth.packet(Packet { from, to_me: to.is_some(), bytes: body }) {
                    self.metrics.dropped(What::Packet, NodeDrop::Overflow);
                }
            }
            (Sort::Word, None) => {
                self.metrics.packets_in.inc();
                self.heard_word(from, &body);
            }
            (Sort::Beat, None) => match serde_json::from_slice(&body) {
                Ok(load) => {
                    let mut peers = self.peers();
                    peers.heard(from, load);
                    self.tell_of(peers);
                }
                Err(_) => self.faulty(What::Word, Fault::Malformed),
            },
            (Sort::Bye, None) => {
                let mut peers = self.peers();
                peers.left(from);
                self.tell_of(peers);
            }
            _ => self.faulty(What::Packet, Fault::Malformed),
        }
    }
}

impl Listener for Inner {
    fn heard(&self, kind: Kind, topic: &str, message: Vec<u8>) {
        match kind {
            Kind::Control => self.heard_control(topic, message.into()),
            Kind::Hear => self.heard_voice(topic, &message),
            Kind::Speak => {}
        }
    }

    fn subscribed(&self, kind: Kind, topic: &str, is_subscribed: bool) {
        if topic == &*self.everybody {
            self.peers().subscribed(is_subscribed);
        }
        if let Some(berth) = self.prefix.key(topic).and_then(|key| self.berths.find(key)) {
            berth.subscribed(kind, is_subscribed);
        }
    }

    fn up(&self, kind: Kind, trouble: Option<String>) {
        if trouble.is_some() {
            self.berths.each(|berth| berth.subscribed(kind, false));
        }
        let mut troubles = lock(&self.trouble);
        let was_up = troubles.iter().all(Option::is_none);
        troubles[kind as usize] = trouble;
        let is_up = troubles.iter().all(Option::is_none);
        self.metrics.reachable.set(i64::from(is_up));
        if was_up != is_up {
            self.around.send_modify(|around| around.reachable(is_up));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these is held, and none has a state that could be left half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
