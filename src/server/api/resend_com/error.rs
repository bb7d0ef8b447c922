//! Resend's error body, `{"statusCode","message","name"}`, made from [AppError], and what the OpenAPI document says
//! about it. Source: Resend, Errors.

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::domain::error::AppError;
use crate::server::api::extract::IDEMPOTENCY_KEY;
use crate::server::api::openapi::{HeaderKind, Manners, SecurityKind};
use crate::server::api::refusal;

/// An error on its way to the client.
#[derive(Debug)]
pub struct ResendError {
    status: StatusCode,
    name: ErrorName,
    message: String,
    retry_after_s: Option<u64>,
}

macro_rules! error_names {
    ($($variant:ident, $name:literal, $doc:literal;)+) => {
        /// What clients tell errors apart by: all names that Resend has, those for what we do not limit among them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub enum ErrorName {
            $(#[doc = $doc] #[serde(rename = $name)] $variant,)+
        }

        impl ErrorName {
            /// Every name.
            pub const ALL: &[ErrorName] = &[$(ErrorName::$variant,)+];

            /// The name in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

// Written by hand: the derived one does not see the names that the macro gives.
impl PartialSchema for ErrorName {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|name| name.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for ErrorName {}

error_names! {
    InvalidIdempotencyKey, "invalid_idempotency_key", "400: the idempotency key is empty or too long";
    ValidationError, "validation_error", "400, 403, 413 or 422: the request breaks a rule";
    MissingApiKey, "missing_api_key", "401: no API key";
    RestrictedApiKey, "restricted_api_key", "401: the API key may not do this";
    InvalidApiKey, "invalid_api_key", "403: the API key is unknown or revoked";
    NotFound, "not_found", "404: no such thing in the key's team, or no such endpoint";
    MethodNotAllowed, "method_not_allowed", "405: the endpoint does not know the method";
    InvalidIdempotentRequest, "invalid_idempotent_request", "409: the idempotency key came with another body before";
    ConcurrentIdempotentRequests, "concurrent_idempotent_requests", "409: of Resend's alone: here the second waits for the first's answer";
    InvalidAttachment, "invalid_attachment", "422: an attachment is wrong";
    InvalidFromAddress, "invalid_from_address", "422: of Resend's alone: here a validation_error";
    InvalidAccess, "invalid_access", "422: of Resend's alone";
    InvalidParameter, "invalid_parameter", "422: a parameter is wrong";
    InvalidRegion, "invalid_region", "422: of Resend's alone";
    MissingRequiredField, "missing_required_field", "422: a field is missing";
    MonthlyQuotaExceeded, "monthly_quota_exceeded", "429: of Resend's alone";
    DailyQuotaExceeded, "daily_quota_exceeded", "429: of Resend's alone";
    RateLimitExceeded, "rate_limit_exceeded", "429: too many requests";
    SecurityError, "security_error", "451: of Resend's alone";
    ApplicationError, "application_error", "500 or 503: a fault of the server's, or it is busy";
    InternalServerError, "internal_server_error", "500: of Resend's alone: here an application_error";
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The HTTP status.
    #[serde(rename = "statusCode")]
    #[schema(example = 404)]
    pub status_code: u16,
    /// For people.
    pub message: String,
    /// For programs.
    pub name: ErrorName,
}

impl ResendError {
    fn new(status: StatusCode, name: ErrorName, message: impl Into<String>) -> Self {
        Self { status, name, message: message.into(), retry_after_s: None }
    }

    /// The answer to a method that a path does not know.
    pub fn method_not_allowed(method: &Method) -> Self {
        let message = format!("The endpoint does not answer {method}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorName::MethodNotAllowed, message)
    }

    /// The answer to a client that does not say what it is.
    pub(super) fn no_user_agent() -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorName::ValidationError, "Missing `User-Agent` header")
    }

    /// A body that is no JSON.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorName::ValidationError, message)
    }

    /// A body that breaks a rule.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorName::ValidationError, message)
    }

    /// A field that must be there and is not; `field` as it is shown: `` `to` ``.
    pub(super) fn missing_field(field: &str) -> Self {
        let message = format!("Missing {field} field");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorName::MissingRequiredField, message)
    }

    /// An attachment that is wrong.
    pub(super) fn invalid_attachment(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorName::InvalidAttachment, message)
    }

    /// A parameter or header that is wrong.
    pub(super) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorName::InvalidParameter, message)
    }

    /// An idempotency key that is empty or too long.
    pub(super) fn invalid_idempotency_key() -> Self {
        let message = "The idempotency key must have 1 to 256 characters";
        Self::new(StatusCode::BAD_REQUEST, ErrorName::InvalidIdempotencyKey, message)
    }

    /// Why a message was not accepted: a template that is not there is a wrong field, not a wrong address.
    pub(super) fn of_message(error: AppError) -> Self {
        match error {
            AppError::NotFound(noun) => Self::invalid(format!("{noun} not found")),
            error => error.into(),
        }
    }

    /// The same, about one message of a batch, counted from 0. What is not about a message's fields stays as it is.
    pub(super) fn of_batch(self, index: usize) -> Self {
        if self.status == StatusCode::UNPROCESSABLE_ENTITY {
            return Self { message: format!("Email {index} of the batch: {}", self.message), ..self };
        }
        self
    }

    /// What it says to people.
    pub(super) fn into_message(self) -> String {
        self.message
    }

    /// Whether it is about the message's fields alone, and not about who sends it or the server.
    pub(super) fn is_about_fields(&self) -> bool {
        self.status == StatusCode::UNPROCESSABLE_ENTITY
    }
}

impl From<AppError> for ResendError {
    fn from(error: AppError) -> Self {
        let shown = error.to_string();
        let (status, name, message) = match error {
            AppError::NoSession => (
                StatusCode::UNAUTHORIZED,
                ErrorName::MissingApiKey,
                "Missing API key in the authorization header".into(),
            ),
            AppError::InvalidSession
            | AppError::InvalidApiKey
            | AppError::WrongCredentials
            | AppError::TwoFactorRequired
            | AppError::WrongCode => (StatusCode::FORBIDDEN, ErrorName::InvalidApiKey, "API key is invalid".into()),
            AppError::MissingPermission(permission) => {
                let message = format!("This API key is restricted: it lacks {}", permission.as_str());
                (StatusCode::UNAUTHORIZED, ErrorName::RestrictedApiKey, message)
            }
            AppError::NoTeam | AppError::LacksTwoFactor => {
                (StatusCode::UNAUTHORIZED, ErrorName::RestrictedApiKey, shown)
            }
            AppError::Forbidden(_) => (StatusCode::FORBIDDEN, ErrorName::ValidationError, shown),
            AppError::NotFound(noun) => (StatusCode::NOT_FOUND, ErrorName::NotFound, not_found(&noun)),
            AppError::Validation { field: Some(field), message } => return about_field(&field, &message),
            AppError::Validation { field: None, .. }
            | AppError::InvalidTemplate { .. }
            | AppError::AlreadyExists(_)
            | AppError::Conflict(_) => (StatusCode::UNPROCESSABLE_ENTITY, ErrorName::ValidationError, shown),
            AppError::IdempotencyMismatch => (StatusCode::CONFLICT, ErrorName::InvalidIdempotentRequest, shown),
            AppError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, ErrorName::ValidationError, shown),
            AppError::RateLimited { retry_after_s } => {
                let message = "Too many requests. Slow down, or wait for the seconds that retry-after says.";
                let error = Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorName::RateLimitExceeded, message);
                return Self { retry_after_s: Some(retry_after_s), ..error };
            }
            AppError::Unavailable | AppError::TooSlow => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorName::ApplicationError, shown)
            }
            AppError::Adapter(_) | AppError::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, ErrorName::ApplicationError, shown)
            }
        };
        Self::new(status, name, message)
    }
}

/// The nouns as Resend's clients know them.
fn not_found(noun: &str) -> String {
    match noun {
        "The endpoint" => "The requested endpoint does not exist".to_owned(),
        "Email log" => "Email not found".to_owned(),
        "API request" => "Log not found".to_owned(),
        noun => format!("{noun} not found"),
    }
}

/// An error about a field, which the use cases name as Canary does.
fn about_field(field: &str, message: &str) -> ResendError {
    if field == IDEMPOTENCY_KEY {
        return ResendError::invalid_idempotency_key();
    }
    let name = match field {
        "replyTo" => "reply_to",
        "scheduledAt" => "scheduled_at",
        "templateId" => "template",
        "variables" => "template.variables",
        "url" => "endpoint",
        field => field,
    };
    let message = match message.strip_prefix(field) {
        Some(rest) if rest.starts_with([' ', ',']) => format!("`{name}`{rest}"),
        Some(_) | None => format!("Invalid `{name}` field: {message}"),
    };
    match field {
        "attachments" => ResendError::invalid_attachment(message),
        _ => ResendError::invalid(message),
    }
}

impl IntoResponse for ResendError {
    fn into_response(self) -> Response {
        let body = ErrorBody { status_code: self.status.as_u16(), message: self.message, name: self.name };
        refusal(self.status, self.retry_after_s, body)
    }
}

/// What the endpoints say alike.
pub const MANNERS: Manners = Manners {
    security: &[("bearer", SecurityKind::Bearer, "An API key")],
    error: ErrorBody::schema,
    places: &[
        ("/emails/{email_id}", "The message's id"),
        ("/logs/{log_id}", "The log's id"),
        ("/webhooks/{webhook_id}", "The webhook's id"),
    ],
    headers: &[(429, "retry-after", HeaderKind::Seconds, "Seconds until the next request is allowed")],
    always: &[
        (401, "No API key, or one that may not do this"),
        (403, "An API key that is unknown or revoked, or a request without a `User-Agent`"),
        (413, "The body is too large"),
        (429, "Too many requests; `retry-after` says for how many seconds"),
        (500, "A fault of the server's; it is in its log"),
        (503, "The server is busy; try again in a moment"),
    ],
    known: &[],
    path: &[(404, "No such thing in the key's team")],
    body: &[
        (400, "The body is no JSON, or the idempotency key is empty or too long"),
        (422, "A field is missing or wrong, or the message has gone out already"),
    ],
    no_body: &[(422, "A parameter is unknown, repeated, malformed or out of bounds")],
};

/// What an endpoint can answer that takes an idempotency key.
#[derive(IntoResponses)]
pub enum Mismatch {
    /// The idempotency key came with another body before
    #[response(status = 409)]
    Mismatch(#[to_schema] ErrorBody),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::Permission;

    /// The names in the types of npm `resend` 6.38.0, in their order.
    const KNOWN_NAMES: [&str; 21] = [
        "invalid_idempotency_key",
        "validation_error",
        "missing_api_key",
        "restricted_api_key",
        "invalid_api_key",
        "not_found",
        "method_not_allowed",
        "invalid_idempotent_request",
        "concurrent_idempotent_requests",
        "invalid_attachment",
        "invalid_from_address",
        "invalid_access",
        "invalid_parameter",
        "invalid_region",
        "missing_required_field",
        "monthly_quota_exceeded",
        "daily_quota_exceeded",
        "rate_limit_exceeded",
        "security_error",
        "application_error",
        "internal_server_error",
    ];

    #[test]
    fn names_are_those_of_the_published_client() {
        assert_eq!(ErrorName::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>(), KNOWN_NAMES);
        for name in ErrorName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
    }

    #[test]
    fn errors_have_the_names_and_statuses_of_the_specification() {
        let field = |field: &str, message: &str| AppError::invalid_field(field, message);
        let cases = [
            (AppError::NoSession, 401, "missing_api_key", "Missing API key in the authorization header"),
            (AppError::InvalidApiKey, 403, "invalid_api_key", "API key is invalid"),
            (
                AppError::MissingPermission(Permission::LogsView),
                401,
                "restricted_api_key",
                "This API key is restricted: it lacks logs:view",
            ),
            (AppError::not_found("Email log"), 404, "not_found", "Email not found"),
            (AppError::not_found("The endpoint"), 404, "not_found", "The requested endpoint does not exist"),
            (AppError::invalid("no"), 422, "validation_error", "no"),
            (field("to", "to must be text"), 422, "validation_error", "`to` must be text"),
            (
                field("replyTo", "“replyTo” is no address"),
                422,
                "validation_error",
                "Invalid `reply_to` field: “replyTo” is no address",
            ),
            (field("scheduledAt", "too late"), 422, "validation_error", "Invalid `scheduled_at` field: too late"),
            (field("attachments", "too large"), 422, "invalid_attachment", "Invalid `attachments` field: too large"),
            (AppError::Conflict("sent".to_owned()), 422, "validation_error", "sent"),
            (
                AppError::IdempotencyMismatch,
                409,
                "invalid_idempotent_request",
                "This idempotency key was used before with a different request body",
            ),
            (AppError::TooLarge { limit_bytes: 1 }, 413, "validation_error", "The request body is larger than 1 bytes"),
            (AppError::Unavailable, 503, "application_error", "The service is busy. Try again in a moment."),
            (
                AppError::TooSlow,
                503,
                "application_error",
                "This took too long and was stopped. Narrow the period or the filter.",
            ),
            (AppError::Internal, 500, "application_error", "Something went wrong on our side. It has been logged."),
        ];
        for (error, status, name, message) in cases {
            let error = ResendError::from(error);
            assert_eq!((error.status.as_u16(), error.name.as_str(), error.message.as_str()), (status, name, message));
        }
    }

    #[test]
    fn a_limit_says_when_to_come_back() {
        let response = ResendError::from(AppError::RateLimited { retry_after_s: 61 }).into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "61");
    }

    #[test]
    fn the_body_is_the_specifications() {
        let body = ErrorBody { status_code: 404, message: "…".to_owned(), name: ErrorName::NotFound };
        assert_eq!(serde_json::to_string(&body).unwrap(), r#"{"statusCode":404,"message":"…","name":"not_found"}"#);
    }
}
