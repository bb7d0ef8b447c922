//! How routes that are neither pages nor APIs refuse: a status and a sentence, as text.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::domain::error::AppError;

/// An error as the answer to a browser that asked for a file or for a part of a page.
pub struct Refusal(AppError);

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (status_of(&self.0), format!("{}\n", self.0)).into_response()
    }
}

pub(super) fn status_of(error: &AppError) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
