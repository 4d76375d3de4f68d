//! Notices for users who aren't there: each is kept for a while, and given once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::Row;

use crate::commit::{signed, unsigned};
use crate::{Store, StoreError};

/// Notices that are kept for one user; another one pushes the oldest out.
pub const MAX_NOTICES: u32 = 100;

/// A notice that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its number among the user's, upwards.
    pub number: u64,
    /// What kind it is.
    pub event: String,
    /// What it says, as it was given.
    pub payload: String,
    /// Until when it was to be kept, in milliseconds since 1970.
    pub expires_at: u64,
}

impl Store {
    /// Keeps a notice for a user, for so long.
    ///
    /// # Errors
    /// When it isn't kept for sure.
    pub async fn keep(
        &self,
        user: &str,
        event: &str,
        payload: &str,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        self.within(self.keep_at(now(), user, event, payload, ttl)).await
    }

    async fn keep_at(
        &self,
        now: i64,
        user: &str,
        event: &str,
        payload: &str,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let next = "INSERT INTO inboxes (user_id, last_notice) VALUES ($1, 1) ON CONFLICT (user_id) \
                    DO UPDATE SET last_notice = inboxes.last_notice + 1 RETURNING last_notice";
        let row = sqlx::query(next).bind(user).fetch_one(&mut *transaction).await?;
        let number: i64 = row.try_get(0)?;
        let make_room = "DELETE FROM notices WHERE user_id = $1 AND (expires_at <= $2 OR number <= (SELECT number \
                         FROM notices WHERE user_id = $3 ORDER BY number DESC LIMIT 1 OFFSET $4))";
        let make_room = sqlx::query(make_room).bind(user).bind(now).bind(user);
        make_room.bind(i64::from(MAX_NOTICES) - 1).execute(&mut *transaction).await?;
        let expires_at = now.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        let insert =
            "INSERT INTO notices (user_id, number, event, payload, expires_at) VALUES ($1, $2, $3, $4, $5)";
        let insert = sqlx::query(insert).bind(user).bind(number).bind(event).bind(payload).bind(expires_at);
        insert.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Takes all that is kept for a user and hasn't expired, the oldest first. It is given once.
    ///
    /// # Errors
    /// When the database doesn't answer; then it is kept on, or lost if it failed at the very end.
    pub async fn take(&self, user: &str) -> Result<Vec<Notice>, StoreError> {
        let take = "DELETE FROM notices WHERE user_id = $1 RETURNING number, event, payload, expires_at";
        let take = sqlx::query(take).bind(user);
        let rows = self.within(async { Ok(take.fetch_all(&self.pool).await?) }).await?;
        let notice = |row: &sqlx::any::AnyRow| {
            Ok(Notice {
                number: unsigned(row.try_get(0)?),
                event: row.try_get(1)?,
                payload: row.try_get(2)?,
                expires_at: unsigned(row.try_get(3)?),
            })
        };
        let mut notices = rows.iter().map(notice).collect::<Result<Vec<_>, sqlx::Error>>()?;
        let now = unsigned(now());
        notices.retain(|notice| notice.expires_at > now);
        notices.sort_by_key(|notice| notice.number);
        Ok(notices)
    }

    /// Forgets notices that have expired, of users who never came back.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let sweep = sqlx::query("DELETE FROM notices WHERE expires_at <= $1").bind(now());
        self.within(async { Ok(sweep.execute(&self.pool).await?) }).await?;
        Ok(())
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    signed(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
