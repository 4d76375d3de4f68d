//! What outlives a session: the messages of channels, and the notices kept for users, who is banned.
//!
//! One schema and one set of SQL, by `sqlx`'s `Any` driver, for SQLite in a file of the gateway's own and for PostgreSQL. The
//! store knows no session and no channel's members: it numbers what it is given, keeps it, and gives it back. Everything that
//! counts is decided under a row's lock in the transaction that stores, so that several gateways may share a PostgreSQL.

mod bans;
mod commit;
mod error;
mod history;
mod notices;
mod pool;
mod recent;
mod schema;
mod writer;

use std::sync::Arc;

use sqlx::AnyPool;

pub use commit::{Draft, Stored};
pub use error::StoreError;
pub use history::{Message, Page, Span};
pub use notices::{MAX_NOTICES, Notice};
pub use pool::{file_url, is_postgres};
pub use recent::Recent;
pub use writer::{Batch, Writer};

/// The store; clones share it.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    state: Arc<pool::State>,
}
