//! Which channels something was said in last.

use sqlx::Row;

use crate::commit::unsigned;
use crate::{Message, Store, StoreError};

/// A channel and what was said there last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// The channel's name.
    pub channel: String,
    /// The newest message.
    pub last: Message,
    /// The name of whoever has the channel's name for a user id, when it said something last.
    pub visitor: Option<String>,
}

const RECENT: &str = "SELECT c.name, m.number, m.user_id, m.name, m.role, m.text, m.at, \
    (SELECT v.name FROM messages v WHERE v.channel = c.name AND v.user_id = c.name ORDER BY v.number DESC LIMIT 1) \
    FROM channels c JOIN messages m ON m.channel = c.name AND m.number = c.last_message \
    WHERE c.name LIKE $1 ORDER BY m.at DESC, c.name LIMIT $2";

impl Store {
    /// The channels whose names begin with `prefix`, the one in which something was said last first.
    ///
    /// # Errors
    /// When the database doesn't answer.
    pub async fn recent(&self, prefix: &str, limit: u32) -> Result<Vec<Recent>, StoreError> {
        // The prefix is ours: it has no wildcard in it.
        let query = sqlx::query(RECENT).bind(format!("{prefix}%")).bind(i64::from(limit));
        let rows = self.within(async { Ok(query.fetch_all(&self.pool).await?) }).await?;
        let recent = rows.iter().map(|row| {
            let last = Message {
                number: unsigned(row.try_get(1)?),
                user: row.try_get(2)?,
                name: row.try_get(3)?,
                role: row.try_get(4)?,
                text: row.try_get(5)?,
                at: unsigned(row.try_get(6)?),
            };
            Ok(Recent { channel: row.try_get(0)?, last, visitor: row.try_get(7)? })
        });
        Ok(recent.collect::<Result<Vec<_>, sqlx::Error>>()?)
    }
}
