//! Making a database of a backup.

use std::path::{Path, PathBuf};

use super::backup::{About, fill, partial, read_about};
use super::{CopyError, Counter, Step, Told, differing, sums_of};
use crate::domain::error::AppError;
use crate::server::private_files;
use crate::server::store::engine::{Database, Engine};
use crate::server::store::search::index::NOTE_ALL_MISSING;
use crate::server::store::{Health, Limits, Store};

impl Store {
    /// What the backup in a file says of itself, once its rows were found to be those that were written.
    pub async fn check_backup(file: &Path, told: Told<'_>) -> Result<About, CopyError> {
        let backup = open_backup(file).await?;
        let about = read_about(&backup, file).await?;
        let sums = sums_of(&backup, told).await;
        backup.close().await;
        match differing(&sums?, &about.sums) {
            Some(table) => Err(CopyError::Damaged { path: file.to_owned(), table }),
            None => Ok(about),
        }
    }

    /// Makes a database at `url` of a backup that was checked, brings it up to date and puts its messages into search's
    /// index. There must be none yet. Where it ends early in the last part, the program that serves goes on.
    pub async fn restore(file: &Path, about: &About, url: &str, told: Told<'_>) -> Result<(), CopyError> {
        match url.strip_prefix("sqlite://") {
            Some(path) => {
                let path = PathBuf::from(path.split('?').next().unwrap_or(path));
                restore_file(file, about, &path, told).await?;
            }
            None => restore_rows(file, about, url, told).await?,
        }
        let store = Store::open(url).await?;
        if !about.has_search || store.engine() == Engine::Postgres {
            let mut tx = store.begin().await?;
            tx.query(NOTE_ALL_MISSING).execute().await?;
            tx.commit().await?;
        }
        let all = about.sums.get("emails").map_or(0, |sum| sum.rows);
        let mut counter = Counter::new(told, Step::Indexing, all);
        while let Some(put_in) = store.index_some_missing().await? {
            counter.add(put_in);
        }
        store.close().await;
        Ok(())
    }
}

/// Reads a file that nobody may change.
async fn open_backup(file: &Path) -> Result<Store, CopyError> {
    std::fs::metadata(file).map_err(|cause| CopyError::Read { path: file.to_owned(), cause })?;
    let limits = Limits { read: super::COPY_LIMIT, ..Limits::default() };
    let (db, health) = Database::connect_read_only(file, limits).await?;
    let backup = Store::over(db, Health::new(health));
    match backup.version().await {
        Ok(Some(_)) => Ok(backup),
        Ok(None) | Err(AppError::Internal) => Err(CopyError::NoBackup(file.to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// SQLite's is the file itself, without what says that it is a backup.
async fn restore_file(file: &Path, about: &About, path: &Path, told: Told<'_>) -> Result<(), CopyError> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        return Err(CopyError::NotEmpty);
    }
    let partial = partial(path);
    let write_error = |cause| CopyError::Write { path: partial.clone(), cause };
    if let Some(folder) = path.parent() {
        private_files::create_folder(folder).map_err(write_error)?;
    }
    let _ = std::fs::remove_file(&partial);
    private_files::create_file(&partial).map_err(write_error)?;
    std::fs::copy(file, &partial).map_err(write_error)?;
    private_files::tighten(&partial);
    let copy = Store::connect_as_it_is(&format!("sqlite://{}", partial.display()), true).await?;
    let sums = sums_of(&copy, told).await?;
    if let Some(table) = differing(&sums, &about.sums) {
        return Err(CopyError::NotTheSame(table));
    }
    let mut tx = copy.begin().await?;
    for statement in ["DROP TABLE backup_about", "DROP TABLE backup_sums"] {
        tx.query(statement).execute().await?;
    }
    tx.commit().await?;
    copy.close().await;
    std::fs::rename(&partial, path).map_err(|cause| CopyError::Write { path: path.to_owned(), cause })
}

async fn restore_rows(file: &Path, about: &About, url: &str, told: Told<'_>) -> Result<(), CopyError> {
    let copy = Store::connect_as_it_is(url, false).await?;
    match copy.version().await? {
        None => copy.db.migrate(url, Some(about.version)).await?,
        Some(version) if version == about.version && is_empty(&copy).await? => {}
        Some(_) => return Err(CopyError::NotEmpty),
    }
    let backup = open_backup(file).await?;
    fill(&backup, &copy, told).await?;
    backup.close().await;
    let sums = sums_of(&copy, told).await?;
    copy.close().await;
    match differing(&sums, &about.sums) {
        Some(table) => Err(CopyError::NotTheSame(table)),
        None => Ok(()),
    }
}

/// Whether nobody has used a database: the first thing in one is an account.
pub(super) async fn is_empty(store: &Store) -> Result<bool, AppError> {
    let users: i64 = store.read("SELECT COUNT(*) FROM users").fetch_scalar().await?;
    Ok(users == 0)
}
