//! `GET /settings/privacy/export/{id}`: everything about a person who was looked up, as JSON Lines, streamed.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tracing::error;

use super::csrf;
use super::refusal::Refusal;
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::services::persons::export;

/// `GET /settings/privacy/export/{id}`, the sealed address. Needs `privacy:export`.
pub async fn show(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Path(sealed): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let viewer = identity.0?;
    csrf::require_same_origin(&headers, &app.config)?;
    let export = export::start(&app, &viewer, &sealed).await?;
    let pieces = stream::try_unfold(export, |mut export| async move {
        let piece = export.next_piece().await.inspect_err(|cause| error!(%cause, "an export ended early"))?;
        Ok::<_, AppError>(piece.map(|piece| (piece, export)))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"person.jsonl\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
