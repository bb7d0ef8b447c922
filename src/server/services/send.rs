//! Accepting messages: from an API request, or once more from the log. Everything that can be wrong is found before the
//! message is kept; once it is kept, it is sent.

use serde_json::Value;
use tracing::info;

use crate::domain::adapter::Adapter;
use crate::domain::email::{Accepted, Email, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::{AdapterId, ApiRequestId, EmailId, TemplateId};
use crate::domain::permission::Permission;
use crate::domain::viewer::{Actor, Viewer};
use crate::server::App;
use crate::server::delivery::message::{check_content_type, check_header, parse_mailbox};
use crate::server::render::render_template;
use crate::server::store::emails::NewEmail;

pub use crate::server::store::emails::Attachment;

/// The most recipients of one message, over all headers.
pub const MAX_RECIPIENTS: usize = 50;
/// The most attachments of one message.
pub const MAX_ATTACHMENTS: usize = 20;
/// The most bytes of a message's attachments together, decoded.
pub const MAX_ATTACHMENT_BYTES: usize = 15 * 1024 * 1024;
/// The most labels of one message.
pub const MAX_TAGS: usize = 20;
/// The longest subject, in characters.
const MAX_SUBJECT_CHARS: usize = 998;

/// A message as an application asks for it. Addresses are mailboxes: `ada@example.com` or `Ada <ada@example.com>`.
#[derive(Clone, Debug, Default)]
pub struct SendRequest {
    /// The template.
    pub template_id: Option<TemplateId>,
    /// `To`.
    pub to: Vec<String>,
    /// `Cc`.
    pub cc: Vec<String>,
    /// Recipients that the others do not see.
    pub bcc: Vec<String>,
    /// The template's values, a JSON object or null.
    pub variables: Value,
    /// The sender, in place of the adapter's.
    pub from: Option<String>,
    /// The subject, in place of the template's. It is a template too.
    pub subject: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The adapter, in place of the team's default.
    pub adapter_id: Option<AdapterId>,
    /// What is attached.
    pub attachments: Vec<Attachment>,
    /// Labels.
    pub tags: Vec<String>,
    /// The caller's own data, a JSON object or null.
    pub metadata: Value,
}

/// Accepts a message made from a template. Needs `emails:send`. `api_request_id` is the request it came in.
pub async fn send_email(
    app: &App,
    viewer: &Viewer,
    request: SendRequest,
    api_request_id: Option<ApiRequestId>,
) -> Result<Accepted, AppError> {
    viewer.require(Permission::EmailsSend)?;
    let recipients = checked_recipients(&request)?;
    let reply_to = request.reply_to.map(|text| checked_mailbox("replyTo", &text)).transpose()?;
    let variables = checked_object("variables", request.variables)?;
    let metadata = checked_object("metadata", request.metadata)?;
    check_labels(&request.tags)?;
    check_attachments(&request.attachments)?;
    let template_id =
        request.template_id.ok_or_else(|| AppError::invalid_field("templateId", "templateId is required"))?;
    let template = app.store.find_template(viewer.team, template_id).await?;
    let template = template.ok_or_else(|| AppError::not_found("Template"))?;
    let mut source = template.current.source;
    if let Some(subject) = request.subject {
        source.subject = subject;
    }
    let rendered = render_template(&source, &variables)?;
    check_subject(&rendered.subject)?;
    let adapter = choose_adapter(app, viewer, request.adapter_id).await?;
    let from_address = match request.from {
        Some(from) => checked_mailbox("from", &from)?,
        None => adapter.from_address.clone(),
    };
    let id: EmailId = app.clock.mint();
    let new = NewEmail {
        id,
        job_id: app.clock.mint(),
        template: Some((template.id, template.current.id)),
        adapter_id: adapter.id,
        api_key_id: viewer.api_key_id(),
        api_request_id,
        recipients,
        from_address,
        reply_to,
        subject: rendered.subject,
        tags: request.tags,
        variables,
        metadata,
        html: rendered.html,
        text: rendered.text,
        attachments: request.attachments,
        resend_of: None,
        events: vec![event(app, EventKind::Requested, accepted_by(viewer)), event(app, EventKind::Queued, None)],
    };
    accept(app, viewer, new).await
}

/// Accepts a copy of `email`, with its bodies and attachments as they were. The caller has checked the permission. Of a
/// message that some recipients did get, only the others get the copy.
pub(super) async fn accept_again(app: &App, viewer: &Viewer, email: &Email) -> Result<Accepted, AppError> {
    for id in &email.resent_as {
        let earlier = app.store.find_email(viewer.team, *id).await?;
        if earlier.is_some_and(|earlier| earlier.next_attempt_at.is_some()) {
            return Err(AppError::Conflict(format!("It is being resent already, as {id}")));
        }
    }
    let content = app.store.find_email_content(viewer.team, email.id).await?.unwrap_or_default();
    let adapter = match email.adapter_id {
        Some(id) => app.store.find_adapter(viewer.team, id).await?,
        None => None,
    };
    let adapter = match adapter {
        Some(adapter) => adapter,
        None => choose_adapter(app, viewer, None).await?,
    };
    let again = Some(format!("Resent from {}{}", email.id, by_person(viewer)));
    let new = NewEmail {
        id: app.clock.mint(),
        job_id: app.clock.mint(),
        template: email.template_id.zip(email.template_version_id),
        adapter_id: adapter.id,
        api_key_id: viewer.api_key_id(),
        api_request_id: None,
        recipients: unreached_recipients(app, viewer, email).await?,
        from_address: email.from_address.clone(),
        reply_to: email.reply_to.clone(),
        subject: email.subject.clone(),
        tags: email.tags.clone(),
        variables: content.variables,
        metadata: content.metadata,
        html: content.html,
        text: content.text,
        attachments: app.store.list_attachments(viewer.team, email.id).await?,
        resend_of: Some(email.id),
        events: vec![event(app, EventKind::Requested, again), event(app, EventKind::Queued, None)],
    };
    accept(app, viewer, new).await
}

async fn accept(app: &App, viewer: &Viewer, new: NewEmail) -> Result<Accepted, AppError> {
    app.store.insert_email(viewer.team, &new).await?;
    app.outbox_waker.notify_one();
    info!(email.id = %new.id, team.id = %viewer.team, "accepted message");
    Ok(Accepted { id: new.id, job_id: new.job_id })
}

async fn unreached_recipients(app: &App, viewer: &Viewer, email: &Email) -> Result<Vec<Recipient>, AppError> {
    let events = app.store.list_events(viewer.team, email.id).await?;
    let reached = |recipient: &&Recipient| {
        let is_about = |event: &&EmailEvent| event.recipient.as_deref() == Some(recipient.address.as_str());
        events.iter().filter(is_about).any(|event| event.kind == EventKind::Sent)
            && !events.iter().filter(is_about).any(|event| event.kind == EventKind::Bounced)
    };
    let unreached: Vec<Recipient> = email.recipients.iter().filter(|recipient| !reached(recipient)).cloned().collect();
    Ok(if unreached.is_empty() { email.recipients.clone() } else { unreached })
}

async fn choose_adapter(app: &App, viewer: &Viewer, id: Option<AdapterId>) -> Result<Adapter, AppError> {
    match id {
        Some(id) => app.store.find_adapter(viewer.team, id).await?.ok_or_else(|| AppError::not_found("Adapter")),
        None => app.store.find_default_adapter(viewer.team).await?.ok_or_else(|| {
            AppError::invalid("The team has no email adapter yet: add one under Settings, Adapters, then send again")
        }),
    }
}

fn event(app: &App, kind: EventKind, message: Option<String>) -> crate::server::store::events::NewEvent {
    let detail = EventDetail { message, ..EventDetail::default() };
    EmailEvent { id: app.clock.mint(), kind, at: app.clock.now(), recipient: None, detail }.into()
}

fn accepted_by(viewer: &Viewer) -> Option<String> {
    match &viewer.actor {
        Actor::ApiKey { name, .. } => Some(format!("by API key “{name}”")),
        Actor::User { name, .. } => Some(format!("by {name}")),
    }
}

fn by_person(viewer: &Viewer) -> String {
    accepted_by(viewer).map(|by| format!(" {by}")).unwrap_or_default()
}

fn checked_recipients(request: &SendRequest) -> Result<Vec<Recipient>, AppError> {
    if request.to.is_empty() {
        return Err(AppError::invalid_field("to", "to must hold at least one address"));
    }
    let groups = [
        ("to", RecipientKind::To, &request.to),
        ("cc", RecipientKind::Cc, &request.cc),
        ("bcc", RecipientKind::Bcc, &request.bcc),
    ];
    let mut recipients: Vec<Recipient> = Vec::new();
    for (field, kind, mailboxes) in groups {
        for text in mailboxes {
            let (name, address) = parse_mailbox(field, text)?;
            if !recipients.iter().any(|known| known.address == address) {
                recipients.push(Recipient { kind, address, name });
            }
        }
    }
    if recipients.len() > MAX_RECIPIENTS {
        return Err(AppError::invalid_field("to", format!("A message has at most {MAX_RECIPIENTS} recipients")));
    }
    Ok(recipients)
}

fn checked_mailbox(field: &str, text: &str) -> Result<String, AppError> {
    parse_mailbox(field, text)?;
    Ok(text.trim().to_owned())
}

fn check_subject(subject: &str) -> Result<(), AppError> {
    check_header("subject", subject)?;
    if subject.chars().count() > MAX_SUBJECT_CHARS {
        return Err(AppError::invalid_field(
            "subject",
            format!("subject is longer than {MAX_SUBJECT_CHARS} characters"),
        ));
    }
    Ok(())
}

fn checked_object(field: &str, value: Value) -> Result<Value, AppError> {
    match value {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        Value::Object(_) => Ok(value),
        _ => Err(AppError::invalid_field(field, format!("{field} must be a JSON object"))),
    }
}

fn check_labels(tags: &[String]) -> Result<(), AppError> {
    let fits = |tag: &String| !tag.is_empty() && tag.chars().count() <= 100 && !tag.chars().any(char::is_control);
    if tags.len() <= MAX_TAGS && tags.iter().all(fits) {
        return Ok(());
    }
    Err(AppError::invalid_field("tags", format!("tags are at most {MAX_TAGS}, each of 1 to 100 characters")))
}

fn check_attachments(attachments: &[Attachment]) -> Result<(), AppError> {
    if attachments.len() > MAX_ATTACHMENTS {
        return Err(AppError::invalid_field(
            "attachments",
            format!("A message has at most {MAX_ATTACHMENTS} attachments"),
        ));
    }
    for attachment in attachments {
        check_header("attachments", &attachment.filename)?;
        check_content_type("attachments", &attachment.content_type)?;
        if attachment.filename.is_empty() || attachment.filename.chars().count() > 255 {
            return Err(AppError::invalid_field("attachments", "filename must have 1 to 255 characters"));
        }
    }
    if attachments.iter().map(|attachment| attachment.content.len()).sum::<usize>() > MAX_ATTACHMENT_BYTES {
        return Err(AppError::invalid_field(
            "attachments",
            format!("attachments are larger than {} MiB together", MAX_ATTACHMENT_BYTES / 1024 / 1024),
        ));
    }
    Ok(())
}
