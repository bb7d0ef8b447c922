//! Copies of a whole database, table by table and row by row, from either engine to either: a backup into a file, and back;
//! a database that is moved while it is in use. Called by [crate::server::services::backups].
//!
//! A backup is a SQLite database with Sendlog's tables, whatever engine it was made from, and two more tables that say what
//! it is: when it was made, by which version, and how many rows each table has, with their sum. Search is asked of an index
//! that each engine has in a form of its own; where a copy comes without, it is made anew.

pub mod backup;
mod restore;
pub mod rows;
pub mod sync;
pub(super) mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use self::rows::{CopiedRow, Sum, read_page};
use self::tables::{Table, list_tables};
use super::engine::{Engine, OpenError, Reading, Transaction};
use super::{Database, Health, Limits, Store};
use crate::domain::error::AppError;

/// What is under way, for whoever waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Rows are written into the copy.
    Copying,
    /// Rows are read again and compared.
    Checking,
    /// Search's index is made.
    Indexing,
}

/// Is told how many rows of how many are through; where nobody knows how many there are, of 0.
pub type Told<'t> = &'t mut (dyn FnMut(Step, u64, u64) + Send);

/// Why there is no copy. Each is one line for the person who asked for it.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("there is no database of Sendlog at {0}")]
    NoDatabase(String),
    #[error("the database did not answer as it should: {0}")]
    Database(#[from] AppError),
    #[error("{0} exists: a backup replaces no file")]
    Exists(PathBuf),
    #[error("cannot write {path}: {cause}")]
    Write { path: PathBuf, cause: std::io::Error },
    #[error("cannot read {path}: {cause}")]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("{0} is not a backup of Sendlog's")]
    NoBackup(PathBuf),
    #[error("{path} is damaged: table {table} is not what was written; use another backup")]
    Damaged { path: PathBuf, table: String },
    #[error("table {0} did not come out as it went in: nothing of it may be used")]
    NotTheSame(String),
    #[error("the database has data already: a backup is restored into a new one")]
    NotEmpty,
    #[error("the secret key is not the one that this backup was made beside: {0}")]
    WrongKey(&'static str),
    #[error("the tables of the database are not of this version: sendlog migrate brings them up to date")]
    NotUpToDate,
    #[error("another program uses the database: stop every node of Sendlog on it first")]
    InUse,
    #[error("the tables of the two databases differ at {0}")]
    Tables(String),
}

/// What each table holds.
pub type Sums = BTreeMap<String, Sum>;

/// A database as it is at one moment, whatever is written to it meanwhile: all rows of all tables, a page at a time.
pub(in crate::server::store) struct Snapshot {
    reading: Reading,
    pub tables: Vec<Arc<Table>>,
    /// Of what was read so far.
    pub sums: Sums,
    /// The table that is read.
    place: usize,
    last: Option<CopiedRow>,
}

impl Snapshot {
    pub(in crate::server::store) async fn begin(store: &Store) -> Result<Self, AppError> {
        let mut reading = store.begin_reading().await?;
        let begin = match reading.engine() {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        reading.read(begin).execute().await?;
        let tables = list_tables(&mut reading).await?;
        Ok(Self { reading, tables, sums: Sums::new(), place: 0, last: None })
    }

    /// How many rows there are of all tables.
    pub(in crate::server::store) async fn count_rows(&mut self) -> Result<u64, AppError> {
        let mut rows = 0;
        for table in &self.tables {
            let count: i64 = self.reading.read(format!("SELECT COUNT(*) FROM {}", table.name)).fetch_scalar().await?;
            rows += count.unsigned_abs();
        }
        Ok(rows)
    }

    /// The next rows, and whose they are; `None` after the last ones.
    pub(in crate::server::store) async fn next_page(
        &mut self,
    ) -> Result<Option<(Arc<Table>, Vec<CopiedRow>)>, AppError> {
        while let Some(table) = self.tables.get(self.place) {
            let rows = read_page(&mut self.reading, table, self.last.as_ref()).await?;
            let sum = self.sums.entry(table.name.clone()).or_default();
            rows.iter().for_each(|row| sum.add(table, row));
            let table = Arc::clone(table);
            self.last = rows.last().map(|row| row.key_alone(&table));
            if rows.len() < table.page() {
                self.place += 1;
                self.last = None;
            }
            if !rows.is_empty() {
                return Ok(Some((table, rows)));
            }
        }
        Ok(None)
    }

    /// What it is read by.
    pub fn reading(&mut self) -> &mut Reading {
        &mut self.reading
    }

    pub(in crate::server::store) async fn end(mut self) -> Result<(), AppError> {
        self.reading.read("ROLLBACK").execute().await.map(drop)
    }
}

/// Counts what is through, and tells.
pub(in crate::server::store) struct Counter<'t, 'f> {
    told: &'f mut (dyn FnMut(Step, u64, u64) + Send + 't),
    step: Step,
    done: u64,
    all: u64,
}

impl<'t, 'f> Counter<'t, 'f> {
    pub fn new(told: &'f mut (dyn FnMut(Step, u64, u64) + Send + 't), step: Step, all: u64) -> Self {
        told(step, 0, all);
        Self { told, step, done: 0, all }
    }

    pub fn add(&mut self, rows: usize) {
        self.done += rows as u64;
        (self.told)(self.step, self.done, self.all.max(self.done));
    }
}

/// The sums of all tables of a database as they are now.
pub(in crate::server::store) async fn sums_of(store: &Store, told: Told<'_>) -> Result<Sums, CopyError> {
    let mut snapshot = Snapshot::begin(store).await?;
    let all = snapshot.count_rows().await?;
    let mut counter = Counter::new(told, Step::Checking, all);
    while let Some((_, rows)) = snapshot.next_page().await? {
        counter.add(rows.len());
    }
    let sums = std::mem::take(&mut snapshot.sums);
    snapshot.end().await?;
    Ok(sums)
}

/// The first table whose rows are not the same.
pub(in crate::server::store) fn differing(one: &Sums, other: &Sums) -> Option<String> {
    let names = one.keys().chain(other.keys());
    names.filter(|name| one.get(*name) != other.get(*name)).min().cloned()
}

/// Switches triggers off for the transaction, which would write what is copied anyway; the statements that switch them on.
pub(in crate::server::store) async fn switch_triggers_off(
    tx: &mut Transaction,
    tables: &[Arc<Table>],
) -> Result<Vec<String>, AppError> {
    if tx.engine() == Engine::Postgres {
        for table in tables {
            tx.query(format!("ALTER TABLE {} DISABLE TRIGGER USER", table.name)).execute().await?;
        }
        return Ok(tables.iter().map(|table| format!("ALTER TABLE {} ENABLE TRIGGER USER", table.name)).collect());
    }
    let triggers: Vec<(String, String)> =
        tx.query("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name").fetch_all().await?;
    for (name, _) in &triggers {
        tx.query(format!("DROP TRIGGER {name}")).execute().await?;
    }
    Ok(triggers.into_iter().map(|(_, sql)| sql).collect())
}

impl Store {
    /// Connects to a database as it is, without bringing its tables up to date. For copies: reading takes as long as it
    /// takes. One that `exists` is not made where it does not.
    async fn connect_as_it_is(url: &str, exists: bool) -> Result<Self, CopyError> {
        let limits = Limits { read: COPY_LIMIT, name: "sendlog copy", ..Limits::default() };
        let (db, health) = match exists {
            true => Database::connect_existing(url, limits).await?,
            false => Database::connect(url, limits).await?,
        };
        Ok(Self::over(db, Health::new(health)))
    }

    /// The last migration that the database has been through; `None` where it is none of Sendlog's.
    pub(super) async fn version(&self) -> Result<Option<i64>, AppError> {
        let known: Option<i64> = self
            .read(match self.engine() {
                Engine::Sqlite => "SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'",
                Engine::Postgres => "SELECT 1::bigint WHERE to_regclass('_sqlx_migrations') IS NOT NULL",
            })
            .fetch_optional_scalar()
            .await?;
        match known {
            Some(_) => self.read("SELECT MAX(version) FROM _sqlx_migrations").fetch_scalar().await,
            None => Ok(None),
        }
    }
}

/// How long reading one page may take, or SQLite's own copying of a file.
const COPY_LIMIT: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);
