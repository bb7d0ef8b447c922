//! Finishes what was begun: a request that may write runs to its end in a task of its own, whoever hangs up, with all that
//! layers do behind the handler. Requests that only read end with their caller.

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{Instrument, error};

use crate::domain::error::AppError;

/// The GETs that leave a trace: a line of the audit log, a session, or an event.
const WRITING_READS: [&str; 5] =
    ["/logs/export", "/settings/audit/export", "/settings/privacy/export/", "/login/openid", "/t/"];

/// Layer, outside of all that write.
pub async fn finish_writes(request: Request, next: Next) -> Response {
    if !may_write(&request) {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(cause) => {
            error!(%cause, "a request did not end");
            (axum::http::StatusCode::INTERNAL_SERVER_ERROR, AppError::Internal.to_string()).into_response()
        }
    }
}

fn may_write(request: &Request) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    !is_read || WRITING_READS.iter().any(|path| request.uri().path().starts_with(path))
}
