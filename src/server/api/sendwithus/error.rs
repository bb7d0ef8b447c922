//! Sendwithus's error envelope, `{"success":false,"status":"ERROR","exception":…}`, made from [AppError], and what the
//! OpenAPI document says about it. `exception` is a sentence for people; programs go by the status. The published clients
//! know 403 for a key that may not, 404 with `No SendLog` for an unknown log, and 400 for everything else that is wrong
//! with a request: a template that is not there, or a message that cannot be resent, is 400 too.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::domain::error::AppError;
use crate::server::api::openapi::{HeaderKind, Manners, SecurityKind};
use crate::server::api::{refusal, retry_after_s};

/// An error as Sendwithus answers it.
#[derive(Debug)]
pub struct SendwithusError {
    status: StatusCode,
    exception: String,
    retry_after_s: Option<u64>,
}

/// The envelope.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// Always `false`.
    #[schema(example = false)]
    pub success: bool,
    /// Always `ERROR`.
    #[schema(value_type = String, example = "ERROR")]
    pub status: &'static str,
    /// What went wrong, for people.
    #[schema(example = "count must be a whole number from 1 to 100")]
    pub exception: String,
}

impl From<AppError> for SendwithusError {
    fn from(error: AppError) -> Self {
        let mut exception = error.to_string();
        let retry_after_s = retry_after_s(&error);
        let status = match error {
            AppError::NoSession => {
                exception = "Missing API key: send it as the user name of HTTP Basic, or as X-SWU-API-KEY".to_owned();
                StatusCode::FORBIDDEN
            }
            AppError::InvalidSession
            | AppError::InvalidApiKey
            | AppError::WrongCredentials
            | AppError::TwoFactorRequired
            | AppError::WrongCode
            | AppError::NoTeam
            | AppError::MissingPermission(_)
            | AppError::LacksTwoFactor
            | AppError::Forbidden(_) => StatusCode::FORBIDDEN,
            AppError::NotFound(noun) => {
                if noun == LOG {
                    exception = "No SendLog with this id".to_owned();
                }
                StatusCode::NOT_FOUND
            }
            AppError::Validation { field, message } => {
                exception = field.map_or(message.clone(), |field| about(&field, &message));
                StatusCode::BAD_REQUEST
            }
            AppError::InvalidTemplate { .. }
            | AppError::AlreadyExists(_)
            | AppError::Conflict(_)
            | AppError::IdempotencyMismatch => StatusCode::BAD_REQUEST,
            AppError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            AppError::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            AppError::Adapter(_) | AppError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            AppError::Unavailable | AppError::TooSlow => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, exception, retry_after_s }
    }
}

/// What the use cases call a message that is not there.
const LOG: &str = "Email log";

/// A sentence that names the parameter to blame as Sendwithus spells it.
fn about(field: &str, message: &str) -> String {
    let spelled = match field {
        "to" => "recipient",
        "from" => "sender",
        "replyTo" => "sender.reply_to",
        "templateId" => "email_id",
        "variables" => "email_data",
        "attachments" => "files",
        "adapterId" => "esp_account",
        other => other,
    };
    match message.strip_prefix(field).filter(|rest| rest.starts_with(' ')) {
        Some(rest) => format!("{spelled}{rest}"),
        None if message.contains(spelled) => message.to_owned(),
        None => format!("{spelled}: {message}"),
    }
}

impl IntoResponse for SendwithusError {
    fn into_response(self) -> Response {
        let body = ErrorBody { success: false, status: "ERROR", exception: self.exception };
        refusal(self.status, self.retry_after_s, body)
    }
}

/// What the endpoints say alike.
pub const MANNERS: Manners = Manners {
    security: &[
        ("basic", SecurityKind::Basic, "An API key as the user name, with an empty password"),
        ("swuApiKey", SecurityKind::Header("X-SWU-API-KEY"), "An API key"),
    ],
    error: ErrorBody::schema,
    places: &[("/logs/{log_id}", "The log's id")],
    headers: &[(429, "Retry-After", HeaderKind::Seconds, "Seconds until the next try is allowed")],
    always: &[
        (
            400,
            "A parameter or a field of the body is unknown, missing, malformed or out of bounds, or asks for what cannot be\n\
             done",
        ),
        (403, "There is no key, it is unknown or revoked, or it may not do this"),
        (429, "The key asks too often; `Retry-After` says for how many seconds to wait"),
        (500, "A fault of the server's; it is in its log"),
        (503, "The server is busy; try again in a moment"),
    ],
    known: &[],
    path: &[(404, "No such thing in the caller's team")],
    body: &[(413, "The body is too large")],
    no_body: &[],
};

/// What an endpoint can answer whose body names a log.
#[derive(IntoResponses)]
pub enum Missing {
    /// No such thing in the caller's team
    #[response(status = 404)]
    NotFound(#[to_schema] ErrorBody),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::Permission;
    use crate::domain::template::TemplatePart;

    #[test]
    fn errors_have_the_statuses_that_the_clients_know() {
        let cases = [
            (AppError::InvalidApiKey, 403, "Invalid or revoked API key"),
            (AppError::MissingPermission(Permission::LogsView), 403, "Missing permission: logs:view"),
            (AppError::not_found("Email log"), 404, "No SendLog with this id"),
            (AppError::not_found("The endpoint"), 404, "The endpoint not found"),
            (AppError::invalid("no"), 400, "no"),
            (AppError::Conflict("no".to_owned()), 400, "no"),
            (AppError::InvalidTemplate { part: TemplatePart::Html, message: "no".to_owned() }, 400, "no"),
            (AppError::TooLarge { limit_bytes: 5 }, 413, "The request body is larger than 5 bytes"),
            (AppError::Unavailable, 503, "The service is busy. Try again in a moment."),
            (AppError::TooSlow, 503, "This took too long and was stopped. Narrow the period or the filter."),
        ];
        for (error, status, exception) in cases {
            let error = SendwithusError::from(error);
            assert_eq!((error.status.as_u16(), error.exception.as_str()), (status, exception));
        }
    }

    #[test]
    fn fields_are_spelled_as_the_caller_knows_them() {
        for (field, message, expected) in [
            ("to", "to must hold at least one address", "recipient must hold at least one address"),
            ("from", "“x” is not an email address", "sender: “x” is not an email address"),
            ("variables", "variables must be a JSON object", "email_data must be a JSON object"),
            ("count", "count must be a whole number", "count must be a whole number"),
            ("pages", "Unknown parameter pages: use count", "Unknown parameter pages: use count"),
            ("attachments", "A message has at most 20 attachments", "files: A message has at most 20 attachments"),
        ] {
            assert_eq!(about(field, message), expected);
        }
    }

    #[test]
    fn a_limit_says_when_to_come_back() {
        let response = SendwithusError::from(AppError::RateLimited { retry_after_s: 61 }).into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "61");
    }
}
