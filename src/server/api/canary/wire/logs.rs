//! Messages as they are listed and read. Source: Canary, Email Logs API.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Timestamp;
use crate::domain::email::{Email, EmailStatus, EmailSummary, Recipient, RecipientKind};
use crate::domain::ids::{AdapterId, ApiKeyId, EmailId, JobId, TeamId, TemplateId, TemplateVersionId};
use crate::domain::page::Page;

/// One page of the log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailPage {
    /// The messages, newest first.
    pub items: Vec<EmailRow>,
    /// How many messages match. Counting the matches of a search stops at 10,000.
    pub total: i64,
    /// The page's number, from 1.
    pub page: i64,
    /// Messages on a page.
    pub page_size: i64,
    /// How many pages there are.
    pub total_pages: i64,
}

impl From<Page<EmailSummary>> for EmailPage {
    fn from(page: Page<EmailSummary>) -> Self {
        Self {
            total: page.total.count(),
            page: page.request.page,
            page_size: page.request.page_size,
            total_pages: page.total_pages(),
            items: page.items.into_iter().map(EmailRow::from).collect(),
        }
    }
}

/// A message in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailRow {
    /// Its id.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// The template; null when that is deleted or there was none.
    #[schema(value_type = Option<String>, required)]
    pub template_id: Option<TemplateId>,
    /// The template's name.
    #[schema(required)]
    pub template_name: Option<String>,
    /// The addresses in `To`.
    pub to_addresses: Vec<String>,
    /// The subject, variables rendered.
    pub subject: String,
    /// What became of it.
    pub status: EmailStatus,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the mail server took it.
    #[schema(required)]
    pub sent_at: Option<Timestamp>,
}

impl From<EmailSummary> for EmailRow {
    fn from(email: EmailSummary) -> Self {
        Self {
            id: email.id,
            template_id: email.template_id,
            template_name: email.template_name,
            to_addresses: to_addresses(email.recipients),
            subject: email.subject,
            status: email.status,
            created_at: email.id.created_at().into(),
            sent_at: email.sent_at.map(Timestamp),
        }
    }
}

fn to_addresses(recipients: Vec<Recipient>) -> Vec<String> {
    let to = recipients.into_iter().filter(|recipient| recipient.kind == RecipientKind::To);
    to.map(|recipient| recipient.address).collect()
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailLog {
    /// Its id.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// The team that sent it.
    #[schema(value_type = String)]
    pub team_id: TeamId,
    /// The template; null when that is deleted or there was none.
    #[schema(value_type = Option<String>, required)]
    pub template_id: Option<TemplateId>,
    /// The exact version of it.
    #[schema(value_type = Option<String>, required)]
    pub template_version_id: Option<TemplateVersionId>,
    /// The adapter that sends it.
    #[schema(value_type = Option<String>, required)]
    pub adapter_id: Option<AdapterId>,
    /// The key it was accepted with; null when a person sent it.
    #[schema(value_type = Option<String>, required)]
    pub api_key_id: Option<ApiKeyId>,
    /// The addresses in `To`.
    pub to_addresses: Vec<String>,
    /// The sender.
    pub from_address: String,
    /// The subject, variables rendered.
    pub subject: String,
    /// The values that the template was rendered with.
    #[schema(value_type = Object)]
    pub variables: Value,
    /// What became of it.
    pub status: EmailStatus,
    /// The mail server's id for it.
    #[schema(required)]
    pub provider_message_id: Option<String>,
    /// Why it failed or bounced.
    #[schema(required)]
    pub error_message: Option<String>,
    /// Whether an attachment is a PDF.
    pub has_pdf_attachment: bool,
    /// The job that delivers it.
    #[schema(value_type = String)]
    pub job_id: JobId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the mail server took it.
    #[schema(required)]
    pub sent_at: Option<Timestamp>,
    /// When delivery was confirmed.
    #[schema(required)]
    pub delivered_at: Option<Timestamp>,
}

impl EmailLog {
    /// A message with its variables.
    pub fn new(email: Email, variables: Value) -> Self {
        Self {
            id: email.id,
            team_id: email.team_id,
            template_id: email.template_id,
            template_version_id: email.template_version_id,
            adapter_id: email.adapter_id,
            api_key_id: email.api_key_id,
            created_at: email.created_at().into(),
            to_addresses: to_addresses(email.recipients),
            from_address: email.from_address,
            subject: email.subject,
            variables: if variables.is_object() { variables } else { Value::Object(serde_json::Map::new()) },
            status: email.status,
            provider_message_id: email.provider_message_id,
            error_message: email.error_message,
            has_pdf_attachment: email.has_pdf_attachment,
            job_id: email.job_id,
            sent_at: email.sent_at.map(Timestamp),
            delivered_at: email.delivered_at.map(Timestamp),
        }
    }
}

/// What became of a message, in short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendStatus {
    /// Its id.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// What became of it.
    pub status: EmailStatus,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the mail server took it.
    #[schema(required)]
    pub sent_at: Option<Timestamp>,
    /// When delivery was confirmed.
    #[schema(required)]
    pub delivered_at: Option<Timestamp>,
    /// Why it failed or bounced.
    #[schema(required)]
    pub error_message: Option<String>,
    /// The job that delivers it.
    #[schema(value_type = String)]
    pub job_id: JobId,
}

impl From<Email> for SendStatus {
    fn from(email: Email) -> Self {
        Self {
            id: email.id,
            status: email.status,
            created_at: email.created_at().into(),
            sent_at: email.sent_at.map(Timestamp),
            delivered_at: email.delivered_at.map(Timestamp),
            error_message: email.error_message,
            job_id: email.job_id,
        }
    }
}
