//! Events that others report: a JSON array or one JSON object a line (NDJSON), compressed or not, and the answer to each.
//! A line that is wrong spoils no other.

use std::io::Read;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, SchemaType};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{CanaryError, TooMany};
use super::{Answer, Success, success};
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::domain::ids::EmailId;
use crate::server::App;
use crate::server::api::extract::{Caller, id_of, read_body};
use crate::server::api::strict;
use crate::server::bounds::MAX_BODY_BYTES;
use crate::server::services::events::{self, EventReport, MAX_EVENT_ID_CHARS, Reported};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(record_events))
}

/// Records what a provider or a script reports: at most 10,000 events, as a JSON array or one a line, plain or with
/// `Content-Encoding: gzip`. Each is answered in its place; a wrong one does not stop the others. Once this answers, what
/// is `recorded` is kept. Sending a batch again changes nothing. Needs `events:write`.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "events", summary = "Report events",
    request_body(content(
        (Vec<AnyEvent> = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "What became of each event, in their order", body = Success<Vec<EventAnswer>>),
        TooMany,
    ),
)]
async fn record_events(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    EventLines(lines): EventLines,
) -> Answer<Vec<EventAnswer>> {
    let (ids, reports): (Vec<_>, Vec<_>) = lines.into_iter().map(|line| (line.id, line.report)).unzip();
    let reported = events::record_events(&app, &viewer, reports).await?;
    let answers = ids.into_iter().zip(reported).map(|(id, reported)| EventAnswer::new(id, reported));
    Ok(success(answers.collect()))
}

/// What happened to a message. It is named by `emailId` or by `providerMessageId`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventBody {
    /// What tells the event apart from all others of the team: the second event with an id is dropped.
    #[schema(min_length = 1, max_length = 200, example = "evt-2024-000417")]
    pub id: String,
    /// What happened: `requested`, `triggered`, `queued`, `failed_to_queue`, `processed`, `sent`, `deferred`,
    /// `failed_to_send`, `delivered`, `opened`, `re_opened`, `clicked`, `re_clicked`, `bounced`, `dropped`, `failed`,
    /// `reported_as_spam` or `unsubscribed`.
    #[schema(value_type = String, example = "delivered")]
    pub kind: EventKind,
    /// When, ISO 8601 with an offset; at most ten minutes ahead.
    #[schema(format = DateTime, example = "2024-01-20T10:30:05Z")]
    pub at: String,
    /// The message, by Sendlog's id.
    #[schema(example = "eml_06xq3k9v2m4p8")]
    pub email_id: Option<String>,
    /// The message, by the provider's id or its `Message-ID`. One that Sendlog did not send begins with its first event
    /// that names a recipient.
    #[schema(max_length = 500)]
    pub provider_message_id: Option<String>,
    /// Whom it is about.
    #[schema(max_length = 320, example = "ada@example.com")]
    pub recipient: Option<String>,
    /// The mail server's answer.
    #[schema(max_length = 4000, example = "250 2.0.0 Ok: queued as 4bXyz")]
    pub reply: Option<String>,
    /// The reader's program.
    #[schema(max_length = 4000)]
    pub user_agent: Option<String>,
    /// The reader's network address.
    #[schema(max_length = 4000)]
    pub ip: Option<String>,
    /// The link that was followed.
    #[schema(max_length = 4000)]
    pub url: Option<String>,
    /// Where the reader is, roughly.
    #[schema(max_length = 4000, example = "Brisbane, QLD, AU")]
    pub country: Option<String>,
    /// Which of several things it means: `hard` or `soft` for a bounce; `virus` or `expected` for a drop; `undelivered`,
    /// `infrastructure`, `completed`, `busy`, `no_answer` or `cannot_reach` for text messages and calls.
    #[schema(value_type = Option<String>)]
    pub cause: Option<EventCause>,
    /// The host that the message was handed to.
    #[schema(max_length = 4000)]
    pub server: Option<String>,
    /// That host's network address.
    #[schema(max_length = 4000)]
    pub server_ip: Option<String>,
    /// The mail exchanger that answered.
    #[schema(max_length = 4000)]
    pub mx: Option<String>,
    /// How it was handed over: `smtp`, `http` or `https`.
    #[schema(max_length = 4000)]
    pub protocol: Option<String>,
    /// A sentence for the timeline.
    #[schema(max_length = 4000)]
    pub message: Option<String>,
    /// The sender of a message that Sendlog did not send.
    #[schema(max_length = 320)]
    pub from: Option<String>,
    /// The subject of a message that Sendlog did not send.
    #[schema(max_length = 998)]
    pub subject: Option<String>,
    /// How a message went that Sendlog did not send; by default `email`.
    pub channel: Option<Channel>,
}

impl EventBody {
    fn into_report(self) -> Result<EventReport, AppError> {
        let at = DateTime::parse_from_rfc3339(&self.at).map_err(|_| {
            let message = "at must be an ISO 8601 date and time with its offset, like 2024-01-20T10:30:00Z";
            AppError::invalid_field("at", message)
        })?;
        Ok(EventReport {
            id: self.id,
            kind: self.kind,
            at: at.with_timezone(&Utc),
            email_id: self.email_id.as_deref().map(id_of),
            provider_message_id: self.provider_message_id,
            recipient: self.recipient,
            detail: EventDetail {
                message: self.message,
                reply: self.reply,
                url: self.url,
                user_agent: self.user_agent,
                ip: self.ip,
                country: self.country,
                cause: self.cause,
                server: self.server,
                server_ip: self.server_ip,
                mx: self.mx,
                protocol: self.protocol,
            },
            from: self.from,
            subject: self.subject,
            channel: self.channel,
        })
    }
}

/// An element of the array: an event, or anything else, which is answered with `invalid`.
pub struct AnyEvent;

impl PartialSchema for AnyEvent {
    fn schema() -> RefOr<Schema> {
        let anything = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        AnyOfBuilder::new().item(Ref::from_schema_name(EventBody::name())).item(anything).into()
    }
}

impl ToSchema for AnyEvent {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((EventBody::name().into_owned(), EventBody::schema()));
        EventBody::schemas(schemas);
    }
}

/// What became of one reported event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventAnswer {
    /// The event's id; null where there was none to read.
    #[schema(required)]
    pub id: Option<String>,
    /// What became of it.
    pub status: EventAnswerStatus,
    /// The message it is about; null where there is none.
    #[schema(value_type = Option<String>, required)]
    pub email_id: Option<EmailId>,
    /// Why it was not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of a reported event.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventAnswerStatus {
    /// It stands in the message's history now.
    Recorded,
    /// An event of this id stood there before.
    Duplicate,
    /// It is about a message that is not in the log.
    Unknown,
    /// It breaks a rule.
    Invalid,
}

impl EventAnswer {
    /// The answer to an event.
    pub fn new(id: Option<String>, reported: Reported) -> Self {
        let (status, email_id, error) = match reported {
            Reported::Recorded(id) => (EventAnswerStatus::Recorded, Some(id), None),
            Reported::Duplicate(id) => (EventAnswerStatus::Duplicate, Some(id), None),
            Reported::Unknown(reason) => (EventAnswerStatus::Unknown, None, Some(reason.to_owned())),
            Reported::Invalid(error) => (EventAnswerStatus::Invalid, None, Some(error.to_string())),
        };
        Self { id, status, email_id, error }
    }
}

/// An element of the array, or a line.
#[derive(Debug)]
pub struct EventLine {
    pub id: Option<String>,
    pub report: Result<EventReport, AppError>,
}

impl EventLine {
    fn read(value: Value) -> Self {
        let id = value.get("id").and_then(Value::as_str).map(|id| id.chars().take(MAX_EVENT_ID_CHARS).collect());
        let body = strict::from_value::<EventBody>(value);
        let body = body.map_err(|cause| AppError::invalid(format!("The event is wrong: {cause}")));
        Self { id, report: body.and_then(EventBody::into_report) }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self { id: None, report: Err(AppError::invalid(message)) }
    }
}

/// The events of a request's body.
pub struct EventLines(pub Vec<EventLine>);

/// How the body says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Json,
    Lines,
    None,
}

impl<S: Sync> FromRequest<S> for EventLines {
    type Rejection = CanaryError;

    async fn from_request(request: Request, _: &S) -> Result<Self, CanaryError> {
        let label = label(request.headers())?;
        let is_compressed = is_compressed(request.headers())?;
        let body = read_body(request).await?;
        // Inflating and reading 25 MiB takes a while.
        let reading = tokio::task::spawn_blocking(move || {
            let body = if is_compressed { inflated(&body)? } else { body };
            read_lines(label, &body)
        });
        Ok(Self(reading.await.map_err(|_| AppError::Internal)??))
    }
}

fn label(headers: &HeaderMap) -> Result<Label, CanaryError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Label::None) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(Label::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Label::Lines),
        _ => Err(CanaryError::unsupported(
            "Send the events as JSON, with the header Content-Type: application/json or application/x-ndjson",
        )),
    }
}

fn is_compressed(headers: &HeaderMap) -> Result<bool, CanaryError> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => Ok(true),
        "" | "identity" => Ok(false),
        _ => Err(CanaryError::unsupported("Send the events plain, or with the header Content-Encoding: gzip")),
    }
}

/// The body as it was before it was compressed; [AppError::TooLarge] as soon as it is larger than [MAX_BODY_BYTES].
fn inflated(body: &[u8]) -> Result<Bytes, AppError> {
    let mut bytes = Vec::new();
    let limit = MAX_BODY_BYTES as u64;
    let read = MultiGzDecoder::new(body).take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|_| AppError::invalid("The request body is labelled as gzip but cannot be read as that"))?;
    if bytes.len() as u64 > limit {
        return Err(AppError::TooLarge { limit_bytes: limit });
    }
    Ok(bytes.into())
}

fn read_lines(label: Label, body: &[u8]) -> Result<Vec<EventLine>, AppError> {
    let body = strict::json_text(body).map_err(AppError::invalid)?.trim_ascii();
    if body.is_empty() {
        return Err(AppError::invalid("The request body is empty: send events"));
    }
    let is_array = body.starts_with(b"[");
    match label {
        Label::Json if !is_array => {
            Err(AppError::invalid("Send a JSON array of events, or one a line as Content-Type: application/x-ndjson"))
        }
        Label::Json | Label::Lines | Label::None if is_array => {
            let values: Result<Vec<Value>, _> = serde_json::from_slice(body);
            let values = values.map_err(|cause| AppError::invalid(format!("The request body is wrong: {cause}")))?;
            Ok(values.into_iter().map(read_value).collect())
        }
        Label::Json | Label::Lines | Label::None => {
            let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
            Ok(lines.map(read_line).collect())
        }
    }
}

fn read_line(line: &[u8]) -> EventLine {
    match serde_json::from_slice(line) {
        Ok(value) => read_value(value),
        Err(cause) => EventLine::invalid(format!("The line is no JSON: {cause}")),
    }
}

fn read_value(value: Value) -> EventLine {
    // PostgreSQL keeps that character in no text.
    if holds_nul(&value) {
        return EventLine::invalid("Texts must not contain the character U+0000");
    }
    EventLine::read(value)
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, field)| name.contains('\0') || holds_nul(field)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
