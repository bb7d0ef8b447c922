//! Sending, and what became of it.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::server::App;
use crate::server::dialects::canary::error::{Faults, InvalidBody, InvalidParameters, Missing, Refusals};
use crate::server::dialects::canary::extract::{Caller, JsonBody, NoParameters, PathText, RequestId, id_of};
use crate::server::dialects::canary::wire::{Queued, SendBody, SendStatus, Success, success};
use crate::server::services::send::Origin;
use crate::server::services::{emails, send};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send_email)).routes(routes!(find_send_status))
}

/// Accepts a message made from a template. Once this answers, the message is kept and will be sent. Needs
/// `emails:send`.
#[utoipa::path(
    post, path = "/api/v1/send", operation_id = "sendEmail", tag = "send", summary = "Send an email",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    request_body(content = SendBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The message has been accepted", body = Success<Queued>),
        InvalidBody, Refusals, Missing, Faults,
    ),
)]
async fn send_email(
    State(app): State<App>,
    Caller(viewer): Caller,
    RequestId(request_id): RequestId,
    _query: NoParameters,
    JsonBody(body): JsonBody<SendBody>,
) -> Answer<Queued> {
    let origin = Origin { api_request_id: request_id, idempotency: None };
    Ok(success(send::send_email(&app, &viewer, body.into_request()?, origin).await?.into()))
}

/// Shows what became of a message. Needs `logs:view` or `emails:send`.
#[utoipa::path(
    get, path = "/api/v1/{id}/status", operation_id = "findSendStatus", tag = "send",
    summary = "Get the status of an email",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "What became of it", body = Success<SendStatus>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn find_send_status(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<SendStatus> {
    Ok(success(emails::find_email_status(&app, &viewer, id_of(&id)).await?.into()))
}
