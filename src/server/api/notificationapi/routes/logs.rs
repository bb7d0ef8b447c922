//! The log by notifications. Source: NotificationAPI, Logs.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Client};
use crate::server::App;
use crate::server::api::notificationapi::error::{NotificationapiError, Refusals};
use crate::server::api::notificationapi::wire::{LogPage, QueryBody};
use crate::server::api::request::{Body, parse_json};
use crate::server::services::notifications;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(query_logs))
}

/// Lists notifications, newest first. Messages that other systems' clients sent are entries of their own. Needs
/// `logs:view`.
#[utoipa::path(
    post, path = "/{clientId}/logs/query", operation_id = "queryLogs", tag = "logs", summary = "Query the logs",
    security(("basic" = [])),
    params(("clientId" = String, Path, description = "The key's id")),
    request_body(content = QueryBody, content_type = "application/json"),
    responses(
        (status = 200, description = "A page of the log", body = LogPage),
        Refusals,
    ),
)]
async fn query_logs(State(app): State<App>, client: Client, body: Body<NotificationapiError>) -> Answer<LogPage> {
    let query = parse_json::<QueryBody>(&body.0)?.into_query()?;
    let found = notifications::list_entries(&app, &client.viewer, &query.filter, query.after, query.limit).await?;
    Ok(Json(found.into()))
}
