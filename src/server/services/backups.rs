//! Backups: written and restored by the command line, and by a server that keeps some. A backup holds everything but the
//! secret key, which is kept apart; it knows the key again that it was made beside.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tracing::{error, info};

use crate::server::clock::Clock;
use crate::server::private_files;
use crate::server::secrets::SecretKey;
use crate::server::store::Store;
pub use crate::server::store::copies::backup::About;
use crate::server::store::copies::backup::write_backup;
pub use crate::server::store::copies::sync::Synced;
use crate::server::store::copies::sync::sync;
pub use crate::server::store::copies::{CopyError, Step, Told};

/// How often a server looks whether a backup is due.
const LOOK: Duration = Duration::from_secs(60);

/// How long after a backup that failed the next one is tried.
const RETRY: TimeDelta = TimeDelta::minutes(10);

/// What stands before and after the time in the name of a backup that a server keeps.
const PREFIX: &str = "sendlog-";
const SUFFIX: &str = ".backup";
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// Writes a backup of the database at `url` to a new file, while the database is in use, and checks it.
pub async fn back_up(
    url: &str,
    key: Option<&SecretKey>,
    file: &Path,
    now: DateTime<Utc>,
    told: Told<'_>,
) -> Result<About, CopyError> {
    write_backup(url, file, &key.map(proof).unwrap_or_default(), now, told).await
}

/// Makes a database at `url` of a backup, after it was checked. There must be none yet. A key that is not the one that the
/// backup was made beside is refused.
pub async fn restore(file: &Path, url: &str, key: Option<&SecretKey>, told: Told<'_>) -> Result<About, CopyError> {
    let about = Store::check_backup(file, told).await?;
    if let Some(key) = key
        && !about.key_proof.is_empty()
        && about.key_proof != proof(key)
    {
        return Err(CopyError::WrongKey("set the key of that time, or none and put it there before the first start"));
    }
    Store::restore(file, &about, url, told).await?;
    Ok(about)
}

/// Makes the database at `to` the same as that at `from`, which may be in use unless it `finishes`. See [sync].
pub async fn move_database(from: &str, to: &str, finishes: bool, told: Told<'_>) -> Result<Synced, CopyError> {
    sync(from, to, finishes, told).await
}

/// What a key is known again by; it tells nothing of the key.
fn proof(key: &SecretKey) -> String {
    key.hash("backup", "backup")
}

/// Backups that a server makes by itself.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The database.
    pub url: String,
    pub folder: PathBuf,
    pub every: TimeDelta,
    /// How many stay.
    pub keep: usize,
}

/// Makes backups when they are due and deletes those that are too many, until `shutdown` holds `true`. One that a stop cuts
/// off is made again.
pub async fn run(schedule: Schedule, key: &SecretKey, clock: Clock, mut shutdown: watch::Receiver<bool>) {
    let mut not_before = DateTime::<Utc>::MIN_UTC;
    while !*shutdown.borrow() {
        let now = clock.now();
        if now >= not_before && schedule.is_due(now) {
            tokio::select! {
                made = schedule.make(key, now) => if let Err(cause) = made {
                    error!(%cause, folder = %schedule.folder.display(), "a scheduled backup failed");
                    not_before = now + RETRY;
                },
                _ = shutdown.wait_for(|stops| *stops) => return,
            }
        }
        let _ = tokio::time::timeout(LOOK, shutdown.wait_for(|stops| *stops)).await;
    }
}

impl Schedule {
    /// Makes one, and deletes the oldest ones past those that stay.
    pub async fn make(&self, key: &SecretKey, now: DateTime<Utc>) -> Result<PathBuf, CopyError> {
        let write_error = |cause| CopyError::Write { path: self.folder.clone(), cause };
        private_files::create_folder(&self.folder).map_err(write_error)?;
        let file = self.folder.join(format!("{PREFIX}{}{SUFFIX}", now.format(TIME)));
        let about = back_up(&self.url, Some(key), &file, now, &mut |_, _, _| {}).await?;
        let rows: u64 = about.sums.values().map(|sum| sum.rows).sum();
        info!(file = %file.display(), rows, "made a backup");
        let backups = self.list();
        for (_, old) in backups.iter().take(backups.len().saturating_sub(self.keep.max(1))) {
            std::fs::remove_file(old).map_err(write_error)?;
            info!(file = %old.display(), "deleted an old backup");
        }
        Ok(file)
    }

    fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.list().last().is_none_or(|(made_at, _)| now - *made_at >= self.every)
    }

    /// The backups that are there, the oldest first.
    pub fn list(&self) -> Vec<(DateTime<Utc>, PathBuf)> {
        list(&self.folder)
    }
}

fn list(folder: &Path) -> Vec<(DateTime<Utc>, PathBuf)> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut backups: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).filter_map(made_at).collect();
    backups.sort();
    backups
}

/// When the newest backup in a folder was made.
pub fn last_made(folder: &Path) -> Option<DateTime<Utc>> {
    list(folder).last().map(|(made_at, _)| *made_at)
}

fn made_at(file: PathBuf) -> Option<(DateTime<Utc>, PathBuf)> {
    let time = file.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    Some((NaiveDateTime::parse_from_str(time, TIME).ok()?.and_utc(), file))
}
