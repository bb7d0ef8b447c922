//! Accepting messages: from an API request, or once more from the log. Everything that can be wrong is found before the
//! message is kept; once it is kept, it is sent.

use axum::body::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::info;

use super::audit;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::mailbox::is_same_address;
use crate::domain::audit::AuditAction;
use crate::domain::channel::Channel;
use crate::domain::email::{Accepted, Email, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail, EventKind, EventSet};
use crate::domain::ids::{AdapterId, ApiRequestId, EmailId, TeamId, TemplateId};
use crate::domain::masking::{MASK, audited_text, mask_marked};
use crate::domain::notification::Notification;
use crate::domain::permission::Permission;
use crate::domain::resend::{Knowing, ResendClaim};
use crate::domain::viewer::{Actor, Viewer};
use crate::server::App;
use crate::server::delivery::mailbox::{Mailbox, parse_mailbox, parse_mailboxes};
use crate::server::delivery::message::{check_content_type, check_header};
use crate::server::render::RenderedTemplate;
use crate::server::secrets::token_hash;
use crate::server::store::audit::AuditEvent;
use crate::server::store::emails::{Acceptance, NewEmail, NewIdempotencyKey, StoredContent};
use crate::server::store::events::{EmailFacts, NewEvent};
use crate::server::turns::Turn;

pub use crate::server::delivery::mailbox::format_mailbox;
pub use crate::server::render::Undefined;
pub use crate::server::store::emails::{Attachment, KeptAnswer};

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

/// How long an idempotency key is remembered. Source: Resend, Idempotency Keys.
const IDEMPOTENCY_HOURS: i64 = 24;
/// How far ahead a message can be scheduled.
const MAX_SCHEDULE_DAYS: i64 = 366;
/// The most headers that a caller adds to a message.
const MAX_HEADERS: usize = 30;

/// Headers that are ours to write; a caller cannot add them.
const OWN_HEADERS: [&str; 18] = [
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "return-path",
    "received",
    "dkim-signature",
    "x-sendlog-id",
    "resent-from",
];

/// A message as an application asks for it. Addresses are mailboxes, `ada@example.com` or `Ada <ada@example.com>`; a text
/// of recipients can hold several. It is made from a template, or from `html` and `text`.
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
    /// The subject, in place of the template's. With a template it is one too.
    pub subject: Option<String>,
    /// The HTML body, where there is no template. It is sent as it is.
    pub html: Option<String>,
    /// The plain-text body, where there is no template. It is sent as it is.
    pub text: Option<String>,
    /// Where answers go: one mailbox, or several.
    pub reply_to: Option<String>,
    /// Headers to add.
    pub headers: Vec<(String, String)>,
    /// The adapter, in place of the team's default.
    pub adapter_id: Option<AdapterId>,
    /// What is attached.
    pub attachments: Vec<Attachment>,
    /// Labels.
    pub tags: Vec<String>,
    /// The caller's own data, a JSON object or null.
    pub metadata: Value,
    /// When to send it; at once when `None` or past.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// What a variable of the template is that is not given.
    pub undefined: Undefined,
}

/// Where messages to accept come from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The API request.
    pub api_request_id: Option<ApiRequestId>,
    /// What makes a repetition of that request harmless.
    pub idempotency: Option<IdempotencyKey>,
}

/// A key that the caller chose for a request, so that sending it twice accepts its messages once.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// The endpoint it counts for: the same key can stand for another request elsewhere.
    pub endpoint: &'static str,
    /// The key.
    pub key: String,
    /// What the request says: the same key with anything else is refused.
    pub body: Bytes,
}

impl IdempotencyKey {
    fn request_hash(&self) -> String {
        hex::encode(Sha256::digest(&self.body))
    }
}

/// A team, an endpoint and a key that was chosen for it.
pub type OnceKey = (TeamId, &'static str, String);

/// Why a message of several was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place among them, from 0.
    pub index: usize,
    /// The reason.
    pub error: AppError,
}

/// Writes the mailbox of one person, whose name may stand beside the address or in the same text; a list is refused.
pub fn person_mailbox(field: &str, name: Option<&str>, address: &str) -> Result<String, AppError> {
    let read = parse_mailbox(field, address)?;
    let name = name.filter(|name| !name.trim().is_empty()).or(read.name.as_deref());
    Ok(format_mailbox(name, &read.address))
}

/// The mailboxes of a list that is kept, each as it was written.
pub fn list_mailboxes(list: &str) -> Vec<String> {
    match parse_mailboxes("replyTo", list) {
        Ok(mailboxes) => mailboxes.iter().map(Mailbox::format).collect(),
        // Kept before lists were read as they are now.
        Err(_) => vec![list.trim().to_owned()],
    }
}

/// What the request was answered that came first with this key; [AppError::IdempotencyMismatch] when that was another one.
/// It is looked for before anything else of a request, since what it names may be gone by now. Needs `permission`, the one
/// that the request needs.
pub async fn find_first_answer(
    app: &App,
    viewer: &Viewer,
    permission: Permission,
    key: &IdempotencyKey,
) -> Result<Option<KeptAnswer>, AppError> {
    viewer.require(permission)?;
    let (key_hash, request_hash) = (token_hash(&key.key), key.request_hash());
    app.store.find_first_answer(viewer.team, key.endpoint, &key_hash, &request_hash, app.clock.now()).await
}

/// Waits until no other request with this key is being answered, then does what [find_first_answer] does. Who lets the turn
/// go has answered. Needs `permission`.
pub async fn begin_once(
    app: &App,
    viewer: &Viewer,
    permission: Permission,
    key: &IdempotencyKey,
) -> Result<(Turn<OnceKey>, Option<KeptAnswer>), AppError> {
    viewer.require(permission)?;
    let turn = app.turns.take((viewer.team, key.endpoint, key.key.clone())).await;
    let first = find_first_answer(app, viewer, permission, key).await?;
    Ok((turn, first))
}

/// What the first request with this key was answered, where this one cannot be accepted any more: another program may have
/// accepted the first since it was looked for, and what both name is gone. Otherwise `error`.
pub async fn first_answer_or(
    app: &App,
    viewer: &Viewer,
    key: Option<&IdempotencyKey>,
    error: AppError,
) -> Result<KeptAnswer, AppError> {
    let is_about_request = !matches!(error, AppError::Unavailable | AppError::TooSlow | AppError::Internal);
    let Some(key) = key.filter(|_| is_about_request) else { return Err(error) };
    match find_first_answer(app, viewer, Permission::EmailsSend, key).await {
        Ok(Some(first)) => Ok(first),
        Ok(None) | Err(_) => Err(error),
    }
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
        app.outbox_waker.notify_one();
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
    let reason = format!("Canceled{}{when}", by_person(viewer));
    let facts = EmailFacts { error_message: Some(reason.clone()), ..EmailFacts::default() };
    let event = event(app, EventKind::Canceled, Some(reason));
    if app.store.cancel(viewer.team, id, &event, &facts).await? {
        return Ok(());
    }
    Err(AppError::Conflict("Only an email that has not been sent yet can be canceled".to_owned()))
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
    request: SendRequest,
    api_request_id: Option<ApiRequestId>,
) -> Result<NewEmail, AppError> {
    viewer.require(Permission::EmailsSend)?;
    let recipients = checked_recipients(&request)?;
    let reply_to = request.reply_to.as_deref().map(checked_reply_to).transpose()?;
    let variables = checked_object("variables", request.variables)?;
    let metadata = checked_object("metadata", request.metadata)?;
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
            if let Some(subject) = request.subject {
                source.subject = subject;
            }
            let shown = masked_subject(app, &source.subject, &variables, &template.masked_variables).await;
            let rendered = app.renderer.render_template(&source, &variables, request.undefined).await?;
            (Some((template.id, template.current.id)), rendered, shown)
        }
        None => {
            let subject = request.subject.unwrap_or_default();
            (None, RenderedTemplate { subject, html: request.html, text: request.text }, None)
        }
    };
    if template.is_none() && rendered.html.is_none() && rendered.text.is_none() {
        return Err(AppError::invalid_field("templateId", "templateId, html or text is required"));
    }
    check_subject(&rendered.subject)?;
    let (subject, sent_subject) = split_subject(rendered.subject, shown_subject);
    let adapter = choose_adapter(app, viewer, request.adapter_id).await?;
    let from_address = match request.from {
        Some(from) => checked_mailbox("from", &from)?,
        None => adapter.from_address.clone(),
    };
    let when = scheduled_at.map(|at| format!("Scheduled for {}", at.format("%Y-%m-%d %H:%M UTC")));
    Ok(NewEmail {
        id: app.clock.mint(),
        job_id: app.clock.mint(),
        channel: Channel::Email,
        notification_id: None,
        external_user_id: None,
        template,
        adapter_id: Some(adapter.id),
        api_key_id: viewer.api_key_id(),
        api_request_id,
        recipients,
        from_address,
        reply_to,
        subject,
        sent_subject,
        tags: request.tags,
        variables,
        metadata,
        headers: request.headers,
        html: rendered.html,
        text: rendered.text,
        attachments: request.attachments,
        worded_by: None,
        resend_of: None,
        scheduled_at,
        events: vec![event(app, EventKind::Requested, accepted_by(viewer)), event(app, EventKind::Queued, when)],
    })
}

/// A copy of a message, ready to be accepted.
pub(super) struct PreparedCopy {
    new: NewEmail,
    claim: ResendClaim,
    audit: AuditEvent,
}

impl PreparedCopy {
    /// What the caller is told of it.
    pub fn accepted(&self) -> Accepted {
        Accepted { id: self.new.id, job_id: self.new.job_id }
    }
}

/// Makes a copy of `email`, with its bodies and attachments as they were. The caller has checked the permission. Of a
/// message that some recipients did get, by itself or by a copy, only the others get this copy. A request that may repeat
/// another is refused in [accept_copy] alone, where that is known.
pub(super) async fn prepare_copy(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    knowing: Knowing,
    must_have_failed: bool,
    may_repeat: bool,
) -> Result<PreparedCopy, AppError> {
    let relatives = app.store.find_family(viewer.team, email.id).await?;
    let family: Vec<EmailId> = relatives.iter().map(|relative| relative.id).collect();
    let claim = ResendClaim { of: email.id, family, knowing, must_have_failed, now: app.clock.now() };
    if !may_repeat {
        // What is refused now needs no lock; the transaction looks again.
        claim.check(&relatives)?;
    }
    let stored = app.store.find_stored_content(viewer.team, email.id).await?;
    let StoredContent { content, sent_subject, version } = stored.ok_or_else(|| {
        let why =
            "Its body is not kept any more, so that it cannot be sent again: the team keeps bodies for a time only";
        AppError::Conflict(why.to_owned())
    })?;
    let adapter = match email.adapter_id {
        Some(id) => app.store.find_adapter(viewer.team, id).await?,
        None => None,
    };
    let adapter_id = match adapter {
        Some(adapter) => Some(adapter.id),
        None if email.channel == Channel::Email => Some(choose_adapter(app, viewer, None).await?.id),
        None => app.store.find_default_adapter(viewer.team, AdapterKind::Http).await?.map(|adapter| adapter.id),
    };
    let again = Some(format!("Resent from {}{}", email.id, by_person(viewer)));
    let new = NewEmail {
        id: app.clock.mint(),
        job_id: app.clock.mint(),
        channel: email.channel,
        notification_id: email.notification_id,
        external_user_id: email.external_user_id.clone(),
        template: email.template_id.zip(email.template_version_id),
        adapter_id,
        api_key_id: viewer.api_key_id(),
        api_request_id: None,
        recipients: unreached_recipients(app, viewer, email, &claim.family).await?,
        from_address: email.from_address.clone(),
        reply_to: email.reply_to.clone(),
        subject: email.subject.clone(),
        sent_subject,
        worded_by: version.map(|(id, _)| id),
        tags: email.tags.clone(),
        variables: content.variables,
        metadata: content.metadata,
        headers: content.headers,
        html: content.html,
        text: content.text,
        attachments: app.store.list_attachments(viewer.team, email.id).await?,
        resend_of: Some(email.id),
        scheduled_at: None,
        events: vec![event(app, EventKind::Requested, again), event(app, EventKind::Queued, None)],
    };
    let event =
        audit::by(app, viewer, AuditAction::EmailResent).about(email.id, audited_text(viewer, email.subject.clone()));
    let audit = event.made(json!({"resentAs": new.id}));
    Ok(PreparedCopy { new, claim, audit })
}

/// Accepts a copy. `Some`, and nothing accepted, where an earlier request came with the same key: what that one was
/// answered. `once` is the key with what this one is answered.
pub(super) async fn accept_copy(
    app: &App,
    viewer: &Viewer,
    copy: PreparedCopy,
    once: Option<(IdempotencyKey, KeptAnswer)>,
) -> Result<Option<KeptAnswer>, AppError> {
    let idempotency = once.map(|(key, answer)| new_key(app, &key, answer));
    let with = Acceptance { audit: Some(copy.audit), claim: Some(copy.claim), idempotency, ..Acceptance::default() };
    accept_with(app, viewer, &[copy.new], with).await
}

fn new_key(app: &App, key: &IdempotencyKey, answer: KeptAnswer) -> NewIdempotencyKey {
    let now = app.clock.now();
    NewIdempotencyKey {
        endpoint: key.endpoint.to_owned(),
        key_hash: token_hash(&key.key),
        request_hash: key.request_hash(),
        answer,
        expires_at: now + TimeDelta::hours(IDEMPOTENCY_HOURS),
        now,
    }
}

/// Accepts messages that have been checked, all or none, with the notification that they are parts of. Gives `answer`, or
/// what the first request with the same key was answered.
pub(super) async fn accept_all(
    app: &App,
    viewer: &Viewer,
    emails: Vec<NewEmail>,
    notification: Option<Notification>,
    idempotency: Option<IdempotencyKey>,
    answer: KeptAnswer,
) -> Result<KeptAnswer, AppError> {
    let idempotency = idempotency.map(|key| new_key(app, &key, answer.clone()));
    let with = Acceptance { notification, idempotency, ..Acceptance::default() };
    Ok(accept_with(app, viewer, &emails, with).await?.unwrap_or(answer))
}

/// `Some`, and nothing accepted, where an earlier request came with the same key: what that one was answered.
async fn accept_with(
    app: &App,
    viewer: &Viewer,
    emails: &[NewEmail],
    with: Acceptance,
) -> Result<Option<KeptAnswer>, AppError> {
    if let Some(first) = app.store.insert_emails(viewer.team, emails, &with).await? {
        return Ok(Some(first));
    }
    app.outbox_waker.notify_one();
    for new in emails {
        info!(email.id = %new.id, team.id = %viewer.team, "accepted message");
    }
    Ok(None)
}

/// What callers are told of the messages.
pub(super) fn accepted_of(emails: &[NewEmail]) -> Vec<Accepted> {
    emails.iter().map(|new| Accepted { id: new.id, job_id: new.job_id }).collect()
}

/// The subject as the log shows it, where the template marks variables that are given: with their values masked. Where it
/// cannot be made so, nothing of it is shown.
pub(super) async fn masked_subject(app: &App, source: &str, variables: &Value, marked: &[String]) -> Option<String> {
    if !marked.iter().any(|name| variables.get(name).is_some()) {
        return None;
    }
    let (variables, secrets) = mask_marked(variables, marked);
    // What is missing is found in the subject that is sent.
    let shown = app.renderer.render_subject(source, &variables, Undefined::IsNothing).await;
    Some(shown.map_or_else(|_| MASK.to_owned(), |subject| secrets.scrub(&subject)))
}

/// The subject for the log and, where that is another, the one that is sent.
pub(super) fn split_subject(sent: String, shown: Option<String>) -> (String, Option<String>) {
    match shown {
        Some(shown) if shown != sent => (shown, Some(sent)),
        Some(_) | None => (sent, None),
    }
}

/// Those that neither the message nor another of its family reached; where that is nobody, those that it did not reach
/// itself; where that is nobody, all.
async fn unreached_recipients(
    app: &App,
    viewer: &Viewer,
    email: &Email,
    family: &[EmailId],
) -> Result<Vec<Recipient>, AppError> {
    let events = app.store.list_events_of(viewer.team, family).await?;
    let reached = |id: &EmailId, recipient: &Recipient| {
        let events = events.get(id).map(Vec::as_slice).unwrap_or_default();
        let is_recipient = |address: &String| is_same_address(address, &recipient.address);
        let is_about = |event: &&EmailEvent| event.recipient.as_ref().is_some_and(is_recipient);
        let told = |kinds: &[EventKind]| events.iter().filter(is_about).any(|event| kinds.contains(&event.kind));
        told(&[EventKind::Sent, EventKind::Delivered, EventKind::Opened, EventKind::Clicked])
            && !told(&[EventKind::Bounced, EventKind::Failed])
    };
    for messages in [family, &[email.id]] {
        let is_unreached = |recipient: &&Recipient| !messages.iter().any(|id| reached(id, recipient));
        let unreached: Vec<Recipient> = email.recipients.iter().filter(is_unreached).cloned().collect();
        if !unreached.is_empty() {
            return Ok(unreached);
        }
    }
    Ok(email.recipients.clone())
}

pub(super) async fn choose_adapter(app: &App, viewer: &Viewer, id: Option<AdapterId>) -> Result<Adapter, AppError> {
    match id {
        Some(id) => {
            let adapter = app.store.find_adapter(viewer.team, id).await?;
            let adapter = adapter.filter(|adapter| adapter.kind.sends(Channel::Email));
            adapter.ok_or_else(|| AppError::not_found("Adapter"))
        }
        None => app.store.find_default_adapter(viewer.team, AdapterKind::Smtp).await?.ok_or_else(|| {
            AppError::invalid("The team has no email adapter yet: add one under Settings, Adapters, then send again")
        }),
    }
}

pub(super) fn event(app: &App, kind: EventKind, message: Option<String>) -> NewEvent {
    let detail = EventDetail { message, ..EventDetail::default() };
    EmailEvent { id: app.clock.mint(), kind, at: app.clock.now(), recipient: None, detail }.into()
}

pub(super) fn accepted_by(viewer: &Viewer) -> Option<String> {
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
            for Mailbox { name, address } in parse_mailboxes(field, text)? {
                if !recipients.iter().any(|known| is_same_address(&known.address, &address)) {
                    recipients.push(Recipient { kind, address, name });
                }
            }
            if recipients.len() > MAX_RECIPIENTS {
                return Err(AppError::invalid_field(
                    "to",
                    format!("A message has at most {MAX_RECIPIENTS} recipients"),
                ));
            }
        }
    }
    Ok(recipients)
}

fn checked_mailbox(field: &str, text: &str) -> Result<String, AppError> {
    parse_mailbox(field, text)?;
    Ok(text.trim().to_owned())
}

fn checked_reply_to(text: &str) -> Result<String, AppError> {
    let mailboxes = parse_mailboxes("replyTo", text)?;
    if mailboxes.len() > MAX_RECIPIENTS {
        return Err(AppError::invalid_field("replyTo", format!("replyTo holds at most {MAX_RECIPIENTS} addresses")));
    }
    Ok(mailboxes.iter().map(Mailbox::format).collect::<Vec<_>>().join(", "))
}

pub(super) fn checked_schedule(app: &App, at: DateTime<Utc>) -> Result<DateTime<Utc>, AppError> {
    if at <= app.clock.now() + TimeDelta::days(MAX_SCHEDULE_DAYS) {
        return Ok(at);
    }
    let message = format!("A message can be scheduled up to {MAX_SCHEDULE_DAYS} days ahead");
    Err(AppError::invalid_field("scheduledAt", message))
}

fn check_headers(headers: &[(String, String)]) -> Result<(), AppError> {
    if headers.len() > MAX_HEADERS {
        return Err(AppError::invalid_field("headers", format!("A message has at most {MAX_HEADERS} added headers")));
    }
    for (name, value) in headers {
        let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if name.is_empty() || name.len() > 70 || !name.bytes().all(is_name) {
            let message = "A header's name has 1 to 70 ASCII characters, without spaces and colons";
            return Err(AppError::invalid_field("headers", message));
        }
        if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(AppError::invalid_field("headers", format!("The header {name} cannot be set")));
        }
        check_header("headers", value)?;
        if value.len() > 2_000 {
            return Err(AppError::invalid_field("headers", format!("The header {name} is longer than 2,000 bytes")));
        }
    }
    Ok(())
}

pub(super) fn check_subject(subject: &str) -> Result<(), AppError> {
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
        if !attachment.content_id.as_deref().is_none_or(is_content_id) {
            let message = "A content id has 1 to 128 ASCII characters, without spaces and angle brackets";
            return Err(AppError::invalid_field("attachments", message));
        }
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

fn is_content_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>');
    (1..=128).contains(&text.len()) && text.bytes().all(fits)
}
