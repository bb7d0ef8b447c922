//! Sending, and what became of it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::json_body;
use super::error::{CanaryError, Mismatch, Missing};
use super::{Answer, Success, Timestamp, success};
use crate::domain::email::{Accepted, Email, EmailStatus};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, JobId};
use crate::server::App;
use crate::server::api::extract::{Caller, Once, PathId, RequestId, Sending, answer_of, id_of, respond};
use crate::server::api::shapes::{self, OneOrMany};
use crate::server::services::send::{Attachment, Origin, SendRequest};
use crate::server::services::{emails, send};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send_email)).routes(routes!(find_send_status))
}

struct ToSend;

impl Sending for ToSend {
    const ENDPOINT: &'static str = "canary:/send";
}

/// Accepts a message made from a template. Once this answers, the message is kept and will be sent. Needs
/// `emails:send`.
#[utoipa::path(
    post, path = "/api/v1/send", tag = "send", summary = "Send an email",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = SendBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The message has been accepted", body = Success<Queued>),
        Mismatch,
        Missing,
    ),
)]
async fn send_email(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    RequestId(request_id): RequestId,
    headers: HeaderMap,
    once: Once<ToSend>,
) -> Result<Response, CanaryError> {
    let request = json_body::<SendBody>(&headers, &once.body)?.into_request()?;
    let origin = Origin { api_request_id: request_id, idempotency: once.key };
    let answer = |accepted: Accepted| answer_of(StatusCode::OK, &success(Queued::from(accepted)).0);
    Ok(respond(send::send_email(&app, &viewer, request, origin, answer).await?))
}

/// Shows what became of a message. Needs `logs:view` or `emails:send`.
#[utoipa::path(
    get, path = "/api/v1/{id}/status", tag = "send", summary = "Get the status of an email",
    responses((status = 200, description = "What became of it", body = Success<SendStatus>)),
)]
async fn find_send_status(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<EmailId>,
) -> Answer<SendStatus> {
    Ok(success(emails::find_email_status(&app, &viewer, id).await?.into()))
}

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
    pub fn decode(self, index: usize) -> Result<Attachment, AppError> {
        shapes::file(&format!("attachments[{index}].content"), self.filename, self.content, self.content_type)
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
