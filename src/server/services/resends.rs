//! Sending many messages again, as a job: what it would do, making it, watching it, pausing and stopping it. [runner] sends.
//! Called by `/resends` and `/api/logs/resends`.

mod choice;
pub mod runner;

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tracing::info;

pub use self::choice::Selection;
use super::send::{IdempotencyKey, KeptAnswer, new_key};
use super::{audit, checked_name};
use crate::domain::audit::AuditAction;
use crate::domain::email::{EmailStatus, EmailSummary};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, ResendJobId};
use crate::domain::masking::{Visibility, audited_search, masks_addresses};
use crate::domain::page::CursorPage;
use crate::domain::permission::Permission;
use crate::domain::resend_job::{
    MAX_REASON_CHARS, PER_MINUTE, Preflight, ResendItem, ResendItemState, ResendJob, ResendJobState, ResendOptions,
    ResendStep,
};
use crate::domain::viewer::{Actor, Viewer};
use crate::server::App;
use crate::server::store::resends::{NewResendItem, StoredResend};

/// How long after the end of a job reports of its copies still come in, mostly.
const REPORTS_COME_FOR: TimeDelta = TimeDelta::minutes(15);

/// A job to be made.
#[derive(Clone, Debug)]
pub struct NewResend {
    /// One line; made of the number of messages where it is empty.
    pub name: String,
    pub reason: Option<String>,
    pub per_minute: i64,
    pub selection: Selection,
    pub options: ResendOptions,
    /// How many messages the caller saw that it sends again. With another number nothing is made.
    pub expected: Option<i64>,
}

fn require(viewer: &Viewer) -> Result<(), AppError> {
    viewer.require(Permission::LogsView)?;
    viewer.require(Permission::LogsResend)
}

/// What a job would do. Nothing is kept. Needs `logs:view` and `logs:resend`. More than
/// [crate::domain::resend_job::MAX_MESSAGES] messages are refused.
pub async fn preflight(
    app: &App,
    viewer: &Viewer,
    selection: &Selection,
    options: ResendOptions,
) -> Result<Preflight, AppError> {
    require(viewer)?;
    Ok(choice::choose(app, viewer, selection).await?.preflight(options))
}

/// Makes a job of the messages that are chosen at this moment; it runs at once. Needs `logs:view` and `logs:resend`. `answer`
/// makes what the caller is told, which a repetition with the same key is told too.
pub async fn create_resend(
    app: &App,
    viewer: &Viewer,
    new: NewResend,
    key: Option<IdempotencyKey>,
    answer: impl FnOnce(&ResendJob) -> Result<KeptAnswer, AppError>,
) -> Result<KeptAnswer, AppError> {
    require(viewer)?;
    if !PER_MINUTE.contains(&new.per_minute) {
        let message = format!("perMinute must be a whole number from {} to {}", PER_MINUTE.start(), PER_MINUTE.end());
        return Err(AppError::invalid_field("perMinute", message));
    }
    let reason = checked_reason(new.reason)?;
    let chosen = choice::choose(app, viewer, &new.selection).await?;
    let preflight = chosen.preflight(new.options);
    let waiting = preflight.counts.waiting;
    if let Some(expected) = new.expected.filter(|expected| *expected != waiting) {
        let message = format!("Meanwhile {waiting} messages can be resent, not {expected}. Look at them again");
        return Err(AppError::Conflict(message));
    }
    if waiting == 0 {
        return Err(AppError::invalid("None of these messages can be resent"));
    }
    let name = match new.name.trim() {
        "" => format!("Resend {waiting} message{}", if waiting == 1 { "" } else { "s" }),
        name => checked_name("name", name)?,
    };
    let items: Vec<NewResendItem> = chosen.items(new.options);
    let made_by = match &viewer.actor {
        Actor::User { name, .. } | Actor::ApiKey { name, .. } => name.clone(),
    };
    let now = app.clock.now();
    let job = ResendJob {
        id: app.clock.mint(),
        name,
        reason,
        made_by,
        filter: chosen.filter,
        per_minute: new.per_minute,
        state: ResendJobState::Running,
        note: None,
        counts: preflight.counts,
        started_at: None,
        finished_at: None,
    };
    let line = audit::by(app, viewer, AuditAction::ResendStarted).about(job.id, job.name.clone());
    let marks = !app.store.list_marked_variables(viewer.team).await?.is_empty();
    let mut line = line.made(json!({
        "messages": job.counts.total(),
        "toResend": waiting,
        "perMinute": job.per_minute,
        "filter": job.filter.as_ref().map(|(words, _)| audited_search(words.clone(), marks)),
    }));
    line.reason.clone_from(&job.reason);
    let answer = answer(&job)?;
    let key = key.map(|key| new_key(app, &key, answer.clone()));
    let stored = StoredResend { job, user_id: viewer.user_id(), api_key_id: viewer.api_key_id() };
    let first = app.store.insert_resend_job(viewer.team, &stored, &items, key.as_ref(), now, &line).await?;
    if first.is_none() {
        info!(team.id = %viewer.team, resend.id = %stored.job.id, messages = waiting, "started a bulk resend");
    }
    Ok(first.unwrap_or(answer))
}

fn checked_reason(reason: Option<String>) -> Result<Option<String>, AppError> {
    let reason = reason.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if reason.as_ref().is_some_and(|text| text.chars().count() > MAX_REASON_CHARS) {
        return Err(AppError::invalid_field(
            "reason",
            format!("reason must have at most {MAX_REASON_CHARS} characters"),
        ));
    }
    Ok(reason)
}

/// Lists the team's jobs, the newest first: those older than `before` where that is given. Needs `logs:view`.
pub async fn list_resends(
    app: &App,
    viewer: &Viewer,
    before: Option<ResendJobId>,
    limit: i64,
) -> Result<CursorPage<ResendJob>, AppError> {
    viewer.require(Permission::LogsView)?;
    let mut jobs = app.store.list_resend_jobs(viewer.team, before, limit + 1).await?;
    let has_more = jobs.len() as i64 > limit;
    jobs.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(CursorPage { items: jobs.into_iter().map(|stored| shown(viewer, stored)).collect(), has_more })
}

/// Finds a job. Needs `logs:view`.
pub async fn find_resend(app: &App, viewer: &Viewer, id: ResendJobId) -> Result<ResendJob, AppError> {
    viewer.require(Permission::LogsView)?;
    Ok(shown(viewer, load(app, viewer, id).await?))
}

/// Lists the messages of a job, the newest first, in one state where that is given, with what became of their copies. Needs
/// `logs:view`.
pub async fn list_items(
    app: &App,
    viewer: &Viewer,
    id: ResendJobId,
    state: Option<ResendItemState>,
    offset: i64,
    limit: i64,
) -> Result<Vec<ResendItem>, AppError> {
    viewer.require(Permission::LogsView)?;
    load(app, viewer, id).await?;
    let items = app.store.list_resend_items(viewer.team, id, state, offset, limit).await?;
    let ids: Vec<i64> = items.iter().map(|item| item.email_id.0).collect();
    let now = app.clock.now();
    let emails = app.store.list_emails_by_id(viewer.team, &ids).await?;
    let shown = |email: EmailSummary| (email.id, Visibility::of(viewer, email.id, now).summary(email));
    let mut emails: HashMap<EmailId, EmailSummary> = emails.into_iter().map(shown).collect();
    let item = |item: crate::server::store::resends::StoredResendItem| ResendItem {
        email: emails.remove(&item.email_id),
        email_id: item.email_id,
        state: item.state,
        words: item.words,
        copy: item.copy,
    };
    Ok(items.into_iter().map(item).collect())
}

/// What became of a job's copies, by their status, in the order in which a message comes by them. Needs `logs:view`.
pub async fn count_copies(app: &App, viewer: &Viewer, id: ResendJobId) -> Result<Vec<(EmailStatus, i64)>, AppError> {
    viewer.require(Permission::LogsView)?;
    load(app, viewer, id).await?;
    app.store.count_resend_copies(viewer.team, id).await
}

/// Whether the page of a job may still change: while it runs, and a while after its end, as reports of its copies come.
pub fn may_change(app: &App, job: &ResendJob, copies: &[(EmailStatus, i64)]) -> bool {
    let is_known = |(status, _): &(EmailStatus, i64)| !matches!(status, EmailStatus::Queued | EmailStatus::Sent);
    let ended_lately = job.finished_at.is_some_and(|at| app.clock.now() - at < REPORTS_COME_FOR);
    job.state == ResendJobState::Running || ended_lately && !copies.iter().all(is_known)
}

/// Pauses, resumes or stops a job; [AppError::Conflict] where it does not stand so. Once this has returned, a job that was
/// paused or stopped sends nothing more. Needs `logs:view` and `logs:resend`.
pub async fn steer_resend(
    app: &App,
    viewer: &Viewer,
    id: ResendJobId,
    step: ResendStep,
) -> Result<ResendJob, AppError> {
    require(viewer)?;
    let stored = load(app, viewer, id).await?;
    let action = match step {
        ResendStep::Pause => AuditAction::ResendPaused,
        ResendStep::Resume => AuditAction::ResendResumed,
        ResendStep::Stop => AuditAction::ResendStopped,
    };
    let line = audit::by(app, viewer, action).about(id, stored.job.name.clone());
    if !app.store.change_resend_job(viewer.team, id, step.leads(), None, app.clock.now(), &line).await? {
        let state = load(app, viewer, id).await?.job.state;
        let message = format!("This resend is {}: it cannot be {}", state.as_str(), past(step));
        return Err(AppError::Conflict(message));
    }
    Ok(shown(viewer, load(app, viewer, id).await?))
}

const fn past(step: ResendStep) -> &'static str {
    match step {
        ResendStep::Pause => "paused",
        ResendStep::Resume => "resumed",
        ResendStep::Stop => "stopped",
    }
}

async fn load(app: &App, viewer: &Viewer, id: ResendJobId) -> Result<StoredResend, AppError> {
    app.store.find_resend_job(viewer.team, id).await?.ok_or_else(|| AppError::not_found("Resend"))
}

/// A job as the viewer sees it: an address can stand in what somebody else searched for.
fn shown(viewer: &Viewer, stored: StoredResend) -> ResendJob {
    let is_own = stored.user_id.is_some() && stored.user_id == viewer.user_id();
    let sees_filter = is_own || !masks_addresses(viewer) && viewer.may(Permission::LogsReveal);
    let filter = stored.job.filter.filter(|_| sees_filter);
    ResendJob { filter, ..stored.job }
}

/// What the audit log says of a job's end.
fn summary(job: &ResendJob, at: DateTime<Utc>) -> Value {
    json!({ "resent": job.counts.resent, "notPossible": job.counts.refused, "leftOut": job.counts.left_out, "at": at })
}
