//! What a team has and what it takes. Called by `/settings/privacy`.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::error::AppError;
use crate::domain::held_size::{KeptKind, KeptSize, KeptSizes};
use crate::domain::ids::lowest_id_at;
use crate::domain::retention::Retention;
use crate::domain::viewer::Viewer;
use crate::domain::webhook::KEPT_DAYS;
use crate::server::App;
use crate::server::store::sizes::{Measure, TeamSizes};

const MONTH_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;

/// How much the viewer's team has of what, and what goes with the next run of retention. Every member sees it.
pub async fn measure(app: &App, viewer: &Viewer) -> Result<KeptSizes, AppError> {
    viewer.require_two_factor()?;
    let (sizes, retention) =
        tokio::try_join!(app.store.measure_team(viewer.team), app.store.find_retention(viewer.team))?;
    let now = app.clock.now();
    let day = |at: DateTime<Utc>| at.timestamp().div_euclid(DAY_SECONDS);
    let since = |days: i64| now.checked_sub_signed(TimeDelta::days(days)).unwrap_or_default();
    let messages_since = |first: i64| sizes.days.iter().filter(|(day, _)| *day >= first).map(|(_, count)| count).sum();
    let month_messages: i64 = messages_since(day(since(MONTH_DAYS)));
    let of_messages: i64 = sizes.parts.iter().map(|part| part.bytes).sum();
    let all = sizes.parts[0].rows.max(1);
    let overdue_requests = match retention.requests_days {
        Some(days) => app.store.count_requests_below(viewer.team, lowest_id_at(since(days))).await?,
        None => 0,
    };
    let overdue_messages =
        |days: Option<i64>| days.map_or(0, |days| sizes.parts[0].rows - messages_since(day(since(days))));
    let mut kinds = kinds_of(&sizes, retention);
    for kind in &mut kinds {
        kind.overdue = match kind.kind {
            KeptKind::Requests => overdue_requests,
            KeptKind::Deliveries => 0,
            KeptKind::Messages => overdue_messages(kind.kept_days),
            // Nothing of a kind is older than its oldest row.
            KeptKind::Contents | KeptKind::Attachments | KeptKind::Events => {
                match kind.kept_days.zip(kind.oldest).filter(|(days, oldest)| *oldest < since(*days)) {
                    Some((days, _)) => kind.rows * overdue_messages(Some(days)) / all,
                    None => 0,
                }
            }
        };
    }
    Ok(KeptSizes {
        month_bytes: of_messages / all * month_messages,
        kinds,
        database_bytes: sizes.database_bytes,
        disk: sizes.database_file.as_deref().and_then(disk_of),
        month_messages,
    })
}

fn kinds_of(sizes: &TeamSizes, retention: Retention) -> Vec<KeptSize> {
    let [messages, contents, exchanges, files, mails, events] = sizes.parts;
    let both = |one: Measure, other: Measure, rows: i64| Measure {
        rows,
        bytes: one.bytes + other.bytes,
        oldest: [one.oldest, other.oldest].into_iter().flatten().min(),
    };
    let of_message = |days: Option<i64>| [days, retention.messages_days].into_iter().flatten().min();
    let of = |kind, measure: Measure, is_about, kept_days| KeptSize {
        kind,
        rows: measure.rows,
        bytes: measure.bytes,
        is_about,
        oldest: measure.oldest,
        kept_days,
        overdue: 0,
    };
    let sampled = sizes.is_sampled;
    let bodies_days = of_message(retention.bodies_days);
    vec![
        of(KeptKind::Messages, messages, false, retention.messages_days),
        of(KeptKind::Contents, both(contents, exchanges, contents.rows), sampled, bodies_days),
        of(KeptKind::Attachments, both(files, mails, files.rows + mails.rows), sampled, bodies_days),
        of(KeptKind::Events, events, sampled, of_message(retention.events_days)),
        of(KeptKind::Requests, sizes.requests, sizes.are_requests_about, retention.requests_days),
        of(KeptKind::Deliveries, sizes.deliveries, sizes.are_deliveries_about, Some(KEPT_DAYS)),
    ]
}

/// How large the disk is that SQLite's file is on, and what of it is free.
fn disk_of(database_file: &str) -> Option<(i64, i64)> {
    let folder =
        Path::new(database_file).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(disk.f_frsize)).unwrap_or(i64::MAX);
    Some((bytes(disk.f_blocks), bytes(disk.f_bavail)))
}
