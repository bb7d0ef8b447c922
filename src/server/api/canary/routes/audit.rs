//! The audit log, to read.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::domain::audit::AuditFilter;
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::api::canary::error::{Faults, InvalidParameters, Refusals};
use crate::server::api::canary::extract::{Caller, MAX_NUMBER, QueryParameters, RawQuery, StrictQuery};
use crate::server::api::canary::wire::{AuditPageBody, Success, success};
use crate::server::services::audit;

const DEFAULT_LIMIT: i64 = 50;
const MAX_ID_CHARS: usize = 40;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_audit_entries))
}

struct AuditQuery {
    filter: AuditFilter,
    before: Option<i64>,
    limit: i64,
}

impl QueryParameters for AuditQuery {
    const NAMES: &'static [&'static str] = &["action", "actorId", "from", "to", "before", "limit"];

    fn read(query: &RawQuery) -> Result<Self, AppError> {
        let action = query.text("action").filter(|text| !text.is_empty()).map(|name| {
            name.parse().map_err(|_| AppError::invalid_field("action", format!("Unknown action “{name}”")))
        });
        let filter = AuditFilter {
            action: action.transpose()?,
            actor_id: query.short_text("actorId", MAX_ID_CHARS)?,
            range: query.range()?,
        };
        let before = query.text("before").map(|_| query.number("before", 1..=MAX_NUMBER, 1)).transpose()?;
        Ok(Self { filter, before, limit: query.number("limit", 1..=100, DEFAULT_LIMIT)? })
    }
}

/// Lists lines of the team's audit log, newest first. Needs `audit:view`.
#[utoipa::path(
    get, path = "/api/audit", operation_id = "listAuditEntries", tag = "audit", summary = "List the audit log",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(
        ("action" = Option<String>, Query, description = "What was done: `api-key.created`"),
        ("actorId" = Option<String>, Query, description = "Who did it: the id of an account or of a key",
            max_length = 40),
        ("from" = Option<String>, Query, format = DateTime,
            description = "The first instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("to" = Option<String>, Query, format = DateTime,
            description = "The last instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("before" = Option<i64>, Query, description = "Only lines with a number below this one", minimum = 1,
            maximum = 9007199254740991_i64),
        ("limit" = Option<i64>, Query, description = "How many lines, by default 50", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "The lines", body = Success<AuditPageBody>),
        InvalidParameters, Refusals, Faults,
    ),
)]
async fn list_audit_entries(
    State(app): State<App>,
    Caller(viewer): Caller,
    StrictQuery(query): StrictQuery<AuditQuery>,
) -> Answer<AuditPageBody> {
    let AuditQuery { filter, before, limit } = query;
    Ok(success(audit::list_audit_entries(&app, &viewer, &filter, before, limit).await?.into()))
}
