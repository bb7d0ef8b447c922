//! The log: list, read, list of one customer. Source: Sendwithus, Logs API.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Caller, PathText, log_id, query};
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter};
use crate::domain::page::Window;
use crate::server::App;
use crate::server::api::request::{MAX_NUMBER, RawQuery};
use crate::server::api::sendwithus::error::{Faults, Missing};
use crate::server::api::sendwithus::wire::{CustomerLogs, Log, LogEvent, read_range};
use crate::server::services::emails;

/// The most logs of one answer, and how many there are by default.
const MAX_COUNT: i64 = 100;
/// The longest address of a customer, in characters.
const MAX_ADDRESS_CHARS: usize = 320;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_logs))
        .routes(routes!(find_log))
        .routes(routes!(list_log_events))
        .routes(routes!(list_customer_logs))
}

fn read_window(query: &RawQuery) -> Result<Window, AppError> {
    Ok(Window {
        offset: query.number("offset", 0..=MAX_NUMBER, 0)?,
        limit: query.number("count", 1..=MAX_COUNT, MAX_COUNT)?,
        oldest_first: false,
    })
}

/// Lists the team's messages, of every channel, newest first. Needs `logs:view`.
#[utoipa::path(
    get, path = "/logs", operation_id = "listLogs", tag = "logs", summary = "List logs",
    security(("basic" = []), ("swuApiKey" = [])),
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
    responses((status = 200, description = "The logs, newest first", body = Vec<Log>), Faults),
)]
async fn list_logs(State(app): State<App>, caller: Caller, uri: Uri) -> Answer<Vec<Log>> {
    let names = ["count", "offset", "created_gt", "created_gte", "created_lt", "created_lte"];
    let query = query(&uri, &names)?;
    let filter = EmailFilter { range: read_range(&query)?, ..EmailFilter::default() };
    let found = emails::list_records(&app, &caller.0, &filter, read_window(&query)?).await?;
    Ok(Json(found.items.into_iter().map(Log::from).collect()))
}

/// Shows one message. Needs `logs:view` or `emails:send`.
#[utoipa::path(
    get, path = "/logs/{log_id}", operation_id = "findLog", tag = "logs", summary = "Get a log",
    security(("basic" = []), ("swuApiKey" = [])),
    params(("log_id" = String, Path, description = "The log's id")),
    responses((status = 200, description = "The log", body = Log), Missing, Faults),
)]
async fn find_log(State(app): State<App>, caller: Caller, id: PathText, uri: Uri) -> Answer<Log> {
    query(&uri, &[])?;
    Ok(Json(emails::find_record(&app, &caller.0, log_id(&id.0)).await?.into()))
}

/// Lists what happened to one message. Needs `logs:view` or `emails:send`.
#[utoipa::path(
    get, path = "/logs/{log_id}/events", operation_id = "listLogEvents", tag = "logs",
    summary = "List the events of a log",
    security(("basic" = []), ("swuApiKey" = [])),
    params(("log_id" = String, Path, description = "The log's id")),
    responses((status = 200, description = "The events, oldest first", body = Vec<LogEvent>), Missing, Faults),
)]
async fn list_log_events(State(app): State<App>, caller: Caller, id: PathText, uri: Uri) -> Answer<Vec<LogEvent>> {
    query(&uri, &[])?;
    Ok(Json(LogEvent::list(&emails::find_record(&app, &caller.0, log_id(&id.0)).await?)))
}

/// Lists the messages to one address, newest first; none for an address that got none. Needs `logs:view`.
#[utoipa::path(
    get, path = "/customers/{email}/logs", operation_id = "listCustomerLogs", tag = "logs",
    summary = "List the logs of a customer",
    security(("basic" = []), ("swuApiKey" = [])),
    params(
        ("email" = String, Path, description = "The customer's address, in any case of letters", max_length = 320),
        ("count" = Option<i64>, Query, description = "How many logs, by default 100", minimum = 1, maximum = 100),
        ("created_gt" = Option<i64>, Query, description = "Created after this second, in Unix time",
            minimum = 0, maximum = 253402300799_i64),
        ("created_lt" = Option<i64>, Query, description = "Created before this second, in Unix time",
            minimum = 0, maximum = 253402300799_i64),
    ),
    responses((status = 200, description = "The logs, newest first", body = CustomerLogs), Missing, Faults),
)]
async fn list_customer_logs(
    State(app): State<App>,
    caller: Caller,
    address: PathText,
    uri: Uri,
) -> Answer<CustomerLogs> {
    let query = query(&uri, &["count", "created_gt", "created_lt"])?;
    let address = address.0;
    if address.chars().count() > MAX_ADDRESS_CHARS {
        let message = format!("email is longer than {MAX_ADDRESS_CHARS} characters");
        return Err(AppError::invalid_field("email", message).into());
    }
    let filter = EmailFilter {
        range: read_range(&query)?,
        criteria: Criteria { recipient: Some(address.clone()), ..Criteria::default() },
        // The exact condition alone would read the whole log; the search's index leaves it few to look at.
        search: Some(address),
        ..EmailFilter::default()
    };
    let found = emails::list_records(&app, &caller.0, &filter, read_window(&query)?).await?;
    Ok(Json(found.items.into()))
}
