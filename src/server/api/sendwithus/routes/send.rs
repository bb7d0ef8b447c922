//! Sending, for the first time and again. Sources: Sendwithus, Logs API, "Resend an existing Log"; for `POST /send` what
//! its published clients send and read.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Caller, log_id, query};
use crate::domain::email::{Accepted, Email};
use crate::domain::error::AppError;
use crate::domain::permission::Permission;
use crate::server::App;
use crate::server::api::request::{Once, RequestId, Sending, answer_of, parse_json, respond};
use crate::server::api::sendwithus::error::{Faults, LargeBody, Missing, SendwithusError};
use crate::server::api::sendwithus::wire::{Receipt, ResendBody, Resent, SendBody};
use crate::server::services::send::Origin;
use crate::server::services::{emails, send, templates};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send_email)).routes(routes!(resend_email))
}

struct ToSend;

impl Sending for ToSend {
    type Error = SendwithusError;
    const ENDPOINT: &'static str = "sendwithus:/send";
}

/// Accepts a message made from a template. Once this answers, the message is kept and will be sent. Needs
/// `emails:send`.
#[utoipa::path(
    post, path = "/send", operation_id = "sendEmail", tag = "send", summary = "Send an email",
    security(("basic" = []), ("swuApiKey" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = SendBody, content_type = "application/json"),
    responses((status = 200, description = "The message has been accepted", body = Receipt), LargeBody, Faults),
)]
async fn send_email(
    State(app): State<App>,
    caller: Caller,
    RequestId(api_request_id): RequestId,
    uri: Uri,
    once: Once<ToSend>,
) -> Result<Response, SendwithusError> {
    query(&uri, &[])?;
    let (viewer, body) = (&caller.0, parse_json::<SendBody>(&once.body)?);
    let template = match templates::find_template_to_send(&app, viewer, body.template()?).await {
        Ok(template) => template,
        Err(error) => {
            let first = send::first_answer_or(&app, viewer, once.key.as_ref(), unusable(error)).await;
            return Ok(respond(first?));
        }
    };
    body.check_version(&template)?;
    let locale = body.locale()?;
    let origin = Origin { api_request_id, idempotency: once.key };
    let request = body.into_request(template.id)?;
    let answer = |accepted: Accepted| answer_of(StatusCode::OK, &Receipt::new(accepted.id, &template, locale));
    Ok(respond(send::send_email(&app, viewer, request, origin, answer).await.map_err(unusable)?))
}

/// What a message names and what is not there is a fault of the message: 400, as the published clients expect.
fn unusable(error: AppError) -> AppError {
    if let AppError::NotFound(noun) = &error {
        let field = if noun == "Adapter" { "esp_account" } else { "email_id" };
        return AppError::invalid_field(field, format!("{field}: {noun} not found"));
    }
    error
}

struct ToResend;

impl Sending for ToResend {
    type Error = SendwithusError;
    const ENDPOINT: &'static str = "sendwithus:/resend";
    const RIGHT: Permission = Permission::LogsResend;
}

/// Sends a message again, as a new message, whatever became of it. Needs `logs:resend`. One that is still on its way is
/// refused, and so is one of which a copy is, or was accepted in the last half minute: `exception` names that one.
#[utoipa::path(
    post, path = "/resend", operation_id = "resendEmail", tag = "send", summary = "Resend an email",
    security(("basic" = []), ("swuApiKey" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = ResendBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The new message has been accepted", body = Resent),
        LargeBody, Missing, Faults,
    ),
)]
async fn resend_email(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    once: Once<ToResend>,
) -> Result<Response, SendwithusError> {
    query(&uri, &[])?;
    let body = parse_json::<ResendBody>(&once.body)?;
    let answer = |old: Email, accepted: Accepted| answer_of(StatusCode::OK, &Resent::new(old, accepted.id));
    Ok(respond(emails::resend_any_email(&app, &caller.0, log_id(&body.log_id), once.key, answer).await?))
}
