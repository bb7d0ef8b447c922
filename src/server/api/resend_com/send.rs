//! Sending, alone and in batches, as Resend's clients write messages: a recipient is a text or a list of texts, an attachment
//! is base64, a list of bytes or Node's Buffer, and the time can be said in words. Fields that we do not know are passed
//! over, as Resend does.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::attachment::AttachmentBody;
use super::emails::TOPIC_ID;
use super::error::{Mismatch, ResendError};
use super::read_body;
use super::time::read_time;
use crate::domain::email::Accepted;
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::api::extract::{Caller, Once, RequestId, Sending, answer_of, respond};
use crate::server::api::shapes::OneOrMany;
use crate::server::services::send::{self, Origin, Refusal, SendRequest};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send_email)).routes(routes!(send_batch))
}

/// The most messages of a batch.
const MAX_BATCH: usize = 100;
/// The longest part of a tag, in characters.
const MAX_TAG_CHARS: usize = 256;

struct ToEmails;

impl Sending for ToEmails {
    const ENDPOINT: &'static str = "resend:/emails";
}

struct ToBatch;

impl Sending for ToBatch {
    const ENDPOINT: &'static str = "resend:/emails/batch";
}

/// Accepts a message. Once this answers, the message is kept and will be sent. Needs `emails:send`.
#[utoipa::path(
    post, path = "/emails", tag = "emails", summary = "Send an email",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
            description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours"),
    ),
    request_body(content = SendBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The message has been accepted", body = Sent),
        Mismatch,
    ),
)]
async fn send_email(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    RequestId(api_request_id): RequestId,
    once: Once<ToEmails>,
) -> Result<Response, ResendError> {
    let request = read_body::<SendBody>(&once.body)?.into_request(app.clock.now())?;
    let origin = Origin { api_request_id, idempotency: once.key };
    let answer = |accepted: Accepted| answer_of(StatusCode::OK, &Sent::from(accepted));
    Ok(respond(send::send_email(&app, &viewer, request, origin, answer).await.map_err(ResendError::of_message)?))
}

/// Accepts up to 100 messages: all or none of them, or those that are right. Needs `emails:send`.
#[utoipa::path(
    post, path = "/emails/batch", tag = "emails", summary = "Send several emails",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
            description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours"),
        ("x-batch-validation" = inline(Option<BatchValidation>), Header,
            description = "`strict`, the default, for all or none; `permissive` for those that are right"),
    ),
    request_body(content = Vec<SendBody>, content_type = "application/json", description = "1 to 100 messages"),
    responses(
        (status = 200, description = "The messages have been accepted", body = SentBatch),
        Mismatch,
    ),
)]
async fn send_batch(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    RequestId(api_request_id): RequestId,
    headers: HeaderMap,
    once: Once<ToBatch>,
) -> Result<Response, ResendError> {
    let validation = BatchValidation::read(&headers)?;
    let origin = Origin { api_request_id, idempotency: once.key };
    let sent = |accepted: Vec<Accepted>, errors: Option<Vec<BatchError>>| {
        let data = accepted.into_iter().map(Sent::from).collect();
        answer_of(StatusCode::OK, &SentBatch { data, errors })
    };
    let messages = read_batch(&once.body, app.clock.now())?.into_iter().enumerate();
    match validation {
        BatchValidation::Strict => {
            let right =
                |(index, message): (usize, Result<_, ResendError>)| message.map_err(|error| error.of_batch(index));
            let requests = messages.map(right).collect::<Result<_, _>>()?;
            let answer = |accepted| sent(accepted, None);
            let answer = send::send_emails(&app, &viewer, requests, origin, answer).await;
            Ok(respond(answer.map_err(|refusal| ResendError::of_message(refusal.error).of_batch(refusal.index))?))
        }
        BatchValidation::Permissive => {
            let (mut requests, mut places, mut errors) = (Vec::new(), Vec::new(), Vec::new());
            for (index, message) in messages {
                match message {
                    Ok(request) => {
                        requests.push(request);
                        places.push(index);
                    }
                    Err(error) if error.is_about_fields() => {
                        errors.push(BatchError { index, message: error.into_message() });
                    }
                    Err(error) => return Err(error),
                }
            }
            let answer = |accepted, refusals: Vec<Refusal>| {
                errors.extend(refusals.into_iter().map(|refusal| BatchError {
                    index: places.get(refusal.index).copied().unwrap_or(refusal.index),
                    message: ResendError::of_message(refusal.error).into_message(),
                }));
                errors.sort_by_key(|error| error.index);
                sent(accepted, Some(errors))
            };
            Ok(respond(send::send_each(&app, &viewer, requests, origin, answer).await?))
        }
    }
}

/// What is done with a batch of which a message is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
enum BatchValidation {
    /// None of it is accepted.
    Strict,
    /// The others are accepted.
    Permissive,
}

impl BatchValidation {
    fn read(headers: &HeaderMap) -> Result<Self, ResendError> {
        match headers.get("x-batch-validation").map(|value| value.as_bytes()) {
            None | Some(b"strict") => Ok(Self::Strict),
            Some(b"permissive") => Ok(Self::Permissive),
            Some(_) => {
                Err(ResendError::invalid_parameter("The header x-batch-validation must be strict or permissive"))
            }
        }
    }
}

/// Reads a batch: each of its messages by itself, right or wrong.
pub fn read_batch(bytes: &[u8], now: DateTime<Utc>) -> Result<Vec<Result<SendRequest, ResendError>>, ResendError> {
    let messages: Vec<Box<RawValue>> = read_body(bytes)?;
    if messages.is_empty() || messages.len() > MAX_BATCH {
        return Err(ResendError::invalid(format!("A batch has 1 to {MAX_BATCH} emails")));
    }
    let read = |message: Box<RawValue>| read_body::<SendBody>(message.get().as_bytes())?.into_request(now);
    Ok(messages.into_iter().map(read).collect())
}

/// A message to send: `html` or `text`, or a template.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SendBody {
    /// The sender; with a template it can be left out.
    #[schema(example = "Acme <onboarding@resend.dev>")]
    pub from: Option<String>,
    /// One address or several, 50 at most with `cc` and `bcc`: `ada@example.com` or `Ada <ada@example.com>`.
    #[schema(value_type = OneOrMany, required)]
    pub to: Option<OneOrMany>,
    /// The subject; with a template it can be left out.
    pub subject: Option<String>,
    /// The HTML body.
    pub html: Option<String>,
    /// The plain-text body.
    pub text: Option<String>,
    /// Further recipients, seen by everybody.
    pub cc: Option<OneOrMany>,
    /// Further recipients, seen by nobody else.
    pub bcc: Option<OneOrMany>,
    /// Where answers go. `replyTo` is read too.
    #[serde(alias = "replyTo")]
    pub reply_to: Option<OneOrMany>,
    /// Headers to add: 30 at most.
    pub headers: Option<BTreeMap<String, String>>,
    /// What is attached: at most 20 files of 15 MiB together.
    pub attachments: Option<Vec<AttachmentBody>>,
    /// Labels: at most 20, each of 100 characters at most, its parts together.
    pub tags: Option<Vec<TagBody>>,
    /// When to send it: ISO 8601, in UTC where it has no offset, or `in 5 minutes`, `in 2 hours`, `in 1 day`.
    #[schema(example = "2026-08-05T11:52:01.858Z")]
    pub scheduled_at: Option<String>,
    /// The topic: kept and shown.
    pub topic_id: Option<String>,
    /// The template, in place of `html` and `text`.
    pub template: Option<TemplateBody>,
}

/// A template with its values.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TemplateBody {
    /// The template.
    #[schema(example = "tpl_06xq3k9v2m4p8")]
    pub id: String,
    /// The template's values.
    #[schema(value_type = Option<Object>)]
    pub variables: Option<Map<String, Value>>,
}

/// A label in two parts, each of ASCII letters, digits, `_` and `-`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TagBody {
    /// The first part.
    #[schema(example = "category", min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    pub name: String,
    /// The second part.
    #[schema(example = "confirm_email", max_length = 256, pattern = "^[A-Za-z0-9_-]*$")]
    pub value: Option<String>,
}

impl SendBody {
    /// The message as the use case takes it.
    pub fn into_request(self, now: DateTime<Utc>) -> Result<SendRequest, ResendError> {
        let is_text = |text: &String| !text.is_empty();
        let (html, text) = (self.html.filter(is_text), self.text.filter(is_text));
        let to = match (self.from.is_some() || self.template.is_some(), self.to) {
            (false, _) => return Err(ResendError::missing_field("`from`")),
            (true, None) => return Err(ResendError::missing_field("`to`")),
            (true, Some(to)) => to.0,
        };
        let (template_id, variables) = match self.template {
            None if self.subject.is_none() => return Err(ResendError::missing_field("`subject`")),
            None if html.is_none() && text.is_none() => return Err(ResendError::missing_field("`html` or `text`")),
            None => (None, Value::Null),
            Some(_) if html.is_some() || text.is_some() => {
                return Err(ResendError::invalid("`html` and `text` cannot be used together with `template`"));
            }
            Some(template) => {
                let id = template.id.parse().map_err(|_| AppError::not_found("Template"));
                let id = id.map_err(ResendError::of_message)?;
                (Some(id), template.variables.map_or(Value::Null, Value::Object))
            }
        };
        let reply_to = self.reply_to.map(|reply_to| reply_to.0.join(", ")).filter(is_text);
        let attachments = self.attachments.unwrap_or_default().into_iter().enumerate();
        Ok(SendRequest {
            template_id,
            to,
            cc: self.cc.unwrap_or_default().0,
            bcc: self.bcc.unwrap_or_default().0,
            variables,
            from: self.from,
            subject: self.subject,
            html,
            text,
            reply_to,
            headers: self.headers.unwrap_or_default().into_iter().collect(),
            attachments: attachments.map(|(index, body)| body.decode(index)).collect::<Result<_, _>>()?,
            tags: self.tags.unwrap_or_default().into_iter().map(TagBody::into_label).collect::<Result<_, _>>()?,
            metadata: self.topic_id.map_or(Value::Null, |topic_id| json!({ TOPIC_ID: topic_id })),
            scheduled_at: self.scheduled_at.map(|text| read_time(&text, now)).transpose()?,
            ..SendRequest::default()
        })
    }
}

impl TagBody {
    fn into_label(self) -> Result<String, ResendError> {
        let value = self.value.unwrap_or_default();
        let fits = |text: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            text.len() <= MAX_TAG_CHARS && text.bytes().all(is_plain)
        };
        if self.name.is_empty() || !fits(&self.name) || !fits(&value) {
            let message = "A tag's name and value have ASCII letters, digits, underscores and dashes";
            return Err(ResendError::invalid(format!("Invalid `tags` field: {message}, at most {MAX_TAG_CHARS} each")));
        }
        Ok(if value.is_empty() { self.name } else { format!("{}:{value}", self.name) })
    }
}

/// A message has been accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sent {
    /// Its id.
    #[schema(example = "4ef9a417-02e9-4d39-ad75-9611e0fcc33c", format = "uuid")]
    pub id: String,
}

impl From<Accepted> for Sent {
    fn from(accepted: Accepted) -> Self {
        Self { id: accepted.id.to_uuid() }
    }
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentBatch {
    /// The messages that have been accepted, in their order.
    pub data: Vec<Sent>,
    /// Those that have not been; only of a permissive batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub errors: Option<Vec<BatchError>>,
}

/// Why a message of a batch was not accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchError {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// The reason.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::services::send::Attachment;

    fn now() -> DateTime<Utc> {
        "2024-01-20T12:00:00Z".parse().unwrap()
    }

    fn read(body: Value) -> Result<SendRequest, ResendError> {
        read_body::<SendBody>(body.to_string().as_bytes())?.into_request(now())
    }

    /// The smallest message, with `change` in it.
    fn message(change: Value) -> Value {
        let mut body = json!({"from": "a@b.example", "to": "c@d.example", "subject": "s", "text": "t"});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    }

    #[test]
    fn every_shape_of_a_message_is_read() {
        let request = read(message(json!({
            "to": ["c@d.example", "e@f.example"],
            "cc": "g@h.example",
            "bcc": null,
            "replyTo": ["i@j.example", "k@l.example"],
            "headers": {"X-Id": "7"},
            "tags": [{"name": "category", "value": "confirm"}, {"name": "plain"}],
            "topic_id": "topic",
            "react": {"unknown": true},
            "html": "",
        })))
        .unwrap();
        assert_eq!(request.to, ["c@d.example", "e@f.example"]);
        assert_eq!((request.cc.len(), request.bcc.len()), (1, 0));
        assert_eq!(request.reply_to.as_deref(), Some("i@j.example, k@l.example"));
        assert_eq!(request.headers, [("X-Id".to_owned(), "7".to_owned())]);
        assert_eq!(request.tags, ["category:confirm", "plain"]);
        assert_eq!(request.metadata, json!({"topic_id": "topic"}));
        assert_eq!((request.html, request.text.as_deref()), (None, Some("t")));
    }

    #[test]
    fn every_shape_of_an_attachment_is_read() {
        let request = read(message(json!({"attachments": [
            {"filename": "a.pdf", "content": "AP8B"},
            {"filename": "b", "content": [0, 255, 1], "contentType": "image/png", "contentId": "<logo>"},
            {"filename": false, "content": {"type": "Buffer", "data": [0, 255, 1]}, "inline_content_id": "old"},
            {"content": "AP8\nB==", "path": "https://example.com/a"},
        ]})));
        // The last one's base64 has one `=` too many.
        assert!(request.is_err());
        let request = read(message(json!({"attachments": [
            {"filename": "a.pdf", "content": "AP8B"},
            {"filename": "b", "content": [0, 255, 1], "contentType": "image/png", "contentId": "<logo>"},
            {"filename": false, "content": {"type": "Buffer", "data": [0, 255, 1]}, "inline_content_id": "old"},
            {"content": "AP8\nB", "path": "https://example.com/a"},
        ]})))
        .unwrap();
        let attachment = |filename: &str, content_type: &str, content_id: Option<&str>| Attachment {
            filename: filename.to_owned(),
            content_type: content_type.to_owned(),
            content: vec![0, 255, 1],
            content_id: content_id.map(str::to_owned),
        };
        assert_eq!(
            request.attachments,
            [
                attachment("a.pdf", "application/pdf", None),
                attachment("b", "image/png", Some("logo")),
                attachment("attachment", "application/octet-stream", Some("old")),
                attachment("attachment", "application/octet-stream", None),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (change, part) in [
            (json!({"from": null}), "Missing `from` field"),
            (json!({"to": null}), "Missing `to` field"),
            (json!({"subject": null}), "Missing `subject` field"),
            (json!({"text": ""}), "Missing `html` or `text` field"),
            (json!({"to": 5}), "to: invalid type"),
            (json!({"to": ["a@b.example", 5]}), "to[1]: invalid type"),
            (json!({"headers": {"X-Id": 7}}), "headers.X-Id: invalid type"),
            (json!({"tags": [{"name": "no spaces", "value": "x"}]}), "`tags`"),
            (json!({"tags": [{"name": "", "value": "x"}]}), "`tags`"),
            (json!({"tags": ["plain"]}), "tags[0]"),
            (json!({"scheduled_at": "tomorrow"}), "`scheduled_at`"),
            (json!({"attachments": [{"filename": "a"}]}), "attachments[0] must have a `content`"),
            (json!({"attachments": [{"path": "https://example.com/a"}]}), "attachments[0] has a `path`"),
            (json!({"attachments": [{"content": "!"}]}), "attachments[0] must have its `content` in base64"),
            (json!({"attachments": [{"content": [256]}]}), "attachments[0].content[0]: invalid value"),
            (json!({"attachments": [{"content": {"data": [1]}}]}), "attachments[0].content: expected base64"),
            (json!({"template": {"id": "tpl_0000000000001"}}), "cannot be used together with `template`"),
            (json!({"template": {"id": "nonsense"}, "text": null}), "Template not found"),
            (json!({"template": {}, "text": null}), "template: missing field `id`"),
        ] {
            let error = read(message(change.clone())).unwrap_err().into_message();
            assert!(error.contains(part), "{change}: {error}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_apart() {
        use axum::response::IntoResponse;
        for (body, status) in [
            ("", 400),
            ("  ", 400),
            ("{", 400),
            ("{} {}", 400),
            ("[]", 422),
            ("null", 422),
            ("{\"to\":\"a\\u0000\"}", 422),
        ] {
            let error = read_body::<SendBody>(body.as_bytes()).unwrap_err();
            assert_eq!(error.into_response().status(), status, "{body}");
        }
    }
}
