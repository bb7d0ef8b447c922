//! A message to be accepted, with everything that belongs to it.

use chrono::{DateTime, Utc};

use super::events::NewEvent;
use crate::domain::channel::Channel;
use crate::domain::email::{Attachment, Recipient, RecipientKind};
use crate::domain::ids::{
    AdapterId, ApiKeyId, ApiRequestId, EmailId, JobId, NotificationId, TemplateId, TemplateVersionId,
};
use crate::domain::mailbox::folded;

/// A message to be accepted.
#[derive(Clone, Debug)]
pub struct NewEmail {
    pub id: EmailId,
    pub job_id: JobId,
    pub channel: Channel,
    pub notification_id: Option<NotificationId>,
    /// The sender's own id of the person it is for.
    pub external_user_id: Option<String>,
    /// The template and the version it is made from.
    pub template: Option<(TemplateId, TemplateVersionId)>,
    /// The version whose text it says without being counted as made from that template: the messages of other channels
    /// than e-mail.
    pub worded_by: Option<TemplateVersionId>,
    /// The adapter that will send it; without one it waits until the team has one for its channel.
    pub adapter_id: Option<AdapterId>,
    pub api_key_id: Option<ApiKeyId>,
    pub api_request_id: Option<ApiRequestId>,
    pub recipients: Vec<Recipient>,
    pub from_address: String,
    pub reply_to: Option<String>,
    /// The subject, rendered, as the log shows it: without the values of marked variables.
    pub subject: String,
    /// The subject as it is sent, where that is another.
    pub sent_subject: Option<String>,
    pub tags: Vec<String>,
    /// The template's values, a JSON object.
    pub variables: serde_json::Value,
    /// The caller's own data, a JSON object.
    pub metadata: serde_json::Value,
    pub headers: Vec<(String, String)>,
    pub html: Option<String>,
    pub text: Option<String>,
    pub attachments: Vec<Attachment>,
    /// The message that this one sends again.
    pub resend_of: Option<EmailId>,
    /// When it is to go out; at once when `None`.
    pub scheduled_at: Option<DateTime<Utc>>,
    pub events: Vec<NewEvent>,
}

/// The next attempt at a message that still has to be sent.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The addresses not yet settled.
    pub pending: Vec<String>,
    pub attempts: i64,
    /// When the next one is due; `None` for a message that waits for an adapter.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// What search looks through, in lower case, which PostgreSQL's own folding depends on its locale for: the `To` addresses,
/// a line each.
pub(super) fn searched_recipients(recipients: &[Recipient]) -> String {
    let to = recipients.iter().filter(|recipient| recipient.kind == RecipientKind::To);
    to.map(|recipient| folded(&recipient.address)).collect::<Vec<_>>().join("\n")
}
