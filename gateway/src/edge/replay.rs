//! Streams on which a client hears a burst from its start (PROTOCOL.md, section 6.2).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use suara_engine::{ReceiveStream, Stream};
use suara_proto::frame::split;
use suara_proto::limits::HELLO_TIMEOUT;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use super::control::{STREAM_REFUSED, turn_away};
use crate::voice::Ingress;

/// Replays at a time: a late entry into two channels.
pub(super) const REPLAYS: usize = 2;
/// The longest burst over the slowest link that could carry voice.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(60);
/// A request for one in bytes: it holds two numbers.
pub(super) const MAX_REPLAY_REQUEST: usize = 1024;

/// One session's replays. Dropped, they end.
#[derive(Default)]
pub(super) struct Replays(JoinSet<()>);

impl Replays {
    /// Serves another one. Who asks for more than may be waits, and its later streams with it.
    pub(super) async fn serve(&mut self, stream: Stream, first: Bytes, ingress: Arc<Ingress>) {
        while self.0.try_join_next().is_some() {}
        if self.0.len() == REPLAYS {
            self.0.join_next().await;
        }
        self.0.spawn(replay(stream, first, ingress));
    }
}

/// Serves one replay. Who asks for nothing in time, or doesn't read, has its stream reset.
async fn replay(Stream { mut send, mut receive }: Stream, first: Bytes, ingress: Arc<Ingress>) {
    let Ok(Some(json)) = timeout(HELLO_TIMEOUT, one_message(&mut receive, first)).await else {
        return turn_away(Stream { send, receive });
    };
    let writing = async {
        for chunk in ingress.replay(&json) {
            send.write(chunk).await?;
        }
        send.finish().await
    };
    // A client that is gone, or reads slower than it could listen, has no use for the rest.
    if !matches!(timeout(REPLAY_TIMEOUT, writing).await, Ok(Ok(()))) {
        send.reset(STREAM_REFUSED);
    }
}

/// The only message of a stream; `None` when there is none.
async fn one_message(receive: &mut ReceiveStream, first: Bytes) -> Option<Bytes> {
    let mut buffer = BytesMut::from(&first[..]);
    loop {
        match split(&mut buffer, MAX_REPLAY_REQUEST) {
            Ok(Some(message)) => return Some(message),
            Ok(None) => buffer.extend_from_slice(&receive.next().await.ok()??),
            Err(_) => return None,
        }
    }
}
