//! The trunk: one `suara/1` session to the gateway that brings all of this bridge's members.
//!
//! Connects, says hello, stays alive, comes back after a loss; hands on what the gateway says as [`TrunkEvent`]s, in
//! order. Knows the protocol, no member and no channel.

mod announce;
mod backoff;
mod chat;
mod clock;
mod event;
mod link;
mod pace;
mod session;
mod staff;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use announce::Gateway;
pub(crate) use chat::ChatEvent;
pub(crate) use event::{Bearer, Called, FloorEvent, Joined, Person, RosterEvent, Talking, TrunkEvent, Who};
pub(crate) use link::Link;
#[cfg(test)]
pub(crate) use link::recorded;
pub(crate) use staff::{StaffEvent, StaffLine, Talk};

use backoff::Backoff;
use session::{End, Opened};

/// What takes voice that comes from the gateway: called for each datagram, and must not block.
pub(crate) type VoiceSink = Box<dyn Fn(bytes::Bytes) + Send + Sync>;

/// The trunk, before it runs.
pub(crate) struct Trunk {
    pub(crate) gateway: Gateway,
    pub(crate) token_file: PathBuf,
    pub(crate) events: mpsc::UnboundedSender<TrunkEvent>,
    pub(crate) voice: VoiceSink,
}

impl Trunk {
    /// Connects, and connects again whenever the session ends, until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut backoff = Backoff::default();
        while !shutdown.is_cancelled() {
            let begun = Instant::now();
            let end = tokio::select! {
                end = self.one_session() => end,
                () = shutdown.cancelled() => break,
            };
            let wait = backoff.after(begun.elapsed(), end.retry_after, rand::random());
            tracing::warn!(reason = %end.reason, retry_in = ?wait, "no trunk to the gateway");
            if self.events.send(TrunkEvent::Down { reason: end.reason }).is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    async fn one_session(&self) -> End {
        match tokio::time::timeout(CONNECT_TIMEOUT, Opened::open(&self.gateway, &self.token_file)).await {
            Err(_) => End::new("the gateway doesn't answer"),
            Ok(Err(error)) => End::new(error),
            Ok(Ok(opened)) => opened.serve(self).await,
        }
    }
}

/// From the first look-up to the welcome.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
