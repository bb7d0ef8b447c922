//! All SQL. Services call it; nothing else does. One SQL text serves SQLite and PostgreSQL; what truly differs between
//! them is in [dialect] and [search]. `team_id` leads every key and every `WHERE` of a team's data.

pub mod accounts;
pub mod adapters;
pub mod api_keys;
pub mod api_requests;
pub mod audit;
pub mod bulk;
mod constraints;
mod criteria;
pub mod deletion;
mod dialect;
pub mod emails;
pub mod events;
mod health;
pub mod ingest;
mod noted;
pub mod notifications;
pub mod openid;
pub mod outbox;
mod reading;
mod recipients;
pub mod retention;
pub mod roles;
mod search;
pub mod sessions;
pub mod stats;
pub mod teams;
pub mod templates;
#[cfg(test)]
pub(crate) mod tests;
pub mod two_factor;
mod writing;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};
use tracing::{error, warn};

use super::private_files;
use crate::domain::error::AppError;

use health::Health;
use noted::Noted;
use reading::{PostgresPools, PostgresReaders, SqliteReaders};
pub use search::COUNT_LIMIT;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a statement waits for a lock or a connection before the caller hears "busy".
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long what is asked of the database may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// What only reads.
    read: Duration,
    /// Waiting for those who write.
    busy: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { read: reading::LIMIT, busy: BUSY_TIMEOUT }
    }
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    health: Health,
    noted: Arc<Noted>,
}

/// The two engines. SQLite has one writer. Those who only read have connections of their own, with a limit of time.
#[derive(Clone, Debug)]
enum Db {
    Sqlite { read: SqliteReaders, write: SqlitePool },
    Postgres(PostgresPools),
}

/// Runs a query that only reads, on whichever engine: `read!(store, |pool| sqlx::query_as(…).fetch_all(pool).await)`. It is
/// stopped at its limit, and when the future is dropped: [reading].
macro_rules! read {
    ($store:expr, |$pool:ident| $body:expr) => {
        match &$store.db {
            $crate::server::store::Db::Sqlite { read, .. } => match read.begin().await {
                Ok(mut reading) => {
                    let $pool = reading.connection();
                    let result = $body;
                    reading.end(result)
                }
                Err(cause) => Err(cause),
            },
            $crate::server::store::Db::Postgres(pools) => match pools.read.begin().await {
                Ok(mut reading) => {
                    let $pool = reading.connection();
                    let result = $body;
                    reading.end(result)
                }
                Err(cause) => Err(cause),
            },
        }
    };
}

/// Runs the body in one transaction and commits when it gives `Ok`: `write!(store, |tx| { … Ok(row) })`. `tx` is a
/// connection; pass `&mut *tx` to each query. A future that is dropped in the middle changes nothing; requests that may
/// write run in a task of their own, so that none is.
macro_rules! write {
    ($store:expr, |$tx:ident| $body:expr) => {
        match &$store.db {
            $crate::server::store::Db::Sqlite { write, .. } => {
                let mut writing = $crate::server::store::writing::Writing::begin(write, "BEGIN IMMEDIATE").await?;
                let $tx = writing.connection();
                let result: std::result::Result<_, $crate::domain::error::AppError> = async { $body }.await;
                writing.end(result).await
            }
            $crate::server::store::Db::Postgres(pools) => {
                let mut writing = $crate::server::store::writing::Writing::begin(&pools.write, "BEGIN").await?;
                let $tx = writing.connection();
                let result: std::result::Result<_, $crate::domain::error::AppError> = async { $body }.await;
                writing.end(result).await
            }
        }
    };
}

pub(crate) use {read, write};

/// Why the database cannot be used. Each is one line for the person who started the program.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is neither of the two forms.
    #[error("database address must be sqlite://PATH or postgres://…, not {0:?}")]
    Address(String),
    /// The engine said no.
    #[error("cannot open the database {url}: {cause}")]
    Open {
        /// The address, without a password.
        url: String,
        /// The engine's words.
        cause: String,
    },
    /// The database was written by a later release.
    #[error("the database {url} is from a newer version of Sendlog (migration {version}); upgrade this program")]
    Newer {
        /// The address, without a password.
        url: String,
        /// The first migration this program does not know.
        version: i64,
    },
    /// A migration did not go through.
    #[error("cannot bring the database {url} up to date: {cause}")]
    Migrate {
        /// The address, without a password.
        url: String,
        /// The engine's words.
        cause: String,
    },
}

impl Store {
    /// Opens the database at `url` (`sqlite://PATH` or `postgres://…`) and brings its tables up to date. A SQLite file
    /// is made when it is absent, with its folder.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_within(url, Limits::default()).await
    }

    /// The same with other limits of time.
    async fn open_within(url: &str, limits: Limits) -> Result<Self, OpenError> {
        let shown = without_password(url);
        let open_error = |cause: String| OpenError::Open { url: shown.clone(), cause };
        let (db, health) = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            open_postgres(url, limits).await.map_err(|cause| open_error(cause.to_string()))?
        } else if let Some(path) = url.strip_prefix("sqlite://") {
            open_sqlite(path, limits).await.map_err(|cause| open_error(cause.to_string()))?
        } else {
            return Err(OpenError::Address(shown));
        };
        let migrated = match &db {
            Db::Sqlite { write, .. } => SQLITE_MIGRATIONS.run(write).await,
            Db::Postgres(_) => migrate_postgres(url).await,
        };
        migrated.map_err(|cause| match cause {
            MigrateError::VersionMissing(version) => OpenError::Newer { url: shown.clone(), version },
            other => OpenError::Migrate { url: shown.clone(), cause: other.to_string() },
        })?;
        Ok(Self { db, health, noted: Arc::default() })
    }

    /// Keeps what was noted, waits for running statements and closes every connection.
    pub async fn close(&self) {
        self.keep_noted().await;
        self.health.close().await;
        match &self.db {
            Db::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Db::Postgres(pools) => {
                pools.read.close().await;
                pools.write.close().await;
            }
        }
    }
}

async fn open_sqlite(path: &str, limits: Limits) -> Result<(Db, Health), Box<dyn std::error::Error + Send + Sync>> {
    let file = path.split('?').next().unwrap_or(path);
    if let Some(folder) = Path::new(file).parent() {
        private_files::create_folder(folder)?;
    }
    // SQLite gives the files beside it the rights that it finds here.
    private_files::create_file(Path::new(file))?;
    for suffix in ["-wal", "-shm"] {
        private_files::tighten(Path::new(&format!("{file}{suffix}")));
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(limits.busy)
        .foreign_keys(true)
        .statement_cache_capacity(256)
        .pragma("cache_size", "-16384")
        .pragma("mmap_size", "1073741824")
        .pragma("temp_store", "memory");
    let write =
        SqlitePoolOptions::new().max_connections(1).acquire_timeout(limits.busy).connect_with(options.clone()).await?;
    let read = SqliteReaders::new(options.clone().read_only(true).create_if_missing(false), limits.read);
    Ok((Db::Sqlite { read, write }, Health::of_sqlite(options.create_if_missing(false), limits.busy)))
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(url)?.application_name("sendlog"))
}

async fn open_postgres(url: &str, limits: Limits) -> Result<(Db, Health), sqlx::Error> {
    let options = postgres_options(url)?;
    // One connection first: a pool would only say that it timed out.
    tokio::time::timeout(BUSY_TIMEOUT, options.connect())
        .await
        .map_err(|_| sqlx::Error::PoolTimedOut)??
        .close()
        .await?;
    let patience = format!("SET lock_timeout = {}", limits.busy.as_millis());
    let write = PgPoolOptions::new().max_connections(16).acquire_timeout(limits.busy);
    let write = write.after_connect(move |connection, _| {
        let patience = patience.clone();
        Box::pin(async move { connection.execute(patience.as_str()).await.map(drop) })
    });
    let write = write.connect_with(options.clone()).await?;
    let read = PostgresReaders::new(options.clone(), limits.read);
    Ok((Db::Postgres(PostgresPools { read, write }), Health::of_postgres(options, limits.busy)))
}

/// Brings the tables up to date on a connection that waits as long as it takes: for another node that does the same.
async fn migrate_postgres(url: &str) -> Result<(), MigrateError> {
    let mut connection = postgres_options(url)?.connect().await?;
    let migrated = POSTGRES_MIGRATIONS.run_direct(&mut connection).await;
    connection.close().await?;
    migrated
}

fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            let _ = parsed.set_password(Some("***"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

impl From<sqlx::Error> for AppError {
    fn from(cause: sqlx::Error) -> Self {
        if let Some(refusal) = constraints::refusal_of(&cause) {
            return refusal;
        }
        if matches!(cause, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) || is_temporary(&cause) {
            error!(%cause, "the database is not available");
            return Self::Unavailable;
        }
        if was_stopped(&cause) {
            warn!(%cause, "a statement was stopped");
            return Self::TooSlow;
        }
        error!(%cause, "database error");
        Self::Internal
    }
}

/// Whether the same statement can succeed later: locks, a full disk, a server that restarts. Sources: SQLite, Result
/// Codes; PostgreSQL, Error Codes.
fn is_temporary(cause: &sqlx::Error) -> bool {
    // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN.
    const PASSING: [u32; 5] = [5, 6, 10, 13, 14];
    // lock_not_available, deadlock_detected, serialization_failure; a server that stops, crashed or starts.
    const NAMED: [&str; 6] = ["55P03", "40P01", "40001", "57P01", "57P02", "57P03"];
    let Some(code) = cause.as_database_error().and_then(|error| error.code()) else { return false };
    // PostgreSQL's have five characters. SQLite's are numbers below 10,000, of which the low byte names the kind.
    if code.len() < 5 {
        return code.parse::<u32>().is_ok_and(|code| PASSING.contains(&(code & 0xff)));
    }
    // Classes 08 and 53: the connection broke, resources lack.
    NAMED.contains(&&*code) || code.starts_with("08") || code.starts_with("53")
}

/// Whether the statement was ended before it was through, by its limit: SQLITE_INTERRUPT, query_canceled.
fn was_stopped(cause: &sqlx::Error) -> bool {
    cause.as_database_error().and_then(|error| error.code()).is_some_and(|code| ["9", "57014"].contains(&&*code))
}

/// An instant as it is stored.
fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// A stored instant.
fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::microseconds(micros)
}

/// Makes a stored value that this program does not know into an error that is logged once.
fn stored<T, E: std::fmt::Display>(column: &str, value: Result<T, E>) -> Result<T, AppError> {
    value.map_err(|cause| {
        error!(column, %cause, "unexpected value in the database");
        AppError::Internal
    })
}
