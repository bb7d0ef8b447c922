//! `GET /settings/suppressions/export`: the suppressed addresses as a CSV file, streamed.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tracing::error;

use super::csrf;
use super::refusal::Refusal;
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::services::suppressions;

/// `GET /settings/suppressions/export`. Needs `suppressions:view` and `logs:export`.
pub async fn show(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let viewer = identity.0?;
    csrf::require_same_origin(&headers, &app.config)?;
    let export = suppressions::start_export(&app, &viewer).await?;
    let pieces = stream::try_unfold(export, |mut export| async move {
        let piece = export.next_piece().await.inspect_err(|cause| error!(%cause, "an export ended early"))?;
        Ok::<_, AppError>(piece.map(|piece| (piece, export)))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"suppressions.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
