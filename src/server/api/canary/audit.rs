//! The audit log, to read.

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Success, Timestamp, success};
use crate::domain::audit::{AuditEntry, AuditFilter};
use crate::domain::error::AppError;
use crate::domain::ids::AuditEntryId;
use crate::domain::page::CursorPage;
use crate::server::App;
use crate::server::api::extract::{Caller, MAX_NUMBER, QueryParameters, RawQuery};
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
    const NAMES: &'static [&'static str] = &["action", "actorId", "target", "from", "to", "before", "limit"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        let action = query.text("action").filter(|text| !text.is_empty()).map(|name| {
            name.parse().map_err(|_| AppError::invalid_field("action", format!("Unknown action “{name}”")))
        });
        let filter = AuditFilter {
            actions: action.transpose()?.into_iter().collect(),
            actor_id: query.short_text("actorId", MAX_ID_CHARS)?,
            target: query.short_text("target", MAX_ID_CHARS)?,
            range: query.range()?,
        };
        let before = query.text("before").map(|_| query.number("before", 1..=MAX_NUMBER, 1)).transpose()?;
        Ok(Self { filter, before, limit: query.number("limit", 1..=100, DEFAULT_LIMIT)? })
    }
}

/// Lists lines of the team's audit log, newest first. Needs `audit:view`.
#[utoipa::path(
    get, path = "/api/audit", tag = "audit", summary = "List the audit log",
    params(
        ("action" = Option<String>, Query, description = "What was done: `api-key.created`"),
        ("actorId" = Option<String>, Query, description = "Who did it: the id of an account or of a key",
            max_length = 40),
        ("target" = Option<String>, Query, description = "What it was done to: the id of a template, a key, a person …",
            max_length = 40),
        ("from" = Option<String>, Query, format = DateTime,
            description = "The first instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("to" = Option<String>, Query, format = DateTime,
            description = "The last instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("before" = Option<i64>, Query, description = "Only lines with a number below this one", minimum = 1,
            maximum = 9007199254740991_i64),
        ("limit" = Option<i64>, Query, description = "How many lines, by default 50", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "The lines", body = Success<AuditPageBody>)),
)]
async fn list_audit_entries(
    State(app): State<App>,
    Caller(viewer, query): Caller<AuditQuery>,
) -> Answer<AuditPageBody> {
    let AuditQuery { filter, before, limit } = query;
    Ok(success(audit::list_audit_entries(&app, &viewer, &filter, before, limit).await?.into()))
}

/// Lines of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditPageBody {
    /// The lines.
    pub items: Vec<AuditLineBody>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// What to give as `before` to read the older ones; null where there are none.
    #[schema(required)]
    pub next_before: Option<i64>,
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditLineBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AuditEntryId,
    /// Its number in the team's log, from 1 and without gaps.
    pub sequence: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: AuditActorBody,
    /// What was done: `api-key.created`.
    pub action: &'static str,
    /// The id of the thing that it was done to.
    #[schema(required)]
    pub target: Option<String>,
    /// That thing's name at the time.
    #[schema(required)]
    pub target_name: Option<String>,
    /// What was there before, as far as it changed.
    #[schema(required, value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What is there now, as far as it changed.
    #[schema(required, value_type = Option<Object>)]
    pub after: Option<Value>,
    /// Why, in the words of who did it.
    #[schema(required)]
    pub reason: Option<String>,
    /// The network address that the request came from.
    #[schema(required)]
    pub address: Option<String>,
    /// What the client called itself.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// SHA-256 over the line and the hash of the line before it.
    pub hash: String,
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditActorBody {
    /// `user`, `api_key`, `command_line`, `provider` or `nobody`.
    pub kind: &'static str,
    /// The account's or the key's id.
    #[schema(required)]
    pub id: Option<String>,
    /// A person's email address, a key's name, or what else names the actor.
    pub name: String,
}

impl From<AuditEntry> for AuditLineBody {
    fn from(entry: AuditEntry) -> Self {
        let actor = AuditActorBody { kind: entry.actor.kind.as_str(), id: entry.actor.id, name: entry.actor.name };
        Self {
            id: entry.id,
            sequence: entry.sequence,
            at: entry.at.into(),
            actor,
            action: entry.action.as_str(),
            target: entry.target,
            target_name: entry.target_name,
            before: entry.before,
            after: entry.after,
            reason: entry.reason,
            address: entry.address,
            user_agent: entry.user_agent,
            hash: entry.hash,
        }
    }
}

impl From<CursorPage<AuditEntry>> for AuditPageBody {
    fn from(stretch: CursorPage<AuditEntry>) -> Self {
        let next_before = stretch.items.last().filter(|_| stretch.has_more).map(|last| last.sequence);
        let items = stretch.items.into_iter().map(AuditLineBody::from).collect();
        Self { items, has_more: stretch.has_more, next_before }
    }
}
