//! Notifications that wait for their time: moving one and taking one back.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Client};
use crate::server::App;
use crate::server::api::notificationapi::error::{NotificationapiError, Refusals, ScheduleRefusals};
use crate::server::api::notificationapi::wire::{ScheduleBody, Sent};
use crate::server::api::request::{Body, parse_json};
use crate::server::services::notifications;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(update_schedule, delete_schedule))
}

/// Moves a notification that has not gone out yet to another time. Needs `emails:send`.
#[utoipa::path(
    patch, path = "/{clientId}/schedule/{trackingId}", operation_id = "updateSchedule", tag = "schedule",
    summary = "Move a scheduled notification", security(("basic" = [])),
    params(
        ("clientId" = String, Path, description = "The key's id"),
        ("trackingId" = String, Path, description = "The notification, as sending it answered"),
    ),
    request_body(content = ScheduleBody, content_type = "application/json"),
    responses(
        (status = 200, description = "It goes out at the new time", body = Sent),
        ScheduleRefusals, Refusals,
    ),
)]
async fn update_schedule(State(app): State<App>, client: Client, body: Body<NotificationapiError>) -> Answer<Sent> {
    let at = parse_json::<ScheduleBody>(&body.0)?.at()?;
    let id = client.entry_id()?;
    notifications::reschedule_notification(&app, &client.viewer, id, at).await?;
    Ok(Json(Sent::without_messages(id)))
}

/// Takes a notification back that has not gone out yet. Needs `emails:send`.
#[utoipa::path(
    delete, path = "/{clientId}/schedule/{trackingId}", operation_id = "deleteSchedule", tag = "schedule",
    summary = "Take a scheduled notification back", security(("basic" = [])),
    params(
        ("clientId" = String, Path, description = "The key's id"),
        ("trackingId" = String, Path, description = "The notification, as sending it answered"),
    ),
    responses(
        (status = 200, description = "It does not go out", body = Sent),
        ScheduleRefusals, Refusals,
    ),
)]
async fn delete_schedule(State(app): State<App>, client: Client) -> Answer<Sent> {
    let id = client.entry_id()?;
    notifications::cancel_notification(&app, &client.viewer, id).await?;
    Ok(Json(Sent::without_messages(id)))
}
