//! Connections to the database, and whether it is there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::MigrateError;
use sqlx::{AnyPool, ConnectOptions as _, Executor};
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{Store, StoreError, schema};

/// Readers beside the one writer. SQLite's reads are memory copies, PostgreSQL's wait for the network.
const SQLITE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 8;
const POSTGRES_PORT: u16 = 5432;
/// How long a connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(2);
/// What takes longer has failed: a client asks again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How often a store that is away is looked for, and one that is there is looked at.
const LOOK_FOR: Duration = Duration::from_millis(500);
const LOOK_AT: Duration = Duration::from_secs(5);

/// What is known of the database's health.
#[derive(Default)]
pub(crate) struct State {
    up: AtomicBool,
    shared: bool,
    /// For the log.
    place: String,
    migrated: OnceCell<()>,
    stop: CancellationToken,
}

/// The URL of a SQLite database in a file of its own.
///
/// # Errors
/// When the path can't be made absolute.
pub fn file_url(path: &Path) -> std::io::Result<String> {
    let absolute = std::path::absolute(path)?;
    let url = Url::from_file_path(&absolute).map_err(|()| std::io::Error::other("no path of a file"))?;
    Ok(url.as_str().replacen("file:", "sqlite:", 1))
}

/// Whether a URL is one of PostgreSQL.
#[must_use]
pub fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

impl Store {
    /// Opens the database at `url`: `sqlite:…`, made where it isn't there, or `postgres://…`. A server that can't be reached is
    /// looked for until it is there. To be called within a runtime.
    ///
    /// # Errors
    /// When the URL names no database, or the file can't be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::begin(url)?;
        match store.look().await {
            Err(error) if !is_postgres(url) => Err(error),
            _ => Ok(store),
        }
    }

    /// The same, and it is seen later whether the database is there.
    ///
    /// # Errors
    /// When the URL names no database.
    pub fn begin(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let postgres = is_postgres(url);
        if !postgres && !url.starts_with("sqlite:") {
            // Without what may be a password.
            return Err(StoreError::Url(url.split(':').next().unwrap_or_default().to_owned()));
        }
        let pool = if postgres { postgres_pool(url)? } else { sqlite_pool(url)? };
        let place = place(&pool.connect_options().database_url);
        let state = State { shared: postgres, place, ..State::default() };
        let store = Self { pool, state: Arc::new(state) };
        tokio::spawn(store.clone().watch());
        Ok(store)
    }

    /// Whether the database answered when it was asked last.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state.up.load(Relaxed)
    }

    /// Whether other processes may use the same database: a server's, and not this one's own file.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.state.shared
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.state.stop.cancel();
        self.pool.close().await;
    }

    /// Bounds a piece of work in time, and learns from how it went.
    pub(crate) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let done = async {
            self.up_to_date().await?;
            work.await
        };
        let done = timeout(PATIENCE, done).await.unwrap_or(Err(StoreError::TimedOut));
        match &done {
            Ok(_) => self.state.up.store(true, Relaxed),
            Err(error) if error.is_refusal() => {}
            Err(_) => self.state.up.store(false, Relaxed),
        }
        done
    }

    /// Brings the schema up to date, once, before anything else is done.
    async fn up_to_date(&self) -> Result<(), StoreError> {
        self.state.migrated.get_or_try_init(|| schema::migrate(&self.pool)).await.map(drop)
    }

    /// Asks for a sign of life.
    async fn look(&self) -> Result<(), StoreError> {
        self.within(async { Ok(self.pool.execute("SELECT 1").await.map(drop)?) }).await
    }

    /// What keeps the pool from a connection. It says of itself only that it waited in vain.
    async fn cause(&self, error: &StoreError) -> String {
        if let StoreError::Database(sqlx::Error::PoolTimedOut)
        | StoreError::Schema(MigrateError::Execute(sqlx::Error::PoolTimedOut)) = error
            && let Ok(Err(cause)) = timeout(ACQUIRE, self.pool.connect_options().connect()).await
        {
            return cause.to_string();
        }
        error.to_string()
    }

    async fn watch(self) {
        let looking = async {
            let mut was_up = true;
            loop {
                let looked = self.look().await;
                match &looked {
                    Ok(()) if !was_up => tracing::info!("the store is back"),
                    Err(error) if was_up => {
                        let (database, error) = (&self.state.place, self.cause(error).await);
                        tracing::warn!(database, error, "the store is away; it is looked for");
                    }
                    _ => {}
                }
                was_up = looked.is_ok();
                if was_up && let Err(error) = self.sweep().await {
                    tracing::debug!(%error, "notices that have expired stay for now");
                }
                sleep(if was_up && self.is_up() { LOOK_AT } else { LOOK_FOR }).await;
            }
        };
        tokio::select! {
            () = self.state.stop.cancelled() => {}
            () = looking => {}
        }
    }
}

/// Where a database is, without who enters it and by which password.
fn place(url: &Url) -> String {
    if !is_postgres(url.as_str()) {
        return url.path().to_owned();
    }
    let socket = url.query_pairs().find(|(name, _)| name == "host");
    let host = socket.map(|(_, host)| host.into_owned()).or_else(|| url.host_str().map(str::to_owned));
    let port = url.port().unwrap_or(POSTGRES_PORT);
    format!("{}:{port}{}", host.as_deref().unwrap_or("localhost"), url.path())
}

fn postgres_pool(url: &str) -> Result<AnyPool, StoreError> {
    let options: AnyConnectOptions = url.parse()?;
    let pool = AnyPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE);
    Ok(pool.connect_lazy_with(options))
}

/// WAL, so that readers and the writer don't wait for each other; FULL, so that what is acknowledged outlives a power cut.
fn sqlite_pool(url: &str) -> Result<AnyPool, StoreError> {
    let made = if url.contains("mode=") {
        ""
    } else if url.contains('?') {
        "&mode=rwc"
    } else {
        "?mode=rwc"
    };
    let options: AnyConnectOptions = format!("{url}{made}").parse()?;
    let pool = AnyPoolOptions::new().max_connections(SQLITE_CONNECTIONS).acquire_timeout(ACQUIRE);
    let pool = pool.after_connect(|connection, _| {
        Box::pin(async move {
            for pragma in
                ["PRAGMA busy_timeout = 4000", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"]
            {
                connection.execute(pragma).await?;
            }
            Ok(())
        })
    });
    Ok(pool.connect_lazy_with(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_url_is_absolute_and_escaped() {
        assert_eq!(
            file_url(Path::new("/var/lib/su ara/100%.db")).unwrap(),
            "sqlite:///var/lib/su%20ara/100%25.db"
        );
        assert!(file_url(Path::new("suara-data/suara.db")).unwrap().ends_with("/suara-data/suara.db"));
    }

    #[test]
    fn a_log_is_told_where_and_no_password() {
        let shown = |url: &str| place(&url.parse().unwrap());
        assert_eq!(shown("postgres://suara:secret@db/suara"), "db:5432/suara");
        assert_eq!(shown("postgres://suara:secret@[::1]:7/suara?sslmode=require"), "[::1]:7/suara");
        assert_eq!(shown("postgres:///suara?host=/run/postgresql"), "/run/postgresql:5432/suara");
        assert_eq!(shown("sqlite:///var/lib/suara/suara.db?mode=rwc"), "/var/lib/suara/suara.db");
    }

    #[tokio::test]
    async fn a_server_that_refuses_is_said_to_refuse() {
        // Nobody listens on a port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let store = Store::begin(&format!("postgres://suara:secret@127.0.0.1:{port}/suara")).unwrap();
        let timed_out = MigrateError::Execute(sqlx::Error::PoolTimedOut);
        let cause = store.cause(&StoreError::Schema(timed_out)).await;
        assert!(cause.contains("refused") && !cause.contains("secret"), "{cause}");
    }

    #[tokio::test]
    async fn another_url_is_refused_and_says_no_password() {
        let refused = Store::open("mysql://root:secret@db/x").await.err().unwrap().to_string();
        assert!(refused.contains("mysql") && !refused.contains("secret"), "{refused}");
    }

    #[tokio::test]
    async fn a_file_that_cant_be_opened_is_an_error_at_once() {
        assert!(Store::open("sqlite:///nowhere/at/all/suara.db").await.is_err());
    }
}
