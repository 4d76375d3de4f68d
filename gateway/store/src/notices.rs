//! Notices for users who aren't there: each is kept for a while, and given once.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::Row;

use crate::commit::{signed, unsigned};
use crate::{Store, StoreError};

/// Notices that are kept for one user. What was kept stays: another one is refused.
pub const MAX_NOTICES: u32 = 100;

/// So long, in milliseconds, it is remembered that a message was kept. A copy comes within milliseconds of the first; the same
/// bytes again, after half a minute, may have the same name.
const COPY_MS: i64 = 20_000;

/// A notice for somebody who isn't there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is known by; empty, where an older gateway kept it.
    pub id: String,
    /// What kind it is.
    pub event: String,
    /// What it says, as it was given.
    pub payload: String,
    /// When it was said, in milliseconds since 1970.
    pub at: u64,
    /// Until when it is kept, likewise.
    pub expires_at: u64,
}

impl Store {
    /// Keeps a notice for a user.
    ///
    /// # Errors
    /// [`StoreError::Full`] when as many wait as may; others when it isn't kept for sure.
    pub async fn keep(&self, user: &str, notice: &Notice) -> Result<(), StoreError> {
        self.within(self.keep_at(now(), user, notice, None)).await
    }

    /// Keeps a notice for a user, unless another gateway has just kept it: `copy` names the message that it was made of.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub async fn keep_once(&self, user: &str, notice: &Notice, copy: &str) -> Result<(), StoreError> {
        self.within(self.keep_at(now(), user, notice, Some(copy))).await
    }

    async fn keep_at(
        &self,
        now: i64,
        user: &str,
        notice: &Notice,
        copy: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        if let Some(copy) = copy {
            let first = "INSERT INTO notice_copies (copy, expires_at) VALUES ($1, $2) ON CONFLICT (copy) \
                         DO UPDATE SET expires_at = excluded.expires_at WHERE notice_copies.expires_at <= $3";
            let first = sqlx::query(first).bind(copy).bind(now + COPY_MS).bind(now);
            if first.execute(&mut *transaction).await?.rows_affected() == 0 {
                return Ok(());
            }
        }
        // The row is locked to the transaction's end: what is counted below stays so.
        let next = "INSERT INTO inboxes (user_id, last_notice) VALUES ($1, 1) ON CONFLICT (user_id) \
                    DO UPDATE SET last_notice = inboxes.last_notice + 1 RETURNING last_notice";
        let row = sqlx::query(next).bind(user).fetch_one(&mut *transaction).await?;
        let number: i64 = row.try_get(0)?;
        let make_room = "DELETE FROM notices WHERE user_id = $1 AND expires_at <= $2";
        sqlx::query(make_room).bind(user).bind(now).execute(&mut *transaction).await?;
        let count = "SELECT COUNT(*) FROM notices WHERE user_id = $1";
        let row = sqlx::query(count).bind(user).fetch_one(&mut *transaction).await?;
        if row.try_get::<i64, _>(0)? >= i64::from(MAX_NOTICES) {
            return Err(StoreError::Full);
        }
        let insert = "INSERT INTO notices (user_id, number, event, payload, at, expires_at, id) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let insert = sqlx::query(insert).bind(user).bind(number).bind(&notice.event).bind(&notice.payload);
        let insert = insert.bind(signed(notice.at)).bind(signed(notice.expires_at)).bind(&notice.id);
        insert.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Takes all that is kept for a user and hasn't expired, the oldest first. It is given once.
    ///
    /// # Errors
    /// When the database doesn't answer; then it is kept on, or lost if it failed at the very end.
    pub async fn take(&self, user: &str) -> Result<Vec<Notice>, StoreError> {
        let mut rows = self.within(self.take_rows(user)).await?;
        let now = unsigned(now());
        rows.retain(|(_, notice)| notice.expires_at > now);
        rows.sort_by_key(|(number, _)| *number);
        Ok(rows.into_iter().map(|(_, notice)| notice).collect())
    }

    async fn take_rows(&self, user: &str) -> Result<Vec<(i64, Notice)>, StoreError> {
        // For most nothing waits, and who only looks holds nobody up.
        let look = sqlx::query("SELECT number FROM notices WHERE user_id = $1 LIMIT 1").bind(user);
        if look.fetch_optional(&self.pool).await?.is_none() {
            return Ok(Vec::new());
        }
        let take = "DELETE FROM notices WHERE user_id = $1 \
                    RETURNING number, event, payload, at, expires_at, id";
        let rows = sqlx::query(take).bind(user).fetch_all(&self.pool).await?;
        let notice = |row: &sqlx::any::AnyRow| {
            let notice = Notice {
                event: row.try_get(1)?,
                payload: row.try_get(2)?,
                at: unsigned(row.try_get(3)?),
                expires_at: unsigned(row.try_get(4)?),
                id: row.try_get(5)?,
            };
            Ok((row.try_get(0)?, notice))
        };
        Ok(rows.iter().map(notice).collect::<Result<_, sqlx::Error>>()?)
    }

    /// Forgets what has expired: notices of users who never came back, and bans.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let now = now();
        let sweep = async {
            sqlx::query("DELETE FROM notices WHERE expires_at <= $1").bind(now).execute(&self.pool).await?;
            for sweep in [
                "DELETE FROM bans WHERE expires_at <= $1",
                "DELETE FROM notice_copies WHERE expires_at <= $1",
            ] {
                sqlx::query(sweep).bind(now).execute(&self.pool).await?;
            }
            Ok(())
        };
        self.within(sweep).await
    }
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    signed(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
