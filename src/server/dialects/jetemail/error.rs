//! Jetemail's error envelope.

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::domain::error::AppError;

/// An error as Jetemail answers it.
#[derive(Debug)]
pub struct JetemailError(AppError);

impl From<AppError> for JetemailError {
    fn from(error: AppError) -> Self {
        Self(error)
    }
}

impl JetemailError {
    /// The answer to a method that a path does not know.
    pub fn method_not_allowed(method: &Method) -> Self {
        Self(AppError::invalid(format!("{method} is not allowed here")))
    }
}

impl IntoResponse for JetemailError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, self.0.to_string()).into_response()
    }
}
