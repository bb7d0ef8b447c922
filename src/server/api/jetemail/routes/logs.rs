//! The log: list and read. Source: JetEmail, Get outbound email logs; Get outbound email logs by UID.

use axum::Json;
use axum::extract::{RawQuery, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter};
use crate::domain::page::Window;
use crate::server::App;
use crate::server::api::jetemail::error::{JetemailError, Missing, Refusals};
use crate::server::api::jetemail::parameters::{LogsQuery, read_uid};
use crate::server::api::jetemail::wire::{FoundLog, LogPage};
use crate::server::api::request::Caller;
use crate::server::services::emails;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_logs)).routes(routes!(find_log))
}

/// Lists the team's e-mail. Needs `logs:view`.
#[utoipa::path(
    get, path = "/outbound/logs", operation_id = "listOutboundLogs", tag = "Outbound",
    summary = "Get outbound email logs",
    security(("apiKeyAuth" = [])),
    params(LogsQuery),
    responses(
        (status = 200, description = "Successfully retrieved logs grouped by message uid", body = LogPage),
        Refusals,
    ),
)]
async fn list_logs(
    State(app): State<App>,
    caller: Caller<JetemailError>,
    RawQuery(query): RawQuery,
) -> Result<Json<LogPage>, JetemailError> {
    let LogsQuery { filter, window } = LogsQuery::read(&query.unwrap_or_default())?;
    // One more tells whether another page follows, counted or not.
    let wider = Window { limit: window.limit + 1, ..window };
    let listed = emails::list_records(&app, &caller.0, &filter, wider).await?;
    Ok(Json(LogPage::new(&listed, window)))
}

/// Shows one message. Needs `logs:view`.
#[utoipa::path(
    get, path = "/outbound/logs/uid", operation_id = "findOutboundLog", tag = "Outbound",
    summary = "Get outbound email logs by UID",
    security(("apiKeyAuth" = [])),
    params(("uid" = String, Query, description = "Unique identifier of the message",
        pattern = "^[A-Za-z0-9-_]{1,100}$")),
    responses(
        (status = 200, description = "Successfully retrieved log details", body = FoundLog),
        Missing, Refusals,
    ),
)]
async fn find_log(
    State(app): State<App>,
    caller: Caller<JetemailError>,
    RawQuery(query): RawQuery,
) -> Result<Json<FoundLog>, JetemailError> {
    let id = read_uid(&query.unwrap_or_default())?;
    let criteria = Criteria { email_id: id, nothing: id.is_none(), ..Criteria::default() };
    let filter = EmailFilter { channel: Some(Channel::Email), criteria, ..EmailFilter::default() };
    let window = Window { offset: 0, limit: 1, oldest_first: false };
    let listed = emails::list_records(&app, &caller.0, &filter, window).await?;
    Ok(Json(FoundLog::new(listed.items.first().ok_or_else(unknown)?)))
}

fn unknown() -> JetemailError {
    AppError::not_found("Email log").into()
}
