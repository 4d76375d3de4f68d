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
use std::time::{Duration, Instant};

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::{AsyncCommands as _, Client, Msg};
use base64::Engine as _;
use futures_util::StreamExt as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::notify::{Broadcast, Fault, Notifier, Order};
use crate::signaling::Speak;
use crate::trunk::Backoff;

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

/// From the address to the last subscription.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
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
    client: Client,
    notifier: Notifier,
    metrics: Metrics,
    /// What is wrong; `None` while all is well.
    trouble: watch::Sender<Option<String>>,
    publications: mpsc::Receiver<Publication>,
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
    /// For a Redis at `url`, where names of ours begin with `prefix`; `takes_orders` lets its clients move and disconnect sockets.
    ///
    /// # Errors
    /// When the URL is none.
    pub(crate) fn new(
        (url, prefix): (&str, &str),
        takes_orders: bool,
        metrics: Metrics,
        notifier: Notifier,
        relay: Arc<dyn Relay>,
    ) -> Result<(Self, Publisher, watch::Receiver<Option<String>>), ::redis::RedisError> {
        let client = Client::open(url)?;
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
        let bus = Self { client, notifier, metrics, trouble, publications, reader, relay, signaling };
        Ok((bus, publisher, watched))
    }

    /// Connects, and connects again whenever Redis is lost, until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut backoff = Backoff::default();
        loop {
            let begun = Instant::now();
            let reason = tokio::select! {
                reason = self.one_connection() => reason,
                () = shutdown.cancelled() => return,
            };
            self.metrics.redis_up(false);
            let wait = backoff.after(begun.elapsed(), None, rand::random());
            tracing::warn!(%reason, retry_in = ?wait, "no Redis: broadcasts by it aren't heard");
            self.trouble.send_replace(Some(reason));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Serves one connection; says why it ended.
    async fn one_connection(&mut self) -> String {
        let (pubsub, mut commands) =
            match tokio::time::timeout(CONNECT_TIMEOUT, connect(&self.client, &self.signaling)).await {
                Err(_) => return "it doesn't answer".to_owned(),
                Ok(Err(error)) => return in_short(&error),
                Ok(Ok(connected)) => connected,
            };
        // What waited while it was away is out of date.
        while self.publications.try_recv().is_ok() {}
        self.metrics.redis_up(true);
        self.trouble.send_replace(None);
        tracing::info!("Redis is listened to");
        self.relay.up();
        let mut messages = pubsub.into_on_message();
        let [mut look, mut beat] = [LOOK_EVERY, BEAT_EVERY].map(tokio::time::interval);
        loop {
            let done = tokio::select! {
                message = messages.next() => match message {
                    Some(message) => {
                        self.take(&message);
                        continue;
                    }
                    None => return "the connection broke off".to_owned(),
                },
                Some((channel, bytes)) = self.publications.recv() => {
                    let publish = commands.publish::<_, _, ()>(&*channel, bytes);
                    tokio::time::timeout(LOOK_EVERY, publish).await
                }
                _ = beat.tick() => {
                    self.relay.beat();
                    continue;
                }
                _ = look.tick() => tokio::time::timeout(LOOK_EVERY, commands.ping::<()>()).await,
            };
            match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return in_short(&error),
                Err(_) => return "it doesn't answer".to_owned(),
            }
        }
    }

    fn take(&self, message: &Msg) {
        let (channel, bytes) = (message.get_channel_name(), message.get_payload_bytes());
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

async fn connect(client: &Client, signaling: &str) -> ::redis::RedisResult<(PubSub, MultiplexedConnection)> {
    let mut pubsub = client.get_async_pubsub().await?;
    for channel in [JSON_CHANNEL, PYTHON_CHANNEL, signaling] {
        pubsub.subscribe(channel).await?;
    }
    for pattern in [EMITTER_PATTERN, REQUEST_PATTERN] {
        pubsub.psubscribe(pattern).await?;
    }
    Ok((pubsub, client.get_multiplexed_async_connection().await?))
}

/// Without the address: it may hold a password.
fn in_short(error: &::redis::RedisError) -> String {
    error.category().to_owned()
}

/// What a message was made of: the same at each bridge that hears it.
fn copy_of(channel: &str, bytes: &[u8]) -> String {
    let digest = Sha256::new().chain_update(channel).chain_update([0]).chain_update(bytes).finalize();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&digest[..16])
}

#[cfg(test)]
mod tests;
