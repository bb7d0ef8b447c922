//! `GET /settings/audit/export?format=csv|ndjson`: the audit log as a file, streamed, with the filters of the page.

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tracing::error;

use super::csrf;
use super::refusal::Refusal;
use crate::domain::address::audit::AuditQuery;
use crate::domain::audit::{AuditChoice, AuditFilter};
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::services::audit::{self, ExportFormat};
use crate::server::services::emails;

/// `GET /settings/audit/export`. Needs `audit:view`.
pub async fn show(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let viewer = identity.0?;
    csrf::require_same_origin(&headers, &app.config)?;
    let (format, query) = AuditQuery::parse_export(&query.unwrap_or_default())?;
    let format: ExportFormat = format.parse()?;
    let period = emails::resolve_period(&app, &viewer, &query.period).await?;
    let actions = query.action.map(AuditChoice::actions).unwrap_or_default();
    let filter = AuditFilter { actions, actor_id: query.actor, target: query.object, range: period.range };
    let export = audit::start_export(&app, &viewer, filter, format).await?;
    let (kind, name) = match format {
        ExportFormat::Csv => ("text/csv; charset=utf-8", "audit-log.csv"),
        ExportFormat::Ndjson => ("application/x-ndjson", "audit-log.ndjson"),
    };
    let pieces = stream::try_unfold(export, |mut export| async move {
        let piece = export.next_piece().await.inspect_err(|cause| error!(%cause, "an export ended early"))?;
        Ok::<_, AppError>(piece.map(|piece| (piece, export)))
    });
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
