//! `sendlog check`: whether a database holds what it should. It changes nothing, and may run while the database is in use.

use crate::domain::error::AppError;
use crate::domain::ids::TeamId;
use crate::server::store::Store;
use crate::server::store::audit::AuditVerdict;
pub use crate::server::store::copies::{CopyError, Step, Told};

/// What was looked at, and what is wrong with it: nothing when `faults` is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub about: &'static str,
    /// What was looked at, in a few words.
    pub seen: String,
    /// A line each, with what to do.
    pub faults: Vec<String>,
}

/// Looks at everything, one thing after the other, and tells of each as soon as it is known.
pub async fn check(store: &Store, told: Told<'_>, mut each: impl FnMut(Check)) -> Result<(), CopyError> {
    let faults = store.list_engine_faults().await?;
    each(Check { about: "database", seen: "what the engine says of itself".to_owned(), faults });
    let rows = store.read_every_row(told).await?;
    each(Check { about: "rows", seen: format!("{rows} read"), faults: Vec::new() });
    each(orphans(store).await?);
    each(rollups(store).await?);
    each(audit(store).await?);
    each(search(store).await?);
    Ok(())
}

async fn orphans(store: &Store) -> Result<Check, AppError> {
    let orphans = store.count_orphans().await?;
    let fault = |(table, rows): &(&str, i64)| {
        format!("{rows} rows of {table} belong to messages that are gone: restore the last backup that is whole")
    };
    Ok(Check {
        about: "orphans",
        seen: "rows of messages that are gone".to_owned(),
        faults: orphans.iter().map(fault).collect(),
    })
}

async fn rollups(store: &Store) -> Result<Check, AppError> {
    let teams = store.list_all_teams().await?;
    let mut faults = Vec::new();
    for (team, slug) in &teams {
        let wrong = store.list_wrong_rollups(*team).await?;
        if !wrong.is_empty() {
            faults.push(format!(
                "{slug}: {} hours or days are counted wrong: sendlog check --mend counts them anew",
                wrong.len()
            ));
        }
    }
    Ok(Check { about: "counts", seen: format!("the log of {} teams counted anew", teams.len()), faults })
}

async fn audit(store: &Store) -> Result<Check, AppError> {
    let teams: Vec<TeamId> = store.list_audited_teams().await?;
    let (mut lines, mut faults) = (0, Vec::new());
    for team in teams {
        match store.verify_audit_log(team).await? {
            AuditVerdict::Intact { entries, .. } => lines += entries,
            AuditVerdict::Broken { sequence } => faults.push(format!(
                "team {team}: line {sequence} is missing or was changed: compare it with a backup (docs/audit.md)"
            )),
        }
    }
    Ok(Check { about: "audit log", seen: format!("{lines} lines"), faults })
}

async fn search(store: &Store) -> Result<Check, AppError> {
    let missing = store.count_unindexed().await?;
    let faults = match missing {
        0 => Vec::new(),
        messages => vec![format!("{messages} messages are not found by search: sendlog check --mend puts them in")],
    };
    Ok(Check { about: "search", seen: "every message is in its index".to_owned(), faults })
}

/// Counts the logs anew that are counted wrong, and has the messages put into search's index that are not in it; what was done,
/// in words. What else is wrong nobody mends by a command.
pub async fn mend(store: &Store) -> Result<String, AppError> {
    let mut done = Vec::new();
    for (team, slug) in store.list_all_teams().await? {
        if !store.list_wrong_rollups(team).await?.is_empty() {
            store.recount_rollups(team).await?;
            done.push(format!("counted {slug} anew"));
        }
    }
    if store.count_unindexed().await? > 0 {
        store.index_all_again().await?;
        while store.index_some_missing().await?.is_some() {}
        done.push("made search's index anew".to_owned());
    }
    Ok(if done.is_empty() { "nothing, as only a backup helps".to_owned() } else { done.join(", ") })
}
