//! `sendlog check`

use std::process::ExitCode;

use clap::Args;
use sendlog::server::config::DatabaseArgs;
use sendlog::server::services::checks::{self, Check};
use sendlog::server::store::Store;

use super::progress::Progress;
use super::{Failure, print_line};

#[derive(Args)]
pub struct CheckArgs {
    /// Count the log anew and make search's index anew where they are wrong
    #[arg(long)]
    mend: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Says of each thing that a database should hold whether it does. The exit status is 1 when something is wrong.
pub async fn check(CheckArgs { mend, database }: CheckArgs) -> Result<ExitCode, Failure> {
    let Some(store) = Store::open_for_checks(&database.database_url).await? else {
        return Err("the tables are not of this version of Sendlog: sendlog migrate brings them up to date".into());
    };
    let mut progress = Progress::new();
    let mut found: Vec<Check> = Vec::new();
    checks::check(&store, &mut |step, done, all| progress.tell(step, done, all), |one| found.push(one)).await?;
    drop(progress);
    let mut is_well = true;
    for Check { about, seen, faults } in &found {
        is_well &= faults.is_empty();
        print_line(format_args!("{} {about}: {seen}", if faults.is_empty() { "ok   " } else { "WRONG" }))?;
        for fault in faults {
            print_line(format_args!("      {fault}"))?;
        }
    }
    if mend && !is_well {
        let mended = checks::mend(&store).await?;
        print_line(format_args!("Mended: {mended}. Run sendlog check again."))?;
    }
    store.close().await;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
