//! What mail servers and mailbox providers report of a message by mail: that it came back, waits or arrived, or that its recipient
//! complained. Called by [crate::server::inbound::bounce], which reads the mail and proves the message. A report counts once,
//! by whatever way it comes how often.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::events::{EventReport, Reported, clipped, record_events_of};
use crate::domain::email::Email;
use crate::domain::error::AppError;
use crate::domain::event::{EventDetail, EventKind};
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::mailbox::mailbox_key;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// What a mail reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BounceReport {
    /// What it is told apart by from all others.
    pub identity: String,
    pub notices: Vec<Notice>,
}

/// What became of the message for one recipient.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub kind: EventKind,
    /// What the report calls the recipient, the surest first.
    pub recipients: Vec<String>,
    /// When, by whoever reports.
    pub at: Option<DateTime<Utc>>,
    pub detail: EventDetail,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Its news stand in the message's history: so many are new, and so many stood there before.
    Taken { email: EmailId, new: usize, known: usize },
    /// The message is not in the log any more, or never was.
    UnknownMessage,
    /// It is about nobody that the message went to.
    OtherRecipients(EmailId),
}

/// The message that one of these names belongs to: its own id, or what it is called by its sender or a provider. Looks among the
/// messages of the viewer's team alone. Needs `events:write`.
pub async fn find_reported(
    app: &App,
    viewer: &Viewer,
    own_id: Option<EmailId>,
    names: &[String],
) -> Result<Option<EmailId>, AppError> {
    viewer.require(Permission::EventsWrite)?;
    if let Some(id) = own_id
        && let Some(email) = app.store.find_email(viewer.team, id).await?
    {
        return Ok(Some(email.id));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Several can be called the same; the newest is meant.
    Ok(app.store.list_ids_by_provider(viewer.team, &names).await?.into_iter().max())
}

/// Refuses whoever may not report events. Needs `events:write`.
pub fn require_reporter(viewer: &Viewer) -> Result<(), AppError> {
    viewer.require(Permission::EventsWrite)
}

/// Records what a report says of a message that is proven to be meant. Once this returns, it is kept.
pub async fn record_bounce(
    app: &App,
    team: TeamId,
    email: EmailId,
    report: &BounceReport,
) -> Result<Recorded, AppError> {
    let Some(email) = app.store.find_email(team, email).await? else { return Ok(Recorded::UnknownMessage) };
    let events: Vec<_> = report.notices.iter().filter_map(|notice| event_of(app, &email, report, notice)).collect();
    if events.is_empty() {
        return Ok(Recorded::OtherRecipients(email.id));
    }
    let reported =
        record_events_of(app, team, "bounces", events.into_iter().map(|event| Ok(clipped(event))).collect()).await?;
    let count = |wanted: fn(&Reported) -> bool| reported.iter().filter(|one| wanted(one)).count();
    if let Some(Reported::Invalid(error)) = reported.iter().find(|one| matches!(one, Reported::Invalid(_))) {
        return Err(error.clone());
    }
    // It was deleted meanwhile.
    if reported.iter().any(|one| matches!(one, Reported::Unknown(_))) {
        return Ok(Recorded::UnknownMessage);
    }
    Ok(Recorded::Taken {
        email: email.id,
        new: count(|one| matches!(one, Reported::Recorded(_))),
        known: count(|one| matches!(one, Reported::Duplicate(_))),
    })
}

/// The event of a notice; `None` where it is about nobody that the message went to.
fn event_of(app: &App, email: &Email, report: &BounceReport, notice: &Notice) -> Option<EventReport> {
    let recipient = recipient_of(email, &notice.recipients)?;
    // What a report says of the time is nobody's proven word: it lies between the message and now.
    let (first, now) = (email.id.created_at(), app.clock.now());
    let at = notice.at.filter(|at| *at >= first && *at <= now).unwrap_or(now);
    Some(EventReport {
        id: event_id(email.id, &report.identity, &recipient, notice.kind),
        kind: notice.kind,
        at,
        email_id: Some(email.id),
        provider_message_id: None,
        recipient: Some(recipient),
        detail: notice.detail.clone(),
        from: None,
        subject: None,
        channel: None,
    })
}

/// Whom it is about: one of those whom the message went to, or the only one.
fn recipient_of(email: &Email, named: &[String]) -> Option<String> {
    if let [only] = email.recipients.as_slice() {
        return Some(only.address.clone());
    }
    named
        .iter()
        .find_map(|name| {
            let key = mailbox_key(name);
            email.recipients.iter().find(|recipient| mailbox_key(&recipient.address) == key)
        })
        .map(|recipient| recipient.address.clone())
}

/// The same for the same news of the same report. The lengths go in, so that no part runs into the next.
fn event_id(email: EmailId, identity: &str, recipient: &str, kind: EventKind) -> String {
    let mut hash = Sha256::new();
    for part in [&email.to_string(), identity, &mailbox_key(recipient), kind.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hex: String = hex::encode(hash.finalize()).chars().take(32).collect();
    format!("bounce:{hex}")
}
