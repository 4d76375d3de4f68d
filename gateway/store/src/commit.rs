//! One transaction that stores many messages, each under its channel's next number.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::{Store, StoreError};

/// A message that is to be stored.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The channel's name.
    pub channel: Arc<str>,
    /// Who says it, as the token names them.
    pub user: Arc<str>,
    /// The name to show.
    pub name: Arc<str>,
    /// The role.
    pub role: Arc<str>,
    /// The client's own name for it: of one user in one channel, the same is the same message.
    pub id: Arc<str>,
    /// What is said.
    pub text: Arc<str>,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
}

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the channel.
    pub number: u64,
    /// When it came first.
    pub at: u64,
    /// Whether it is stored just now, and not before.
    pub fresh: bool,
}

/// Columns of a message, for each row of an insert.
const COLUMNS: usize = 8;
/// Rows of one statement: their values stay below SQLite's and PostgreSQL's bounds by far.
const ROWS: usize = 256;

/// Whose message, by whose name for it.
type Key<'a> = (&'a str, &'a str);

impl Store {
    /// Stores all of `drafts`, or none. The answers stand in the same order.
    pub(crate) async fn commit(&self, drafts: &[&Draft]) -> Result<Vec<Stored>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let mut stored = vec![None; drafts.len()];
        let mut by_channel = BTreeMap::<&str, Vec<usize>>::new();
        for (index, draft) in drafts.iter().enumerate() {
            by_channel.entry(&draft.channel).or_default().push(index);
        }
        // In the order of names: two gateways that lock several rows don't wait for each other.
        for (channel, indices) in by_channel {
            let own: Vec<&Draft> = indices.iter().map(|index| drafts[*index]).collect();
            let answers = store_in(&mut transaction, channel, &own).await?;
            for (index, answer) in indices.into_iter().zip(answers) {
                stored[index] = Some(answer);
            }
        }
        transaction.commit().await?;
        Ok(stored.into_iter().flatten().collect())
    }
}

/// Stores what is for one channel.
async fn store_in(
    connection: &mut AnyConnection,
    channel: &str,
    drafts: &[&Draft],
) -> Result<Vec<Stored>, StoreError> {
    let last = lock(connection, channel).await?;
    // What others have stored is seen from here on: they held the row before.
    let mut known = HashMap::new();
    for some in drafts.chunks(ROWS) {
        known.extend(stored_before(connection, channel, some).await?);
    }
    let (mut next, mut fresh, mut answers) = (last, Vec::new(), Vec::new());
    for draft in drafts {
        let key: (String, String) = (draft.user.to_string(), draft.id.to_string());
        answers.push(*known.entry(key).or_insert_with(|| {
            next += 1;
            fresh.push((next, *draft));
            Stored { number: next, at: draft.at, fresh: true }
        }));
        // A repetition within the batch is not stored twice, nor shown twice.
        if let Some(known) = known.get_mut(&(draft.user.to_string(), draft.id.to_string())) {
            known.fresh = false;
        }
    }
    for some in fresh.chunks(ROWS) {
        insert(connection, channel, some).await?;
    }
    if next > last {
        let advance = "UPDATE channels SET last_message = $1 WHERE name = $2";
        sqlx::query(advance).bind(signed(next)).bind(channel).execute(connection).await?;
    }
    Ok(answers)
}

/// Locks the channel's row to the transaction's end; the number of its newest message.
async fn lock(connection: &mut AnyConnection, channel: &str) -> Result<u64, StoreError> {
    let lock = "INSERT INTO channels (name, last_message) VALUES ($1, 0) \
                ON CONFLICT (name) DO UPDATE SET last_message = channels.last_message RETURNING last_message";
    let row = sqlx::query(lock).bind(channel).fetch_one(connection).await?;
    Ok(unsigned(row.try_get(0)?))
}

/// Those of `drafts` that were stored before.
async fn stored_before(
    connection: &mut AnyConnection,
    channel: &str,
    drafts: &[&Draft],
) -> Result<HashMap<(String, String), Stored>, StoreError> {
    let keys: Vec<Key<'_>> = drafts.iter().map(|draft| (&*draft.user, &*draft.id)).collect();
    let sql = format!(
        "SELECT user_id, client_id, number, at FROM messages WHERE channel = $1 \
         AND (user_id, client_id) IN (VALUES {})",
        places(2, 2, keys.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(channel);
    for (user, id) in keys {
        query = query.bind(user).bind(id);
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let stored =
                Stored { number: unsigned(row.try_get(2)?), at: unsigned(row.try_get(3)?), fresh: false };
            Ok(((row.try_get(0)?, row.try_get(1)?), stored))
        })
        .collect()
}

async fn insert(
    connection: &mut AnyConnection,
    channel: &str,
    drafts: &[(u64, &Draft)],
) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO messages (channel, number, user_id, name, role, client_id, text, at) VALUES {}",
        places(1, COLUMNS, drafts.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (number, draft) in drafts {
        query = query
            .bind(channel)
            .bind(signed(*number))
            .bind(&*draft.user)
            .bind(&*draft.name)
            .bind(&*draft.role)
            .bind(&*draft.id)
            .bind(&*draft.text)
            .bind(signed(draft.at));
    }
    query.execute(connection).await?;
    Ok(())
}

/// `($1, $2), ($3, $4)`: places for `rows` rows of `columns` values, from number `first` on.
fn places(first: usize, columns: usize, rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a string can't fail.
            write!(text, "{comma}${}", first + row * columns + column).unwrap_or_default();
        }
        text.push(')');
    }
    text
}

/// As SQL has it: numbers there have a sign. None of ours comes near the bound.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_through() {
        assert_eq!(places(2, 2, 2), "($2, $3), ($4, $5)");
        assert_eq!(places(1, 3, 1), "($1, $2, $3)");
    }
}
