//! Why messages did not arrive, and what the rows of a list say of it. Called by the log's pages.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailStatus, EmailSummary, Remark};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventKind};
use crate::domain::failure::{Diagnosis, Failed, MailboxProvider};
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// Why a message did not arrive; `None` for one that did, or still may.
pub(super) fn diagnosis_of(email: &Email, events: &[EmailEvent]) -> Option<Diagnosis> {
    failed(email).diagnosis(events)
}

/// Who runs the mailboxes that an email is for: the one that the diagnosis names, and those that servers and addresses tell.
pub(super) fn mailbox_providers(email: &Email, events: &[EmailEvent], diagnosis: Option<&Diagnosis>) -> Vec<String> {
    if email.channel != Channel::Email {
        return Vec::new();
    }
    let told = diagnosis.and_then(|diagnosis| diagnosis.mailbox_provider);
    let known = MailboxProvider::of_recipients(&email.recipients, events).into_iter().map(|known| known.name.as_str());
    let others = known.filter(|name| Some(*name) != told);
    told.into_iter().chain(others).map(str::to_owned).collect()
}

pub(super) fn failed(email: &Email) -> Failed<'_> {
    Failed {
        channel: email.channel,
        status: email.status,
        recipient: email.recipients.first().map(|first| first.address.as_str()),
        error_message: email.error_message.as_deref(),
    }
}

/// Adds to the rows of a list what became of each message beyond its status. Needs `logs:view`.
pub async fn add_remarks(app: &App, viewer: &Viewer, rows: &mut [EmailSummary]) -> Result<(), AppError> {
    viewer.require(Permission::LogsView)?;
    let ids: Vec<i64> = rows.iter().filter(|row| is_remarkable(row.status)).map(|row| row.id.0).collect();
    let emails = app.store.find_emails(viewer.team, &ids).await?;
    let mut remarks = remarks_of(app, viewer, &emails).await?;
    for row in rows {
        row.remark = remarks.remove(&row.id).map(|told| told.remark);
    }
    Ok(())
}

/// What a row says of a message, and what its server answered.
pub(super) struct Told {
    pub remark: Remark,
    /// `550 5.1.1`, of the answer that the remark follows from.
    pub reply_code: Option<String>,
}

/// What rows say of the messages of the viewer's team, by message; nothing of some.
pub(super) async fn remarks_of(
    app: &App,
    viewer: &Viewer,
    emails: &[Email],
) -> Result<HashMap<EmailId, Told>, AppError> {
    let remarkable: Vec<&Email> = emails.iter().filter(|email| is_remarkable(email.status)).collect();
    let ids: Vec<EmailId> = remarkable.iter().map(|email| email.id).collect();
    let events = app.store.list_events_of(viewer.team, &ids).await?;
    let resent: Vec<EmailId> =
        remarkable.iter().filter(|email| !email.resent_as.is_empty()).map(|email| email.id).collect();
    let mut copies: HashMap<EmailId, Vec<(EmailId, EmailStatus)>> = HashMap::new();
    for (of, copy, status) in app.store.list_copies(viewer.team, &resent).await? {
        copies.entry(of).or_default().push((copy, status));
    }
    let told = |email: &Email| {
        let events = events.get(&email.id).map(Vec::as_slice).unwrap_or_default();
        let copies = copies.get(&email.id).map(Vec::as_slice).unwrap_or_default();
        let remark = remark_on(email, events, copies, app.clock.now())?;
        let reply_code = match &remark {
            Remark::Failed { .. } | Remark::Resent { .. } => failed(email).reply_code(events),
            Remark::Delayed { .. } => newest_deferral(events).and_then(|event| failed(email).reply_code_by(event)),
            Remark::Scheduled(_) | Remark::WaitsForAdapter => None,
        };
        Some((email.id, Told { remark, reply_code }))
    };
    Ok(remarkable.into_iter().filter_map(told).collect())
}

fn is_remarkable(status: EmailStatus) -> bool {
    status.can_be_resent() || status == EmailStatus::Queued
}

fn newest_deferral(events: &[EmailEvent]) -> Option<&EmailEvent> {
    events.iter().rev().find(|event| event.kind == EventKind::Deferred)
}

/// Of a message's copies, in the order of their ids, the one that says what became of it: the newest that got through, or else
/// the newest.
pub(super) fn telling_copy(copies: &[(EmailId, EmailStatus)]) -> Option<(EmailId, EmailStatus)> {
    let got_through = |(_, status): &&(EmailId, EmailStatus)| !status.can_be_resent() && *status != EmailStatus::Queued;
    copies.iter().rev().find(got_through).or(copies.last()).copied()
}

/// What a row says of a message. Its copies are in the order of their ids.
fn remark_on(
    email: &Email,
    events: &[EmailEvent],
    copies: &[(EmailId, EmailStatus)],
    now: DateTime<Utc>,
) -> Option<Remark> {
    if email.status.can_be_resent() {
        if let Some((copy, status)) = telling_copy(copies) {
            let class = diagnosis_of(email, events).map(|diagnosis| diagnosis.class);
            return Some(Remark::Resent { copy, status, class });
        }
        let diagnosis = diagnosis_of(email, events)?;
        let mailbox_provider = diagnosis.mailbox_provider.map(str::to_owned);
        return Some(Remark::Failed { class: diagnosis.class, mailbox_provider });
    }
    if email.status != EmailStatus::Queued {
        return None;
    }
    if email.waits_for_adapter {
        return Some(Remark::WaitsForAdapter);
    }
    if let Some(at) = email.scheduled_at.filter(|at| *at > now) {
        return Some(Remark::Scheduled(at));
    }
    let event = newest_deferral(events)?;
    Some(Remark::Delayed { class: failed(email).diagnosis_by(event).class, again_at: email.next_attempt_at })
}
