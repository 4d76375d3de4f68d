//! What goes to other nodes: packets and words by one connection, voice by another, each pipelined and never waited for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{FutureExt as _, StreamExt as _};
use redis::{Cmd, RedisResult, RedisWrite as _, Value};
use suara_redis::Link;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::line::Line;
use super::metrics::{NodeDrop, NodesMetrics, What};
use super::{MAX_PACKET, NodeId};
use crate::voice::VoiceQueue;

/// Messages that wait to be sent. More is a Redis that doesn't read.
const MAX_QUEUED: usize = 8192;
/// Bytes of them: two of the largest packets. More is memory that a Redis which stands would take.
const MAX_QUEUED_BYTES: usize = 2 * MAX_PACKET;
/// Messages that Redis hasn't confirmed. An owner says two beats a second of each channel, which isn't to depend on how far away
/// Redis is: 10 000 channels at a round trip of 200 ms have 4 000 of them.
const MAX_UNCONFIRMED: usize = 4096;
/// Bytes of them: what a connection of 1 Gbit/s takes in 32 ms. With more a connection that stands is filled with what has been
/// asked for again by then. A larger packet goes alone.
const MAX_UNCONFIRMED_BYTES: usize = 4 << 20;
/// What a message without a body counts as.
const MESSAGE_COST: usize = 256;
/// What is older has been asked for again.
const MAX_PACKET_AGE: Duration = Duration::from_secs(1);

/// Voice that Redis hasn't confirmed after this holds later voice back, which grows old in its queue: a connection that
/// stands is not filled with what nobody wants to hear any more.
const MAX_VOICE_AGE: Duration = Duration::from_millis(120);
/// Frames of a room that Redis hasn't confirmed: of eight talkers, in [`MAX_VOICE_AGE`].
const MAX_UNCONFIRMED_FRAMES: usize = 64;

/// A message for a topic.
pub(super) struct Publication {
    pub(super) what: What,
    pub(super) topic: Arc<str>,
    pub(super) head: [u8; 17],
    pub(super) body: Bytes,
    pub(super) since: Instant,
}

impl Publication {
    fn cost(&self) -> usize {
        MESSAGE_COST + self.body.len()
    }
}

/// Where messages wait: so many, and so many bytes of them.
pub(super) struct Queue {
    sender: mpsc::Sender<Publication>,
    bytes: Arc<AtomicUsize>,
}

/// The other end.
pub(super) struct Waiting {
    receiver: mpsc::Receiver<Publication>,
    bytes: Arc<AtomicUsize>,
}

pub(super) fn queue() -> (Queue, Waiting) {
    let ((sender, receiver), bytes) = (mpsc::channel(MAX_QUEUED), Arc::<AtomicUsize>::default());
    (Queue { sender, bytes: bytes.clone() }, Waiting { receiver, bytes })
}

impl Queue {
    /// Puts one behind the others; `false` when there is no room for it.
    pub(super) fn put(&self, publication: Publication) -> bool {
        let cost = publication.cost();
        let before = self.bytes.fetch_add(cost, Relaxed);
        let fits = before == 0 || before + cost <= MAX_QUEUED_BYTES;
        if fits && self.sender.try_send(publication).is_ok() {
            return true;
        }
        self.bytes.fetch_sub(cost, Relaxed);
        false
    }
}

impl Waiting {
    /// The next; nothing once it is closed and empty. Cancel-safe.
    async fn next(&mut self) -> Option<Publication> {
        let publication = self.receiver.recv().await?;
        self.bytes.fetch_sub(publication.cost(), Relaxed);
        Some(publication)
    }
}

/// Messages that Redis hasn't confirmed.
#[derive(Default)]
struct Unconfirmed {
    running: FuturesUnordered<BoxFuture<'static, (What, usize, RedisResult<i64>)>>,
    bytes: usize,
}

impl Unconfirmed {
    fn has_room(&self) -> bool {
        self.running.len() < MAX_UNCONFIRMED && self.bytes < MAX_UNCONFIRMED_BYTES
    }

    fn send(&mut self, link: Link, publication: &Publication) {
        let (what, cost) = (publication.what, publication.cost());
        let command = message(&publication.topic, &[&publication.head, &publication.body]);
        self.bytes += cost;
        self.running.push(async move { (what, cost, send(link, command).await) }.boxed());
    }

    /// Waits for one to be confirmed, or given up: that is counted. `false` when there is none.
    async fn settle(&mut self, metrics: &NodesMetrics) -> bool {
        let Some((what, cost, done)) = self.running.next().await else { return false };
        self.bytes -= cost;
        if done.is_err() {
            metrics.dropped(what, NodeDrop::Refused);
        }
        true
    }
}

/// How it ends: at once, or with a last word behind all that was said before.
#[derive(Clone, Default)]
pub(super) struct Farewell {
    closing: CancellationToken,
    last: Arc<OnceLock<Publication>>,
}

impl Farewell {
    /// Ends with that word.
    pub(super) fn say(&self, last: Publication) {
        self.last.get_or_init(|| last);
        self.closing.cancel();
    }

    /// Ends without one.
    pub(super) fn abandon(&self) {
        self.closing.cancel();
    }

    pub(super) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }
}

/// Sends packets and words, until the farewell, and what was said until then.
pub(super) async fn publish(
    line: Arc<Line>,
    mut waiting: Waiting,
    metrics: NodesMetrics,
    farewell: Farewell,
) {
    let mut unconfirmed = Unconfirmed::default();
    let mut closes = false;
    loop {
        let publication = tokio::select! {
            biased;
            true = unconfirmed.settle(&metrics) => continue,
            publication = waiting.next(), if unconfirmed.has_room() => match publication {
                Some(publication) => publication,
                None => break,
            },
            () = farewell.closing.cancelled(), if !closes => {
                if farewell.last.get().is_none() {
                    return;
                }
                // What waits still goes; what comes now has nobody to say it.
                waiting.receiver.close();
                closes = true;
                continue;
            }
        };
        let what = publication.what;
        if publication.since.elapsed() > MAX_PACKET_AGE {
            metrics.dropped(what, NodeDrop::Stale);
            continue;
        }
        let Some(link) = line.link() else {
            metrics.dropped(what, NodeDrop::Away);
            continue;
        };
        metrics.packets_out.inc();
        unconfirmed.send(link, &publication);
    }
    match (farewell.last.get(), line.link()) {
        (Some(last), Some(link)) => unconfirmed.send(link, last),
        (Some(last), None) => metrics.dropped(last.what, NodeDrop::Away),
        (None, _) => {}
    }
    while unconfirmed.settle(&metrics).await {}
}

/// Sends one channel's voice, until `stop`: frames go as they come, on the connection of all channels' voice.
pub(super) async fn speak(
    me: NodeId,
    topic: String,
    queue: Arc<VoiceQueue>,
    line: Arc<Line>,
    metrics: NodesMetrics,
    stop: CancellationToken,
) {
    let sender = me.0.to_be_bytes();
    // Redis answers a connection in order.
    let mut unconfirmed = FuturesOrdered::new();
    let mut sent: VecDeque<Instant> = VecDeque::new();
    let stands = |sent: &VecDeque<Instant>| sent.front().is_some_and(|at| at.elapsed() > MAX_VOICE_AGE);
    loop {
        let frame = tokio::select! {
            () = stop.cancelled() => return,
            Some(done) = unconfirmed.next(), if !unconfirmed.is_empty() => {
                let done: RedisResult<i64> = done;
                sent.pop_front();
                if done.is_err() {
                    metrics.dropped(What::Voice, NodeDrop::Refused);
                }
                continue;
            }
            frame = queue.next(), if unconfirmed.len() < MAX_UNCONFIRMED_FRAMES && !stands(&sent) => frame,
        };
        let Some(link) = line.link() else {
            metrics.dropped(What::Voice, NodeDrop::Away);
            continue;
        };
        if stands(&sent) {
            metrics.dropped(What::Voice, NodeDrop::Stale);
            continue;
        }
        metrics.voice_out.inc();
        sent.push_back(Instant::now());
        let command = message(&topic, &[&sender, frame.payload()]);
        unconfirmed.push_back(async move { send(link, command).await });
    }
}

/// How many heard it.
async fn send(link: Link, message: Cmd) -> RedisResult<i64> {
    match link.run(message).await? {
        Value::Int(listeners) => Ok(listeners),
        _ => Ok(0),
    }
}

/// A message for a topic, ready to be sent: its parts are put together without being copied in between.
fn message(topic: &str, parts: &[&[u8]]) -> Cmd {
    use std::io::Write as _;
    let size: usize = parts.iter().map(|part| part.len()).sum();
    let mut command = Cmd::with_capacity(3, 16 + topic.len() + size);
    command.arg("SPUBLISH").arg(topic);
    let mut argument = command.writer_for_next_arg();
    for part in parts {
        // A vector takes all that is written to it.
        argument.write_all(part).unwrap_or_default();
    }
    drop(argument);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: usize) -> Publication {
        let (topic, body) = ("suara:{6F}:control".into(), vec![0; bytes].into());
        Publication { what: What::Packet, topic, head: [0; 17], body, since: Instant::now() }
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_number_and_in_bytes_and_one_always_fits() {
        let (queue, mut waiting) = queue();
        let taken = (0..2 * MAX_QUEUED).filter(|_| queue.put(of(10))).count();
        assert_eq!(taken, MAX_QUEUED);
        for _ in 0..taken {
            waiting.next().await.unwrap();
        }
        assert!(queue.put(of(MAX_PACKET)) && !queue.put(of(MAX_PACKET)) && queue.put(of(10)));
        for _ in 0..2 {
            waiting.next().await.unwrap();
        }
        assert_eq!(queue.bytes.load(Relaxed), 0);
        assert!(queue.put(of(3 * MAX_PACKET)), "it is alone");
    }
}
