//! A message: as it is asked for, as it is accepted, and in the log as a row of a list, as the whole of it and what it says.
//! A field that goes from the one to the other is named here, and nowhere else in domain and services.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::channel::Channel;
use super::event::{EmailEvent, EventSet, NewEvent, Outcome};
use super::exchange::AttemptRecord;
use super::failure::FailureClass;
use super::ids::{
    AdapterId, ApiKeyId, ApiRequestId, EmailId, JobId, NotificationId, TeamId, TemplateId, TemplateVersionId,
};
use super::page::Total;
use super::resend::{Reach, ResendRule, SentCopy};
use super::resend_change::FamilyChanges;
use super::template::Undefined;
use super::visibility::{Reveal, Visibility};

pub use super::recipient::{Recipient, RecipientKind};
pub use super::status::EmailStatus;

/// A message as an application asks for it. Addresses are mailboxes, `ada@example.com` or `Ada <ada@example.com>`; a text
/// of recipients can hold several. It is made from a template, or from `html` and `text`.
#[derive(Clone, Debug, Default)]
pub struct SendRequest {
    pub template_id: Option<TemplateId>,
    pub to: Vec<String>,
    pub cc: Vec<String>,
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
    pub headers: Vec<(String, String)>,
    /// The adapter, in place of the team's default.
    pub adapter_id: Option<AdapterId>,
    pub attachments: Vec<Attachment>,
    pub tags: Vec<String>,
    /// The caller's own data, a JSON object or null.
    pub metadata: Value,
    /// When to send it; at once when `None` or past.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// What a variable of the template is that is not given.
    pub undefined: Undefined,
}

impl SendRequest {
    /// The message that is asked for, with what is kept as it was given. The rest is checked first, or made.
    pub fn into_email(self, id: EmailId, job_id: JobId) -> NewEmail {
        NewEmail {
            tags: self.tags,
            headers: self.headers,
            attachments: self.attachments,
            ..NewEmail::blank(id, job_id, Channel::Email)
        }
    }
}

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
    /// than email.
    pub worded_by: Option<TemplateVersionId>,
    /// The adapter that will send it; without one it waits until the team has one for its channel.
    pub adapter_id: Option<AdapterId>,
    /// Whether whoever sends it says by which adapter: then no other one may have it.
    pub names_adapter: bool,
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
    pub variables: Value,
    /// The caller's own data, a JSON object.
    pub metadata: Value,
    pub headers: Vec<(String, String)>,
    pub html: Option<String>,
    pub text: Option<String>,
    pub attachments: Vec<Attachment>,
    /// The message itself, where it came as mail.
    pub mime: Option<Mime>,
    /// The message that this one sends again.
    pub resend_of: Option<EmailId>,
    /// When it is to go out; at once when `None`.
    pub scheduled_at: Option<DateTime<Utc>>,
    pub events: Vec<NewEvent>,
}

impl NewEmail {
    /// The version whose text it says.
    pub fn version(&self) -> Option<TemplateVersionId> {
        self.template.map(|(_, version)| version).or(self.worded_by)
    }

    /// A message that says nothing, for nobody.
    pub fn blank(id: EmailId, job_id: JobId, channel: Channel) -> Self {
        Self {
            id,
            job_id,
            channel,
            notification_id: None,
            external_user_id: None,
            template: None,
            worded_by: None,
            adapter_id: None,
            names_adapter: false,
            api_key_id: None,
            api_request_id: None,
            recipients: Vec::new(),
            from_address: String::new(),
            reply_to: None,
            subject: String::new(),
            sent_subject: None,
            tags: Vec::new(),
            variables: Value::Object(serde_json::Map::new()),
            metadata: Value::Object(serde_json::Map::new()),
            headers: Vec::new(),
            html: None,
            text: None,
            attachments: Vec::new(),
            mime: None,
            resend_of: None,
            scheduled_at: None,
            events: Vec::new(),
        }
    }
}

/// A message that came as mail, as it goes out, compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mime {
    /// By zstd.
    pub packed: Vec<u8>,
    /// How many bytes it has when it is not compressed.
    pub length: i64,
    /// Its own `Message-ID`, without brackets, where Sendlog did not give it one: others report of it by that.
    pub message_id: Option<String>,
}

/// A row of a list of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailSummary {
    pub id: EmailId,
    pub channel: Channel,
    /// The template it was made from; `None` when that is deleted or there was none.
    pub template_id: Option<TemplateId>,
    pub template_name: Option<String>,
    /// Everybody it is for, the `To` recipients first.
    pub recipients: Vec<Recipient>,
    /// The subject, variables rendered.
    pub subject: String,
    pub status: EmailStatus,
    /// When the mail server took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// The message that this one sends again.
    pub resend_of: Option<EmailId>,
    /// What a page says beside the status; only where it was asked for.
    pub remark: Option<Remark>,
}

/// What became of a message, or will, beyond its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remark {
    Failed {
        class: FailureClass,
        /// Who runs the recipient's mailbox.
        mailbox_provider: Option<String>,
    },
    /// It failed and was sent again.
    Resent {
        /// The copy: the one that got through, or else the newest.
        copy: EmailId,
        /// What became of that copy.
        status: EmailStatus,
        /// Why it failed itself.
        class: Option<FailureClass>,
    },
    /// The server put it off.
    Delayed {
        class: FailureClass,
        again_at: Option<DateTime<Utc>>,
    },
    Scheduled(DateTime<Utc>),
    WaitsForAdapter,
}

impl Remark {
    /// Why it did not arrive, or did not yet, as its row says it: "The mailbox is full · Gmail".
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Failed { class, mailbox_provider: Some(provider) } => Some(format!("{} · {provider}", class.label())),
            Self::Failed { class, mailbox_provider: None } => Some(class.label().to_owned()),
            Self::Resent { class, .. } => class.map(|class| class.label().to_owned()),
            Self::Delayed { class, .. } => Some(format!("Delayed: {}", class.label().to_lowercase())),
            Self::WaitsForAdapter => Some("Waits for an adapter".to_owned()),
            Self::Scheduled(_) => None,
        }
    }
}

/// Everything about a message but its bodies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Email {
    pub id: EmailId,
    pub team_id: TeamId,
    pub channel: Channel,
    pub notification_id: Option<NotificationId>,
    /// The sender's own id of the person it is for.
    pub external_user_id: Option<String>,
    /// The template it was made from; `None` when that is deleted or there was none.
    pub template_id: Option<TemplateId>,
    pub template_name: Option<String>,
    pub template_version_id: Option<TemplateVersionId>,
    /// That version's number, from 1.
    pub template_version: Option<i64>,
    /// Whether it was made from a template that is deleted now.
    pub template_deleted: bool,
    /// The variables that its template marks: their values are shown to nobody who has not given a reason.
    pub marked_variables: Vec<String>,
    pub adapter_id: Option<AdapterId>,
    /// Whether whoever sent it said by which adapter.
    pub names_adapter: bool,
    /// That adapter's name, even when it is deleted now.
    pub adapter_name: Option<String>,
    /// The key it was accepted with; `None` when a person sent or resent it.
    pub api_key_id: Option<ApiKeyId>,
    pub api_key_name: Option<String>,
    pub api_request_id: Option<ApiRequestId>,
    /// Everybody it is for, the `To` recipients first.
    pub recipients: Vec<Recipient>,
    /// The sender, `Finch <receipts@finch.example>`.
    pub from_address: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// The subject, variables rendered.
    pub subject: String,
    pub tags: Vec<String>,
    pub status: EmailStatus,
    /// The mail server's or provider's own id for it.
    pub provider_message_id: Option<String>,
    /// Why it failed or bounced, in the server's words.
    pub error_message: Option<String>,
    pub has_pdf_attachment: bool,
    pub job_id: JobId,
    /// The message that this one sends again.
    pub resend_of: Option<EmailId>,
    /// The messages that send this one again, oldest first.
    pub resent_as: Vec<EmailId>,
    /// When the mail server took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When delivery was confirmed.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it was to go out, where that was not at once.
    pub scheduled_at: Option<DateTime<Utc>>,
    pub event_set: EventSet,
    /// When the next attempt is due, while one is.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Whether it waits for an adapter that can send its channel.
    pub waits_for_adapter: bool,
}

impl Email {
    /// When it was accepted.
    pub fn created_at(&self) -> DateTime<Utc> {
        self.id.created_at()
    }

    /// The `To` recipient, where there is one alone.
    pub fn only_to(&self) -> Option<&Recipient> {
        let mut to = self.recipients.iter().filter(|recipient| recipient.kind == RecipientKind::To);
        to.next().filter(|_| to.next().is_none())
    }

    /// The beginning of a copy: all but what it says, and whom it is for.
    pub fn copy(&self, id: EmailId, job_id: JobId) -> NewEmail {
        NewEmail {
            notification_id: self.notification_id,
            external_user_id: self.external_user_id.clone(),
            template: self.template_id.zip(self.template_version_id),
            from_address: self.from_address.clone(),
            reply_to: self.reply_to.clone(),
            subject: self.subject.clone(),
            tags: self.tags.clone(),
            resend_of: Some(self.id),
            ..NewEmail::blank(id, job_id, self.channel)
        }
    }

    /// The message with each of its texts as `shown` makes it. [super::masking] hides by this what a viewer does not see.
    #[must_use]
    pub fn map_texts(self, shown: impl Fn(String) -> String) -> Self {
        Self {
            external_user_id: self.external_user_id.map(&shown),
            from_address: shown(self.from_address),
            reply_to: self.reply_to.map(&shown),
            subject: shown(self.subject),
            tags: self.tags.into_iter().map(&shown).collect(),
            error_message: self.error_message.map(&shown),
            ..self
        }
    }

    /// Whether Sendlog only knows it from events that somebody reported: it has no text and was never to be sent.
    pub fn is_from_outside(&self) -> bool {
        self.api_request_id.is_none()
            && self.api_key_id.is_none()
            && self.adapter_id.is_none()
            && self.resend_of.is_none()
    }

    /// Why it can never be resent, whatever became of it; `None` when it can.
    pub fn origin_obstacle(&self) -> Option<&'static str> {
        self.is_from_outside().then_some("Only messages that were sent by Sendlog can be resent")
    }

    /// How far it got; `None` where it is on its way, or did not arrive.
    pub fn reach(&self) -> Option<Reach> {
        Reach::of(self.status, self.event_set)
    }

    /// Why it cannot be resent now by a rule; `None` when it can.
    pub fn resend_obstacle(&self, rule: ResendRule) -> Option<&'static str> {
        let by_status = rule.obstacle_of(self.status);
        let by_template =
            (rule == ResendRule::Canary && self.template_deleted).then_some("Original template no longer exists");
        by_status.or_else(|| self.origin_obstacle()).or(by_template)
    }
}

/// What else went to whom a message went, over [Customer::DAYS]: to the person of its user id on every channel, and to the
/// same address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// The newest, that message left out.
    pub recent: Vec<EmailSummary>,
    /// How many there are, that message among them.
    pub total: Total,
    /// How many of them arrived.
    pub arrived: Total,
    pub arrived_later: Option<ArrivedLater>,
}

/// What reached the address of a message that was accepted after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivedLater {
    pub newest: EmailId,
    pub is_only: bool,
}

impl Customer {
    /// How far back one looks, in days.
    pub const DAYS: i64 = 90;
}

/// What a message says: read for its page only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EmailContent {
    /// The values that its template was rendered with, a JSON object.
    pub variables: Value,
    /// The caller's own data, a JSON object, kept and shown and never sent.
    pub metadata: Value,
    /// Headers that the caller added, in their order.
    pub headers: Vec<(String, String)>,
    pub html: Option<String>,
    pub text: Option<String>,
    /// What is attached, without the bytes.
    pub attachments: Vec<AttachmentSummary>,
}

/// An attachment without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentSummary {
    pub filename: String,
    pub content_type: String,
    /// Size of the decoded bytes.
    pub size_bytes: i64,
}

/// An attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub filename: String,
    pub content_type: String,
    /// The decoded bytes.
    pub content: Vec<u8>,
    /// What the HTML body calls it (`cid:logo`), for one that is shown within the text.
    pub content_id: Option<String>,
}

/// Everything about a message, for its page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmailDetail {
    pub email: Email,
    pub content: EmailContent,
    /// What happened to it, oldest first.
    pub events: Vec<EmailEvent>,
    /// The attempts to send it, the first one first.
    pub attempts: Vec<AttemptRecord>,
    /// What became of it for each of its recipients, in their order.
    pub outcomes: Vec<Outcome>,
    /// What of it the viewer sees; all of this is masked already.
    pub visibility: Visibility,
    /// Why the viewer sees its contents, where they gave a reason.
    pub reveal: Option<Reveal>,
    /// Of its copies, the one that says what became of it: the newest that got through, or else the newest.
    pub copy: Option<(EmailId, EmailStatus)>,
    /// What it and its copies have otherwise than what they send again.
    pub changes: FamilyChanges,
    /// The newest message that says the same and went out, or may have; looked for where this one can be resent.
    pub sent_copy: Option<SentCopy>,
    /// Who had the newer of these two sent, where its history says so: `by Mara Ott`.
    pub resent_by: Option<String>,
    /// Why it did not arrive, where it failed or bounced.
    pub failure: Option<FailureClass>,
    /// Who runs the mailbox that it did not arrive in, where that is known: "Gmail".
    pub mailbox_provider: Option<String>,
    /// Who runs its recipients' mailboxes, as far as that is known: "Gmail".
    pub mailbox_providers: Vec<String>,
}

/// A message has been accepted: it is kept and will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub id: EmailId,
    pub job_id: JobId,
}
