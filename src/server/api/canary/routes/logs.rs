//! The log: list, count, read, resend. Source: Canary, Email Logs API.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::domain::email::{Accepted, EmailStatus};
use crate::domain::error::AppError;
use crate::domain::filter::{EmailFilter, StatusSet, TimeRange};
use crate::domain::ids::EmailId;
use crate::domain::page::PageRequest;
use crate::domain::permission::Permission;
use crate::domain::stats::Stats;
use crate::server::App;
use crate::server::api::canary::error::{
    CanaryError, Clash, ErrorEnvelope, Faults, InvalidParameters, Missing, Refusals,
};
use crate::server::api::canary::extract::{
    Caller, MAX_NUMBER, NoParameters, PathText, QueryParameters, RawQuery, StrictQuery, id_of,
};
use crate::server::api::canary::wire::{EmailLog, EmailPage, Queued, Success, success};
use crate::server::api::request::{Once, Sending, answer_of, respond};
use crate::server::services::emails;

const DEFAULT_PAGE_SIZE: i64 = 20;
const MAX_SEARCH_CHARS: usize = 200;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_emails))
        .routes(routes!(load_stats))
        .routes(routes!(find_email))
        .routes(routes!(resend_email))
}

/// The filters and the page of a list.
struct ListQuery {
    filter: EmailFilter,
    page: PageRequest,
}

impl QueryParameters for ListQuery {
    const NAMES: &'static [&'static str] = &["page", "pageSize", "status", "templateId", "from", "to", "search"];

    fn read(query: &RawQuery) -> Result<Self, AppError> {
        let page = query.number("page", 1..=MAX_NUMBER, 1)?;
        let page_size = query.number("pageSize", 1..=PageRequest::MAX_SIZE, DEFAULT_PAGE_SIZE)?;
        let filter = EmailFilter {
            range: query.range()?,
            statuses: query.text("status").map(read_status).transpose()?.unwrap_or_default(),
            template_id: query.text("templateId").filter(|text| !text.is_empty()).map(id_of),
            search: query.short_text("search", MAX_SEARCH_CHARS)?,
            ..EmailFilter::default()
        };
        Ok(Self { filter, page: PageRequest { page, page_size } })
    }
}

/// The period of the statistics.
struct StatsQuery {
    range: TimeRange,
}

impl QueryParameters for StatsQuery {
    const NAMES: &'static [&'static str] = &["from", "to"];

    fn read(query: &RawQuery) -> Result<Self, AppError> {
        Ok(Self { range: query.range()? })
    }
}

/// What the caller knows of earlier copies.
struct ResendQuery {
    again: Option<EmailId>,
}

impl QueryParameters for ResendQuery {
    const NAMES: &'static [&'static str] = &["again"];

    fn read(query: &RawQuery) -> Result<Self, AppError> {
        Ok(Self { again: query.text("again").filter(|text| !text.is_empty()).map(id_of) })
    }
}

fn read_status(name: &str) -> Result<StatusSet, AppError> {
    let status: EmailStatus = name.parse().map_err(|cause| AppError::invalid_field("status", format!("{cause}")))?;
    Ok(StatusSet::one(status))
}

/// Lists the team's messages, newest first. Needs `logs:view`.
#[utoipa::path(
    get, path = "/api/logs", operation_id = "listEmails", tag = "logs", summary = "List email logs",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(
        ("page" = Option<i64>, Query, description = "Page number", minimum = 1, maximum = 9007199254740991_i64),
        ("pageSize" = Option<i64>, Query, description = "Items per page, by default 20", minimum = 1, maximum = 100),
        ("status" = Option<EmailStatus>, Query, description = "The message's present status, exactly"),
        ("templateId" = Option<String>, Query, description = "The template"),
        ("from" = Option<String>, Query, format = DateTime,
            description = "The first instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("to" = Option<String>, Query, format = DateTime,
            description = "The last instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("search" = Option<String>, Query, description = "A part of a recipient's address or of the subject",
            max_length = 200),
    ),
    responses(
        (status = 200, description = "One page of the log", body = Success<EmailPage>),
        InvalidParameters, Refusals, Faults,
    ),
)]
async fn list_emails(
    State(app): State<App>,
    Caller(viewer): Caller,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Answer<EmailPage> {
    Ok(success(emails::list_emails(&app, &viewer, &query.filter, query.page).await?.into()))
}

/// Counts the team's messages by outcome. Needs `logs:view`.
#[utoipa::path(
    get, path = "/api/logs/stats", operation_id = "loadStats", tag = "logs", summary = "Get email statistics",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(
        ("from" = Option<String>, Query, format = DateTime,
            description = "The first instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("to" = Option<String>, Query, format = DateTime,
            description = "The last instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
    ),
    responses(
        (status = 200, description = "The counts", body = Success<Stats>),
        InvalidParameters, Refusals, Faults,
    ),
)]
async fn load_stats(
    State(app): State<App>,
    Caller(viewer): Caller,
    StrictQuery(query): StrictQuery<StatsQuery>,
) -> Answer<Stats> {
    Ok(success(emails::load_stats(&app, &viewer, query.range).await?))
}

/// Shows one message. Needs `logs:view`; without `logs:reveal`, the values of its variables are `••••••`.
#[utoipa::path(
    get, path = "/api/logs/{id}", operation_id = "findEmail", tag = "logs", summary = "Get an email log",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "The message", body = Success<EmailLog>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn find_email(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<EmailLog> {
    let (email, variables) = emails::find_email_with_variables(&app, &viewer, id_of(&id)).await?;
    Ok(success(EmailLog::new(email, variables)))
}

struct ToResend;

impl Sending for ToResend {
    type Error = CanaryError;
    const ENDPOINT: &'static str = "canary:/resend";
    const RIGHT: Permission = Permission::LogsResend;
    const BY_ADDRESS: bool = true;
}

/// Sends a failed or bounced message again, as a new message. Needs `logs:resend`. Of a message, its copies and theirs, one
/// is under way at a time: the others are refused with its id. When one of them got through, or may have, another follows
/// only when `again` names it.
#[utoipa::path(
    post, path = "/api/logs/{id}/resend", operation_id = "resendEmail", tag = "logs", summary = "Resend an email",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(
        ("id" = String, Path, description = "The message's id"),
        ("again" = Option<String>, Query,
            description = "The newest copy that got through, as a refusal named it: another one is wanted all the same"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
            description = "Makes a repetition harmless: the same key at the same address gives the same answer for 24 hours"),
    ),
    responses(
        (status = 200, description = "The new message has been accepted", body = Success<Queued>),
        (status = 400, description = "It has neither failed nor bounced, its template is deleted, or a parameter is \
            unknown", body = ErrorEnvelope),
        Refusals, Missing, Clash, Faults,
    ),
)]
async fn resend_email(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    StrictQuery(query): StrictQuery<ResendQuery>,
    once: Once<ToResend>,
) -> Result<Response, CanaryError> {
    let answer = |accepted: Accepted| answer_of(StatusCode::OK, &success(Queued::from(accepted)).0);
    Ok(respond(emails::resend_email_once(&app, &viewer, id_of(&id), query.again, once.key, answer).await?))
}
