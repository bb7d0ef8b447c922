//! NotificationAPI's errors, `{"messages":["…"]}`, made from [AppError], and what the OpenAPI document says about them. Its
//! clients look at the status alone (the one for Node throws on everything that is not 2xx, the one for Python hands it
//! on), so the body is the one that its warnings have: `messages`, a sentence each.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::domain::error::AppError;
use crate::server::api::openapi::{HeaderKind, Manners, SecurityKind};
use crate::server::api::{refusal, retry_after_s, status_of};

/// An error on its way to the client.
#[derive(Debug)]
pub struct NotificationapiError {
    status: StatusCode,
    message: String,
    retry_after_s: Option<u64>,
}

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong, a sentence each.
    #[schema(min_items = 1)]
    pub messages: Vec<String>,
}

impl From<AppError> for NotificationapiError {
    fn from(error: AppError) -> Self {
        let status = status_of(&error);
        let retry_after_s = retry_after_s(&error);
        let message = match error {
            AppError::NoSession => "No credentials: send clientId and clientSecret by HTTP Basic".to_owned(),
            AppError::InvalidApiKey => "The clientId or the clientSecret is wrong".to_owned(),
            other => other.to_string(),
        };
        Self { status, message, retry_after_s }
    }
}

impl IntoResponse for NotificationapiError {
    fn into_response(self) -> Response {
        let mut response = refusal(self.status, self.retry_after_s, ErrorBody { messages: vec![self.message] });
        if self.status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"Sendlog\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

/// What the endpoints say alike.
pub const MANNERS: Manners = Manners {
    security: &[("basic", SecurityKind::Basic, "An API key's id as the user name, the key as the password")],
    error: ErrorBody::schema,
    places: &[("/{clientId}", "The key's id"), ("/schedule/{trackingId}", "The notification, as sending it answered")],
    headers: &[(429, "Retry-After", HeaderKind::Seconds, "Seconds until the next request is allowed")],
    always: &[
        (400, "A parameter of the query string, where there are none, or a body that is no JSON or breaks a rule"),
        (401, "No credentials, or wrong ones"),
        (403, "The key may not do this, or the path names another one"),
        (413, "The body is too large"),
        (429, "Too many requests; `Retry-After` says for how many seconds"),
        (500, "A fault of the server's; it is in its log"),
        (503, "The server is busy; try again in a moment"),
    ],
    known: &[],
    path: &[],
    body: &[],
    no_body: &[],
};

/// What an endpoint can answer that takes an idempotency key.
#[derive(IntoResponses)]
pub enum Mismatch {
    /// The idempotency key came with another body before
    #[response(status = 409)]
    Mismatch(#[to_schema] ErrorBody),
}

/// What an endpoint can answer that changes a notification that waits.
#[derive(IntoResponses)]
pub enum ScheduleRefusals {
    /// The team has no such notification
    #[response(status = 404)]
    NotFound(#[to_schema] ErrorBody),
    /// It has been sent already
    #[response(status = 409)]
    Conflict(#[to_schema] ErrorBody),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::Permission;
    use crate::domain::template::TemplatePart;

    #[test]
    fn errors_have_the_statuses_that_clients_throw_on() {
        for (error, status) in [
            (AppError::invalid("no"), 400),
            (AppError::InvalidTemplate { part: TemplatePart::Html, message: "no".to_owned() }, 400),
            (AppError::NoSession, 401),
            (AppError::InvalidApiKey, 401),
            (AppError::MissingPermission(Permission::EmailsSend), 403),
            (AppError::not_found("Notification"), 404),
            (AppError::Conflict("no".to_owned()), 409),
            (AppError::TooLarge { limit_bytes: 1 }, 413),
            (AppError::RateLimited { retry_after_s: 1 }, 429),
            (AppError::Internal, 500),
            (AppError::Unavailable, 503),
            (AppError::TooSlow, 503),
        ] {
            assert_eq!(NotificationapiError::from(error).into_response().status(), status);
        }
    }

    #[test]
    fn a_limit_says_when_to_come_back() {
        let response = NotificationapiError::from(AppError::RateLimited { retry_after_s: 3 }).into_response();
        assert_eq!(response.headers()["retry-after"], "3");
    }
}
