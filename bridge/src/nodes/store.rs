//! What is kept in Redis for all nodes: single keys with a time to live, asked for on a connection of its own.
//!
//! Each command names one key, so that a Redis Cluster serves as well. Who asks is answered in bounded time; a connection
//! that is lost is made again by the [keeper](super::keeper) alone.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError};
use tokio::sync::Notify;

/// From the address to a connection that answers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Redis answers within a millisecond; one that takes so long is none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Redis can't be asked, or hasn't answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Away;

/// The connection, while there is one.
pub(super) struct Store {
    client: Client,
    link: Mutex<Option<MultiplexedConnection>>,
    /// When it was last away, or may have been.
    doubted: Mutex<Instant>,
    lost: Notify,
}

impl Store {
    pub(super) fn new(client: Client) -> Self {
        Self { client, link: Mutex::new(None), doubted: Mutex::new(Instant::now()), lost: Notify::new() }
    }

    /// Connects; what was there before is let go of.
    pub(super) async fn connect(&self) -> Result<(), RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(PATIENCE));
        let made = self.client.get_multiplexed_async_connection_with_config(&config).await;
        // The loss of the one before is no loss of this one.
        self.lost.notified().now_or_never();
        *self.link() = made.as_ref().ok().cloned();
        self.doubt();
        made.map(drop)
    }

    /// Lets go of a connection that answers no more.
    pub(super) fn disconnect(&self) {
        *self.link() = None;
        self.doubt();
        self.lost.notify_one();
    }

    /// Returns when the connection was lost.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// For how long nothing has gone wrong: as long, at least, it has kept what it was given.
    pub(super) fn trusted_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.doubted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Redis may have forgotten what it was given.
    pub(super) fn doubt(&self) {
        *self.doubted.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Asks one thing.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Away> {
        let Some(mut link) = self.link().clone() else { return Err(Away) };
        match command.query_async(&mut link).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                tracing::debug!(reason = error.category(), "Redis didn't do what it was asked");
                // One that is late may be busy: the keeper sees whether it lives.
                if error.is_io_error() && !error.is_timeout() || error.is_connection_dropped() {
                    self.disconnect();
                }
                self.doubt();
                Err(Away)
            }
        }
    }

    fn link(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
