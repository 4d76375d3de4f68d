//! What was said in a channel, page by page.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::commit::{signed, unsigned};
use crate::{Store, StoreError};

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number in the channel.
    pub number: u64,
    /// Who said it.
    pub user: String,
    /// The name at that time.
    pub name: String,
    /// The role at that time.
    pub role: String,
    /// What was said.
    pub text: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// Which messages of a channel are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Only those below this number.
    pub before: Option<u64>,
    /// Only those above this number; then the oldest of them, otherwise the newest.
    pub after: Option<u64>,
    /// How many at most.
    pub limit: u32,
}

/// Some of them, in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Message>,
    /// Whether there are more in the direction that was asked for.
    pub more: bool,
}

const NEWEST: &str = "SELECT number, user_id, name, role, text, at FROM messages \
                      WHERE channel = $1 AND number > $2 AND number < $3 ORDER BY number DESC LIMIT $4";
const OLDEST: &str = "SELECT number, user_id, name, role, text, at FROM messages \
                      WHERE channel = $1 AND number > $2 AND number < $3 ORDER BY number LIMIT $4";

impl Store {
    /// A page of a channel's messages.
    ///
    /// # Errors
    /// When the database doesn't answer.
    pub async fn history(&self, channel: &str, span: Span) -> Result<Page, StoreError> {
        let limit = span.limit as usize;
        let query = sqlx::query(if span.after.is_some() { OLDEST } else { NEWEST })
            .bind(channel)
            .bind(signed(span.after.unwrap_or(0)))
            .bind(signed(span.before.unwrap_or(u64::MAX)))
            .bind(i64::from(span.limit) + 1);
        let rows = self.within(async { Ok(query.fetch_all(&self.pool).await?) }).await?;
        let more = rows.len() > limit;
        let messages = rows.iter().take(limit).map(message).collect::<Result<Vec<_>, _>>();
        let mut messages = messages?;
        if span.after.is_none() {
            messages.reverse();
        }
        Ok(Page { messages, more })
    }

    /// The number of a channel's newest message; 0 for none.
    ///
    /// # Errors
    /// When the database doesn't answer.
    pub async fn last_message(&self, channel: &str) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT last_message FROM channels WHERE name = $1").bind(channel);
        let row = self.within(async { Ok(query.fetch_optional(&self.pool).await?) }).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.map_or(0, unsigned))
    }
}

fn message(row: &AnyRow) -> Result<Message, sqlx::Error> {
    Ok(Message {
        number: unsigned(row.try_get(0)?),
        user: row.try_get(1)?,
        name: row.try_get(2)?,
        role: row.try_get(3)?,
        text: row.try_get(4)?,
        at: unsigned(row.try_get(5)?),
    })
}
