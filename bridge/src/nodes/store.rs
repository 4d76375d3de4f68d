//! What is kept in Redis for all nodes: single keys with a time to live, asked for on a connection of its own.
//!
//! Each command names one key, so that a Redis Cluster serves as well. Who asks is answered in bounded time; a connection
//! that is lost is made again by the [keeper](super::keeper) alone. A cluster's heals by itself, master by master.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue, PushInfo, PushKind};
use suara_redis::{Link, RedisAddress, backoff};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Redis answers within a millisecond; one that takes so long is none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Failures in a row that make the wait longer, so that a lost Redis is looked for every second: the clients' own
/// reconnects come in such steps.
const MAX_FAILURES: u32 = 3;

/// A cluster's connections are made anew as a whole after so many beats without any answer: that isn't one master's fault.
const MAX_SILENT: u32 = 5;

/// Redis can't be asked, or hasn't answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Away;

/// Since when Redis is sure to have kept what it was given; clones share it.
#[derive(Clone)]
pub(super) struct Trust(Arc<Mutex<Instant>>);

impl Default for Trust {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Trust {
    /// For how long nothing has gone wrong.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Redis may have forgotten something.
    pub(super) fn shake(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// The connection, while there is one.
pub(super) struct Store {
    line: &'static str,
    address: RedisAddress,
    trust: Trust,
    /// Told when Redis may have forgotten what this node gave it.
    shaken: Arc<Notify>,
    open: Mutex<Option<Open>>,
    /// How often in a row it was asked in vain whether it is any good.
    silent: AtomicU32,
}

#[derive(Clone)]
struct Open {
    link: Link,
    /// It is of no use any more.
    over: CancellationToken,
}

impl Store {
    /// What `line` says is for the log.
    pub(super) fn new(line: &'static str, address: RedisAddress, trust: Trust, shaken: Arc<Notify>) -> Self {
        Self { line, address, trust, shaken, open: Mutex::new(None), silent: AtomicU32::new(0) }
    }

    /// Connects, does `serve` for as long as the connection stands and `serve` lasts, and begins anew, until `stop`.
    pub(super) async fn keep<S: Future<Output = ()>>(&self, stop: &CancellationToken, serve: impl Fn() -> S) {
        let mut failures = 0;
        loop {
            tokio::select! {
                is_open = self.once(&serve) => failures = if is_open { 0 } else { failures + 1 },
                () = stop.cancelled() => return,
            }
            *self.open() = None;
            tokio::select! {
                () = tokio::time::sleep(backoff(failures.min(MAX_FAILURES), rand::random())) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Serves one connection; whether there was one.
    async fn once<S: Future<Output = ()>>(&self, serve: &impl Fn() -> S) -> bool {
        let over = CancellationToken::new();
        // What a connection says after it was given up, the next one says too.
        let _over = over.clone().drop_guard();
        let connected = Link::connect(&self.address, PATIENCE, self.watch(over.clone())).await;
        // What was given before may be forgotten.
        self.shake();
        let link = match connected {
            Ok(link) => link,
            Err(reason) => {
                tracing::debug!(line = self.line, redis = %self.address, %reason, "no Redis: other nodes don't see this one");
                return false;
            }
        };
        self.silent.store(0, Relaxed);
        *self.open() = Some(Open { link, over: over.clone() });
        let since = Instant::now();
        tokio::select! {
            () = serve() => {}
            () = over.cancelled() => {}
        }
        self.shake();
        let (line, after) = (self.line, since.elapsed());
        tracing::warn!(line, ?after, "Redis is lost: sessions of other nodes can't be found");
        true
    }

    fn watch(
        &self,
        over: CancellationToken,
    ) -> impl Fn(PushInfo) -> Result<(), redis::aio::SendError> + Send + Sync + 'static {
        let (trust, shaken) = (self.trust.clone(), self.shaken.clone());
        let ends = !self.address.is_cluster();
        move |push| {
            if push.kind == PushKind::Disconnection && !over.is_cancelled() {
                trust.shake();
                shaken.notify_one();
                if ends {
                    over.cancel();
                }
            }
            Ok(())
        }
    }

    /// Redis may have forgotten what it was given.
    pub(super) fn shake(&self) {
        self.trust.shake();
        self.shaken.notify_one();
    }

    /// Asks one thing.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Away> {
        let Some(Open { mut link, over }) = self.open().clone() else { return Err(Away) };
        match tokio::time::timeout(PATIENCE, command.query_async(&mut link)).await {
            Ok(Ok(answer)) => {
                self.silent.store(0, Relaxed);
                return Ok(answer);
            }
            Ok(Err(error)) => {
                tracing::debug!(reason = error.category(), "Redis didn't do what it was asked");
                // One that is late may be busy: the keeper sees whether it lives.
                if !link.heals()
                    && (error.is_io_error() && !error.is_timeout() || error.is_connection_dropped())
                {
                    over.cancel();
                }
            }
            Err(_) => tracing::debug!("Redis doesn't answer"),
        }
        self.trust.shake();
        Err(Away)
    }

    /// Asks all masters whether they are there.
    pub(super) async fn ping(&self) -> Result<(), Away> {
        let Some(Open { link, .. }) = self.open().clone() else { return Err(Away) };
        if matches!(tokio::time::timeout(PATIENCE, link.ping()).await, Ok(Ok(()))) {
            return Ok(());
        }
        // One of them may come back empty.
        self.shake();
        Err(Away)
    }

    /// Whether one that hasn't answered is given up; asked once a beat. A cluster's connection heals by itself, mostly.
    pub(super) fn is_lost(&self) -> bool {
        !self.address.is_cluster() || self.silent.fetch_add(1, Relaxed) + 1 >= MAX_SILENT
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
