//! Sending, alone and in batches, and what became of it.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, id_of, read_no_parameters, read_paging};
use crate::domain::channel::Channel;
use crate::domain::email::Accepted;
use crate::domain::error::AppError;
use crate::domain::filter::EmailFilter;
use crate::domain::ids::EmailId;
use crate::server::App;
use crate::server::api::request::{Body, Caller, Once, PathText, RequestId, Sending, answer_of, respond};
use crate::server::api::resend_com::error::{
    ErrorBody, InvalidBody, InvalidParameters, Mismatch, Missing, Refusals, ResendError,
};
use crate::server::api::resend_com::wire::List;
use crate::server::api::resend_com::wire::email::{ChangedEmail, EmailObject, EmailRow, WholeEmail};
use crate::server::api::resend_com::wire::send::{
    BatchError, SendBody, Sent, SentBatch, UpdateBody, read_batch, read_body,
};
use crate::server::services::send::{Origin, Refusal};
use crate::server::services::{emails, send};

struct ToEmails;

impl Sending for ToEmails {
    type Error = ResendError;
    const ENDPOINT: &'static str = "resend:/emails";
}

struct ToBatch;

impl Sending for ToBatch {
    type Error = ResendError;
    const ENDPOINT: &'static str = "resend:/emails/batch";
}

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(send_email, list_emails))
        .routes(routes!(send_batch))
        .routes(routes!(find_email, update_email))
        .routes(routes!(cancel_email))
}

/// Accepts a message. Once this answers, the message is kept and will be sent. Needs `emails:send`.
#[utoipa::path(
    post, path = "/emails", operation_id = "sendEmail", tag = "emails", summary = "Send an email",
    security(("bearer" = [])),
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
            description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours"),
    ),
    request_body(content = SendBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The message has been accepted", body = Sent),
        InvalidBody, Mismatch, Refusals,
    ),
)]
async fn send_email(
    State(app): State<App>,
    caller: Caller<ResendError>,
    RequestId(api_request_id): RequestId,
    RawQuery(query): RawQuery,
    once: Once<ToEmails>,
) -> Result<Response, ResendError> {
    read_no_parameters(query.as_deref())?;
    let request = read_body::<SendBody>(&once.body)?.into_request(app.clock.now())?;
    let origin = Origin { api_request_id, idempotency: once.key };
    let answer = |accepted: Accepted| answer_of(StatusCode::OK, &Sent::from(accepted));
    Ok(respond(send::send_email(&app, &caller.0, request, origin, answer).await.map_err(ResendError::of_message)?))
}

/// Accepts up to 100 messages: all or none of them, or those that are right. Needs `emails:send`.
#[utoipa::path(
    post, path = "/emails/batch", operation_id = "sendBatch", tag = "emails", summary = "Send several emails",
    security(("bearer" = [])),
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
            description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours"),
        ("x-batch-validation" = inline(Option<BatchValidation>), Header,
            description = "`strict`, the default, for all or none; `permissive` for those that are right"),
    ),
    request_body(content = Vec<SendBody>, content_type = "application/json", description = "1 to 100 messages"),
    responses(
        (status = 200, description = "The messages have been accepted", body = SentBatch),
        InvalidBody, Mismatch, Refusals,
    ),
)]
async fn send_batch(
    State(app): State<App>,
    caller: Caller<ResendError>,
    RequestId(api_request_id): RequestId,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    once: Once<ToBatch>,
) -> Result<Response, ResendError> {
    read_no_parameters(query.as_deref())?;
    let validation = BatchValidation::read(&headers)?;
    let origin = Origin { api_request_id, idempotency: once.key };
    let sent = |accepted: Vec<Accepted>, errors: Option<Vec<BatchError>>| {
        let data = accepted.into_iter().map(Sent::from).collect();
        answer_of(StatusCode::OK, &SentBatch { data, errors })
    };
    let messages = read_batch(&once.body, app.clock.now())?.into_iter().enumerate();
    match validation {
        BatchValidation::Strict => {
            let right =
                |(index, message): (usize, Result<_, ResendError>)| message.map_err(|error| error.of_batch(index));
            let requests = messages.map(right).collect::<Result<_, _>>()?;
            let answer = |accepted| sent(accepted, None);
            let answer = send::send_emails(&app, &caller.0, requests, origin, answer).await;
            Ok(respond(answer.map_err(|refusal| ResendError::of_message(refusal.error).of_batch(refusal.index))?))
        }
        BatchValidation::Permissive => {
            let (mut requests, mut places, mut errors) = (Vec::new(), Vec::new(), Vec::new());
            for (index, message) in messages {
                match message {
                    Ok(request) => {
                        requests.push(request);
                        places.push(index);
                    }
                    Err(error) if error.is_about_fields() => {
                        errors.push(BatchError { index, message: error.into_message() });
                    }
                    Err(error) => return Err(error),
                }
            }
            let answer = |accepted, refusals: Vec<Refusal>| {
                errors.extend(refusals.into_iter().map(|refusal| BatchError {
                    index: places.get(refusal.index).copied().unwrap_or(refusal.index),
                    message: ResendError::of_message(refusal.error).into_message(),
                }));
                errors.sort_by_key(|error| error.index);
                sent(accepted, Some(errors))
            };
            Ok(respond(send::send_each(&app, &caller.0, requests, origin, answer).await?))
        }
    }
}

/// Lists the team's messages, newest first. Needs `logs:view`.
#[utoipa::path(
    get, path = "/emails", operation_id = "listEmails", tag = "emails", summary = "List emails",
    security(("bearer" = [])),
    params(
        ("limit" = Option<i64>, Query, description = "How many, by default 20", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "The id of the last email of the page before this one"),
        ("before" = Option<String>, Query,
            description = "The id of the first email of the page after this one; not together with `after`"),
    ),
    responses(
        (status = 200, description = "One page of the messages", body = List<EmailRow>),
        InvalidParameters, Refusals,
    ),
)]
async fn list_emails(
    State(app): State<App>,
    caller: Caller<ResendError>,
    RawQuery(query): RawQuery,
) -> Answer<List<EmailRow>> {
    let paging = read_paging(query.as_deref())?;
    let filter = EmailFilter { channel: Some(Channel::Email), ..EmailFilter::default() };
    let listed = emails::list_records_at(&app, &caller.0, &filter, paging.cursor, paging.limit).await?;
    Ok(Json(List::of(listed, EmailRow::from)))
}

/// Shows a message with its bodies. Needs `logs:view`.
#[utoipa::path(
    get, path = "/emails/{email_id}", operation_id = "retrieveEmail", tag = "emails", summary = "Retrieve an email",
    security(("bearer" = [])),
    params(("email_id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "The message", body = WholeEmail),
        InvalidParameters, Missing, Refusals,
    ),
)]
async fn find_email(
    State(app): State<App>,
    caller: Caller<ResendError>,
    id: PathText<String, ResendError>,
    RawQuery(query): RawQuery,
) -> Answer<WholeEmail> {
    read_no_parameters(query.as_deref())?;
    let detail = emails::find_email(&app, &caller.0, id_of(&id.0)).await?;
    match detail.email.channel {
        Channel::Email => Ok(Json(detail.into())),
        Channel::Sms | Channel::Call | Channel::Push | Channel::InApp => Err(AppError::not_found("Email log").into()),
    }
}

/// Moves a message that has not gone out yet to another time. Needs `emails:send`.
#[utoipa::path(
    patch, path = "/emails/{email_id}", operation_id = "updateEmail", tag = "emails", summary = "Reschedule an email",
    security(("bearer" = [])),
    params(("email_id" = String, Path, description = "The message's id")),
    request_body(content = UpdateBody, content_type = "application/json"),
    responses(
        (status = 200, description = "It goes out at the new time", body = ChangedEmail),
        InvalidBody, Missing, Refusals,
    ),
)]
async fn update_email(
    State(app): State<App>,
    caller: Caller<ResendError>,
    id: PathText<String, ResendError>,
    RawQuery(query): RawQuery,
    body: Body<ResendError>,
) -> Answer<ChangedEmail> {
    read_no_parameters(query.as_deref())?;
    let at = read_body::<UpdateBody>(&body.0)?.into_time(app.clock.now())?;
    let id: EmailId = id_of(&id.0);
    send::reschedule_email(&app, &caller.0, id, at).await?;
    Ok(Json(ChangedEmail { object: EmailObject::Email, id: id.to_uuid() }))
}

/// Takes a message back that has not gone out yet. Needs `emails:send`. The body, if there is one, is not looked at.
#[utoipa::path(
    post, path = "/emails/{email_id}/cancel", operation_id = "cancelEmail", tag = "emails",
    summary = "Cancel an email",
    security(("bearer" = [])),
    params(("email_id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "It will not go out", body = ChangedEmail),
        (status = 422, description = "It has gone out already, or a parameter is unknown", body = ErrorBody),
        Missing, Refusals,
    ),
)]
async fn cancel_email(
    State(app): State<App>,
    caller: Caller<ResendError>,
    id: PathText<String, ResendError>,
    RawQuery(query): RawQuery,
) -> Answer<ChangedEmail> {
    read_no_parameters(query.as_deref())?;
    let id: EmailId = id_of(&id.0);
    send::cancel_email(&app, &caller.0, id).await?;
    Ok(Json(ChangedEmail { object: EmailObject::Email, id: id.to_uuid() }))
}

/// What is done with a batch of which a message is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
enum BatchValidation {
    /// None of it is accepted.
    Strict,
    /// The others are accepted.
    Permissive,
}

impl BatchValidation {
    fn read(headers: &HeaderMap) -> Result<Self, ResendError> {
        match headers.get("x-batch-validation").map(|value| value.as_bytes()) {
            None | Some(b"strict") => Ok(Self::Strict),
            Some(b"permissive") => Ok(Self::Permissive),
            Some(_) => {
                Err(ResendError::invalid_parameter("The header x-batch-validation must be strict or permissive"))
            }
        }
    }
}
