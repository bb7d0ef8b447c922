//! Sending a notification, and taking back what has not gone out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::content::{SendBody, sub_notification_tag};
use super::error::{Mismatch, NotificationapiError};
use super::{Client, Sent};
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::api::extract::{Body, Once, RequestId, Sending, answer_of, respond};
use crate::server::api::strict::parse_json;
use crate::server::services::notifications::{self, SentNotification};
use crate::server::services::send::Origin;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send_notification)).routes(routes!(retract_notifications))
}

struct ToSender;

impl Sending for ToSender {
    const ENDPOINT: &'static str = "notificationapi:/sender";
}

/// Accepts a notification. Once this answers, its messages are kept and will be sent. Needs `emails:send`.
#[utoipa::path(
    post, path = "/{clientId}/sender", tag = "sender", summary = "Send a notification",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
            description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours"),
    ),
    request_body(content = SendBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The notification has been accepted", body = Sent),
        (status = 202, description = "It has been accepted, but something of it was ignored: `messages` say what",
            body = Sent),
        Mismatch,
    ),
)]
async fn send_notification(
    State(app): State<App>,
    client: Client,
    RequestId(api_request_id): RequestId,
    once: Once<ToSender>,
) -> Result<Response, NotificationapiError> {
    let request = parse_json::<SendBody>(&once.body)?.into_request()?;
    let origin = Origin { api_request_id, idempotency: once.key };
    let answer = |sent: SentNotification| {
        let sent = Sent::from(sent);
        answer_of(status_of(&sent.messages), &sent)
    };
    Ok(respond(notifications::send_notification(&app, &client.viewer, request, origin, answer).await?))
}

/// Takes back what has not gone out yet of a person's notifications of a type. Needs `emails:send`.
#[utoipa::path(
    post, path = "/{clientId}/sender/retract", tag = "sender", summary = "Take notifications back",
    request_body(content = RetractBody, content_type = "application/json"),
    responses(
        (status = 200, description = "They have been taken back", body = Retracted),
        (status = 202, description = "There was nothing that had not gone out yet", body = Retracted),
    ),
)]
async fn retract_notifications(
    State(app): State<App>,
    client: Client,
    Body(body): Body,
) -> Result<(StatusCode, Json<Retracted>), NotificationapiError> {
    let body = parse_json::<RetractBody>(&body)?;
    let tag = body.tag()?;
    let (kind, person) = (body.notification_id.trim(), body.user_id.trim());
    let count = notifications::retract_notifications(&app, &client.viewer, kind, person, tag.as_deref()).await?;
    let answer = Retracted::of(count);
    Ok((status_of(&answer.messages), Json(answer)))
}

/// 202 where something was ignored: the clients print a warning then.
fn status_of(messages: &[String]) -> StatusCode {
    if messages.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED }
}

/// Which notifications to take back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetractBody {
    /// Their type.
    #[serde(alias = "type")]
    #[schema(example = "order_shipped")]
    pub notification_id: String,
    /// The sender's own id of the person.
    #[schema(example = "spongebob.squarepants")]
    pub user_id: String,
    /// The part of the notification.
    #[schema(max_length = 80)]
    pub sub_notification_id: Option<String>,
    /// The older name of `subNotificationId`.
    #[schema(max_length = 80)]
    pub secondary_id: Option<String>,
}

impl RetractBody {
    /// The label of the messages that are meant; `None` for any.
    pub fn tag(&self) -> Result<Option<String>, AppError> {
        let older_tag = sub_notification_tag(self.secondary_id.clone())?;
        Ok(sub_notification_tag(self.sub_notification_id.clone())?.or(older_tag))
    }
}

/// What became of taking back.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retracted {
    /// How many messages were taken back.
    #[schema(minimum = 0)]
    pub retracted: usize,
    /// Why nothing was, a sentence.
    pub messages: Vec<String>,
}

impl Retracted {
    /// The answer for so many messages.
    pub fn of(retracted: usize) -> Self {
        let nothing = "There was nothing that had not gone out yet".to_owned();
        Self { retracted, messages: (retracted == 0).then_some(nothing).into_iter().collect() }
    }
}
