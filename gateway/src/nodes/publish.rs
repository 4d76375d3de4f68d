//! What goes to other nodes: packets and words by one connection, voice by another, each pipelined and never waited for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use redis::{Cmd, RedisResult, RedisWrite as _, Value};
use suara_redis::Link;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::NodeId;
use super::line::Line;
use super::metrics::{NodeDrop, NodesMetrics, What};
use crate::voice::VoiceQueue;

/// Messages that wait to be sent. More is a Redis that doesn't read.
pub(super) const MAX_QUEUED: usize = 8192;
/// Messages that Redis hasn't confirmed: an RTT of 2 ms and 100 000 a second.
const MAX_UNCONFIRMED: usize = 256;
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

/// Sends packets and words, until `closing`, and what was said until then.
pub(super) async fn publish(
    line: Arc<Line>,
    mut queue: mpsc::Receiver<Publication>,
    metrics: NodesMetrics,
    closing: CancellationToken,
) {
    let mut unconfirmed = FuturesUnordered::new();
    loop {
        let publication = tokio::select! {
            // Who closes has said its last word before.
            biased;
            Some((what, done)) = unconfirmed.next(), if !unconfirmed.is_empty() => {
                if RedisResult::<i64>::is_err(&done) {
                    metrics.dropped(what, NodeDrop::Refused);
                }
                continue;
            }
            publication = queue.recv(), if unconfirmed.len() < MAX_UNCONFIRMED => match publication {
                Some(publication) => publication,
                None => break,
            },
            () = closing.cancelled() => break,
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
        let command = message(&publication.topic, &[&publication.head, &publication.body]);
        unconfirmed.push(async move { (what, send(link, command).await) });
    }
    while unconfirmed.next().await.is_some() {}
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
