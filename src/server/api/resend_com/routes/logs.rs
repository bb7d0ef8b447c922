//! The log of API requests: list and read. There is nothing to write: every other method is answered 405.

use axum::Json;
use axum::extract::{RawQuery, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, id_of, read_no_parameters, read_paging};
use crate::domain::api_request::ApiRequestFilter;
use crate::domain::page::{Stretch, Walked};
use crate::server::App;
use crate::server::api::request::{Caller, PathText};
use crate::server::api::resend_com::error::{InvalidParameters, Missing, Refusals, ResendError};
use crate::server::api::resend_com::wire::{List, Log, LogRow};
use crate::server::services::api_requests;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_logs)).routes(routes!(find_log))
}

/// Lists the team's API requests, newest first. Needs `requests:view`.
#[utoipa::path(
    get, path = "/logs", operation_id = "listLogs", tag = "logs", summary = "List logs",
    security(("bearer" = [])),
    params(
        ("limit" = Option<i64>, Query, description = "How many, by default 20", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "The id of the last log of the page before this one"),
        ("before" = Option<String>, Query,
            description = "The id of the first log of the page after this one; not together with `after`"),
    ),
    responses(
        (status = 200, description = "One page of the log", body = List<LogRow>),
        InvalidParameters, Refusals,
    ),
)]
async fn list_logs(
    State(app): State<App>,
    caller: Caller<ResendError>,
    RawQuery(query): RawQuery,
) -> Answer<List<LogRow>> {
    let paging = read_paging(query.as_deref())?;
    let filter = ApiRequestFilter::default();
    let Walked { items, next } =
        api_requests::list_api_requests(&app, &caller.0, &filter, paging.cursor, paging.limit).await?;
    Ok(Json(List::of(Stretch { items, has_more: next.is_some() }, LogRow::from)))
}

/// Shows one API request with its bodies. Needs `requests:view`.
#[utoipa::path(
    get, path = "/logs/{log_id}", operation_id = "retrieveLog", tag = "logs", summary = "Retrieve a log",
    security(("bearer" = [])),
    params(("log_id" = String, Path, description = "The log's id")),
    responses(
        (status = 200, description = "The request and what was answered", body = Log),
        InvalidParameters, Missing, Refusals,
    ),
)]
async fn find_log(
    State(app): State<App>,
    caller: Caller<ResendError>,
    id: PathText<String, ResendError>,
    RawQuery(query): RawQuery,
) -> Answer<Log> {
    read_no_parameters(query.as_deref())?;
    Ok(Json(api_requests::find_api_request(&app, &caller.0, id_of(&id.0)).await?.request.into()))
}
