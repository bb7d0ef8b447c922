//! Sending. Sources: JetEmail, Send an email; Send multiple emails in a batch; Scheduled Email; Idempotency Keys.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::email::Accepted;
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::api::jetemail::error::{Clash, JetemailError, Refusals};
use crate::server::api::jetemail::wire::{BatchAnswer, BatchBody, BatchResult, SendBody, SentBody};
use crate::server::api::request::{
    Caller, Once, RawQuery as StrictQuery, RequestId, Sending, answer_of, parse_json, respond,
};
use crate::server::services::send::{self, Origin, Refusal, SendRequest};

const MAX_BATCH: usize = 100;

struct ToEmail;

impl Sending for ToEmail {
    type Error = JetemailError;
    const ENDPOINT: &'static str = "/jetemail/email";
}

struct ToBatch;

impl Sending for ToBatch {
    type Error = JetemailError;
    const ENDPOINT: &'static str = "/jetemail/email-batch";
}

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send_email)).routes(routes!(send_batch))
}

/// Accepts a message. Once this answers, the message is kept and will be sent. Needs `emails:send`.
#[utoipa::path(
    post, path = "/email", operation_id = "sendEmail", tag = "Email", summary = "Send an email",
    security(("apiKeyAuth" = [])),
    params(("Idempotency-Key" = inline(Option<String>), Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = SendBody, content_type = "application/json"),
    responses(
        (status = 201, description = "Email queued successfully", body = SentBody),
        (status = 202, description = "The message waits for its time", body = SentBody),
        Clash, Refusals,
    ),
)]
async fn send_email(
    State(app): State<App>,
    caller: Caller<JetemailError>,
    RequestId(request_id): RequestId,
    RawQuery(query): RawQuery,
    once: Once<ToEmail>,
) -> Result<Response, JetemailError> {
    StrictQuery::parse(&query.unwrap_or_default(), &[])?;
    let request = parse_json::<SendBody>(&once.body)?.into_request(app.clock.now())?;
    let scheduled_at = request.scheduled_at;
    let status = if scheduled_at.is_some() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    let origin = Origin { api_request_id: request_id, idempotency: once.key };
    let answer = |accepted: Accepted| answer_of(status, &SentBody::new(&accepted, scheduled_at));
    Ok(respond(send::send_email(&app, &caller.0, request, origin, answer).await?))
}

/// Accepts those of several messages that are right, and says of the others what is wrong. Needs `emails:send`.
#[utoipa::path(
    post, path = "/email-batch", operation_id = "sendBatch", tag = "Email",
    summary = "Send multiple emails in a batch",
    security(("apiKeyAuth" = [])),
    params(("Idempotency-Key" = inline(Option<String>), Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = BatchBody, content_type = "application/json"),
    responses(
        (status = 207, description = "Batch processing results", body = BatchAnswer),
        Clash, Refusals,
    ),
)]
async fn send_batch(
    State(app): State<App>,
    caller: Caller<JetemailError>,
    RequestId(request_id): RequestId,
    RawQuery(query): RawQuery,
    once: Once<ToBatch>,
) -> Result<Response, JetemailError> {
    StrictQuery::parse(&query.unwrap_or_default(), &[])?;
    let BatchBody { emails } = parse_json(&once.body)?;
    if emails.is_empty() || emails.len() > MAX_BATCH {
        let message = format!("emails must hold 1 to {MAX_BATCH} messages");
        return Err(AppError::invalid_field("emails", message).into());
    }
    if let Some(index) = emails.iter().position(|email| !email.is_object()) {
        let message = format!("emails[{index}] must be an object");
        return Err(AppError::invalid_field(format!("emails[{index}]"), message).into());
    }
    let (mut places, mut requests, mut wrong) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (index, email) in emails.iter().enumerate() {
        match read_one(&app, email) {
            Ok(request) => {
                places.push((index, request.scheduled_at));
                requests.push(request);
            }
            Err(error) => {
                wrong.insert(index, error);
            }
        }
    }
    let origin = Origin { api_request_id: request_id, idempotency: once.key };
    let answer = |accepted: Vec<Accepted>, refusals: Vec<Refusal>| {
        for refusal in refusals.into_iter().rev() {
            let (index, _) = places.remove(refusal.index);
            wrong.insert(index, refusal.error);
        }
        let mut sent: BTreeMap<usize, SentBody> = places
            .into_iter()
            .zip(&accepted)
            .map(|((index, scheduled_at), accepted)| (index, SentBody::new(accepted, scheduled_at)))
            .collect();
        let result = |(index, email): (usize, Value)| match sent.remove(&index) {
            Some(sent) => BatchResult::Success(sent),
            None => {
                let error = wrong.remove(&index).unwrap_or(AppError::Internal);
                BatchResult::Error { error: JetemailError::from(error).message(), email }
            }
        };
        let answer = BatchAnswer::new(emails.into_iter().enumerate().map(result).collect());
        answer_of(StatusCode::MULTI_STATUS, &answer)
    };
    Ok(respond(send::send_each(&app, &caller.0, requests, origin, answer).await?))
}

fn read_one(app: &App, email: &Value) -> Result<SendRequest, AppError> {
    let body =
        SendBody::deserialize(email).map_err(|cause| AppError::invalid(format!("The message is wrong: {cause}")))?;
    body.into_request(app.clock.now())
}
