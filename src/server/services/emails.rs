//! The log: listing, counting, reading and resending messages. Called by the log's pages and `/api/logs`.

use std::borrow::Cow;

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::resend_changes::family_changes;
use super::reveal::{secrets_of, secrets_of_one, shown_content, shows_attachments};
use super::send::{IdempotencyKey, KeptAnswer};
use super::{audit, failures, period, send};
use crate::domain::audit::AuditAction;
use crate::domain::email::{Accepted, Email, EmailDetail, EmailStatus, EmailSummary};
use crate::domain::error::AppError;
use crate::domain::event::outcomes;
use crate::domain::filter::{Criteria, EmailFilter, RollupScope, TimeRange};
use crate::domain::ids::EmailId;
use crate::domain::masking::{
    Contents, Secrets, Visibility, audited_json, audited_search, audited_text, masks_addresses, sees_contents,
};
use crate::domain::notification::EmailRecord;
use crate::domain::page::{Cursor, CursorPage, OffsetPage, OffsetRequest, Page, PageRequest};
use crate::domain::period::{Period, PeriodChoice};
use crate::domain::permission::Permission;
use crate::domain::resend::{Knowing, ResendRule, newest_sent, resent_by};
use crate::domain::search::PARAMETER;
use crate::domain::stats::Stats;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::store::emails::Attachment;
use crate::server::store::is_in_sight;

/// Counting the matches of a search or of criteria stops here.
pub use crate::domain::page::COUNT_LIMIT;

/// Lists the viewer's team's messages, newest first. Needs `logs:view`.
pub async fn list_emails(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    request: PageRequest,
) -> Result<Page<EmailSummary>, AppError> {
    viewer.require(Permission::LogsView)?;
    let page = app.store.list_emails(viewer.team, &asked(viewer, filter), request).await?;
    Ok(Page { items: summaries(app, viewer, page.items), ..page })
}

/// Lists the newest of the viewer's team's messages without counting them. Needs `logs:view`.
pub async fn list_newest(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    limit: i64,
) -> Result<Vec<EmailSummary>, AppError> {
    viewer.require(Permission::LogsView)?;
    let newest = app.store.list_newest(viewer.team, &asked(viewer, filter), limit).await?;
    Ok(summaries(app, viewer, newest))
}

/// The messages as the viewer sees them.
fn summaries(app: &App, viewer: &Viewer, emails: Vec<EmailSummary>) -> Vec<EmailSummary> {
    let visibility = |email: &EmailSummary| Visibility::of(viewer, email.id, app.clock.now());
    emails.into_iter().map(|email| visibility(&email).summary(email)).collect()
}

/// Those of the rows that a search found by what is not in them: by metadata or variables, which the viewer sees.
pub fn found_by_contents(viewer: &Viewer, filter: &EmailFilter, rows: &[EmailSummary]) -> Vec<EmailId> {
    // Where addresses are masked, nothing is found by contents.
    let Some(text) = filter.search.as_deref().filter(|_| sees_contents(viewer) && !masks_addresses(viewer)) else {
        return Vec::new();
    };
    rows.iter().filter(|row| !is_in_sight(text, row)).map(|row| row.id).collect()
}

/// Whether no message of the viewer's team ever got a report of what became of it. Needs `logs:view`.
pub async fn lacks_reports(app: &App, viewer: &Viewer) -> Result<bool, AppError> {
    viewer.require(Permission::LogsView)?;
    Ok(!app.store.has_reports(viewer.team).await?)
}

/// The messages beside one in a list: the next newer and the next older one. Needs `logs:view`.
pub async fn find_neighbours(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    id: EmailId,
) -> Result<(Option<EmailId>, Option<EmailId>), AppError> {
    viewer.require(Permission::LogsView)?;
    app.store.find_neighbours(viewer.team, &asked(viewer, filter), id).await
}

/// Lists the viewer's team's messages whole, with their events. Needs `logs:view`.
pub async fn list_records(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    window: OffsetRequest,
) -> Result<OffsetPage<EmailRecord>, AppError> {
    viewer.require(Permission::LogsView)?;
    let listed = app.store.list_whole_emails(viewer.team, &asked(viewer, filter), window).await?;
    let OffsetPage { items, total, looked_from } = listed;
    Ok(OffsetPage { items: with_events(app, viewer, items).await?, total, looked_from })
}

/// Lists the viewer's team's messages at a place of the log, newest first, whole, with their events. Needs `logs:view`.
pub async fn list_records_at(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    cursor: Cursor<EmailId>,
    limit: i64,
) -> Result<CursorPage<EmailRecord>, AppError> {
    viewer.require(Permission::LogsView)?;
    let CursorPage { items, has_more } =
        app.store.list_emails_at(viewer.team, &asked(viewer, filter), cursor, limit).await?;
    Ok(CursorPage { items: with_events(app, viewer, items).await?, has_more })
}

/// Finds one message with its events, without its bodies. Needs `logs:view`; a key with `emails:send` finds what it sent.
pub async fn find_record(app: &App, viewer: &Viewer, id: EmailId) -> Result<EmailRecord, AppError> {
    let email = find_email_status(app, viewer, id).await?;
    let events = app.store.list_events(viewer.team, email.id).await?;
    let secrets = secrets_of_one(app, viewer, &email).await?;
    let events = Visibility::of(viewer, email.id, app.clock.now()).events(events, &email.marked_variables, &secrets);
    Ok(EmailRecord { email, events })
}

/// The messages as the viewer sees them, with their events.
pub(super) async fn with_events(app: &App, viewer: &Viewer, emails: Vec<Email>) -> Result<Vec<EmailRecord>, AppError> {
    let ids: Vec<EmailId> = emails.iter().map(|email| email.id).collect();
    let mut events = app.store.list_events_of(viewer.team, &ids).await?;
    let mut secrets = secrets_of(app, viewer, &emails).await?;
    let now = app.clock.now();
    let record = |email: Email| {
        let visibility = Visibility::of(viewer, email.id, now);
        let secrets = secrets.remove(&email.id).unwrap_or_default();
        let events = visibility.events(events.remove(&email.id).unwrap_or_default(), &email.marked_variables, &secrets);
        EmailRecord { email: visibility.email(email, &secrets), events }
    };
    Ok(emails.into_iter().map(record).collect())
}

/// The filter as it is asked for a viewer: what they see masked, addresses or contents, they find whole or not at all, so
/// that nobody learns it letter by letter.
pub(super) fn asked<'a>(viewer: &Viewer, filter: &'a EmailFilter) -> Cow<'a, EmailFilter> {
    let looks_for_parts =
        filter.search.is_some() || filter.criteria.reply.is_some() || !filter.criteria.conditions.is_empty();
    let (keeps_addresses, sees_contents) = (masks_addresses(viewer), sees_contents(viewer));
    if !looks_for_parts || !keeps_addresses && !sees_contents {
        return Cow::Borrowed(filter);
    }
    let sees_contents = sees_contents && filter.search.is_some();
    let criteria = Criteria { keeps_addresses, sees_contents, ..filter.criteria.clone() };
    Cow::Owned(EmailFilter { criteria, ..filter.clone() })
}

/// Counts the viewer's team's messages by outcome. Needs `logs:view`.
pub async fn load_stats(app: &App, viewer: &Viewer, range: TimeRange) -> Result<Stats, AppError> {
    viewer.require(Permission::LogsView)?;
    Ok(app.store.count_by_status(viewer.team, RollupScope::All, range).await?.into())
}

/// The range that a choice means for this viewer now.
pub async fn resolve_period(app: &App, viewer: &Viewer, choice: &PeriodChoice) -> Result<Period, AppError> {
    period::resolve(choice, zone_of(viewer), app.clock.now())
}

/// Finds one message with its bodies and events. Needs `logs:view`; what of them is shown needs `logs:reveal`.
pub async fn find_email(app: &App, viewer: &Viewer, id: EmailId) -> Result<EmailDetail, AppError> {
    viewer.require(Permission::LogsView)?;
    let mut email = load(app, viewer, id).await?;
    let id = email.id;
    let stored = app.store.find_stored_content(viewer.team, id).await?.unwrap_or_default();
    let events = app.store.list_events(viewer.team, id).await?;
    let now = app.clock.now();
    let (visibility, reveal) = (Visibility::of(viewer, id, now), viewer.reveal_of(id, now).cloned());
    let reveal = reveal.filter(|_| visibility.contents == Contents::All);
    if let (Contents::All, Some(subject)) = (visibility.contents, &stored.sent_subject) {
        email.subject.clone_from(subject);
    }
    let secrets = Secrets::of(&stored.content.variables, &email.marked_variables);
    let content = shown_content(app, visibility, &email, stored).await;
    let diagnosis = failures::diagnosis_of(&email, &events);
    let mailbox_providers = failures::mailbox_providers(&email, &events, diagnosis.as_ref());
    // By the whole addresses: two that are masked can look the same.
    let outcomes = outcomes(&email.recipients, &events);
    let events = visibility.events(events, &email.marked_variables, &secrets);
    let attempts = visibility.attempts(app.store.list_attempts(viewer.team, id).await?, &secrets);
    let sent_copy = match email.resend_obstacle(viewer.resend_rule()).is_none() {
        true => newest_sent(&app.store.find_family(viewer.team, id).await?, id),
        false => None,
    };
    let own = if email.resent_as.is_empty() { Vec::new() } else { app.store.list_copies(viewer.team, &[id]).await? };
    let copies: Vec<(EmailId, EmailStatus)> = own.into_iter().map(|(_, copy, status)| (copy, status)).collect();
    let copy = failures::telling_copy(&copies);
    let resent_by = match sent_copy.filter(|sent| sent.is_copy).map(|sent| sent.id).or(copy.map(|(copy, _)| copy)) {
        Some(copy) => resent_by(&app.store.list_events(viewer.team, copy).await?),
        None => None,
    };
    let changes = family_changes(app, viewer, &email, visibility).await?;
    Ok(EmailDetail {
        email: visibility.email(email, &secrets),
        content,
        events,
        attempts,
        outcomes,
        visibility,
        reveal,
        sent_copy,
        copy,
        changes,
        resent_by,
        failure: diagnosis.as_ref().map(|diagnosis| diagnosis.class),
        mailbox_provider: diagnosis.and_then(|diagnosis| diagnosis.mailbox_provider).map(str::to_owned),
        mailbox_providers,
    })
}

/// Finds one message with its variables, without its bodies. Needs `logs:view`; the variables' values need
/// `logs:reveal`.
pub async fn find_email_with_variables(app: &App, viewer: &Viewer, id: EmailId) -> Result<(Email, Value), AppError> {
    viewer.require(Permission::LogsView)?;
    let email = load(app, viewer, id).await?;
    let stored = app.store.find_stored_content(viewer.team, email.id).await?.unwrap_or_default();
    let visibility = Visibility::of(viewer, email.id, app.clock.now());
    let secrets = Secrets::of(&stored.content.variables, &email.marked_variables);
    let variables = shown_content(app, visibility, &email, stored).await.variables;
    Ok((visibility.email(email, &secrets), variables))
}

/// One file that was sent with a message, by its place from 0, for who may see contents. It is written into the audit log.
/// Needs `logs:view` and `logs:reveal`, and a reason where the team asks for one.
pub async fn open_attachment(app: &App, viewer: &Viewer, id: EmailId, place: usize) -> Result<Attachment, AppError> {
    viewer.require(Permission::LogsView)?;
    viewer.require(Permission::LogsReveal)?;
    let email = load(app, viewer, id).await?;
    let name = audited_text(viewer, email.subject.clone());
    let Some(attachments) = shown_attachments(app, viewer, email).await? else {
        return Err(AppError::Forbidden("Give a reason on the message's page to see what is attached".to_owned()));
    };
    let file = attachments.into_iter().nth(place).ok_or_else(|| AppError::not_found("Attachment"))?;
    let line = audit::by(app, viewer, AuditAction::EmailRevealed).about(id, name);
    app.store.append_audit_event(viewer.team, &line.made(json!({ "attachment": place + 1 }))).await?;
    Ok(file)
}

/// The files that a message's HTML shows by `cid:`; none where the viewer does not see them. Needs `logs:view`.
pub async fn list_inline_files(app: &App, viewer: &Viewer, id: EmailId) -> Result<Vec<Attachment>, AppError> {
    viewer.require(Permission::LogsView)?;
    let email = load(app, viewer, id).await?;
    let mut files = shown_attachments(app, viewer, email).await?.unwrap_or_default();
    files.retain(|file| file.content_id.is_some());
    Ok(files)
}

async fn shown_attachments(app: &App, viewer: &Viewer, email: Email) -> Result<Option<Vec<Attachment>>, AppError> {
    let stored = app.store.find_stored_content(viewer.team, email.id).await?.unwrap_or_default();
    let visibility = Visibility::of(viewer, email.id, app.clock.now());
    if !shows_attachments(visibility, &email, &stored.content) {
        return Ok(None);
    }
    app.store.list_attachments(viewer.team, email.id).await.map(Some)
}

/// Finds what became of one message. Needs `logs:view`; a key with `emails:send` finds what it sent.
pub async fn find_email_status(app: &App, viewer: &Viewer, id: EmailId) -> Result<Email, AppError> {
    if viewer.api_key_id().is_none() || !viewer.may(Permission::EmailsSend) {
        viewer.require(Permission::LogsView)?;
    }
    let email = load(app, viewer, id).await?;
    if !viewer.may_follow(email.api_key_id) {
        return Err(AppError::not_found("Email log"));
    }
    let secrets = secrets_of_one(app, viewer, &email).await?;
    Ok(Visibility::of(viewer, id, app.clock.now()).email(email, &secrets))
}

async fn load(app: &App, viewer: &Viewer, id: EmailId) -> Result<Email, AppError> {
    app.store.find_email(viewer.team, id).await?.ok_or_else(|| AppError::not_found("Email log"))
}

/// Sends a failed or bounced message again, as a new message that points to the old one. Needs `logs:resend`, and
/// `logs:resend-any` for one that went out, which `again` names then. While it or a message that says the same is under way,
/// [AppError::Conflict] names that one; and when one got through, unless `again` names it.
pub async fn resend_email(
    app: &App,
    viewer: &Viewer,
    id: EmailId,
    again: Option<EmailId>,
) -> Result<Accepted, AppError> {
    // Who did not know that it went out meant one that failed.
    let rule = if again.is_some() { viewer.resend_rule() } else { ResendRule::Failed };
    let copy = copy_by_rule(app, viewer, id, again, rule).await?;
    let accepted = copy.accepted();
    send::accept_copy(app, viewer, copy, None).await?;
    Ok(accepted)
}

async fn copy_by_rule(
    app: &App,
    viewer: &Viewer,
    id: EmailId,
    again: Option<EmailId>,
    rule: ResendRule,
) -> Result<send::PreparedCopy, AppError> {
    viewer.require(Permission::LogsResend)?;
    let email = load(app, viewer, id).await?;
    if let Some(obstacle) = email.resend_obstacle(rule) {
        return Err(AppError::invalid(obstacle));
    }
    send::prepare_copy(app, viewer, &email, Knowing::Of(again), rule != ResendRule::Any, false).await
}

/// Sends a message again whatever became of it, for a caller who tells what it was and cannot say what it knows of earlier
/// copies. Needs `logs:resend`. [AppError::Conflict] names a message that says the same and is under way, or was accepted
/// in the last half minute. `answer` makes what the caller is told of the message and its copy, as in
/// [send::send_email].
pub async fn resend_any_email(
    app: &App,
    viewer: &Viewer,
    id: EmailId,
    key: Option<IdempotencyKey>,
    answer: impl FnOnce(Email, Accepted) -> Result<KeptAnswer, AppError>,
) -> Result<KeptAnswer, AppError> {
    viewer.require(Permission::LogsResend)?;
    let email = load(app, viewer, id).await?;
    if let Some(obstacle) = email.origin_obstacle() {
        return Err(AppError::invalid(obstacle));
    }
    let copy = send::prepare_copy(app, viewer, &email, Knowing::Nothing, false, key.is_some()).await?;
    let secrets = secrets_of_one(app, viewer, &email).await?;
    let shown = Visibility::of(viewer, id, app.clock.now()).email(email, &secrets);
    let answer = answer(shown, copy.accepted())?;
    let first = send::accept_copy(app, viewer, copy, key.map(|key| (key, answer.clone()))).await?;
    Ok(first.unwrap_or(answer))
}

/// Notes an export of the log in the audit log, before its first byte. Needs `logs:export` and `logs:view`. `format` is
/// the file's; `filter` says in words what is in it.
pub async fn begin_export(app: &App, viewer: &Viewer, format: &str, mut filter: Value) -> Result<(), AppError> {
    viewer.require(Permission::LogsView)?;
    viewer.require(Permission::LogsExport)?;
    if let Some(Value::String(text)) = filter.get_mut(PARAMETER) {
        let marks = !app.store.list_marked_variables(viewer.team).await?.is_empty();
        *text = audited_search(std::mem::take(text), marks);
    }
    let filter = audited_json(viewer, filter);
    let line = audit::by(app, viewer, AuditAction::LogExported).made(json!({"format": format, "filter": filter}));
    app.store.append_audit_event(viewer.team, &line).await
}

/// A message of an export, as the viewer sees it, with what its row says.
#[derive(Clone, Debug)]
pub struct ExportRow {
    pub email: Email,
    /// Why it did not arrive, or did not yet, in the words of its row.
    pub reason: Option<String>,
    /// What the receiving server answered then: `550 5.1.1`.
    pub reply_code: Option<String>,
}

/// The messages of an export as they are.
async fn list_exported(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    before: Option<EmailId>,
    limit: i64,
) -> Result<Vec<Email>, AppError> {
    viewer.require(Permission::LogsView)?;
    viewer.require(Permission::LogsExport)?;
    app.store.list_older_emails(viewer.team, &asked(viewer, filter), before, limit).await
}

/// The messages of an export that are older than `before`, newest first, as the viewer sees them. Needs `logs:export` and
/// `logs:view`.
pub async fn export_page(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    before: Option<EmailId>,
    limit: i64,
) -> Result<Vec<Email>, AppError> {
    let emails = list_exported(app, viewer, filter, before, limit).await?;
    shown(app, viewer, emails).await
}

/// The same, with what their rows say. Needs `logs:export` and `logs:view`.
pub async fn export_rows(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    before: Option<EmailId>,
    limit: i64,
) -> Result<Vec<ExportRow>, AppError> {
    let emails = list_exported(app, viewer, filter, before, limit).await?;
    // Of the true messages, as in the list: masked words would be diagnosed otherwise.
    let mut remarks = failures::remarks_of(app, viewer, &emails).await?;
    let row = |email: Email| {
        let told = remarks.remove(&email.id);
        let reason = told.as_ref().and_then(|told| told.remark.reason());
        ExportRow { email, reason, reply_code: told.and_then(|told| told.reply_code) }
    };
    Ok(shown(app, viewer, emails).await?.into_iter().map(row).collect())
}

/// Messages as the viewer sees them.
async fn shown(app: &App, viewer: &Viewer, emails: Vec<Email>) -> Result<Vec<Email>, AppError> {
    let now = app.clock.now();
    let mut secrets = secrets_of(app, viewer, &emails).await?;
    let shown = |email: Email| {
        let secrets = secrets.remove(&email.id).unwrap_or_default();
        Visibility::of(viewer, email.id, now).email(email, &secrets)
    };
    Ok(emails.into_iter().map(shown).collect())
}

pub(super) fn zone_of(viewer: &Viewer) -> Tz {
    period::time_zone(viewer.time_zone())
}
