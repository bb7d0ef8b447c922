//! What became of messages: list, read, move and take back.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ErrorBody, ResendError};
use super::time::read_time;
use super::{Answer, List, PagingQuery, Timestamp, read_body, read_paging};
use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailDetail, EmailStatus, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventKind, EventSet};
use crate::domain::filter::EmailFilter;
use crate::domain::ids::EmailId;
use crate::domain::masking::MASK;
use crate::domain::notification::EmailRecord;
use crate::server::App;
use crate::server::api::extract::{Body, Caller, PathId};
use crate::server::services::send::{format_mailbox, list_mailboxes};
use crate::server::services::{emails, send};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_emails))
        .routes(routes!(find_email, update_email))
        .routes(routes!(cancel_email))
}

/// Lists the team's messages, newest first. Needs `logs:view`.
#[utoipa::path(
    get, path = "/emails", tag = "emails", summary = "List emails",
    params(
        ("limit" = Option<i64>, Query, description = "How many, by default 20", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "The id of the last email of the page before this one"),
        ("before" = Option<String>, Query,
            description = "The id of the first email of the page after this one; not together with `after`"),
    ),
    responses((status = 200, description = "One page of the messages", body = List<EmailRow>)),
)]
async fn list_emails(
    State(app): State<App>,
    Caller(viewer, PagingQuery(query)): Caller<PagingQuery>,
) -> Answer<List<EmailRow>> {
    let (cursor, limit) = read_paging(&query)?;
    let filter = EmailFilter { channel: Some(Channel::Email), ..EmailFilter::default() };
    let listed = emails::list_records_at(&app, &viewer, &filter, cursor, limit).await?;
    Ok(Json(List::of(listed, EmailRow::from)))
}

/// Shows a message with its bodies. Needs `logs:view`.
#[utoipa::path(
    get, path = "/emails/{email_id}", operation_id = "retrieveEmail", tag = "emails", summary = "Retrieve an email",
    responses((status = 200, description = "The message", body = WholeEmail)),
)]
async fn find_email(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<EmailId>,
) -> Answer<WholeEmail> {
    let detail = emails::find_email(&app, &viewer, id).await?;
    match detail.email.channel {
        Channel::Email => Ok(Json(detail.into())),
        Channel::Sms | Channel::Call | Channel::Push | Channel::InApp => Err(AppError::not_found("Email log").into()),
    }
}

/// Moves a message that has not gone out yet to another time. Needs `emails:send`.
#[utoipa::path(
    patch, path = "/emails/{email_id}", tag = "emails", summary = "Reschedule an email",
    request_body(content = UpdateBody, content_type = "application/json"),
    responses((status = 200, description = "It goes out at the new time", body = ChangedEmail)),
)]
async fn update_email(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<EmailId>,
    Body(body): Body,
) -> Answer<ChangedEmail> {
    let at = read_body::<UpdateBody>(&body)?.into_time(app.clock.now())?;
    send::reschedule_email(&app, &viewer, id, at).await?;
    Ok(Json(ChangedEmail { object: EmailObject::Email, id: id.to_uuid() }))
}

/// Takes a message back that has not gone out yet. Needs `emails:send`. The body, if there is one, is not looked at.
#[utoipa::path(
    post, path = "/emails/{email_id}/cancel", tag = "emails", summary = "Cancel an email",
    responses(
        (status = 200, description = "It will not go out", body = ChangedEmail),
        (status = 422, description = "It has gone out already, or a parameter is unknown", body = ErrorBody),
    ),
)]
async fn cancel_email(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<EmailId>,
) -> Answer<ChangedEmail> {
    send::cancel_email(&app, &viewer, id).await?;
    Ok(Json(ChangedEmail { object: EmailObject::Email, id: id.to_uuid() }))
}

/// A change to a message that has not gone out yet.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateBody {
    /// When to send it: ISO 8601, in UTC where it has no offset, or `in 5 minutes`, `in 2 hours`, `in 1 day`.
    #[serde(alias = "scheduledAt")]
    #[schema(value_type = String, required, example = "2026-08-05T11:52:01.858Z")]
    pub scheduled_at: Option<String>,
}

impl UpdateBody {
    /// The new time.
    pub fn into_time(self, now: DateTime<Utc>) -> Result<DateTime<Utc>, ResendError> {
        let text = self.scheduled_at.ok_or_else(|| ResendError::missing_field("`scheduled_at`"))?;
        read_time(&text, now)
    }
}

/// What became of a message. Resend's `suppressed` is `failed` here: `resend-rs` cannot read a list with that word in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LastEvent {
    /// It waits to be sent.
    Queued,
    /// It waits for its time.
    Scheduled,
    /// It was taken back before it was sent.
    Canceled,
    /// The mail server took it.
    Sent,
    /// A mail server asked to try again later.
    DeliveryDelayed,
    /// It reached the mailbox.
    Delivered,
    /// The recipient opened it.
    Opened,
    /// The recipient followed a link in it.
    Clicked,
    /// A mail server refused a recipient for good.
    Bounced,
    /// The recipient marked it as spam.
    Complained,
    /// It could not be sent.
    Failed,
}

impl LastEvent {
    /// What became of a message with these events, oldest first.
    pub fn of(email: &Email, events: &[EmailEvent]) -> Self {
        match email.status {
            EmailStatus::Queued if email.event_set.meets(DELAYS) => Self::DeliveryDelayed,
            EmailStatus::Queued if email.scheduled_at.is_some() && email.scheduled_at == email.next_attempt_at => {
                Self::Scheduled
            }
            EmailStatus::Queued => Self::Queued,
            EmailStatus::Sent if is_delayed(events) => Self::DeliveryDelayed,
            EmailStatus::Sent => Self::Sent,
            EmailStatus::Delivered => Self::Delivered,
            EmailStatus::Opened => Self::Opened,
            EmailStatus::Clicked => Self::Clicked,
            EmailStatus::Bounced => Self::Bounced,
            EmailStatus::Failed if email.event_set.meets(EventSet::one(EventKind::Canceled)) => Self::Canceled,
            EmailStatus::Failed => Self::Failed,
            EmailStatus::Spam => Self::Complained,
        }
    }
}

/// What says that it takes longer.
const DELAYS: EventSet = EventSet::one(EventKind::Deferred).with(EventSet::one(EventKind::FailedToSend));
/// What says that it is on its way.
const HANDED_OVER: EventSet = EventSet::one(EventKind::Processed).with(EventSet::one(EventKind::Sent));

/// Whether the last word about the way is that it takes longer.
fn is_delayed(events: &[EmailEvent]) -> bool {
    let of_the_way = |kind: &EventSet| kind.meets(DELAYS.with(HANDED_OVER));
    let last = events.iter().rev().map(|event| EventSet::one(event.kind)).find(of_the_way);
    last.is_some_and(|kind| kind.meets(DELAYS))
}

/// A message in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmailRow {
    /// Its id.
    #[schema(example = "4ef9a417-02e9-4d39-ad75-9611e0fcc33c", format = "uuid")]
    pub id: String,
    /// The mail server's id for it, or its `Message-ID`; null until it is sent.
    #[schema(required)]
    pub message_id: Option<String>,
    /// The recipients in `To`.
    pub to: Vec<String>,
    /// The sender.
    #[schema(example = "Acme <onboarding@resend.dev>")]
    pub from: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The subject.
    pub subject: String,
    /// The recipients that the others do not see.
    pub bcc: Vec<String>,
    /// The recipients in `Cc`.
    pub cc: Vec<String>,
    /// Where answers go.
    pub reply_to: Vec<String>,
    /// What became of it.
    pub last_event: LastEvent,
    /// When it is to go out, or was.
    #[schema(required)]
    pub scheduled_at: Option<Timestamp>,
}

impl From<EmailRecord> for EmailRow {
    fn from(record: EmailRecord) -> Self {
        let EmailRecord { email, events } = record;
        Self {
            id: email.id.to_uuid(),
            message_id: email.provider_message_id.clone(),
            to: mailboxes(&email.recipients, RecipientKind::To),
            from: email.from_address.clone(),
            created_at: Timestamp(email.created_at()),
            subject: email.subject.clone(),
            bcc: mailboxes(&email.recipients, RecipientKind::Bcc),
            cc: mailboxes(&email.recipients, RecipientKind::Cc),
            reply_to: reply_to(&email),
            last_event: LastEvent::of(&email, &events),
            scheduled_at: email.scheduled_at.map(Timestamp),
        }
    }
}

/// The word for a message.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmailObject {
    /// `email`
    Email,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeEmail {
    /// Always `email`.
    pub object: EmailObject,
    /// Its id.
    #[schema(example = "4ef9a417-02e9-4d39-ad75-9611e0fcc33c", format = "uuid")]
    pub id: String,
    /// The mail server's id for it, or its `Message-ID`; null until it is sent.
    #[schema(required)]
    pub message_id: Option<String>,
    /// The recipients in `To`.
    pub to: Vec<String>,
    /// The sender.
    #[schema(example = "Acme <onboarding@resend.dev>")]
    pub from: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The subject.
    pub subject: String,
    /// The HTML body.
    #[schema(required)]
    pub html: Option<String>,
    /// The plain-text body.
    #[schema(required)]
    pub text: Option<String>,
    /// The recipients that the others do not see.
    pub bcc: Vec<String>,
    /// The recipients in `Cc`.
    pub cc: Vec<String>,
    /// Where answers go.
    pub reply_to: Vec<String>,
    /// What became of it.
    pub last_event: LastEvent,
    /// When it is to go out, or was.
    #[schema(required)]
    pub scheduled_at: Option<Timestamp>,
    /// The labels; one that another API gave has an empty value.
    pub tags: Vec<Tag>,
    /// The topic that it was sent with.
    #[schema(required)]
    pub topic_id: Option<String>,
}

/// The caller's own data that a topic is kept in.
pub const TOPIC_ID: &str = "topic_id";

impl From<EmailDetail> for WholeEmail {
    fn from(detail: EmailDetail) -> Self {
        let EmailDetail { email, content, events, .. } = detail;
        let topic_id = content.metadata.get(TOPIC_ID).and_then(serde_json::Value::as_str).filter(|id| *id != MASK);
        let topic_id = topic_id.map(str::to_owned);
        let tags = email.tags.iter().map(|label| Tag::of_label(label)).collect();
        let row = EmailRow::from(EmailRecord { email, events });
        Self {
            object: EmailObject::Email,
            id: row.id,
            message_id: row.message_id,
            to: row.to,
            from: row.from,
            created_at: row.created_at,
            subject: row.subject,
            html: content.html,
            text: content.text,
            bcc: row.bcc,
            cc: row.cc,
            reply_to: row.reply_to,
            last_event: row.last_event,
            scheduled_at: row.scheduled_at,
            tags,
            topic_id,
        }
    }
}

fn mailboxes(recipients: &[Recipient], kind: RecipientKind) -> Vec<String> {
    let of_kind = recipients.iter().filter(|recipient| recipient.kind == kind);
    of_kind.map(|recipient| format_mailbox(recipient.name.as_deref(), &recipient.address)).collect()
}

fn reply_to(email: &Email) -> Vec<String> {
    email.reply_to.as_deref().map(list_mailboxes).unwrap_or_default()
}

/// A label in two parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tag {
    /// The part before the colon.
    #[schema(example = "category")]
    pub name: String,
    /// The part behind it; empty where there is none.
    #[schema(example = "confirm_email")]
    pub value: String,
}

impl Tag {
    /// A label, `category:confirm_email`.
    pub fn of_label(label: &str) -> Self {
        let (name, value) = label.split_once(':').unwrap_or((label, ""));
        Self { name: name.to_owned(), value: value.to_owned() }
    }
}

/// The answer to a change of a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedEmail {
    /// Always `email`.
    pub object: EmailObject,
    /// Its id.
    #[schema(example = "4ef9a417-02e9-4d39-ad75-9611e0fcc33c", format = "uuid")]
    pub id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_of_another_api_has_an_empty_value() {
        let tag = |name: &str, value: &str| Tag { name: name.to_owned(), value: value.to_owned() };
        assert_eq!(Tag::of_label("category:confirm"), tag("category", "confirm"));
        assert_eq!(Tag::of_label("a:b:c"), tag("a", "b:c"));
        assert_eq!(Tag::of_label("receipt"), tag("receipt", ""));
    }
}
