//! Keeps messages that have been checked, with everything that a new message has.

use tracing::info;

use super::once::{IdempotencyKey, new_key};
use crate::domain::adapter::Adapter;
use crate::domain::channel::Channel;
use crate::domain::email::Accepted;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::{AdapterId, EmailId};
use crate::domain::notification::Notification;
use crate::domain::viewer::{Actor, Viewer};
use crate::server::App;
use crate::server::store::emails::{Acceptance, KeptAnswer, NewEmail};
use crate::server::store::events::NewEvent;

/// Accepts messages that have been checked, all or none, with the notification that they are parts of. Gives `answer`, or
/// what the first request with the same key was answered.
pub(in crate::server::services) async fn accept_all(
    app: &App,
    viewer: &Viewer,
    emails: Vec<NewEmail>,
    notification: Option<Notification>,
    idempotency: Option<IdempotencyKey>,
    answer: KeptAnswer,
) -> Result<KeptAnswer, AppError> {
    let idempotency = idempotency.map(|key| new_key(app, &key, answer.clone()));
    let first = match notification {
        Some(_) => {
            let with = Acceptance { notification, idempotency, ..Acceptance::default() };
            accept_with(app, viewer, &emails, with).await?
        }
        None => {
            let ids: Vec<EmailId> = emails.iter().map(|new| new.id).collect();
            let first = app.store.accept_emails(viewer.team, emails, idempotency).await?;
            if first.is_none() {
                are_accepted(app, viewer, ids);
            }
            first
        }
    };
    Ok(first.unwrap_or(answer))
}

/// `Some`, and nothing accepted, where an earlier request came with the same key: what that one was answered.
pub(super) async fn accept_with(
    app: &App,
    viewer: &Viewer,
    emails: &[NewEmail],
    with: Acceptance,
) -> Result<Option<KeptAnswer>, AppError> {
    if let Some(first) = app.store.insert_emails(viewer.team, emails, &with).await? {
        return Ok(Some(first));
    }
    are_accepted(app, viewer, emails.iter().map(|new| new.id));
    Ok(None)
}

fn are_accepted(app: &App, viewer: &Viewer, ids: impl IntoIterator<Item = EmailId>) {
    app.outbox_waker.wake();
    for id in ids {
        info!(email.id = %id, team.id = %viewer.team, "accepted message");
    }
}

/// What callers are told of the messages.
pub(in crate::server::services) fn accepted_of(emails: &[NewEmail]) -> Vec<Accepted> {
    emails.iter().map(|new| Accepted { id: new.id, job_id: new.job_id }).collect()
}

pub(in crate::server::services) async fn choose_adapter(
    app: &App,
    viewer: &Viewer,
    id: Option<AdapterId>,
) -> Result<Adapter, AppError> {
    match id {
        Some(id) => {
            let adapter = app.store.find_adapter(viewer.team, id).await?;
            let adapter = adapter.filter(|adapter| adapter.kind.sends(Channel::Email));
            adapter.ok_or_else(|| AppError::not_found("Adapter"))
        }
        None => app.store.find_default_adapter(viewer.team, Channel::Email).await?.ok_or_else(|| {
            AppError::invalid("The team has no email adapter yet: add one under Settings, Adapters, then send again")
        }),
    }
}

pub(in crate::server::services) fn event(app: &App, kind: EventKind, message: Option<String>) -> NewEvent {
    let detail = EventDetail { message, ..EventDetail::default() };
    EmailEvent { id: app.clock.mint(), kind, at: app.clock.now(), recipient: None, detail }.into()
}

pub(in crate::server::services) fn accepted_by(viewer: &Viewer) -> Option<String> {
    match &viewer.actor {
        Actor::ApiKey { name, .. } => Some(format!("by API key “{name}”")),
        Actor::User { name, .. } => Some(format!("by {name}")),
    }
}

pub(super) fn by_person(viewer: &Viewer) -> String {
    accepted_by(viewer).map(|by| format!(" {by}")).unwrap_or_default()
}
