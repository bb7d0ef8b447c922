//! Sendwithus's error envelope.

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::domain::error::AppError;

/// An error as Sendwithus answers it.
#[derive(Debug)]
pub struct SendwithusError(AppError);

impl From<AppError> for SendwithusError {
    fn from(error: AppError) -> Self {
        Self(error)
    }
}

impl SendwithusError {
    /// The answer to a method that a path does not know.
    pub fn method_not_allowed(method: &Method) -> Self {
        Self(AppError::invalid(format!("{method} is not allowed here")))
    }
}

impl IntoResponse for SendwithusError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, self.0.to_string()).into_response()
    }
}
