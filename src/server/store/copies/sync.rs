//! Making one database the same as another, of either engine, while that one is in use. A run copies what differs from the
//! source as it is at one moment, so that a run that was cut off, or another one later, has the less to do the more is the same
//! already. The last run, of a source that nobody uses any more, finishes the copy.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::rows::{CopiedRow, Sum, Value, read_by_keys, read_page, write_rows};
use super::tables::{Table, list_tables};
use super::{CopyError, Counter, Snapshot, Step, Told, differing, sums_of, switch_triggers_off};
use crate::domain::error::AppError;
use crate::server::store::Store;
use crate::server::store::engine::{Database, Engine};
use crate::server::store::search::index::NOTE_ALL_MISSING;

/// Holds the statements that switch the copy's triggers on again. While it is there, nothing serves the copy.
const MARK: &str = "CREATE TABLE copy_state (position BIGINT NOT NULL PRIMARY KEY, statement TEXT NOT NULL)";

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// The rows of the source, all of which are in the copy now.
    pub rows: u64,
    /// Those that were not, or were otherwise.
    pub written: u64,
    /// Rows that the source has no more.
    pub deleted: u64,
}

/// Makes the database at `to` the same as that at `from` and reads both to the last row. `to` is a new one, or one of an
/// earlier run. With `finishes`, nobody may use `from`; then `to` can be served.
pub async fn sync(from: &str, to: &str, finishes: bool, told: Told<'_>) -> Result<Synced, CopyError> {
    if finishes {
        refuse_if_used(from).await?;
    }
    let source = Store::connect_as_it_is(from, true).await?;
    let copy = Store::connect_as_it_is(to, false).await?;
    let synced = run(&source, (&copy, to), finishes, told).await;
    source.close().await;
    copy.close().await;
    synced
}

async fn run(source: &Store, (copy, to): (&Store, &str), finishes: bool, told: Told<'_>) -> Result<Synced, CopyError> {
    let newest = source.engine().newest_migration();
    if source.version().await? != Some(newest) {
        return Err(CopyError::NotUpToDate);
    }
    begin(copy, to).await?;
    let tables = tables_of(copy).await?;
    let mut snapshot = Snapshot::begin(source).await?;
    if let Some(table) = snapshot.tables.iter().find(|table| !tables.iter().any(|other| other.is_like(table))) {
        return Err(CopyError::Tables(table.name.clone()));
    }
    snapshot.tables.sort_by_key(|table| tables.iter().position(|other| other.name == table.name));
    let mut synced = Synced::default();
    // What refers to others goes before those.
    for table in tables.iter().rev() {
        synced.deleted += delete_surplus(&mut snapshot, copy, table).await?;
    }
    synced.rows = snapshot.count_rows().await?;
    let mut counter = Counter::new(told, Step::Copying, synced.rows);
    while let Some((table, rows)) = snapshot.next_page().await? {
        let into = tables.iter().find(|into| into.is_like(&table));
        let into = into.ok_or_else(|| CopyError::Tables(table.name.clone()))?;
        synced.written += write_differing(copy, into, &rows).await?;
        counter.add(rows.len());
    }
    let sums = std::mem::take(&mut snapshot.sums);
    snapshot.end().await?;
    if let Some(table) = differing(&sums_of(copy, told).await?, &sums) {
        return Err(CopyError::NotTheSame(table));
    }
    if finishes {
        finish(copy).await?;
        let emails = sums.get("emails").map_or(0, |sum| sum.rows);
        let mut counter = Counter::new(told, Step::Indexing, emails);
        while let Some(put_in) = copy.index_some_missing().await? {
            counter.add(put_in);
        }
    }
    Ok(synced)
}

async fn tables_of(store: &Store) -> Result<Vec<Arc<Table>>, AppError> {
    list_tables(&mut store.begin_reading().await?).await
}

/// Makes the copy's tables and marks it as one.
async fn begin(copy: &Store, to: &str) -> Result<(), CopyError> {
    if copy.is_unfinished_copy().await? {
        return Ok(());
    }
    match copy.version().await? {
        None => copy.db.migrate(to, None).await?,
        Some(version) if version == copy.engine().newest_migration() && super::restore::is_empty(copy).await? => {}
        Some(_) => return Err(CopyError::NotEmpty),
    }
    let tables = tables_of(copy).await?;
    let mut tx = copy.begin().await?;
    tx.query(MARK).execute().await?;
    let switch_on = switch_triggers_off(&mut tx, &tables).await?;
    let statements: Vec<(usize, String)> = switch_on.into_iter().enumerate().collect();
    tx.insert_rows("INSERT INTO copy_state (position, statement) ", &statements, |row, (position, statement)| {
        row.bind(*position as i64).bind(statement);
    })
    .await?;
    Ok(tx.commit().await?)
}

/// Switches the copy's triggers on, and leaves its messages to be put into search's index.
async fn finish(copy: &Store) -> Result<(), AppError> {
    let mut tx = copy.begin().await?;
    let statements: Vec<String> =
        tx.query("SELECT statement FROM copy_state ORDER BY position").fetch_scalars().await?;
    for statement in statements {
        tx.query(statement).execute().await?;
    }
    tx.query("DROP TABLE copy_state").execute().await?;
    tx.query(NOTE_ALL_MISSING).execute().await?;
    tx.commit().await
}

/// Deletes rows of the copy that the source has no more.
async fn delete_surplus(snapshot: &mut Snapshot, copy: &Store, table: &Arc<Table>) -> Result<u64, CopyError> {
    let mut reading = copy.begin_reading().await?;
    let (mut last, mut deleted) = (None, 0);
    loop {
        let rows = read_page(&mut reading, table, last.as_ref()).await?;
        if rows.is_empty() {
            return Ok(deleted);
        }
        let known = read_by_keys(snapshot.reading(), table, &rows, true).await?;
        let known: HashMap<Vec<Value>, CopiedRow> = known.into_iter().map(|row| (row.key(table), row)).collect();
        let surplus: Vec<&CopiedRow> = rows.iter().filter(|row| !known.contains_key(&row.key(table))).collect();
        if !surplus.is_empty() {
            let mut tx = copy.begin().await?;
            super::rows::delete_rows(&mut tx, table, &surplus).await?;
            tx.commit().await?;
            deleted += surplus.len() as u64;
        }
        if rows.len() < table.page() {
            return Ok(deleted);
        }
        last = rows.last().map(|row| row.key_alone(table));
    }
}

/// Writes those of the rows that the copy has not, or otherwise; how many.
async fn write_differing(copy: &Store, table: &Table, rows: &[CopiedRow]) -> Result<u64, CopyError> {
    let sum_of = |row: &CopiedRow| {
        let mut sum = Sum::default();
        sum.add(table, row);
        sum
    };
    let mut reading = copy.begin_reading().await?;
    let there = read_by_keys(&mut reading, table, rows, false).await?;
    drop(reading);
    let there: HashMap<Vec<Value>, Sum> = there.iter().map(|row| (row.key(table), sum_of(row))).collect();
    let differing: Vec<CopiedRow> =
        rows.iter().filter(|row| there.get(&row.key(table)) != Some(&sum_of(row))).cloned().collect();
    if !differing.is_empty() {
        let mut tx = copy.begin().await?;
        write_rows(&mut tx, table, &differing, !there.is_empty()).await?;
        tx.commit().await?;
    }
    Ok(differing.len() as u64)
}

/// Refuses a source that some program has open.
async fn refuse_if_used(url: &str) -> Result<(), CopyError> {
    let is_used = match url.strip_prefix("sqlite://") {
        // SQLite changes the kind of its log only for whoever has the file alone.
        Some(path) => Database::make_one_file(Path::new(path.split('?').next().unwrap_or(path))).await.is_err(),
        None => {
            let source = Store::connect_as_it_is(url, true).await?;
            let others: i64 = source
                .read(
                    "SELECT COUNT(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'sendlog'",
                )
                .fetch_scalar()
                .await?;
            source.close().await;
            others > 0
        }
    };
    if is_used { Err(CopyError::InUse) } else { Ok(()) }
}

impl Store {
    /// Whether [sync] made it and has not finished.
    pub(in crate::server::store) async fn is_unfinished_copy(&self) -> Result<bool, AppError> {
        let found: Option<i64> = self
            .read(match self.engine() {
                Engine::Sqlite => "SELECT 1 FROM sqlite_schema WHERE name = 'copy_state'",
                Engine::Postgres => "SELECT 1::bigint WHERE to_regclass('copy_state') IS NOT NULL",
            })
            .fetch_optional_scalar()
            .await?;
        Ok(found.is_some())
    }
}
