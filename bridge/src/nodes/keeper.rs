//! The one task that keeps a node in Redis: it connects, renews the node's entry and its claims, and begins anew
//! whenever Redis was lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::claims::{Claims, Errand};
use super::registry::{BEAT, Beat, Registry};
use super::store::{Away, Store};

/// Claims are renewed with every so many beats: three times in their time to live, nearly.
const BEATS_A_RENEWAL: u32 = 6;

/// Errands that are run before the keeper looks at its beat again.
const ERRANDS_AT_ONCE: usize = 256;

/// A lost Redis is looked for so often, with a jitter: the clients' own reconnects come in such steps.
const AGAIN: Duration = Duration::from_millis(1000);

pub(super) struct Keeper {
    pub(super) store: Arc<Store>,
    pub(super) registry: Registry,
    pub(super) claims: Claims,
    pub(super) errands: mpsc::Receiver<Errand>,
}

impl Keeper {
    /// Keeps the node listed until `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = self.one_connection() => {}
                () = shutdown.cancelled() => return,
            }
            let wait = AGAIN.mul_f64(rand::random());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Serves one connection until it is lost.
    async fn one_connection(&mut self) {
        if let Err(error) = self.store.connect().await {
            return tracing::debug!(reason = error.category(), "no Redis: other nodes don't see this one");
        }
        let mut listed = None;
        if self.keep(&mut listed).await.is_err() {
            // One that doesn't answer is no better than one that is gone.
            self.store.disconnect();
        }
        if let Some(since) = listed {
            let after: Duration = Instant::now().saturating_duration_since(since);
            tracing::warn!(?after, "Redis is lost: sessions of other nodes can't be found");
        }
    }

    /// Keeps the node `listed` for as long as Redis answers.
    async fn keep(&mut self, listed: &mut Option<Instant>) -> Result<(), Away> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until_renewal = 0;
        let mut errands = Vec::new();
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    if self.registry.beat().await? == Beat::Anew {
                        self.store.doubt();
                        until_renewal = 0;
                    }
                    if until_renewal == 0 {
                        self.claims.renew().await?;
                        until_renewal = BEATS_A_RENEWAL;
                    }
                    until_renewal -= 1;
                    if listed.is_none() {
                        let me = self.registry.me();
                        tracing::info!(node = %me.id, peer = %me.peer, "this node is listed in Redis");
                        *listed = Some(Instant::now());
                    }
                }
                _ = self.errands.recv_many(&mut errands, ERRANDS_AT_ONCE) => {
                    for errand in errands.drain(..) {
                        self.claims.run(errand).await?;
                    }
                }
                () = self.store.lost() => return Ok(()),
            }
        }
    }
}
