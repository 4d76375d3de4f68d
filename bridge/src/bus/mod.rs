//! Redis: back ends publish there, every bridge delivers to the sockets that it holds.
//!
//! Listens to three dialects (`emitter`, `python`, and JSON of our own), and publishes what came by HTTP, and what is said of
//! signaling, for the other bridges. A lost Redis is reported and come back to; meanwhile everything goes on that doesn't need it. What comes from
//! there is parsed like any peer's input.

mod emitter;
mod orders;
mod python;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use redis::aio::SendError;
use redis::{PushInfo, PushKind, RedisResult, cmd};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use suara_redis::{Link, Prefix, RedisAddress, backoff, in_short};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::notify::{Broadcast, Fault, Notifier, Order};
use crate::signaling::Speak;

/// Where `{event, payload, room?}` is published.
const JSON_CHANNEL: &str = "socket:broadcast";
/// Where python-socketio's managers write, unless told otherwise.
const PYTHON_CHANNEL: &str = "socketio";
/// What socket.io's emitters write to: a channel for each namespace and, where there is one, room.
const EMITTER_PATTERN: &str = "socket.io#*";
/// Where they ask for joins, leaves and disconnects.
const REQUEST_PATTERN: &str = "socket.io-request#*";

/// Bytes of a message. The contract's notifications are a hundredth of it; higher lets one message fill every socket's line.
const MAX_MESSAGE: usize = 256 * 1024;

/// So often it is asked whether Redis lives, and so long it may think about it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often other bridges are told that this one lives.
const BEAT_EVERY: Duration = Duration::from_secs(2);

/// What waits to be published. More is a Redis that doesn't read.
const MAX_WAITING: usize = 1024;

/// Broadcasts from Redis that go on to the gateway a second: a fifth of what the trunk carries, so that a flood there
/// stands before nobody's floor request.
const PASSED_ON_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// The listener, before it runs.
pub(crate) struct Bus {
    address: RedisAddress,
    /// What is wrong; `None` while all is well.
    trouble: watch::Sender<Option<String>>,
    publications: mpsc::Receiver<Publication>,
    ears: Arc<Ears>,
}

/// What is done about what comes.
struct Ears {
    notifier: Notifier,
    metrics: Metrics,
    reader: Reader,
    relay: Arc<dyn Relay>,
    /// Where bridges speak to each other of signaling.
    signaling: Arc<str>,
}

/// What bridges do together besides telling broadcasts. Nothing in it may block.
pub(crate) trait Relay: Send + Sync + 'static {
    /// Others can be heard, for the first time or again.
    fn up(&self);
    /// Another said something, or this one did.
    fn heard(&self, bytes: &[u8]);
    /// Time to say that this one lives.
    fn beat(&self);
}

/// Where to, and what.
type Publication = (Arc<str>, Vec<u8>);

/// The way to publish for other bridges.
#[derive(Clone)]
pub(crate) struct Publisher {
    queue: mpsc::Sender<Publication>,
    json: Arc<str>,
    signaling: Arc<str>,
    trouble: watch::Receiver<Option<String>>,
    origin: Arc<str>,
    metrics: Metrics,
}

/// Reads what came.
struct Reader {
    origin: Arc<str>,
    takes_orders: bool,
    passed_on: DefaultDirectRateLimiter,
}

/// What a message wants.
#[derive(Debug, PartialEq)]
enum Wish {
    Tell(Broadcast),
    /// Told by the bridge at which it came in to the gateway already.
    TellHere(Broadcast),
    Order(Order),
    Nothing,
}

impl Publisher {
    /// Publishes a broadcast for the other bridges, unless Redis is away.
    pub(crate) fn publish(&self, mut broadcast: Value) {
        broadcast["origin"] = (&*self.origin).into();
        if !self.send(&self.json, broadcast.to_string().into_bytes()) {
            self.metrics.bad_input("redis_away");
            tracing::debug!("a broadcast reaches this bridge's sockets alone: Redis is away");
        }
    }

    fn send(&self, channel: &Arc<str>, bytes: Vec<u8>) -> bool {
        let is_up = self.trouble.borrow().is_none();
        is_up && self.queue.try_send((channel.clone(), bytes)).is_ok()
    }
}

impl Speak for Publisher {
    fn speak(&self, bytes: Vec<u8>) -> bool {
        self.send(&self.signaling, bytes)
    }
}

impl Bus {
    /// For a Redis where names of ours begin with `prefix`; `takes_orders` lets its clients move and disconnect sockets.
    pub(crate) fn new(
        (address, prefix): (RedisAddress, &Prefix),
        takes_orders: bool,
        metrics: Metrics,
        notifier: Notifier,
        relay: Arc<dyn Relay>,
    ) -> (Self, Publisher, watch::Receiver<Option<String>>) {
        let (trouble, watched) = watch::channel(Some("not connected yet".to_owned()));
        let (queue, publications) = mpsc::channel(MAX_WAITING);
        let origin: Arc<str> = format!("{:032x}", rand::random::<u128>()).into();
        let (json, signaling): (Arc<str>, Arc<str>) =
            (JSON_CHANNEL.into(), format!("{prefix}:signaling").into());
        let publisher = Publisher {
            queue,
            json,
            signaling: signaling.clone(),
            trouble: watched.clone(),
            origin: origin.clone(),
            metrics: metrics.clone(),
        };
        let passed_on = RateLimiter::direct(Quota::per_second(PASSED_ON_PER_SECOND));
        let reader = Reader { origin, takes_orders, passed_on };
        let ears = Arc::new(Ears { notifier, metrics, reader, relay, signaling });
        (Self { address, trouble, publications, ears }, publisher, watched)
    }

    /// Connects, and connects again whenever Redis is lost, until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut failures = 0;
        // Of a cluster any node serves: after one that is lost the next is tried.
        for turn in 0_usize.. {
            let reason = tokio::select! {
                reason = self.one_connection(turn, &mut failures) => reason,
                () = shutdown.cancelled() => return,
            };
            self.ears.metrics.redis_up(false);
            let wait = backoff(failures, rand::random());
            let redis = self.address.one(turn);
            if failures == 0 {
                tracing::warn!(%redis, %reason, "no Redis: broadcasts by it aren't heard");
            } else {
                tracing::debug!(%redis, %reason, retry_in = ?wait, "still no Redis");
            }
            failures += 1;
            self.trouble.send_replace(Some(reason));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Serves one connection; says why it ended.
    async fn one_connection(&mut self, turn: usize, failures: &mut u32) -> String {
        let address = self.address.one(turn);
        let over = CancellationToken::new();
        // What a connection says after it was given up, the next one says too.
        let _over = over.clone().drop_guard();
        let connecting = async {
            let hear = Link::connect(&address, LOOK_EVERY, self.ears.clone().listen(over.clone())).await?;
            // Commands don't wait behind messages.
            let speak = Link::connect(&address, LOOK_EVERY, |_| Ok::<_, SendError>(())).await?;
            subscribe(&hear, &self.ears.signaling).await.map_err(|error| in_short(&error))?;
            Ok::<_, String>((hear, speak))
        };
        let (hear, speak) = match connecting.await {
            Ok(links) => links,
            Err(reason) => return reason,
        };
        *failures = 0;
        // What waited while it was away is out of date.
        while self.publications.try_recv().is_ok() {}
        self.ears.metrics.redis_up(true);
        self.trouble.send_replace(None);
        tracing::info!("Redis is listened to");
        self.ears.relay.up();
        let [mut look, mut beat] = [LOOK_EVERY, BEAT_EVERY].map(tokio::time::interval);
        loop {
            let done = tokio::select! {
                () = over.cancelled() => return "the connection broke off".to_owned(),
                Some((channel, bytes)) = self.publications.recv() => {
                    speak.clone().run(cmd("PUBLISH").arg(&*channel).arg(bytes).take()).await.map(drop)
                }
                _ = beat.tick() => {
                    self.ears.relay.beat();
                    continue;
                }
                _ = look.tick() => hear.clone().ping().await,
            };
            if let Err(error) = done {
                return in_short(&error);
            }
        }
    }
}

impl Ears {
    /// Takes what a connection hears on the task that reads it, so that who is flooded reads no faster; ends when it breaks off.
    fn listen(
        self: Arc<Self>,
        over: CancellationToken,
    ) -> impl Fn(PushInfo) -> Result<(), SendError> + Send + Sync + 'static {
        move |push| {
            if over.is_cancelled() {
                return Ok(());
            }
            match push.kind {
                PushKind::Message | PushKind::PMessage => {
                    if let [.., redis::Value::BulkString(channel), redis::Value::BulkString(bytes)] =
                        &*push.data
                        && let Ok(channel) = std::str::from_utf8(channel)
                    {
                        self.take(channel, bytes);
                    }
                }
                PushKind::Disconnection => over.cancel(),
                _ => {}
            }
            Ok(())
        }
    }

    fn take(&self, channel: &str, bytes: &[u8]) {
        if channel == &*self.signaling {
            return self.relay.heard(bytes);
        }
        let (way, wish) = self.reader.read(channel, bytes);
        match wish {
            Err(fault) => self.notifier.refused(fault),
            Ok(Wish::Nothing) => {}
            Ok(Wish::Order(order)) => self.notifier.order(&order),
            Ok(Wish::TellHere(broadcast)) => self.notifier.deliver(&broadcast, way),
            Ok(Wish::Tell(broadcast)) => {
                self.notifier.deliver(&broadcast, way);
                if self.reader.passed_on.check().is_ok() {
                    // Nobody waits for its answer.
                    drop(self.notifier.pass_on(&broadcast, Some(copy_of(channel, bytes))));
                } else {
                    self.metrics.bad_input("broadcast_rate");
                }
            }
        }
    }
}

impl Reader {
    /// What a message wants, and in which dialect it came.
    fn read(&self, channel: &str, bytes: &[u8]) -> (&'static str, Result<Wish, Fault>) {
        let (way, wish) = match channel {
            JSON_CHANNEL => ("json", self.json(bytes)),
            PYTHON_CHANNEL => ("python", sized(bytes).and_then(python::read)),
            _ if channel.starts_with("socket.io-request#") => {
                ("emitter", sized(bytes).and_then(|b| emitter::request(channel, b)))
            }
            _ => ("emitter", sized(bytes).and_then(emitter::read)),
        };
        match wish {
            Ok(Wish::Order(_)) if !self.takes_orders => (way, Err(Fault::Order)),
            wish => (way, wish),
        }
    }

    fn json(&self, bytes: &[u8]) -> Result<Wish, Fault> {
        let json: Value = serde_json::from_slice(sized(bytes)?).map_err(|_| Fault::Malformed)?;
        let origin = json.get("origin").and_then(Value::as_str);
        if origin == Some(&self.origin) {
            return Ok(Wish::Nothing);
        }
        let wish = if origin.is_some() { Wish::TellHere } else { Wish::Tell };
        crate::notify::read_json(json).map(wish)
    }
}

fn sized(bytes: &[u8]) -> Result<&[u8], Fault> {
    if bytes.len() <= MAX_MESSAGE { Ok(bytes) } else { Err(Fault::Oversized) }
}

async fn subscribe(hear: &Link, signaling: &str) -> RedisResult<()> {
    let channels = [JSON_CHANNEL, PYTHON_CHANNEL, signaling].map(|channel| ("SUBSCRIBE", channel));
    let patterns = [EMITTER_PATTERN, REQUEST_PATTERN].map(|pattern| ("PSUBSCRIBE", pattern));
    for (verb, name) in channels.into_iter().chain(patterns) {
        // Redis confirms each, which is the one answer that a command has here.
        hear.clone().run(cmd(verb).arg(name).take()).await?;
    }
    Ok(())
}

/// What a message was made of: the same at each bridge that hears it.
fn copy_of(channel: &str, bytes: &[u8]) -> String {
    let digest = Sha256::new().chain_update(channel).chain_update([0]).chain_update(bytes).finalize();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&digest[..16])
}

#[cfg(test)]
mod tests;
