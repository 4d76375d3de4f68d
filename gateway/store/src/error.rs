//! What can go wrong with the store.

use thiserror::Error;

/// Why something was neither stored nor read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// No URL of SQLite or PostgreSQL.
    #[error("{0} is no URL of a database that is known here: sqlite: or postgres:")]
    Url(String),
    /// The database said no, or can't be reached.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The schema couldn't be brought up to date.
    #[error("the schema can't be brought up to date: {0}")]
    Schema(sqlx::migrate::MigrateError),
    /// It took longer than anybody waits. What was to be stored may be there or not.
    #[error("the database doesn't answer in time")]
    TimedOut,
    /// As many are kept as may be.
    #[error("as many are kept as may be")]
    Full,
}

/// It says all that is wrong by itself: as a source it would be said twice.
impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Schema(error)
    }
}

impl StoreError {
    /// Whether this itself was refused, rather than being out of reach.
    #[must_use]
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Full | Self::Database(sqlx::Error::Database(_) | sqlx::Error::Encode(_)))
    }
}
