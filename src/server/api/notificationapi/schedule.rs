//! Notifications that wait for their time: moving one and taking one back.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ScheduleRefusals;
use super::{Answer, Client, Sent, instant};
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::api::extract::Body;
use crate::server::api::strict::parse_json;
use crate::server::services::notifications;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(update_schedule, delete_schedule))
}

/// Moves a notification that has not gone out yet to another time. Needs `emails:send`.
#[utoipa::path(
    patch, path = "/{clientId}/schedule/{trackingId}", tag = "schedule", summary = "Move a scheduled notification",
    request_body(content = ScheduleBody, content_type = "application/json"),
    responses(
        (status = 200, description = "It goes out at the new time", body = Sent),
        ScheduleRefusals,
    ),
)]
async fn update_schedule(State(app): State<App>, client: Client, Body(body): Body) -> Answer<Sent> {
    let at = parse_json::<ScheduleBody>(&body)?.at()?;
    let id = client.entry_id()?;
    notifications::reschedule_notification(&app, &client.viewer, id, at).await?;
    Ok(Json(Sent::without_messages(id)))
}

/// Takes a notification back that has not gone out yet. Needs `emails:send`.
#[utoipa::path(
    delete, path = "/{clientId}/schedule/{trackingId}", tag = "schedule",
    summary = "Take a scheduled notification back",
    responses(
        (status = 200, description = "It does not go out", body = Sent),
        ScheduleRefusals,
    ),
)]
async fn delete_schedule(State(app): State<App>, client: Client) -> Answer<Sent> {
    let id = client.entry_id()?;
    notifications::cancel_notification(&app, &client.viewer, id).await?;
    Ok(Json(Sent::without_messages(id)))
}

/// When a notification goes out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleBody {
    /// The new time; at once when past. At most 366 days ahead. What the notification says stays as it is.
    #[schema(format = DateTime, example = "2024-02-20T14:38:03.509Z")]
    pub schedule: String,
}

impl ScheduleBody {
    /// The new time.
    pub fn at(&self) -> Result<DateTime<Utc>, AppError> {
        instant("schedule", &self.schedule)
    }
}
