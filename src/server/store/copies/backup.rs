//! Writing a backup.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::rows::{Sum, write_rows};
use super::{CopyError, Counter, Snapshot, Step, Sums, Told, differing, sums_of, switch_triggers_off};
use crate::domain::error::AppError;
use crate::server::private_files;
use crate::server::store::engine::{Database, Engine, Transaction, without_password};
use crate::server::store::{Store, instant, micros, stored};

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub made_at: DateTime<Utc>,
    /// The program's version.
    pub program: String,
    /// The last migration that its tables have been through.
    pub version: i64,
    /// Whether search's index, in SQLite's form, is in it.
    pub has_search: bool,
    /// A text that the secret key beside the database sealed, by which it is known again.
    pub key_proof: String,
    pub sums: Sums,
}

const MAKE: [&str; 2] = [
    "CREATE TABLE backup_about (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE backup_sums (table_name TEXT NOT NULL PRIMARY KEY, row_count INTEGER NOT NULL, row_sum TEXT NOT NULL)",
];

/// Writes a copy of the database at `url`, as it is at one moment, to a new file, and reads it again. The database may be in
/// use. A file that is not whole has the ending `.partial`.
pub async fn write_backup(
    url: &str,
    file: &Path,
    key_proof: &str,
    made_at: DateTime<Utc>,
    told: Told<'_>,
) -> Result<About, CopyError> {
    if file.exists() {
        return Err(CopyError::Exists(file.to_owned()));
    }
    let source = Store::connect_as_it_is(url, true).await?;
    let partial = partial(file);
    let write_error = |cause| CopyError::Write { path: partial.clone(), cause };
    let _ = std::fs::remove_file(&partial);
    private_files::create_file(&partial).map_err(write_error)?;
    let written = write(&source, url, &partial, key_proof, made_at, told).await;
    source.close().await;
    let about = match written {
        Ok(about) => about,
        Err(error) => {
            let _ = std::fs::remove_file(&partial);
            return Err(error);
        }
    };
    // Kept by the disk before it has its name.
    File::open(&partial).and_then(|written| written.sync_all()).map_err(write_error)?;
    std::fs::rename(&partial, file).map_err(|cause| CopyError::Write { path: file.to_owned(), cause })?;
    Ok(about)
}

/// The name of a file that is not whole yet.
pub(super) fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

async fn write(
    source: &Store,
    url: &str,
    partial: &Path,
    key_proof: &str,
    made_at: DateTime<Utc>,
    told: Told<'_>,
) -> Result<About, CopyError> {
    let Some(version) = source.version().await? else {
        return Err(CopyError::NoDatabase(without_password(url)));
    };
    let has_search = source.engine() == Engine::Sqlite;
    let copied = match source.engine() {
        Engine::Sqlite => {
            told(Step::Copying, 0, 0);
            let into = partial.to_string_lossy().into_owned();
            source.read("VACUUM INTO $1").bind(into).execute().await?;
            None
        }
        Engine::Postgres => Some(copy_rows(source, partial, version, told).await?),
    };
    let copy = Store::connect_as_it_is(&format!("sqlite://{}", partial.display()), true).await?;
    let sums = sums_of(&copy, told).await?;
    if let Some(table) = copied.and_then(|copied| differing(&copied, &sums)) {
        return Err(CopyError::NotTheSame(table));
    }
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let about = About { made_at, program, version, has_search, key_proof: key_proof.to_owned(), sums };
    let mut tx = copy.begin().await?;
    note(&mut tx, &about).await?;
    tx.commit().await?;
    copy.close().await;
    Database::make_one_file(partial).await?;
    Ok(about)
}

/// Makes tables as the source has them, and fills them.
async fn copy_rows(source: &Store, file: &Path, version: i64, told: Told<'_>) -> Result<Sums, CopyError> {
    let url = format!("sqlite://{}", file.display());
    let copy = Store::connect_as_it_is(&url, false).await?;
    copy.db.migrate(&url, Some(version)).await?;
    let sums = fill(source, &copy, told).await?;
    copy.close().await;
    Ok(sums)
}

/// Copies all rows into tables that are empty, all of them or none.
pub(super) async fn fill(source: &Store, copy: &Store, told: Told<'_>) -> Result<Sums, CopyError> {
    let mut there = Snapshot::begin(copy).await?;
    let tables = std::mem::take(&mut there.tables);
    there.end().await?;
    let mut snapshot = Snapshot::begin(source).await?;
    // In the order that the copy's references ask for.
    let mut wanted = tables.clone();
    let mut found = std::mem::take(&mut snapshot.tables);
    found.sort_by_key(|table| tables.iter().position(|other| other.name == table.name));
    wanted.retain(|table| !found.iter().any(|other| other.is_like(table)));
    if let Some(table) = wanted.first() {
        return Err(CopyError::Tables(table.name.clone()));
    }
    snapshot.tables = found;
    let all = snapshot.count_rows().await?;
    let mut counter = Counter::new(told, Step::Copying, all);
    let mut tx = copy.begin().await?;
    let switch_on = switch_triggers_off(&mut tx, &tables).await?;
    // What migrations put into an empty database.
    for table in tables.iter().rev() {
        tx.query(format!("DELETE FROM {}", table.name)).execute().await?;
    }
    while let Some((table, rows)) = snapshot.next_page().await? {
        let into = tables.iter().find(|into| into.is_like(&table));
        let into = into.ok_or_else(|| CopyError::Tables(table.name.clone()))?;
        write_rows(&mut tx, into, &rows, false).await?;
        counter.add(rows.len());
    }
    for statement in switch_on {
        tx.query(statement).execute().await?;
    }
    tx.commit().await?;
    let sums = std::mem::take(&mut snapshot.sums);
    snapshot.end().await?;
    Ok(sums)
}

/// Writes down what the backup is.
async fn note(tx: &mut Transaction, about: &About) -> Result<(), AppError> {
    for statement in MAKE {
        tx.query(statement).execute().await?;
    }
    let values = [
        ("made_at", micros(about.made_at).to_string()),
        ("program", about.program.clone()),
        ("version", about.version.to_string()),
        ("has_search", about.has_search.to_string()),
        ("key_proof", about.key_proof.clone()),
    ];
    tx.insert_rows("INSERT INTO backup_about (name, value) ", &values, |row, (name, value)| {
        row.bind(*name).bind(value);
    })
    .await?;
    let sums: Vec<(&String, &Sum)> = about.sums.iter().collect();
    tx.insert_rows("INSERT INTO backup_sums (table_name, row_count, row_sum) ", &sums, |row, (table, sum)| {
        row.bind(*table).bind(sum.rows as i64).bind(format!("{:032x}", sum.sum));
    })
    .await
}

/// What a backup says of itself.
pub(super) async fn read_about(backup: &Store, file: &Path) -> Result<About, CopyError> {
    let no_backup = || CopyError::NoBackup(file.to_owned());
    let values: Vec<(String, String)> =
        backup.read("SELECT name, value FROM backup_about").fetch_all().await.map_err(|_| no_backup())?;
    let value = |name: &str| {
        values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).ok_or_else(no_backup)
    };
    let rows: Vec<(String, i64, String)> =
        backup.read("SELECT table_name, row_count, row_sum FROM backup_sums").fetch_all().await?;
    let mut sums = Sums::new();
    for (table, rows, sum) in rows {
        let sum = stored("backup_sums.row_sum", u128::from_str_radix(&sum, 16))?;
        sums.insert(table, Sum { rows: rows.unsigned_abs(), sum });
    }
    Ok(About {
        made_at: instant(value("made_at")?.parse().map_err(|_| no_backup())?),
        program: value("program")?.to_owned(),
        version: value("version")?.parse().map_err(|_| no_backup())?,
        has_search: value("has_search")? == "true",
        key_proof: value("key_proof")?.to_owned(),
        sums,
    })
}
