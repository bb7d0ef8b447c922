//! Sending. Sources: JetEmail, Send an email; Send multiple emails in a batch; Scheduled Email; Idempotency Keys.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{Clash, JetemailError};
use crate::domain::email::Accepted;
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::server::App;
use crate::server::api::extract::{Caller, Once, RequestId, Sending, answer_of, read_instant, respond};
use crate::server::api::shapes;
use crate::server::api::strict::parse_json;
use crate::server::services::send::{self, Origin, Refusal, SendRequest};

const MAX_BATCH: usize = 100;

/// How far ahead a message can be scheduled.
const MAX_SCHEDULE_DAYS: i64 = 30;

struct ToEmail;

impl Sending for ToEmail {
    const ENDPOINT: &'static str = "/jetemail/email";
}

struct ToBatch;

impl Sending for ToBatch {
    const ENDPOINT: &'static str = "/jetemail/email-batch";
}

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send_email)).routes(routes!(send_batch))
}

/// Accepts a message. Once this answers, the message is kept and will be sent. Needs `emails:send`.
#[utoipa::path(
    post, path = "/email", tag = "Email", summary = "Send an email",
    params(("Idempotency-Key" = inline(Option<String>), Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = SendBody, content_type = "application/json"),
    responses(
        (status = 201, description = "Email queued successfully", body = SentBody),
        (status = 202, description = "The message waits for its time", body = SentBody),
        Clash,
    ),
)]
async fn send_email(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    RequestId(request_id): RequestId,
    once: Once<ToEmail>,
) -> Result<Response, JetemailError> {
    let request = parse_json::<SendBody>(&once.body)?.into_request(app.clock.now())?;
    let scheduled_at = request.scheduled_at;
    let status = if scheduled_at.is_some() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    let origin = Origin { api_request_id: request_id, idempotency: once.key };
    let answer = |accepted: Accepted| answer_of(status, &SentBody::new(&accepted, scheduled_at));
    Ok(respond(send::send_email(&app, &viewer, request, origin, answer).await?))
}

/// Accepts those of several messages that are right, and says of the others what is wrong. Needs `emails:send`.
#[utoipa::path(
    post, path = "/email-batch", tag = "Email", summary = "Send multiple emails in a batch",
    params(("Idempotency-Key" = inline(Option<String>), Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = BatchBody, content_type = "application/json"),
    responses(
        (status = 207, description = "Batch processing results", body = BatchAnswer),
        Clash,
    ),
)]
async fn send_batch(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    RequestId(request_id): RequestId,
    once: Once<ToBatch>,
) -> Result<Response, JetemailError> {
    let BatchBody { emails } = parse_json(&once.body)?;
    if emails.is_empty() || emails.len() > MAX_BATCH {
        let message = format!("emails must hold 1 to {MAX_BATCH} messages");
        return Err(AppError::invalid_field("emails", message).into());
    }
    if let Some(index) = emails.iter().position(|email| !email.is_object()) {
        let message = format!("emails[{index}] must be an object");
        return Err(AppError::invalid_field(format!("emails[{index}]"), message).into());
    }
    let (mut places, mut requests, mut wrong) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (index, email) in emails.iter().enumerate() {
        match read_one(&app, email) {
            Ok(request) => {
                places.push((index, request.scheduled_at));
                requests.push(request);
            }
            Err(error) => {
                wrong.insert(index, error);
            }
        }
    }
    let origin = Origin { api_request_id: request_id, idempotency: once.key };
    let answer = |accepted: Vec<Accepted>, refusals: Vec<Refusal>| {
        for refusal in refusals.into_iter().rev() {
            let (index, _) = places.remove(refusal.index);
            wrong.insert(index, refusal.error);
        }
        let mut sent: BTreeMap<usize, SentBody> = places
            .into_iter()
            .zip(&accepted)
            .map(|((index, scheduled_at), accepted)| (index, SentBody::new(accepted, scheduled_at)))
            .collect();
        let result = |(index, email): (usize, Value)| match sent.remove(&index) {
            Some(sent) => BatchResult::Success(sent),
            None => {
                let error = wrong.remove(&index).unwrap_or(AppError::Internal);
                BatchResult::Error { error: JetemailError::from(error).message(), email }
            }
        };
        let answer = BatchAnswer::new(emails.into_iter().enumerate().map(result).collect());
        answer_of(StatusCode::MULTI_STATUS, &answer)
    };
    Ok(respond(send::send_each(&app, &viewer, requests, origin, answer).await?))
}

fn read_one(app: &App, email: &Value) -> Result<SendRequest, AppError> {
    let body =
        SendBody::deserialize(email).map_err(|cause| AppError::invalid(format!("The message is wrong: {cause}")))?;
    body.into_request(app.clock.now())
}

/// One address or several. One text can hold several with commas between them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected an address or a list of addresses")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    fn mailboxes(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// A time: Unix seconds, or ISO 8601 with an offset.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected Unix seconds or an ISO 8601 date and time")]
pub enum When {
    /// Unix seconds.
    Seconds(i64),
    /// ISO 8601.
    Text(String),
}

/// A message to send. HTML or text is required.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    /// The sender: `Ada <ada@example.com>`.
    #[schema(example = "John Doe <john@example.com>")]
    pub from: String,
    /// Recipient email address(es); with cc and bcc at most 50.
    pub to: OneOrMany,
    /// Email subject line.
    #[schema(min_length = 1, max_length = 998)]
    pub subject: String,
    /// HTML content of the email.
    pub html: Option<String>,
    /// Plain text content of the email.
    pub text: Option<String>,
    /// CC recipient(s).
    pub cc: Option<OneOrMany>,
    /// BCC recipient(s).
    pub bcc: Option<OneOrMany>,
    /// Reply-to address(es).
    pub reply_to: Option<OneOrMany>,
    /// Custom email headers.
    pub headers: Option<BTreeMap<String, String>>,
    /// Email attachments: at most 20 files of 15 MiB together.
    pub attachments: Option<Vec<AttachmentBody>>,
    /// Taken and not looked at: there is one region.
    #[expect(dead_code, reason = "taken and not looked at")]
    pub eu: Option<bool>,
    /// When to send it, up to 30 days ahead: Unix seconds, or ISO 8601 with an offset. `scheduled_at` is read too.
    #[serde(rename = "scheduledAt", alias = "scheduled_at")]
    pub scheduled_at: Option<When>,
}

/// A file to attach.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentBody {
    /// Name of the attachment file.
    #[schema(example = "receipt.pdf", min_length = 1, max_length = 255)]
    pub filename: String,
    /// Base64 encoded file content. `content` is read too.
    #[serde(alias = "content")]
    #[schema(format = Byte)]
    pub data: String,
}

impl SendBody {
    /// The message as the use case takes it.
    pub fn into_request(self, now: DateTime<Utc>) -> Result<SendRequest, AppError> {
        let is_given = |body: &Option<String>| body.as_ref().is_some_and(|text| !text.is_empty());
        if self.subject.is_empty() {
            return Err(AppError::invalid_field("subject", "subject must not be empty"));
        }
        if !is_given(&self.html) && !is_given(&self.text) {
            return Err(AppError::invalid_field("html", "html or text is required"));
        }
        let mailboxes = |list: Option<OneOrMany>| list.map(OneOrMany::mailboxes).unwrap_or_default();
        let reply_to = mailboxes(self.reply_to);
        let attachments = self.attachments.unwrap_or_default().into_iter().enumerate();
        Ok(SendRequest {
            to: self.to.mailboxes(),
            cc: mailboxes(self.cc),
            bcc: mailboxes(self.bcc),
            from: Some(self.from),
            subject: Some(self.subject),
            html: self.html,
            text: self.text,
            reply_to: (!reply_to.is_empty()).then(|| reply_to.join(", ")),
            headers: self.headers.unwrap_or_default().into_iter().collect(),
            attachments: attachments
                .map(|(index, file)| {
                    shapes::file(&format!("attachments[{index}].data"), file.filename, file.data, None)
                })
                .collect::<Result<_, _>>()?,
            scheduled_at: self.scheduled_at.map(|when| when.read(now)).transpose()?,
            ..SendRequest::default()
        })
    }
}

impl When {
    fn read(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, AppError> {
        let refuse = |message: &str| AppError::invalid_field("scheduledAt", message);
        let at = match self {
            Self::Seconds(seconds) => DateTime::from_timestamp(*seconds, 0),
            Self::Text(text) => read_instant(text),
        };
        let at = at.ok_or_else(|| refuse("scheduledAt must be Unix seconds or a time like 2024-01-20T10:30:00Z"))?;
        if at <= now {
            return Err(refuse("scheduledAt must be in the future"));
        }
        if at > now + TimeDelta::days(MAX_SCHEDULE_DAYS) {
            return Err(refuse("scheduledAt must be at most 30 days ahead"));
        }
        Ok(at)
    }
}

/// A message has been accepted.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SentBody {
    /// Unique message ID.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// Queue confirmation message.
    #[schema(example = "Message queued as eml_06xq3k9v2m4p8")]
    pub response: String,
    /// When it will be sent, in Unix seconds, if not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    pub scheduled_at: Option<i64>,
}

impl SentBody {
    /// A message with the time that it waits for.
    pub fn new(accepted: &Accepted, scheduled_at: Option<DateTime<Utc>>) -> Self {
        let id = accepted.id;
        let scheduled_at = scheduled_at.map(|at| at.timestamp());
        let response = match scheduled_at {
            Some(seconds) => format!("Scheduled as {id} for {seconds}"),
            None => format!("Message queued as {id}"),
        };
        Self { id, response, scheduled_at }
    }
}

/// Several messages to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchBody {
    /// The messages, 1 to 100, each as `POST /email` takes it. Those that are wrong are named in the answer; the others are
    /// sent.
    #[schema(value_type = Vec<Object>, min_items = 1, max_items = 100)]
    pub emails: Vec<Value>,
}

/// What became of each of several messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// In numbers.
    pub summary: BatchSummary,
    /// One by one, in the order of the request.
    pub results: Vec<BatchResult>,
    /// The accepted ones again, for the clients that read them here.
    pub data: Vec<SentBody>,
}

/// Several messages in numbers.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct BatchSummary {
    /// Total number of emails in batch.
    pub total: i64,
    /// Number of accepted emails.
    pub successful: i64,
    /// Number of refused emails.
    pub failed: i64,
}

/// What became of one of several messages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum BatchResult {
    /// It has been accepted.
    Success(SentBody),
    /// It is wrong.
    Error {
        /// Why.
        error: String,
        /// It, as it was given.
        #[schema(value_type = Object)]
        email: Value,
    },
}

impl BatchAnswer {
    /// The answer of these results.
    pub fn new(results: Vec<BatchResult>) -> Self {
        let accepted = |result: &BatchResult| match result {
            BatchResult::Success(sent) => Some(sent.clone()),
            BatchResult::Error { .. } => None,
        };
        let data: Vec<SentBody> = results.iter().filter_map(accepted).collect();
        let (total, successful) = (results.len() as i64, data.len() as i64);
        Self { summary: BatchSummary { total, successful, failed: total - successful }, results, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_can_hold_several_addresses() {
        let texts = OneOrMany::One("a@b.example, \"Doe, Ada\" <c@d.example>".to_owned()).mailboxes();
        let read = |text: &String| crate::server::delivery::mailbox::parse_mailboxes("to", text).unwrap();
        let many: Vec<String> = texts.iter().flat_map(read).map(|mailbox| mailbox.address).collect();
        assert_eq!(many, ["a@b.example", "c@d.example"]);
    }

    #[test]
    fn times_are_unix_seconds_or_iso_8601() {
        let now: DateTime<Utc> = "2024-01-20T12:00:00Z".parse().unwrap();
        let read = |json: &str| serde_json::from_str::<When>(json).unwrap().read(now).map(|at| at.timestamp());
        assert_eq!(read("1705838400"), Ok(1_705_838_400));
        assert_eq!(read("\"2024-01-21T08:00:00-04:00\""), Ok(1_705_838_400));
        for wrong in ["1705752000", "1705752000000", "\"tomorrow\"", "\"2024-02-20T12:00:00Z\""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<When>("1.5").is_err());
    }
}
