//! Who owns a channel: a key that lives for so long and no longer, with an epoch that only grows, and a script that
//! changes both at once. Both keys are in one slot, and each call touches one channel.
//!
//! The epoch is a fencing token: whoever took the channel last has the highest. It outlives the lease, so that a second
//! owner can't have the first one's; it is forgotten a while after the last owner, for then nobody holds anything
//! that it could fence. Who knows a higher epoch than Redis says so (`wanted`).

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::{ErrorKind, RedisResult, Script, ServerErrorKind};
use suara_redis::{Link, Prefix, in_short};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::berth::Berth;
use super::line::Line;
use super::metrics::NodesMetrics;
use super::topics::{Topics as _, hex_of};
use super::{Epoch, Heard, LeaseAnswer, LeaseAsk, NodeId};

/// An epoch is remembered for so many leases after its owner's last word: longer than anybody waits for a lost owner.
const REMEMBERED_LEASES: u64 = 40;

const SOURCE: &str = include_str!("lease.lua");
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(SOURCE));

const NO_SCRIPT: ErrorKind = ErrorKind::Server(ServerErrorKind::NoScript);

/// A room's question.
pub(super) struct Call {
    pub(super) berth: Arc<Berth>,
    pub(super) number: u64,
    pub(super) ask: LeaseAsk,
}

/// Asks for all rooms of a node.
pub(super) struct Desk {
    pub(super) me: NodeId,
    pub(super) prefix: Prefix,
    pub(super) lease: Duration,
    /// No question waits longer.
    pub(super) timeout: Duration,
    pub(super) line: Arc<Line>,
    pub(super) metrics: NodesMetrics,
}

impl Desk {
    /// Answers until `closing`, and what was asked until then. Questions keep their order.
    pub(super) async fn run(self, mut calls: UnboundedReceiver<Call>, closing: CancellationToken) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(call) = calls.recv() => under_way.push(self.answer(call)),
                Some(()) = under_way.next(), if !under_way.is_empty() => {}
                () = closing.cancelled() => break,
            }
        }
        while let Ok(call) = calls.try_recv() {
            under_way.push(self.answer(call));
        }
        while under_way.next().await.is_some() {}
    }

    async fn answer(&self, call: Call) {
        let Call { berth, number, ask } = call;
        let asked = async {
            let link = self.line.link().ok_or_else(|| "Redis is away".to_owned())?;
            self.ask(link, &berth.key, ask).await.map_err(|error| in_short(&error))
        };
        let answer = match tokio::time::timeout(self.timeout, asked).await {
            Ok(Ok(answer)) => answer,
            failed => {
                let reason =
                    failed.map_or_else(|_| "it doesn't answer".to_owned(), |f| f.err().unwrap_or_default());
                tracing::debug!(%reason, "a lease isn't answered");
                self.metrics.lease_failures.inc();
                LeaseAnswer::Away
            }
        };
        berth.say(Heard::Lease { number, answer });
    }

    /// Asks Redis; the script goes along where it isn't known yet.
    async fn ask(&self, mut link: Link, key: &str, ask: LeaseAsk) -> RedisResult<LeaseAnswer> {
        let lease = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX).max(1);
        let (word, epoch, more) = match ask {
            LeaseAsk::Take { wanted } => ("take", wanted, String::new()),
            LeaseAsk::Renew { epoch } => ("renew", epoch, String::new()),
            LeaseAsk::Bump { epoch, above } => ("bump", epoch, above.0.to_string()),
            LeaseAsk::Release { epoch } => ("release", epoch, String::new()),
            LeaseAsk::HandOver { epoch, to } => ("hand", epoch, hex_of(to)),
        };
        let call = |verb: &str, script: &str| {
            let mut call = redis::cmd(verb);
            call.arg(script).arg(2).arg(self.prefix.lease(key)).arg(self.prefix.epoch(key));
            call.arg(word).arg(hex_of(self.me)).arg(lease).arg(lease.saturating_mul(REMEMBERED_LEASES));
            call.arg(epoch.0).arg(&more).take()
        };
        let answer = call("EVALSHA", SCRIPT.get_hash()).query_async(&mut link).await;
        let (holder, epoch, clean): (String, u16, u8) = match answer {
            // Not SCRIPT LOAD: in a cluster that asks all masters, and one may be dead.
            Err(error) if error.kind() == NO_SCRIPT => call("EVAL", SOURCE).query_async(&mut link).await?,
            answer => answer?,
        };
        Ok(self.understand(&holder, Epoch(epoch), clean == 1))
    }

    fn understand(&self, holder: &str, epoch: Epoch, clean: bool) -> LeaseAnswer {
        match u64::from_str_radix(holder, 16) {
            Ok(by) if by == self.me.0 => LeaseAnswer::Mine { epoch, clean },
            Ok(by) => LeaseAnswer::Held { by: NodeId(by), epoch },
            Err(_) => LeaseAnswer::Free,
        }
    }
}
