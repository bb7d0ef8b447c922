//! Sending. Sources: JetEmail, Send an email; Send multiple emails in a batch; Scheduled Email; Idempotency Keys.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::error::AppError;
use crate::server::App;
use crate::server::dialects::jetemail::error::{Clash, JetemailError, Refusals};
use crate::server::dialects::jetemail::wire::{BatchAnswer, BatchBody, BatchResult, SendBody, SentBody};
use crate::server::dialects::request::{Body, Caller, RawQuery as StrictQuery, RequestId, parse_json};
use crate::server::services::send::{self, IdempotencyKey, Origin, SendRequest};

const MAX_KEY_CHARS: usize = 256;
const MAX_BATCH: usize = 100;

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
    headers: HeaderMap,
    body: Body<JetemailError>,
) -> Result<(StatusCode, Json<SentBody>), JetemailError> {
    StrictQuery::parse(&query.unwrap_or_default(), &[])?;
    let idempotency = idempotency_key(&headers, "/jetemail/email", &body.0)?;
    let request = parse_json::<SendBody>(&body.0)?.into_request(app.clock.now())?;
    let scheduled_at = request.scheduled_at;
    let origin = Origin { api_request_id: request_id, idempotency };
    let accepted = send::send_email(&app, &caller.0, request, origin).await?;
    let status = if scheduled_at.is_some() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    Ok((status, Json(SentBody::new(&accepted, scheduled_at))))
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
    headers: HeaderMap,
    body: Body<JetemailError>,
) -> Result<(StatusCode, Json<BatchAnswer>), JetemailError> {
    StrictQuery::parse(&query.unwrap_or_default(), &[])?;
    let idempotency = idempotency_key(&headers, "/jetemail/email-batch", &body.0)?;
    let BatchBody { emails } = parse_json(&body.0)?;
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
    let origin = Origin { api_request_id: request_id, idempotency };
    let (accepted, refusals) = send::send_each(&app, &caller.0, requests, origin).await?;
    for refusal in refusals.into_iter().rev() {
        let (index, _) = places.remove(refusal.index);
        wrong.insert(index, refusal.error);
    }
    // A repetition of an earlier request knows no more messages than that one accepted.
    let mut sent: BTreeMap<usize, SentBody> = places
        .into_iter()
        .zip(&accepted)
        .map(|((index, scheduled_at), accepted)| (index, SentBody::new(accepted, scheduled_at)))
        .collect();
    let result = |(index, email): (usize, Value)| match sent.remove(&index) {
        Some(sent) => BatchResult::Success(sent),
        None => {
            let error = wrong.remove(&index);
            let error = error.unwrap_or_else(|| AppError::invalid("The first request with this key did not accept it"));
            BatchResult::Error { error: JetemailError::from(error).message(), email }
        }
    };
    let answer = BatchAnswer::new(emails.into_iter().enumerate().map(result).collect());
    Ok((StatusCode::MULTI_STATUS, Json(answer)))
}

fn read_one(app: &App, email: &Value) -> Result<SendRequest, AppError> {
    let body =
        SendBody::deserialize(email).map_err(|cause| AppError::invalid(format!("The message is wrong: {cause}")))?;
    body.into_request(app.clock.now())
}

fn idempotency_key(
    headers: &HeaderMap,
    endpoint: &'static str,
    body: &Bytes,
) -> Result<Option<IdempotencyKey>, AppError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=MAX_KEY_CHARS).contains(&key.chars().count()));
    let key = key.ok_or_else(|| {
        let message = format!("Idempotency-Key must have 1 to {MAX_KEY_CHARS} characters");
        AppError::invalid_field("Idempotency-Key", message)
    })?;
    Ok(Some(IdempotencyKey { endpoint, key: key.to_owned(), body: body.clone() }))
}
