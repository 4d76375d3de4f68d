//! What keeps a node in Redis: its beat, and apart from that what it holds and who else is there.
//!
//! The beat has a connection and a task of its own: however much there is to say, and however slow Redis is, it waits
//! behind nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::{StreamExt as _, stream};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::AT_ONCE;
use super::claims::{Claims, Errand};
use super::registry::{BEAT, Beat, Registry};
use super::store::{Away, Store};

/// Claims are renewed with every so many beats: five times in their time to live.
const BEATS_A_RENEWAL: u32 = 6;

/// Errands that are taken at once.
const ERRANDS_AT_ONCE: usize = 256;

pub(super) struct Keeper {
    /// For the beat alone.
    pub(super) own: Arc<Store>,
    pub(super) store: Arc<Store>,
    /// Redis may have forgotten what this node gave it.
    pub(super) shaken: Arc<Notify>,
    pub(super) registry: Registry,
    pub(super) claims: Claims,
    pub(super) errands: Mutex<mpsc::Receiver<Errand>>,
}

impl Keeper {
    /// Keeps the node listed until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let listed = Notify::new();
        let rest = async {
            // A node that isn't listed yet would be taken for dead by who finds what it holds.
            timeout(BEAT, listed.notified()).await.unwrap_or_default();
            self.store.keep(&stop, || self.look_and_tell()).await;
        };
        tokio::join!(self.own.keep(&stop, || self.beat(&listed)), rest);
    }

    /// Beats for as long as Redis answers.
    async fn beat(&self, listed: &Notify) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_listed = false;
        loop {
            beat.tick().await;
            match self.registry.beat().await {
                Ok(found) => {
                    if found == Beat::Anew {
                        self.own.shake();
                    }
                    if !is_listed {
                        let me = self.registry.me();
                        tracing::info!(bridge_node = %me.id, peer = %me.peer, "this bridge is listed in Redis");
                        is_listed = true;
                        listed.notify_one();
                    }
                }
                // A connection that stands is made anew; what was asked on it Redis may do yet.
                Err(Away) if self.own.is_lost() => return,
                Err(Away) => {}
            }
        }
    }

    async fn look_and_tell(&self) {
        tokio::select! {
            () = self.look() => {}
            () = self.tell() => {}
        }
    }

    /// Looks who is there, for as long as Redis answers.
    async fn look(&self) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            // Whether all masters of a cluster are there, no single question tells.
            let looks = async { tokio::join!(self.registry.look(), self.store.ping()) };
            let is_there = matches!(looks.await, (Ok(()), Ok(())));
            if !is_there && self.store.is_lost() {
                return;
            }
        }
    }

    /// Tells Redis what this node holds, for as long as the connection stands.
    async fn tell(&self) {
        let mut errands = self.errands.lock().await;
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut until_renewal, mut taken) = (0, Vec::new());
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    if until_renewal == 0 {
                        // What failed is told with the next beat.
                        until_renewal = if self.claims.renew().await.is_ok() { BEATS_A_RENEWAL } else { 1 };
                    }
                    until_renewal -= 1;
                }
                () = self.shaken.notified() => until_renewal = 0,
                _ = errands.recv_many(&mut taken, ERRANDS_AT_ONCE) => {
                    let failed = AtomicBool::new(false);
                    let run = async |errand| if self.claims.run(errand).await.is_err() { failed.store(true, Relaxed) };
                    stream::iter(taken.drain(..)).for_each_concurrent(AT_ONCE, run).await;
                    if failed.into_inner() {
                        until_renewal = 0;
                    }
                }
            }
        }
    }
}
