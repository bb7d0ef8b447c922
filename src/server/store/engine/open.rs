//! Opening a database: its address, its connections, its migrations.

use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::reading::{self, Pool, Readers};
use super::{BUSY_TIMEOUT, Database, Engine, Writers, spread};
use crate::domain::error::AppError;
use crate::server::private_files;

pub(in super::super) static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
pub(in super::super) static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a health check waits for its turn, at most.
pub(in super::super) const HEALTH_PATIENCE: Duration = Duration::from_secs(5);

/// How long what is asked of the database may take, and by whom it is asked.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limits {
    /// What only reads.
    pub(in super::super) read: Duration,
    /// Waiting for those who write.
    pub(in super::super) busy: Duration,
    /// What PostgreSQL calls the connections.
    pub(in super::super) name: &'static str,
}

impl Default for Limits {
    fn default() -> Self {
        Self { read: reading::LIMIT, busy: BUSY_TIMEOUT, name: "sendlog" }
    }
}

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
    /// Rows are being copied into it.
    #[error("the database {url} is a copy that is not finished: sendlog migrate-data --finish finishes it")]
    Unfinished {
        /// The address, without a password.
        url: String,
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

impl Database {
    /// Opens the database at this address and brings its tables up to date. Beside it, the one connection that health
    /// checks write by: it takes nobody's place.
    pub(in super::super) async fn open(url: &str, limits: Limits) -> Result<(Self, Writers), OpenError> {
        let (database, health) = Self::connect(url, limits).await?;
        database.migrate(url, None).await?;
        Ok((database, health))
    }

    /// The same with tables as they are.
    pub(in super::super) async fn connect(url: &str, limits: Limits) -> Result<(Self, Writers), OpenError> {
        let shown = without_password(url);
        let open_error = |cause: String| OpenError::Open { url: shown.clone(), cause };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            open_postgres(url, limits).await.map_err(|cause| open_error(cause.to_string()))
        } else if let Some(path) = url.strip_prefix("sqlite://") {
            open_sqlite(path, limits).await.map_err(|cause| open_error(cause.to_string()))
        } else {
            Err(OpenError::Address(shown))
        }
    }

    /// The same, where there is a database already: none is made.
    pub(in super::super) async fn connect_existing(url: &str, limits: Limits) -> Result<(Self, Writers), OpenError> {
        if let Some(path) = url.strip_prefix("sqlite://")
            && !Path::new(path.split('?').next().unwrap_or(path)).exists()
        {
            return Err(OpenError::Open { url: url.to_owned(), cause: "there is no such file".to_owned() });
        }
        Self::connect(url, limits).await
    }

    /// Opens a SQLite file that nobody writes to, not even this program.
    pub(in super::super) async fn connect_read_only(file: &Path, limits: Limits) -> Result<(Self, Writers), OpenError> {
        let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
        let one = || SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
        let read = Readers::Sqlite(Pool::new(options.clone(), limits.read));
        Ok((Self { read, write: Writers::Sqlite(one()), is_spread: false }, Writers::Sqlite(one())))
    }

    /// Brings the tables up to date, or up to one version.
    pub(in super::super) async fn migrate(&self, url: &str, up_to: Option<i64>) -> Result<(), OpenError> {
        let mut migrated = self.migrate_known(url, up_to, false).await;
        if matches!(migrated, Err(MigrateError::VersionMissing(_))) && self.serves_this_program().await {
            migrated = self.migrate_known(url, up_to, true).await;
        }
        migrated.map_err(|cause| match cause {
            MigrateError::VersionMissing(version) => OpenError::Newer { url: without_password(url), version },
            other => OpenError::Migrate { url: without_password(url), cause: other.to_string() },
        })
    }

    /// The same; there may be tables of a newer version, `beside_newer`.
    async fn migrate_known(&self, url: &str, up_to: Option<i64>, beside_newer: bool) -> Result<(), MigrateError> {
        match &self.write {
            Writers::Sqlite(pool) => until(&SQLITE_MIGRATIONS, up_to, beside_newer).run(pool).await,
            Writers::Postgres(_) => migrate_postgres(url, until(&POSTGRES_MIGRATIONS, up_to, beside_newer)).await,
        }
    }

    /// Whether tables of a newer version say that this program can use them.
    async fn serves_this_program(&self) -> bool {
        let since = self.read("SELECT value FROM settings WHERE name = 'serves_since'");
        let since: Option<String> = since.fetch_optional_scalar().await.unwrap_or_default();
        since.and_then(|since| since.parse::<i64>().ok()).is_some_and(|since| since <= self.engine().newest_migration())
    }

    /// Writes a SQLite database that nobody has open anew, without the room that it does not need, so that it gives room back
    /// by itself from then on.
    pub(in super::super) async fn compact(file: &Path) -> Result<(), AppError> {
        let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
        for statement in ["PRAGMA auto_vacuum = incremental", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            connection.execute(statement).await?;
        }
        Ok(connection.close().await?)
    }

    /// Makes one file of a SQLite database that nobody has open: nothing is in files beside it.
    pub(in super::super) async fn make_one_file(file: &Path) -> Result<(), AppError> {
        let options = SqliteConnectOptions::new().filename(file).journal_mode(SqliteJournalMode::Delete);
        Ok(options.connect().await?.close().await?)
    }
}

impl Engine {
    /// The last migration that this program knows.
    pub(in super::super) fn newest_migration(self) -> i64 {
        let migrations = match self {
            Self::Sqlite => &SQLITE_MIGRATIONS,
            Self::Postgres => &POSTGRES_MIGRATIONS,
        };
        migrations.iter().map(|migration| migration.version).max().unwrap_or_default()
    }
}

/// The migrations up to this version, or all.
fn until(migrations: &Migrator, version: Option<i64>, beside_newer: bool) -> Migrator {
    let wanted = migrations.iter().filter(|migration| version.is_none_or(|version| migration.version <= version));
    Migrator { migrations: Cow::Owned(wanted.cloned().collect()), ignore_missing: beside_newer, ..Migrator::DEFAULT }
}

async fn open_sqlite(
    path: &str,
    limits: Limits,
) -> Result<(Database, Writers), Box<dyn std::error::Error + Send + Sync>> {
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
        .pragma("temp_store", "memory")
        // The log beside the file gives back what it took more once all of it is in the file.
        .pragma("journal_size_limit", "67108864");
    let one = SqlitePoolOptions::new().max_connections(1);
    let write = one.clone().acquire_timeout(limits.busy);
    // Said by whoever makes the file, before anything else; whoever only reads may not say it.
    let write = write.connect_with(options.clone().auto_vacuum(SqliteAutoVacuum::Incremental)).await?;
    let options = options.create_if_missing(false);
    let read = Pool::new(options.clone().read_only(true), limits.read);
    let patience = limits.busy.min(HEALTH_PATIENCE);
    let health = one.acquire_timeout(patience).connect_lazy_with(options.busy_timeout(patience));
    let database = Database { read: Readers::Sqlite(read), write: Writers::Sqlite(write), is_spread: false };
    Ok((database, Writers::Sqlite(health)))
}

/// Every statement is a short one. PostgreSQL takes a search by few letters for a long one, since it cannot know how many
/// messages have them: it would compile it and start other processes for it, for 200 ms, where it takes one.
const SHORT_STATEMENTS: [(&str, &str); 2] = [("jit", "off"), ("max_parallel_workers_per_gather", "0")];

fn postgres_options(url: &str, name: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(url)?.application_name(name).options(SHORT_STATEMENTS))
}

async fn open_postgres(url: &str, limits: Limits) -> Result<(Database, Writers), sqlx::Error> {
    let options = postgres_options(url, limits.name)?;
    // One connection first: a pool would only say that it timed out.
    let first = tokio::time::timeout(BUSY_TIMEOUT, options.connect()).await;
    let mut first = first.map_err(|_| sqlx::Error::PoolTimedOut)??;
    let is_spread = spread::has_citus(&mut first).await?;
    first.close().await?;
    let milliseconds = limits.busy.as_millis();
    let write = PgPoolOptions::new().max_connections(16).acquire_timeout(limits.busy).test_before_acquire(false);
    let write = write.before_acquire(|connection, seen| {
        Box::pin(async move { Ok(seen.idle_for < reading::FRESH || connection.ping().await.is_ok()) })
    });
    let write = write.after_connect(move |connection, _| {
        let patience = AssertSqlSafe(format!("SET lock_timeout = {milliseconds}"));
        Box::pin(async move { connection.execute(patience).await.map(drop) })
    });
    let write = write.connect_with(options.clone()).await?;
    let read = Pool::new(options.clone(), limits.read);
    let health = PgPoolOptions::new().max_connections(1).acquire_timeout(limits.busy.min(HEALTH_PATIENCE));
    let database = Database { read: Readers::Postgres(read), write: Writers::Postgres(write), is_spread };
    Ok((database, Writers::Postgres(health.connect_lazy_with(options))))
}

/// Brings the tables up to date on a connection that waits as long as it takes: for another node that does the same.
async fn migrate_postgres(url: &str, migrations: Migrator) -> Result<(), MigrateError> {
    let mut connection = postgres_options(url, "sendlog migrate")?.connect().await?;
    let is_whole = migrations.iter().count() == POSTGRES_MIGRATIONS.iter().count();
    let mut migrated = migrations.run_direct(None, &mut connection, false).await;
    if migrated.is_ok() && is_whole {
        migrated = spread::spread_tables(&mut connection).await.map_err(MigrateError::from);
    }
    connection.close().await?;
    migrated
}

/// An address as it may be shown.
pub(in super::super) fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            let _ = parsed.set_password(Some("***"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}
