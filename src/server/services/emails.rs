//! The log: listing, counting, reading and resending messages. Called by the log's pages and `/api/logs`.

use chrono_tz::Tz;

use super::{period, send};
use crate::domain::email::{Accepted, Email, EmailDetail, EmailSummary};
use crate::domain::error::AppError;
use crate::domain::filter::{EmailFilter, Slice, TimeRange};
use crate::domain::ids::EmailId;
use crate::domain::notification::EmailRecord;
use crate::domain::page::{Cursor, Listed, Page, PageRequest, Stretch, Window};
use crate::domain::period::{Period, PeriodChoice};
use crate::domain::permission::Permission;
use crate::domain::stats::{Overview, Stats, StatusCounts};
use crate::domain::viewer::Viewer;
use crate::server::App;

/// Counting the matches of a search or of criteria stops here.
pub use crate::server::store::COUNT_LIMIT;

/// Lists the viewer's team's messages, newest first. Needs `logs:view`.
pub async fn list_emails(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    request: PageRequest,
) -> Result<Page<EmailSummary>, AppError> {
    viewer.require(Permission::LogsView)?;
    app.store.list_emails(viewer.team, filter, request).await
}

/// Lists the viewer's team's messages whole, with their events. Needs `logs:view`.
pub async fn list_records(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    window: Window,
) -> Result<Listed<EmailRecord>, AppError> {
    viewer.require(Permission::LogsView)?;
    let Listed { items, total } = app.store.list_whole_emails(viewer.team, filter, window).await?;
    Ok(Listed { items: with_events(app, viewer, items).await?, total })
}

/// Lists the viewer's team's messages at a place of the log, newest first, whole, with their events. Needs `logs:view`.
pub async fn list_records_at(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    cursor: Cursor<EmailId>,
    limit: i64,
) -> Result<Stretch<EmailRecord>, AppError> {
    viewer.require(Permission::LogsView)?;
    let Stretch { items, has_more } = app.store.list_emails_at(viewer.team, filter, cursor, limit).await?;
    Ok(Stretch { items: with_events(app, viewer, items).await?, has_more })
}

/// Finds one message with its events, without its bodies. Needs `logs:view` or, for the programs that send,
/// `emails:send`.
pub async fn find_record(app: &App, viewer: &Viewer, id: EmailId) -> Result<EmailRecord, AppError> {
    let email = find_email_status(app, viewer, id).await?;
    let events = app.store.list_events(viewer.team, id).await?;
    Ok(EmailRecord { email, events })
}

pub(super) async fn with_events(app: &App, viewer: &Viewer, emails: Vec<Email>) -> Result<Vec<EmailRecord>, AppError> {
    let ids: Vec<EmailId> = emails.iter().map(|email| email.id).collect();
    let mut events = app.store.list_events_of(viewer.team, &ids).await?;
    let record = |email: Email| EmailRecord { events: events.remove(&email.id).unwrap_or_default(), email };
    Ok(emails.into_iter().map(record).collect())
}

/// Counts the viewer's team's messages by outcome. Needs `logs:view`.
pub async fn load_stats(app: &App, viewer: &Viewer, range: TimeRange) -> Result<Stats, AppError> {
    viewer.require(Permission::LogsView)?;
    Ok(app.store.count_by_status(viewer.team, Slice::All, range).await?.into())
}

/// The range that a choice means for this viewer now.
pub async fn resolve_period(app: &App, viewer: &Viewer, choice: &PeriodChoice) -> Result<Period, AppError> {
    period::resolve(choice, zone_of(viewer), app.clock.now())
}

/// The cards and the chart of a period, of a slice of the log. Needs `logs:view`.
pub async fn load_overview(app: &App, viewer: &Viewer, period: &Period, slice: Slice) -> Result<Overview, AppError> {
    viewer.require(Permission::LogsView)?;
    let hours = app.store.list_hour_counts(viewer.team, slice, period.range).await?;
    let mut total = StatusCounts::default();
    hours.iter().for_each(|(_, counts)| total += *counts);
    let previous = match period.previous {
        Some(range) => Some(app.store.count_by_status(viewer.team, slice, range).await?.into()),
        None => None,
    };
    let bars = period::chart_bars(period, zone_of(viewer), &hours);
    Ok(Overview { stats: total.into(), previous, bars })
}

/// Finds one message with its bodies and events. Needs `logs:view`.
pub async fn find_email(app: &App, viewer: &Viewer, id: EmailId) -> Result<EmailDetail, AppError> {
    let email = find_email_fields(app, viewer, id).await?;
    let content = app.store.find_email_content(viewer.team, id).await?.unwrap_or_default();
    let events = app.store.list_events(viewer.team, id).await?;
    Ok(EmailDetail { email, content, events })
}

/// Finds one message without its bodies. Needs `logs:view`.
pub async fn find_email_fields(app: &App, viewer: &Viewer, id: EmailId) -> Result<Email, AppError> {
    viewer.require(Permission::LogsView)?;
    app.store.find_email(viewer.team, id).await?.ok_or_else(|| AppError::not_found("Email log"))
}

/// Finds what became of one message. Needs `logs:view` or, for the programs that send, `emails:send`.
pub async fn find_email_status(app: &App, viewer: &Viewer, id: EmailId) -> Result<Email, AppError> {
    if !viewer.may(Permission::EmailsSend) {
        viewer.require(Permission::LogsView)?;
    }
    app.store.find_email(viewer.team, id).await?.ok_or_else(|| AppError::not_found("Email log"))
}

/// Finds the variables of one message. Needs `logs:view`.
pub async fn find_email_variables(app: &App, viewer: &Viewer, id: EmailId) -> Result<serde_json::Value, AppError> {
    viewer.require(Permission::LogsView)?;
    Ok(app.store.find_email_content(viewer.team, id).await?.unwrap_or_default().variables)
}

/// Sends a failed or bounced message again, as a new message that points to the old one. Needs `logs:resend`.
pub async fn resend_email(app: &App, viewer: &Viewer, id: EmailId) -> Result<Accepted, AppError> {
    Ok(resend_known_email(app, viewer, id).await?.1)
}

/// The same, for a caller that tells what the old message was. Needs `logs:resend`.
pub async fn resend_known_email(app: &App, viewer: &Viewer, id: EmailId) -> Result<(Email, Accepted), AppError> {
    viewer.require(Permission::LogsResend)?;
    let found = app.store.find_email(viewer.team, id).await?;
    let email = found.ok_or_else(|| AppError::not_found("Email log"))?;
    if let Some(obstacle) = email.resend_obstacle() {
        return Err(AppError::invalid(obstacle));
    }
    let accepted = send::accept_again(app, viewer, &email).await?;
    Ok((email, accepted))
}

fn zone_of(viewer: &Viewer) -> Tz {
    period::time_zone(viewer.time_zone())
}
