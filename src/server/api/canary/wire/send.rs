//! Messages to send.

use base64::Engine;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::OneOrMany;
use crate::domain::email::{Accepted, EmailStatus};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, JobId};
use crate::server::api::attachment::{BASE64, content_type_of};
use crate::server::api::canary::extract::id_of;
use crate::server::services::send::{Attachment, SendRequest};

/// A message has been accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queued {
    /// The message.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// The job that delivers it.
    #[schema(value_type = String, example = "job_06xq3k9v2m4p9")]
    pub job_id: JobId,
    /// Always `queued`.
    pub status: EmailStatus,
}

impl From<Accepted> for Queued {
    fn from(accepted: Accepted) -> Self {
        Self { id: accepted.id, job_id: accepted.job_id, status: EmailStatus::Queued }
    }
}

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendBody {
    /// The template.
    #[schema(example = "tpl_06xq3k9v2m4p8")]
    pub template_id: String,
    /// One address or several: `ada@example.com` or `Ada <ada@example.com>`.
    pub to: OneOrMany,
    /// Further recipients, seen by everybody.
    #[serde(default)]
    pub cc: Option<OneOrMany>,
    /// Further recipients, seen by nobody else.
    #[serde(default)]
    pub bcc: Option<OneOrMany>,
    /// The template's values.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub variables: Value,
    /// The sender, in place of the adapter's.
    pub from: Option<String>,
    /// The subject, in place of the template's; in the template's language.
    pub subject: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The adapter, in place of the team's default.
    pub adapter_id: Option<String>,
    /// What is attached: at most 20 files of 15 MiB together.
    #[serde(default)]
    pub attachments: Option<Vec<AttachmentBody>>,
    /// Labels: at most 20, each of 1 to 100 characters.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// The caller's own data: kept, shown, never sent.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Value,
}

/// A file to attach.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttachmentBody {
    /// The name the recipient sees.
    #[schema(example = "receipt.pdf", min_length = 1, max_length = 255)]
    pub filename: String,
    /// The bytes, in base64.
    #[schema(format = Byte)]
    pub content: String,
    /// MIME type; by default what the name's ending says.
    #[schema(example = "application/pdf")]
    pub content_type: Option<String>,
}

impl SendBody {
    /// The message as the use case takes it.
    pub fn into_request(self) -> Result<SendRequest, AppError> {
        let attachments = self.attachments.unwrap_or_default().into_iter().enumerate();
        Ok(SendRequest {
            template_id: Some(id_of(&self.template_id)),
            to: self.to.0,
            cc: self.cc.unwrap_or_default().0,
            bcc: self.bcc.unwrap_or_default().0,
            variables: self.variables,
            from: self.from,
            subject: self.subject,
            reply_to: self.reply_to,
            adapter_id: self.adapter_id.as_deref().map(id_of),
            attachments: attachments.map(|(index, body)| body.decode(index)).collect::<Result<_, _>>()?,
            tags: self.tags.unwrap_or_default(),
            metadata: self.metadata,
            ..SendRequest::default()
        })
    }
}

impl AttachmentBody {
    /// The file; `index` is its place among the attachments, for the error.
    pub(in crate::server::api) fn decode(self, index: usize) -> Result<Attachment, AppError> {
        let mut text = self.content;
        text.retain(|letter| !letter.is_ascii_whitespace());
        let content = BASE64.decode(text).map_err(|_| {
            AppError::invalid_field(
                format!("attachments[{index}].content"),
                format!("attachments[{index}].content must be base64"),
            )
        })?;
        let content_type = self.content_type.unwrap_or_else(|| content_type_of(&self.filename).to_owned());
        Ok(Attachment { filename: self.filename, content_type, content, content_id: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding_and_in_lines() {
        let decode = |content: &str| {
            let body = AttachmentBody { filename: "a.PDF".to_owned(), content: content.to_owned(), content_type: None };
            body.decode(3)
        };
        for content in ["aGVsbG8=", "aGVsbG8", "aGVs\nbG8="] {
            let attachment = decode(content).unwrap();
            assert_eq!(
                (attachment.content.as_slice(), attachment.content_type.as_str()),
                (&b"hello"[..], "application/pdf")
            );
        }
        assert!(
            matches!(decode("ü"), Err(AppError::Validation { field: Some(field), .. }) if field == "attachments[3].content")
        );
    }
}
