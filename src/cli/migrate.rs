//! `sendlog migrate`

use clap::Args;
use sendlog::server::config::DatabaseArgs;
use sendlog::server::store::Store;

use super::{Failure, print_line};

#[derive(Args)]
pub struct MigrateArgs {
    /// Write SQLite's file anew, so that it gives room back to the disk from then on; nothing else may use it meanwhile, and the
    /// disk needs room for it twice
    #[arg(long)]
    compact: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Brings the database up to date.
pub async fn migrate(MigrateArgs { compact, database }: MigrateArgs) -> Result<(), Failure> {
    Store::open(&database.database_url).await?.close().await;
    print_line("The database is up to date.")?;
    match compact {
        false => Ok(()),
        true if Store::compact(&database.database_url).await? => print_line("Its file is as small as it can be."),
        true => print_line("PostgreSQL gives room back by itself: nothing was written anew."),
    }
}
