//! Sending, and what became of it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::domain::email::Accepted;
use crate::server::App;
use crate::server::api::canary::error::{
    CanaryError, Faults, InvalidBody, InvalidParameters, Mismatch, Missing, Refusals,
};
use crate::server::api::canary::extract::{Caller, NoParameters, PathText, RequestId, id_of, json_body};
use crate::server::api::canary::wire::{Queued, SendBody, SendStatus, Success, success};
use crate::server::api::request::{Once, Sending, answer_of, respond};
use crate::server::services::send::Origin;
use crate::server::services::{emails, send};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send_email)).routes(routes!(find_send_status))
}

struct ToSend;

impl Sending for ToSend {
    type Error = CanaryError;
    const ENDPOINT: &'static str = "canary:/send";
}

/// Accepts a message made from a template. Once this answers, the message is kept and will be sent. Needs
/// `emails:send`.
#[utoipa::path(
    post, path = "/api/v1/send", operation_id = "sendEmail", tag = "send", summary = "Send an email",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = SendBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The message has been accepted", body = Success<Queued>),
        InvalidBody, Mismatch, Refusals, Missing, Faults,
    ),
)]
async fn send_email(
    State(app): State<App>,
    Caller(viewer): Caller,
    RequestId(request_id): RequestId,
    _query: NoParameters,
    headers: HeaderMap,
    once: Once<ToSend>,
) -> Result<Response, CanaryError> {
    let request = json_body::<SendBody>(&headers, &once.body)?.into_request()?;
    let origin = Origin { api_request_id: request_id, idempotency: once.key };
    let answer = |accepted: Accepted| answer_of(StatusCode::OK, &success(Queued::from(accepted)).0);
    Ok(respond(send::send_email(&app, &viewer, request, origin, answer).await?))
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
