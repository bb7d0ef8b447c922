//! Canary's error envelope, `{"success":false,"error":{"code","message","details"?}}`, made from [AppError], and what
//! the OpenAPI document says about it. Source: Canary, Email Logs API, "Error Responses".

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::domain::error::AppError;
use crate::server::api::openapi::{Manners, SecurityKind};
use crate::server::api::{refusal, retry_after_s, status_of};

/// An error on its way to the client.
#[derive(Debug)]
pub struct CanaryError {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    details: Option<ErrorDetails>,
    retry_after_s: Option<u64>,
}

/// What clients tell errors apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// No credentials, or wrong ones.
    Unauthorized,
    /// The session or key is unknown, revoked or ended.
    InvalidToken,
    /// The role or key may not do this.
    Forbidden,
    /// No such thing in the caller's team.
    NotFound,
    /// The input breaks a rule.
    ValidationError,
    /// A template that cannot be parsed or rendered.
    InvalidTemplate,
    /// A thing of this name exists already.
    AlreadyExists,
    /// The change contradicts the present state.
    Conflict,
    /// Too many tries.
    RateLimited,
    /// A mail server refused or could not be reached.
    AdapterError,
    /// A fault of the server's.
    InternalError,
    /// Busy; trying again later can work.
    ServiceUnavailable,
}

/// Where in the input the error is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorDetails {
    /// The parameter to blame, `page` or `attachments[0].content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The line of the body, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column of that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

/// The envelope.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    /// Always `false`.
    #[schema(example = false)]
    pub success: bool,
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Where in the input it is, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
}

impl CanaryError {
    /// A body that cannot be read as JSON, with what is known of the place.
    pub(super) fn invalid_body(message: impl Into<String>, details: Option<ErrorDetails>) -> Self {
        Self { details, ..AppError::invalid(message).into() }
    }

    /// A body in a format that this API does not speak.
    pub(super) fn unsupported_media_type() -> Self {
        Self::unsupported("Send the body as JSON, with the header Content-Type: application/json")
    }

    /// A body in a format that this endpoint does not speak, with what it does.
    pub(super) fn unsupported(message: &str) -> Self {
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..AppError::invalid(message).into() }
    }
}

impl From<AppError> for CanaryError {
    fn from(error: AppError) -> Self {
        let message = error.to_string();
        let status = status_of(&error);
        let (mut details, retry_after_s) = (None, retry_after_s(&error));
        let code = match error {
            AppError::NoSession | AppError::WrongCredentials | AppError::TwoFactorRequired | AppError::WrongCode => {
                ErrorCode::Unauthorized
            }
            AppError::InvalidSession | AppError::InvalidApiKey => ErrorCode::InvalidToken,
            AppError::NoTeam | AppError::MissingPermission(_) | AppError::LacksTwoFactor | AppError::Forbidden(_) => {
                ErrorCode::Forbidden
            }
            AppError::NotFound(_) => ErrorCode::NotFound,
            AppError::Validation { field, .. } => {
                details = field.map(|field| ErrorDetails { field: Some(field), line: None, column: None });
                ErrorCode::ValidationError
            }
            AppError::InvalidTemplate { .. } => ErrorCode::InvalidTemplate,
            AppError::AlreadyExists(_) => ErrorCode::AlreadyExists,
            AppError::Conflict(_) | AppError::IdempotencyMismatch => ErrorCode::Conflict,
            AppError::TooLarge { .. } => ErrorCode::ValidationError,
            AppError::RateLimited { .. } => ErrorCode::RateLimited,
            AppError::Adapter(_) => ErrorCode::AdapterError,
            AppError::Unavailable | AppError::TooSlow => ErrorCode::ServiceUnavailable,
            AppError::Internal => ErrorCode::InternalError,
        };
        Self { status, code, message, details, retry_after_s }
    }
}

impl IntoResponse for CanaryError {
    fn into_response(self) -> Response {
        let error = ErrorBody { code: self.code, message: self.message, details: self.details };
        refusal(self.status, self.retry_after_s, ErrorEnvelope { success: false, error })
    }
}

/// What the endpoints say alike.
pub const MANNERS: Manners = Manners {
    security: &[
        ("session", SecurityKind::Cookie("session"), "Of a log-in, by the dashboard or by /api/auth/login"),
        ("bearer", SecurityKind::Bearer, "An API key"),
        ("apiKey", SecurityKind::Header("X-API-Key"), "An API key"),
    ],
    error: ErrorEnvelope::schema,
    places: &[
        ("/adapters/{id}", "The adapter's id"),
        ("/api-keys/{id}", "The key's id"),
        ("/logs/{id}", "The message's id"),
        ("/resends/{id}", "The bulk resend's id"),
        ("/v1/{id}", "The message's id"),
        ("/templates/{id}", "The template's id"),
        ("/teams/{id}", "The team's id"),
        ("/webhooks/{id}", "The webhook's id"),
        ("/deliveries/{delivery}", "The delivery's id"),
        ("/invites/{inviteId}", "The invitation's id"),
        ("/members/{userId}", "The member's account"),
        ("/accept-invite/{token}", "From the invitation's link"),
    ],
    headers: &[],
    always: &[(500, "A fault of the server's; it is in its log"), (503, "The server is busy; try again in a moment")],
    known: &[
        (401, "No session and no key, or one that is unknown, revoked or ended"),
        (403, "The role or key may not do this, no team is selected, or a browser sent it from another site"),
    ],
    path: &[(404, "No such thing in the caller's team")],
    body: &[
        (400, "The body is no JSON, or a field of it is unknown, missing or wrong"),
        (413, "The body is too large"),
        (415, "The body is labelled as something else than JSON"),
    ],
    no_body: &[(400, "A parameter is unknown, repeated, malformed or out of bounds")],
};

/// What an endpoint can answer that makes sure of who asks.
#[derive(IntoResponses)]
pub enum Refusals {
    /// No session and no key, or one that is unknown, revoked or ended
    #[response(status = 401)]
    Unauthorized(#[to_schema] ErrorEnvelope),
    /// The role or key may not do this, no team is selected, or a browser sent it from another site
    #[response(status = 403)]
    Forbidden(#[to_schema] ErrorEnvelope),
}

/// What an endpoint can answer that names a thing.
#[derive(IntoResponses)]
pub enum Missing {
    /// No such thing in the caller's team
    #[response(status = 404)]
    NotFound(#[to_schema] ErrorEnvelope),
}

/// What an endpoint can answer that makes or changes a thing.
#[derive(IntoResponses)]
pub enum Clash {
    /// The name is taken, or the change contradicts the present state
    #[response(status = 409)]
    Conflict(#[to_schema] ErrorEnvelope),
}

/// What an endpoint can answer that limits guessing.
#[derive(IntoResponses)]
pub enum TooMany {
    /// Too many tries; `Retry-After` says for how many seconds
    #[response(status = 429, headers(("Retry-After" = u64, description = "Seconds until the next try is allowed")))]
    RateLimited(#[to_schema] ErrorEnvelope),
}

/// What an endpoint can answer that takes an idempotency key.
#[derive(IntoResponses)]
pub enum Mismatch {
    /// The idempotency key came with another body before
    #[response(status = 409)]
    Mismatch(#[to_schema] ErrorEnvelope),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::Permission;
    use crate::domain::template::TemplatePart;

    #[test]
    fn errors_have_the_codes_and_statuses_of_the_specification() {
        let cases = [
            (AppError::NoSession, 401, "UNAUTHORIZED", "No session found"),
            (AppError::InvalidSession, 401, "INVALID_TOKEN", "Invalid or expired session"),
            (AppError::NoTeam, 403, "FORBIDDEN", "No team selected"),
            (AppError::MissingPermission(Permission::LogsView), 403, "FORBIDDEN", "Missing permission: logs:view"),
            (AppError::not_found("Email log"), 404, "NOT_FOUND", "Email log not found"),
            (AppError::invalid("no"), 400, "VALIDATION_ERROR", "no"),
            (
                AppError::InvalidTemplate { part: TemplatePart::Html, message: "no".to_owned() },
                400,
                "INVALID_TEMPLATE",
                "no",
            ),
            (AppError::AlreadyExists("no".to_owned()), 409, "ALREADY_EXISTS", "no"),
            (AppError::Conflict("no".to_owned()), 409, "CONFLICT", "no"),
            (AppError::Adapter("no".to_owned()), 500, "ADAPTER_ERROR", "no"),
        ];
        for (error, status, code, message) in cases {
            let error = CanaryError::from(error);
            assert_eq!((error.status.as_u16(), error.message.as_str()), (status, message));
            assert_eq!(serde_json::to_value(error.code).unwrap(), code);
        }
    }

    #[test]
    fn a_limit_says_when_to_come_back() {
        let response = CanaryError::from(AppError::RateLimited { retry_after_s: 61 }).into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "61");
    }
}
