//! `sendlog backup` and `sendlog restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use sendlog::server::clock::Clock;
use sendlog::server::config::DatabaseArgs;
use sendlog::server::services::backups::{self, About};

use super::progress::Progress;
use super::{Failure, print_line, secret_key_file, secret_key_if_there};

#[derive(Args)]
pub struct BackupArgs {
    /// The file to write; there must be none of this name
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args)]
pub struct RestoreArgs {
    /// A file that `sendlog backup` wrote
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Writes everything but the secret key to a file, as it is at this moment, and reads it again.
pub async fn backup(BackupArgs { file, database }: BackupArgs) -> Result<(), Failure> {
    let key = secret_key_if_there(&database)?;
    let mut progress = Progress::new();
    let now = Clock::system().now();
    let url = &database.database_url;
    let mut told = |step, done, all| progress.tell(step, done, all);
    let about = backups::back_up(url, key.as_ref(), &file, now, &mut told).await?;
    drop(progress);
    print_line(format_args!("{}: {}, checked.", file.display(), words(&about)))?;
    match secret_key_file(&database) {
        Some(path) if database.secret_key.is_none() => print_line(format_args!(
            "Keep {} too, in another place: the backup is of little use without.",
            path.display()
        )),
        Some(_) | None => print_line("Keep the secret key too, in another place: the backup is of little use without."),
    }
}

/// Makes a database of a backup.
pub async fn restore(RestoreArgs { file, database }: RestoreArgs) -> Result<(), Failure> {
    let key = secret_key_if_there(&database)?;
    let mut progress = Progress::new();
    let url = &database.database_url;
    let about =
        backups::restore(&file, url, key.as_ref(), &mut |step, done, all| progress.tell(step, done, all)).await?;
    drop(progress);
    print_line(format_args!("Restored {} of {}, checked.", words(&about), about.made_at.format("%Y-%m-%d %H:%M UTC")))?;
    let waiting = about.sums.get("outbox").map_or(0, |sum| sum.rows);
    if waiting > 0 {
        print_line(format_args!(
            "{waiting} messages wait to be sent. They may have gone out since: serve with --only web first and cancel those."
        ))?;
    }
    if key.is_none() {
        print_line(format_args!(
            "Before you start it, {}.",
            how_to_bring_the_key(secret_key_file(&database).as_deref())
        ))?;
    }
    Ok(())
}

fn words(about: &About) -> String {
    let rows: u64 = about.sums.values().map(|sum| sum.rows).sum();
    let messages = about.sums.get("emails").map_or(0, |sum| sum.rows);
    format!("{messages} messages, {rows} rows of {} tables", about.sums.len())
}

fn how_to_bring_the_key(file: Option<&Path>) -> String {
    match file {
        Some(path) => format!("put the secret key of that time into {}", path.display()),
        None => "set SENDLOG_SECRET_KEY to the secret key of that time".to_owned(),
    }
}
