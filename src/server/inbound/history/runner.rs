//! Works at the imports of all teams, a step at a time, in turns. Started by `serve` with the worker. A step reads a page of a
//! source, or a part of a file, and how far it came is kept with what it recorded: who is killed in between reads the page
//! again, and nothing is recorded twice.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::{Account, Ask, Cursor, source};
use crate::domain::error::AppError;
use crate::domain::history_import::ImportWay;
use crate::server::App;
use crate::server::services::history_imports::{self, Fetcher, ImportAccount, NoAnswer, Read, Work};

/// The cursor of an import that has read everything.
const END: &str = "end";

/// How often to look for imports.
const POLL: Duration = Duration::from_secs(2);

/// The most records of a step.
const RECORDS: usize = 500;

/// How long a step asks for details before it records what it has.
const STEP: Duration = Duration::from_secs(20);

/// Works until `shutdown` holds `true` or its sender is gone.
pub async fn run(app: App, mut shutdown: watch::Receiver<bool>) {
    let fetcher = history_imports::fetcher(&app);
    while !*shutdown.borrow() {
        let pause = match work(&app, &fetcher).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => POLL,
            Err(cause) => {
                warn!(%cause, "could not go on with an import");
                POLL
            }
        };
        tokio::select! {
            changed = shutdown.changed() => if changed.is_err() { break },
            () = sleep(pause) => {}
        }
    }
}

/// Takes one step of the import that waits longest; `false` where there is none.
pub async fn work(app: &App, fetcher: &Fetcher) -> Result<bool, AppError> {
    let Some(work) = history_imports::take_work(app).await? else { return Ok(false) };
    match (&work.import.way, &work.account) {
        (ImportWay::Pull { .. }, _) if work.cursor == END => history_imports::finish(app, &work).await?,
        (ImportWay::Pull { from, until }, Some(account)) => {
            let cursor = serde_json::from_str(&work.cursor).unwrap_or_else(|_| Cursor::new(*from, *until));
            pull(app, fetcher, &work, account, cursor).await?;
        }
        (ImportWay::Pull { .. }, None) => {
            let words = "The key is not kept any more: start another import".to_owned();
            history_imports::give_up(app, &work, NoAnswer::Refused(words)).await?;
        }
        (ImportWay::File { .. }, _) => read_part(app, &work).await?,
    }
    Ok(true)
}

async fn read_part(app: &App, work: &Work) -> Result<(), AppError> {
    let Some((position, part)) = history_imports::find_part(app, work).await? else {
        return history_imports::finish(app, work).await;
    };
    let records: Vec<serde_json::Value> = serde_json::from_str(&part).map_err(|_| AppError::Internal)?;
    let read = source(work.import.source).reports;
    let reports = records.iter().flat_map(read).collect();
    let read = Read { reports, records: records.len() as i64, cursor: None, part: Some(position) };
    history_imports::record(app, work, read).await?;
    Ok(())
}

/// Reads a page, or what of it a step has time for.
async fn pull(
    app: &App,
    fetcher: &Fetcher,
    work: &Work,
    account: &ImportAccount,
    mut cursor: Cursor,
) -> Result<(), AppError> {
    let source = source(work.import.source);
    let account = Account { base: &account.base, name: &account.name, key: &account.key };
    let listed = match (source.list)(&account, &cursor) {
        Ok(ask) => fetch(app, fetcher, ask).await,
        Err(words) => Err(NoAnswer::Refused(words)),
    };
    let page = listed.and_then(|answer| (source.page)(answer, &cursor).map_err(NoAnswer::Refused));
    let page = match page {
        Ok(page) => page,
        Err(none) => return history_imports::give_up(app, work, none).await,
    };
    let began = Instant::now();
    let (mut read, mut failed) = (Read::default(), None);
    let whole = page.records.len();
    for mut record in page.records.into_iter().skip(cursor.done).take(RECORDS) {
        if let Some(detail) = source.detail {
            if began.elapsed() > STEP {
                break;
            }
            let detailed = match (detail.ask)(&account, &record) {
                Ok(ask) => fetch(app, fetcher, ask).await.map(Some),
                // A record that names nothing to ask for is read as it is, and so is one whose story is not kept any more.
                Err(_) => Ok(None),
            };
            match detailed {
                Ok(Some(answer)) => (detail.join)(&mut record, answer),
                Ok(None) | Err(NoAnswer::Missing(_)) => {}
                Err(none) => {
                    failed = Some(none);
                    break;
                }
            }
        }
        read.reports.extend((source.reports)(&record));
        read.records += 1;
        cursor.done += 1;
    }
    if let (Some(none), 0) = (failed, read.records) {
        return history_imports::give_up(app, work, none).await;
    }
    let next = match (cursor.done >= whole, page.next) {
        (true, None) => None,
        (true, Some(next)) => Some(next),
        (false, _) => Some(cursor),
    };
    read.cursor = Some(match next {
        Some(next) => serde_json::to_string(&next).map_err(|_| AppError::Internal)?,
        None => END.to_owned(),
    });
    history_imports::record(app, work, read).await?;
    Ok(())
}

async fn fetch(app: &App, fetcher: &Fetcher, ask: Ask) -> Result<serde_json::Value, NoAnswer> {
    fetcher.fetch((ask.method, &ask.url), ask.headers, ask.body.as_ref(), app.clock.now()).await
}
