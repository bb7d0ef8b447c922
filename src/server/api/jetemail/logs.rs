//! The log: list and read. The order of the fields is the specification's. Sources: JetEmail, Get outbound email logs; Get
//! outbound email logs by UID.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::entry::LogEntry;
use super::error::{JetemailError, Missing};
use super::parameters::{LogsQuery, UidQuery};
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter};
use crate::domain::notification::EmailRecord;
use crate::domain::page::{OffsetPage, OffsetRequest, Total};
use crate::server::App;
use crate::server::api::extract::Caller;
use crate::server::services::emails::{self, COUNT_LIMIT};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_logs)).routes(routes!(find_log))
}

/// Lists the team's email. Needs `logs:view`.
#[utoipa::path(
    get, path = "/outbound/logs", operation_id = "listOutboundLogs", tag = "Outbound",
    summary = "Get outbound email logs",
    params(LogsQuery),
    responses((status = 200, description = "Successfully retrieved logs grouped by message uid", body = LogPage)),
)]
async fn list_logs(
    State(app): State<App>,
    Caller(viewer, LogsQuery { filter, window }): Caller<LogsQuery>,
) -> Result<Json<LogPage>, JetemailError> {
    // One more tells whether another page follows, counted or not.
    let wider = OffsetRequest { limit: window.limit + 1, ..window };
    let listed = emails::list_records(&app, &viewer, &filter, wider).await?;
    Ok(Json(LogPage::new(&listed, window)))
}

/// Shows one message. Needs `logs:view`.
#[utoipa::path(
    get, path = "/outbound/logs/uid", operation_id = "findOutboundLog", tag = "Outbound",
    summary = "Get outbound email logs by UID",
    params(("uid" = String, Query, description = "Unique identifier of the message",
        pattern = "^[A-Za-z0-9-_]{1,100}$")),
    responses(
        (status = 200, description = "Successfully retrieved log details", body = FoundLog),
        Missing,
    ),
)]
async fn find_log(
    State(app): State<App>,
    Caller(viewer, UidQuery(id)): Caller<UidQuery>,
) -> Result<Json<FoundLog>, JetemailError> {
    let criteria = Criteria { email_id: id, nothing: id.is_none(), ..Criteria::default() };
    let filter = EmailFilter { channel: Some(Channel::Email), criteria, ..EmailFilter::default() };
    let window = OffsetRequest { offset: 0, limit: 1, oldest_first: false };
    let listed = emails::list_records(&app, &viewer, &filter, window).await?;
    Ok(Json(FoundLog::new(listed.items.first().ok_or_else(unknown)?)))
}

fn unknown() -> JetemailError {
    AppError::not_found("Email log").into()
}

/// One page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogPage {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// Where the page is.
    pub pagination: Pagination,
    /// One entry per message, aggregated from all events recorded against its uid.
    pub data: Vec<LogEntry>,
    /// Where the answer begins, if the log goes further back: for a part of a server's answer (`response`) the newest
    /// 10,000 messages of the time that was asked for are looked at, for a sender, a part of a subject shorter than 3
    /// characters or an action alone the newest 100,000.
    #[serde(rename = "searchedFrom", skip_serializing_if = "Option::is_none")]
    pub searched_from: Option<String>,
}

impl LogPage {
    /// The page that a window asked for, from a list of one message more.
    pub fn new(listed: &OffsetPage<EmailRecord>, window: OffsetRequest) -> Self {
        let shown = listed.items.iter().take(usize::try_from(window.limit).unwrap_or_default());
        let data: Vec<LogEntry> = shown.map(LogEntry::new).collect();
        let has_more = listed.items.len() > data.len();
        let pagination = Pagination::new(listed.total, window, data.len() as i64, has_more);
        let searched_from = listed.looked_from.map(|from| from.to_rfc3339_opts(SecondsFormat::Millis, true));
        Self { success: true, pagination, data, searched_from }
    }
}

/// Where a page is in the list.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Pagination {
    /// Total number of matching messages.
    pub total_count: i64,
    /// How many pages there are.
    pub total_pages: i64,
    /// The page's number, from 1.
    pub current_page: i64,
    /// Messages on a page.
    pub per_page: i64,
    /// How many messages come before the page.
    pub offset: i64,
    /// Whether another page follows.
    pub has_next_page: bool,
    /// Whether another page comes before.
    pub has_previous_page: bool,
    /// The next page's offset.
    #[schema(required)]
    pub next_offset: Option<i64>,
    /// The previous page's offset.
    #[schema(required)]
    pub previous_offset: Option<i64>,
    /// The first message's number, from 1; 0 on an empty page.
    pub showing_from: i64,
    /// The last message's number; 0 on an empty page.
    pub showing_to: i64,
    /// True when total_count was truncated at max_count_limit; the real total may be higher.
    pub count_limited: bool,
    /// Where counting the matches of a search or of filters stops.
    pub max_count_limit: i64,
}

impl Pagination {
    fn new(total: Total, window: OffsetRequest, shown: i64, has_more: bool) -> Self {
        let OffsetRequest { offset, limit, .. } = window;
        let limit = limit.max(1);
        let (total_count, count_limited) = match total {
            Total::Exact(count) => (count, false),
            Total::AtLeast(count) => (count, true),
        };
        Self {
            total_count,
            total_pages: total_count / limit + i64::from(total_count % limit != 0),
            current_page: offset / limit + 1,
            per_page: limit,
            offset,
            has_next_page: has_more,
            has_previous_page: offset > 0,
            next_offset: has_more.then_some(offset.saturating_add(limit)),
            previous_offset: (offset > 0).then_some((offset - limit).max(0)),
            showing_from: if shown == 0 { 0 } else { offset + 1 },
            showing_to: if shown == 0 { 0 } else { offset + shown },
            count_limited,
            max_count_limit: COUNT_LIMIT,
        }
    }
}

/// One message.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundLog {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// The message: a list of one.
    pub data: Vec<LogDetail>,
}

impl FoundLog {
    /// A message with its events.
    pub fn new(record: &EmailRecord) -> Self {
        let entry = LogEntry::new(record);
        let last = entry.delivery_attempts.last();
        let action = last.map_or("QUEUED", |attempt| attempt.action);
        let at = last.map_or(entry.last_updated, |attempt| attempt.date);
        let date = DateTime::from_timestamp_millis(at).unwrap_or_default();
        let detail = LogDetail {
            action,
            response: entry.final_response.clone(),
            date: date.to_rfc3339_opts(SecondsFormat::Millis, true),
            mx: entry.final_mx.clone(),
            host: entry.final_host.clone(),
            outbound_ip: entry.final_ip.clone(),
            entry,
        };
        Self { success: true, data: vec![detail] }
    }
}

/// A message with its last delivery attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogDetail {
    /// The message.
    #[serde(flatten)]
    pub entry: LogEntry,
    /// The last attempt's outcome; QUEUED before the first.
    #[schema(example = "ACCEPTED")]
    pub action: &'static str,
    /// Server response.
    #[schema(example = "250 2.0.0 Ok: queued")]
    pub response: String,
    /// When that attempt was.
    #[schema(format = DateTime)]
    pub date: String,
    /// MX server used.
    pub mx: String,
    /// Host server name.
    pub host: String,
    /// That host's network address.
    pub outbound_ip: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_know_their_neighbours() {
        let page = |total, offset, shown, has_more| {
            Pagination::new(total, OffsetRequest { offset, limit: 10, oldest_first: false }, shown, has_more)
        };
        let first = page(Total::Exact(25), 0, 10, true);
        assert_eq!((first.total_pages, first.current_page, first.showing_from, first.showing_to), (3, 1, 1, 10));
        assert_eq!((first.next_offset, first.previous_offset), (Some(10), None));
        let middle = page(Total::Exact(25), 5, 10, true);
        assert_eq!((middle.next_offset, middle.previous_offset), (Some(15), Some(0)));
        let last = page(Total::Exact(25), 20, 5, false);
        assert_eq!((last.current_page, last.showing_from, last.showing_to), (3, 21, 25));
        assert!(last.has_previous_page && !last.has_next_page && last.next_offset.is_none());
        let empty = page(Total::Exact(0), 0, 0, false);
        assert_eq!((empty.total_pages, empty.current_page, empty.showing_from, empty.showing_to), (0, 1, 0, 0));
        let limited = page(Total::AtLeast(10_000), 0, 10, true);
        assert!(limited.count_limited && limited.total_count == limited.max_count_limit);
    }
}
