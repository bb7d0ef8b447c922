//! `sendlog migrate-data`

use clap::Args;
use sendlog::server::services::backups::move_database;

use super::progress::Progress;
use super::{Failure, print_line};

#[derive(Args)]
pub struct MigrateDataArgs {
    /// The database that there is: sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME
    from: String,
    /// A new database, or that of an earlier run
    to: String,
    /// Finish it, so that it can be served: every node must be stopped
    #[arg(long)]
    finish: bool,
}

/// Copies a database into another one, of either engine, and compares both to the last row.
pub async fn migrate_data(MigrateDataArgs { from, to, finish }: MigrateDataArgs) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let mut told = |step, done, all| progress.tell(step, done, all);
    let synced = move_database(&from, &to, finish, &mut told).await?;
    drop(progress);
    print_line(format_args!(
        "{} rows are the same in both: {} were written, {} deleted.",
        synced.rows, synced.written, synced.deleted
    ))?;
    print_line(if finish {
        "It is finished. Start Sendlog on the new database, with the same secret key, and keep the old one as a backup."
    } else {
        "Now stop every node of Sendlog and run it again with --finish: what came since is copied, and the new database can be served."
    })
}
