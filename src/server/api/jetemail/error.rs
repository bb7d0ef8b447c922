//! JetEmail's error envelope, `{"success":false,"error","message","code"?,"details"?}`, made from [AppError], and what the
//! OpenAPI document says about it. Its clients show `message` or `error`, so both say the same. `code` tells apart what
//! is wrong with an idempotency key. Source: JetEmail, Get outbound email logs, responses; Idempotency Keys.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::domain::error::AppError;
use crate::server::api::openapi::{HeaderKind, Manners, SecurityKind};
use crate::server::api::{refusal, retry_after_s, status_of};

/// An error on its way to the client.
#[derive(Debug)]
pub struct JetemailError {
    status: StatusCode,
    message: String,
    code: Option<&'static str>,
    details: Option<String>,
    retry_after_s: Option<u64>,
}

/// The envelope.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Always `false`.
    #[schema(example = false)]
    pub success: bool,
    /// What went wrong.
    #[schema(example = "limit must be a whole number from 1 to 100")]
    pub error: String,
    /// The same.
    #[schema(example = "limit must be a whole number from 1 to 100")]
    pub message: String,
    /// `IDEMPOTENCY_BODY_MISMATCH` when an idempotency key came back with another body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// More about a fault of the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

impl From<AppError> for JetemailError {
    fn from(error: AppError) -> Self {
        let status = status_of(&error);
        let text = error.to_string();
        let (mut code, mut details) = (None, None);
        let retry_after_s = retry_after_s(&error);
        let message = match error {
            AppError::NoSession => "No API key found: send it as Authorization: Bearer".to_owned(),
            AppError::InvalidSession
            | AppError::InvalidApiKey
            | AppError::WrongCredentials
            | AppError::TwoFactorRequired
            | AppError::WrongCode
            | AppError::NoTeam
            | AppError::MissingPermission(_)
            | AppError::LacksTwoFactor
            | AppError::Forbidden(_)
            | AppError::NotFound(_)
            | AppError::InvalidTemplate { .. }
            | AppError::AlreadyExists(_)
            | AppError::Conflict(_)
            | AppError::TooLarge { .. }
            | AppError::RateLimited { .. } => text,
            AppError::Validation { .. } => text.replace("replyTo", "reply_to").replace("scheduledAt", "scheduled_at"),
            AppError::IdempotencyMismatch => {
                code = Some("IDEMPOTENCY_BODY_MISMATCH");
                text
            }
            AppError::Adapter(_) | AppError::Unavailable | AppError::TooSlow | AppError::Internal => {
                details = Some(text.clone());
                text
            }
        };
        Self { status, message, code, details, retry_after_s }
    }
}

impl JetemailError {
    /// What it says.
    pub(super) fn message(self) -> String {
        self.message
    }
}

impl IntoResponse for JetemailError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            success: false,
            error: self.message.clone(),
            message: self.message,
            code: self.code,
            details: self.details,
        };
        refusal(self.status, self.retry_after_s, body)
    }
}

/// What the endpoints say alike.
pub const MANNERS: Manners = Manners {
    security: &[("apiKeyAuth", SecurityKind::Bearer, "An API key")],
    error: ErrorBody::schema,
    places: &[],
    headers: &[
        (405, "Allow", HeaderKind::Text, "The methods that it answers"),
        (429, "Retry-After", HeaderKind::Seconds, "Seconds until the next try is allowed"),
    ],
    always: &[
        (400, "A parameter or a field is unknown, repeated, missing, malformed or out of bounds"),
        (401, "No key, or one that is unknown or revoked"),
        (403, "The key may not do this"),
        (405, "The path does not answer this method"),
        (413, "The body is too large"),
        (429, "Too many requests in a second; `Retry-After` says for how many seconds"),
        (500, "A fault of the server's; it is in its log"),
        (503, "The server is busy; try again in a moment"),
    ],
    known: &[],
    path: &[],
    body: &[],
    no_body: &[],
};

/// What an endpoint can answer that names a thing.
#[derive(IntoResponses)]
pub enum Missing {
    /// No such message in the caller's team
    #[response(status = 404)]
    NotFound(#[to_schema] ErrorBody),
}

/// What an endpoint can answer that takes an idempotency key.
#[derive(IntoResponses)]
pub enum Clash {
    /// The idempotency key was used with another body
    #[response(status = 409)]
    Conflict(#[to_schema] ErrorBody),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::Permission;

    #[test]
    fn errors_have_the_statuses_of_the_specification() {
        for (error, status) in [
            (AppError::NoSession, 401),
            (AppError::InvalidApiKey, 401),
            (AppError::MissingPermission(Permission::LogsView), 403),
            (AppError::not_found("Email log"), 404),
            (AppError::invalid("no"), 400),
            (AppError::IdempotencyMismatch, 409),
            (AppError::TooLarge { limit_bytes: 1 }, 413),
            (AppError::RateLimited { retry_after_s: 1 }, 429),
            (AppError::Internal, 500),
            (AppError::Unavailable, 503),
            (AppError::TooSlow, 503),
        ] {
            assert_eq!(JetemailError::from(error).status.as_u16(), status);
        }
    }

    #[test]
    fn fields_are_named_as_jetemail_names_them() {
        let error = AppError::invalid_field("replyTo", "replyTo must be one line");
        assert_eq!(JetemailError::from(error).message(), "reply_to must be one line");
    }
}
