//! Accepting messages: from an API request, or once more from the log. Everything that can be wrong is found before the
//! message is kept; once it is kept, it is sent.

mod accept;
mod changed;
mod copy;
mod mail;
mod once;
mod request;
mod subject;

use chrono::{DateTime, Utc};

use self::accept::by_person;
pub(super) use self::accept::{accept_all, accepted_by, accepted_of, choose_adapter, event};
pub(super) use self::changed::{Version, may_edit, may_readdress, require_change};
pub(super) use self::copy::{PreparedCopy, accept_copy, accept_copy_of_item, prepare_changed_copy, prepare_copy};
pub use self::mail::{MailRequest, Repetition, check_mail_sender, checked_mail_recipient, send_mail};
pub(super) use self::once::new_key;
pub use self::once::{IdempotencyKey, OnceKey, begin_once, find_first_answer, first_answer_or};
pub use self::request::{
    MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_RECIPIENTS, MAX_TAGS, list_mailboxes, person_mailbox,
};
use self::request::{
    check_attachments, check_headers, check_labels, checked_mailbox, checked_object, checked_recipients,
    checked_reply_to,
};
pub(super) use self::request::{check_subject, checked_schedule};
pub(super) use self::subject::{masked_subject, split_subject};
pub use crate::domain::api_request::KeptAnswer;
use crate::domain::email::{Accepted, Email, NewEmail};
pub use crate::domain::email::{Attachment, SendRequest};
use crate::domain::error::AppError;
use crate::domain::event::{EventKind, EventSet};
use crate::domain::ids::{ApiRequestId, EmailId};
pub use crate::domain::mailbox::format_mailbox;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::render::RenderedTemplate;
pub use crate::server::render::Undefined;
use crate::server::store::events::{EmailFacts, NewEvent};

/// Where messages to accept come from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub api_request_id: Option<ApiRequestId>,
    /// What makes a repetition of that request harmless.
    pub idempotency: Option<IdempotencyKey>,
}

/// Why a message of several was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place among them, from 0.
    pub index: usize,
    pub error: AppError,
}

/// Accepts a message. Needs `emails:send`. Fields are named in errors as Canary does: `templateId`, `replyTo`. `answer`
/// makes what the caller is told; it is kept in the transaction that accepts, so that a repetition with the same key is
/// told the same. Gives what to tell: that, or what the first request with the key was told.
pub async fn send_email(
    app: &App,
    viewer: &Viewer,
    request: SendRequest,
    origin: Origin,
    answer: impl FnOnce(Accepted) -> Result<KeptAnswer, AppError>,
) -> Result<KeptAnswer, AppError> {
    let email = match prepare(app, viewer, request, origin.api_request_id).await {
        Ok(email) => email,
        Err(error) => return first_answer_or(app, viewer, origin.idempotency.as_ref(), error).await,
    };
    let answer = answer(Accepted { id: email.id, job_id: email.job_id })?;
    accept_all(app, viewer, vec![email], None, origin.idempotency, answer).await
}

/// Accepts several messages, all or none, in their order, as [send_email] does one. Needs `emails:send`.
pub async fn send_emails(
    app: &App,
    viewer: &Viewer,
    requests: Vec<SendRequest>,
    origin: Origin,
    answer: impl FnOnce(Vec<Accepted>) -> Result<KeptAnswer, AppError>,
) -> Result<KeptAnswer, Refusal> {
    let mut emails = Vec::with_capacity(requests.len());
    for (index, request) in requests.into_iter().enumerate() {
        match prepare(app, viewer, request, origin.api_request_id).await {
            Ok(email) => emails.push(email),
            Err(error) => {
                let first = first_answer_or(app, viewer, origin.idempotency.as_ref(), error).await;
                return first.map_err(|error| Refusal { index, error });
            }
        }
    }
    let whole = |error| Refusal { index: 0, error };
    let answer = answer(accepted_of(&emails)).map_err(whole)?;
    accept_all(app, viewer, emails, None, origin.idempotency, answer).await.map_err(whole)
}

/// Accepts those of several messages that are right, as [send_email] does one; `answer` is told why not of each of the
/// others. Needs `emails:send`.
pub async fn send_each(
    app: &App,
    viewer: &Viewer,
    requests: Vec<SendRequest>,
    origin: Origin,
    answer: impl FnOnce(Vec<Accepted>, Vec<Refusal>) -> Result<KeptAnswer, AppError>,
) -> Result<KeptAnswer, AppError> {
    viewer.require(Permission::EmailsSend)?;
    let (mut emails, mut refusals) = (Vec::new(), Vec::new());
    for (index, request) in requests.into_iter().enumerate() {
        match prepare(app, viewer, request, origin.api_request_id).await {
            Ok(email) => emails.push(email),
            Err(
                error @ (AppError::MissingPermission(_)
                | AppError::Unavailable
                | AppError::TooSlow
                | AppError::Internal),
            ) => {
                return Err(error);
            }
            Err(error) => refusals.push(Refusal { index, error }),
        }
    }
    let answer = answer(accepted_of(&emails), refusals)?;
    accept_all(app, viewer, emails, None, origin.idempotency, answer).await
}

/// Moves a message that has not gone out yet to another time. Needs `emails:send`, and `logs:view` for what another key
/// or person sent.
pub async fn reschedule_email(app: &App, viewer: &Viewer, id: EmailId, at: DateTime<Utc>) -> Result<(), AppError> {
    viewer.require(Permission::EmailsSend)?;
    let at = checked_schedule(app, at)?;
    find_own(app, viewer, id).await?;
    let message = format!("Moved to {}{}", at.format("%Y-%m-%d %H:%M UTC"), by_person(viewer));
    let event = event(app, EventKind::Queued, Some(message));
    if app.store.reschedule(viewer.team, id, at, &event).await? {
        app.outbox_waker.wake();
        return Ok(());
    }
    Err(AppError::Conflict("Only an email that has not been sent yet can be rescheduled".to_owned()))
}

/// Takes a message back that has not gone out yet. Needs `emails:send`, and `logs:view` for what another key or person
/// sent.
pub async fn cancel_email(app: &App, viewer: &Viewer, id: EmailId) -> Result<(), AppError> {
    viewer.require(Permission::EmailsSend)?;
    let email = find_own(app, viewer, id).await?;
    let was_tried = EventSet::of_kinds(&[EventKind::Deferred, EventKind::FailedToSend]);
    let when = if email.event_set.meets(was_tried) { " while it waited for another attempt" } else { "" };
    let (event, facts) = canceled(app, viewer, when);
    if app.store.cancel(viewer.team, id, &event, &facts).await? {
        return Ok(());
    }
    Err(AppError::Conflict("Only an email that has not been sent yet can be canceled".to_owned()))
}

/// What is recorded of a message that the viewer takes back.
pub(super) fn canceled(app: &App, viewer: &Viewer, when: &str) -> (NewEvent, EmailFacts) {
    let reason = format!("Canceled{}{when}", by_person(viewer));
    let facts = EmailFacts { error_message: Some(reason.clone()), ..EmailFacts::default() };
    (event(app, EventKind::Canceled, Some(reason)), facts)
}

async fn find_own(app: &App, viewer: &Viewer, id: EmailId) -> Result<Email, AppError> {
    let email = app.store.find_email(viewer.team, id).await?;
    let email = email.filter(|email| viewer.may_follow(email.api_key_id));
    email.ok_or_else(|| AppError::not_found("Email log"))
}

/// Checks a request and makes the message of it, without keeping anything.
pub(super) async fn prepare(
    app: &App,
    viewer: &Viewer,
    mut request: SendRequest,
    api_request_id: Option<ApiRequestId>,
) -> Result<NewEmail, AppError> {
    viewer.require(Permission::EmailsSend)?;
    let recipients = checked_recipients(&request)?;
    let reply_to = request.reply_to.as_deref().map(checked_reply_to).transpose()?;
    let variables = checked_object("variables", request.variables.take())?;
    let metadata = checked_object("metadata", request.metadata.take())?;
    check_labels(&request.tags)?;
    check_attachments(&request.attachments)?;
    check_headers(&request.headers)?;
    let scheduled_at = match request.scheduled_at {
        Some(at) if at > app.clock.now() => Some(checked_schedule(app, at)?),
        Some(_) | None => None,
    };
    let (template, rendered, shown_subject) = match request.template_id {
        Some(id) => {
            let template = app.store.find_template(viewer.team, id).await?;
            let template = template.ok_or_else(|| AppError::not_found("Template"))?;
            let mut source = template.current.source;
            if let Some(subject) = request.subject.take() {
                source.subject = subject;
            }
            let shown = masked_subject(app, &source.subject, &variables, &template.masked_variables).await;
            let rendered = app.renderer.render_template(&source, &variables, request.undefined).await?;
            (Some((template.id, template.current.id)), rendered, shown)
        }
        None => {
            let subject = request.subject.take().unwrap_or_default();
            (None, RenderedTemplate { subject, html: request.html.take(), text: request.text.take() }, None)
        }
    };
    if template.is_none() && rendered.html.is_none() && rendered.text.is_none() {
        return Err(AppError::invalid_field("templateId", "templateId, html or text is required"));
    }
    check_subject(&rendered.subject)?;
    let (subject, sent_subject) = split_subject(rendered.subject, shown_subject);
    let adapter = choose_adapter(app, viewer, request.adapter_id).await?;
    let from_address = match request.from.take() {
        Some(from) => checked_mailbox("from", &from)?,
        None => adapter.from_address.clone(),
    };
    let (id, job_id) = (app.clock.mint(), app.clock.mint());
    let when = scheduled_at.map(|at| format!("Scheduled for {}", at.format("%Y-%m-%d %H:%M UTC")));
    Ok(NewEmail {
        template,
        adapter_id: Some(adapter.id),
        names_adapter: request.adapter_id.is_some(),
        api_key_id: viewer.api_key_id(),
        api_request_id,
        recipients,
        from_address,
        reply_to,
        subject,
        sent_subject,
        variables,
        metadata,
        html: rendered.html,
        text: rendered.text,
        scheduled_at,
        events: vec![event(app, EventKind::Requested, accepted_by(viewer)), event(app, EventKind::Queued, when)],
        ..request.into_email(id, job_id)
    })
}
