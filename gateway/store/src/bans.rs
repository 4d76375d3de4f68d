//! Users who were thrown out for a while.

use sqlx::Row;

use crate::commit::{signed, unsigned};
use crate::notices::now;
use crate::{Store, StoreError};

impl Store {
    /// Writes down that a user is banned until then, in milliseconds since 1970; a time that is past lifts the ban.
    ///
    /// # Errors
    /// When it isn't written for sure.
    pub async fn ban(&self, user: &str, until: u64) -> Result<(), StoreError> {
        let ban = "INSERT INTO bans (user_id, expires_at) VALUES ($1, $2) \
                   ON CONFLICT (user_id) DO UPDATE SET expires_at = excluded.expires_at";
        let ban = sqlx::query(ban).bind(user).bind(signed(until));
        self.within(async { Ok(ban.execute(&self.pool).await.map(drop)?) }).await
    }

    /// The bans that hold: who, and until when. At most `limit`, those that end last.
    ///
    /// # Errors
    /// When the database doesn't answer.
    pub async fn bans(&self, limit: u32) -> Result<Vec<(String, u64)>, StoreError> {
        let bans =
            "SELECT user_id, expires_at FROM bans WHERE expires_at > $1 ORDER BY expires_at DESC LIMIT $2";
        let bans = sqlx::query(bans).bind(now()).bind(i64::from(limit));
        let rows = self.within(async { Ok(bans.fetch_all(&self.pool).await?) }).await?;
        let ban = |row: &sqlx::any::AnyRow| Ok((row.try_get(0)?, unsigned(row.try_get(1)?)));
        Ok(rows.iter().map(ban).collect::<Result<_, sqlx::Error>>()?)
    }
}
