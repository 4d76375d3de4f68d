//! The schema's versions, in the binary. A version that was released is never edited: the next one changes it.

use std::borrow::Cow;

use sqlx::AnyPool;
use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::StoreError;

const VERSIONS: [(i64, &str, &str); 4] = [
    (1, "chat", include_str!("../migrations/0001_chat.sql")),
    (2, "upkeep", include_str!("../migrations/0002_upkeep.sql")),
    (3, "copies", include_str!("../migrations/0003_copies.sql")),
    (4, "notice ids", include_str!("../migrations/0004_notice_ids.sql")),
];

/// Brings a database up to date. Several processes may do it at a time.
pub(crate) async fn migrate(pool: &AnyPool) -> Result<(), StoreError> {
    let versions = VERSIONS.map(|(version, name, sql)| {
        let sql = SqlStr::from_static(sql);
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(versions.to_vec());
    // An older gateway goes on beside a newer one: versions only add.
    migrator.set_ignore_missing(true);
    migrator.run(pool).await?;
    Ok(())
}
