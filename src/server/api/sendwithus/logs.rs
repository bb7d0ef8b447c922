//! The log: list, read, list of one customer. The order of the fields is the specification's. Source: Sendwithus, Logs API;
//! for customers what its published clients send and read.
//!
//! Messages of every channel and of every origin are listed. One without a template has an empty `email_id`, its subject
//! as `email_name` and null as `email_version`. A version is named as on the pages, `Version 3`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::status::{LogStatus, event_message, status_and_message};
use super::{Answer, LOG_PREFIX, version_name};
use crate::domain::error::AppError;
use crate::domain::event::EmailEvent;
use crate::domain::filter::{Criteria, EmailFilter, TimeRange};
use crate::domain::ids::EmailId;
use crate::domain::notification::EmailRecord;
use crate::domain::page::OffsetRequest;
use crate::server::App;
use crate::server::api::extract::{Caller, MAX_NUMBER, PathId, PathText, QueryParameters, RawQuery};
use crate::server::services::emails;

/// The most logs of one answer, and how many there are by default.
const MAX_COUNT: i64 = 100;
/// The longest address of a customer, in characters.
const MAX_ADDRESS_CHARS: usize = 320;
/// What ids of templates begin with.
const TEMPLATE_PREFIX: &str = "tem_";
/// The last second that can be asked for: the end of the year 9999.
const MAX_SECOND: i64 = 253_402_300_799;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_logs))
        .routes(routes!(find_log))
        .routes(routes!(list_log_events))
        .routes(routes!(list_customer_logs))
}

/// When the logs were made, and which page of them.
struct LogsQuery {
    range: TimeRange,
    window: OffsetRequest,
}

impl QueryParameters for LogsQuery {
    const NAMES: &'static [&'static str] =
        &["count", "offset", "created_gt", "created_gte", "created_lt", "created_lte"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        let window = OffsetRequest {
            offset: query.number("offset", 0..=MAX_NUMBER, 0)?,
            limit: query.number("count", 1..=MAX_COUNT, MAX_COUNT)?,
            oldest_first: false,
        };
        Ok(Self { range: read_range(&query)?, window })
    }
}

/// The same of one customer, with fewer parameters.
struct CustomerQuery(LogsQuery);

impl QueryParameters for CustomerQuery {
    const NAMES: &'static [&'static str] = &["count", "created_gt", "created_lt"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        LogsQuery::read(query).map(Self)
    }
}

/// Lists the team's messages, of every channel, newest first. Needs `logs:view`.
#[utoipa::path(
    get, path = "/logs", tag = "logs", summary = "List logs",
    params(
        ("count" = Option<i64>, Query, description = "How many logs, by default 100", minimum = 1, maximum = 100),
        ("offset" = Option<i64>, Query, description = "How many logs to leave out, by default 0",
            minimum = 0, maximum = 9007199254740991_i64),
        ("created_gt" = Option<i64>, Query, description = "Created after this second, in Unix time",
            minimum = 0, maximum = 253402300799_i64),
        ("created_gte" = Option<i64>, Query, description = "Created in this second or after it, in Unix time",
            minimum = 0, maximum = 253402300799_i64),
        ("created_lt" = Option<i64>, Query, description = "Created before this second, in Unix time",
            minimum = 0, maximum = 253402300799_i64),
        ("created_lte" = Option<i64>, Query, description = "Created in this second or before it, in Unix time",
            minimum = 0, maximum = 253402300799_i64),
    ),
    responses((status = 200, description = "The logs, newest first", body = Vec<Log>)),
)]
async fn list_logs(State(app): State<App>, Caller(viewer, query): Caller<LogsQuery>) -> Answer<Vec<Log>> {
    let filter = EmailFilter { range: query.range, ..EmailFilter::default() };
    let found = emails::list_records(&app, &viewer, &filter, query.window).await?;
    Ok(Json(found.items.into_iter().map(Log::from).collect()))
}

/// Shows one message. Needs `logs:view` or `emails:send`.
#[utoipa::path(
    get, path = "/logs/{log_id}", tag = "logs", summary = "Get a log",
    responses((status = 200, description = "The log", body = Log)),
)]
async fn find_log(State(app): State<App>, Caller(viewer, ()): Caller, PathId(id): PathId<EmailId>) -> Answer<Log> {
    Ok(Json(emails::find_record(&app, &viewer, id).await?.into()))
}

/// Lists what happened to one message. Needs `logs:view` or `emails:send`.
#[utoipa::path(
    get, path = "/logs/{log_id}/events", tag = "logs", summary = "List the events of a log",
    responses((status = 200, description = "The events, oldest first", body = Vec<LogEvent>)),
)]
async fn list_log_events(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<EmailId>,
) -> Answer<Vec<LogEvent>> {
    Ok(Json(LogEvent::list(&emails::find_record(&app, &viewer, id).await?)))
}

/// Lists the messages to one address, newest first; none for an address that got none. Needs `logs:view`.
#[utoipa::path(
    get, path = "/customers/{email}/logs", tag = "logs", summary = "List the logs of a customer",
    params(
        ("email" = String, Path, description = "The customer's address, in any case of letters", max_length = 320),
        ("count" = Option<i64>, Query, description = "How many logs, by default 100", minimum = 1, maximum = 100),
        ("created_gt" = Option<i64>, Query, description = "Created after this second, in Unix time",
            minimum = 0, maximum = 253402300799_i64),
        ("created_lt" = Option<i64>, Query, description = "Created before this second, in Unix time",
            minimum = 0, maximum = 253402300799_i64),
    ),
    responses((status = 200, description = "The logs, newest first", body = CustomerLogs)),
)]
async fn list_customer_logs(
    State(app): State<App>,
    Caller(viewer, CustomerQuery(query)): Caller<CustomerQuery>,
    PathText(address): PathText,
) -> Answer<CustomerLogs> {
    if address.chars().count() > MAX_ADDRESS_CHARS {
        let message = format!("email is longer than {MAX_ADDRESS_CHARS} characters");
        return Err(AppError::invalid_field("email", message).into());
    }
    let filter = EmailFilter {
        range: query.range,
        criteria: Criteria { recipient: Some(address), ..Criteria::default() },
        ..EmailFilter::default()
    };
    let found = emails::list_records(&app, &viewer, &filter, query.window).await?;
    Ok(Json(found.items.into()))
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub struct Log {
    /// Always `log`.
    #[schema(value_type = String, example = "log")]
    pub object: &'static str,
    /// Its id.
    #[schema(example = "log_06xq3k9v2m4p8")]
    pub id: String,
    /// When it was accepted, in Unix seconds.
    #[schema(example = 1234567890)]
    pub created: i64,
    /// The first recipient's name; null when none was given.
    #[schema(required)]
    pub recipient_name: Option<String>,
    /// The first recipient's address.
    pub recipient_address: String,
    /// What became of it.
    pub status: LogStatus,
    /// The same in a sentence.
    #[schema(example = "SendGrid: Message has been opened")]
    pub message: String,
    /// The template's id; empty when that is deleted or there was none.
    #[schema(example = "tem_06xq3k9v2m4p8")]
    pub email_id: String,
    /// The template's name; the subject where there is no template.
    pub email_name: String,
    /// The template's version; null where there was no template.
    #[schema(required, example = "Version 3")]
    pub email_version: Option<String>,
}

impl From<EmailRecord> for Log {
    fn from(EmailRecord { email, events }: EmailRecord) -> Self {
        let (status, message) = status_and_message(&email, &events);
        let email_version = version_name(&email);
        let recipient = email.recipients.into_iter().next();
        let (recipient_name, recipient_address) = recipient.map_or((None, String::new()), |to| (to.name, to.address));
        Self {
            object: "log",
            id: email.id.with_prefix(LOG_PREFIX),
            created: email.id.created_at().timestamp(),
            recipient_name,
            recipient_address,
            status,
            message,
            email_id: email.template_id.map(|id| id.with_prefix(TEMPLATE_PREFIX)).unwrap_or_default(),
            email_name: email.template_name.unwrap_or(email.subject),
            email_version,
        }
    }
}

/// Something that happened to a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogEvent {
    /// Always `event`.
    #[schema(value_type = String, example = "event")]
    pub object: &'static str,
    /// When it happened, in Unix seconds.
    #[schema(example = 1234567890)]
    pub created: i64,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: LogStatus,
    /// The same in a sentence.
    #[schema(example = "SendGrid: Email has been opened")]
    pub message: String,
}

impl LogEvent {
    /// The history of a message, oldest first.
    pub fn list(EmailRecord { email, events }: &EmailRecord) -> Vec<Self> {
        let entry = |event: &EmailEvent| Self {
            object: "event",
            created: event.at.timestamp(),
            kind: event.kind.into(),
            message: event_message(email, event),
        };
        events.iter().map(entry).collect()
    }
}

/// A customer's messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustomerLogs {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// Always `OK`.
    #[schema(value_type = String, example = "OK")]
    pub status: &'static str,
    /// The messages, newest first.
    pub logs: Vec<Log>,
}

impl From<Vec<EmailRecord>> for CustomerLogs {
    fn from(records: Vec<EmailRecord>) -> Self {
        Self { success: true, status: "OK", logs: records.into_iter().map(Log::from).collect() }
    }
}

/// Reads `created_gt`, `created_gte`, `created_lt` and `created_lte`. A message counts as accepted in the second that its
/// log shows, so a strict bound leaves out the whole of that second.
pub fn read_range(query: &RawQuery) -> Result<TimeRange, AppError> {
    let second = |name: &str| query.text(name).map(|_| query.number(name, 0..=MAX_SECOND, 0)).transpose();
    let after = |second: i64| second + 1;
    let from = [second("created_gt")?.map(after), second("created_gte")?].into_iter().flatten().max();
    let to = [second("created_lt")?, second("created_lte")?.map(after)].into_iter().flatten().min();
    Ok(TimeRange { from: from.and_then(instant), to: to.and_then(instant) })
}

fn instant(second: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(second, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(query: &str) -> (Option<i64>, Option<i64>) {
        let names = ["created_gt", "created_gte", "created_lt", "created_lte"];
        let range = read_range(&RawQuery::parse(query, &names).unwrap()).unwrap();
        (range.from.map(|from| from.timestamp()), range.to.map(|to| to.timestamp()))
    }

    #[test]
    fn bounds_are_strict_or_not_by_the_second() {
        assert_eq!(range(""), (None, None));
        assert_eq!(range("created_gt=5"), (Some(6), None));
        assert_eq!(range("created_gte=5"), (Some(5), None));
        assert_eq!(range("created_lt=5"), (None, Some(5)));
        assert_eq!(range("created_lte=5"), (None, Some(6)));
        assert_eq!(range("created_gt=5&created_gte=9&created_lt=20&created_lte=12"), (Some(9), Some(13)));
        let last = format!("created_gt={MAX_SECOND}&created_lte={MAX_SECOND}");
        assert_eq!(range(&last), (Some(MAX_SECOND + 1), Some(MAX_SECOND + 1)));
    }
}
