//! The audit log.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::error::AppError;
use crate::domain::page::CursorPage;
use crate::domain::period::{Period, PeriodChoice};

/// Rows on a page of the audit log.
pub const PAGE_SIZE: i64 = 50;

/// What the page of the audit log shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditView {
    pub period: Period,
    /// The lines, newest first.
    pub page: CursorPage<AuditEntry>,
    /// Who can be filtered by: ids and names.
    pub actors: Vec<(String, String)>,
}

/// Lines of the audit log, newest first, done to the thing with the id `object` where that is given: those with a number below `before` where that is given. Needs `audit:view`.
#[server]
pub async fn load_audit(
    choice: PeriodChoice,
    action: Option<AuditAction>,
    actor: Option<String>,
    object: Option<String>,
    before: Option<i64>,
) -> Result<AuditView, AppError> {
    use crate::domain::audit::AuditFilter;
    use crate::server::{
        context,
        services::{audit, emails},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let period = emails::resolve_period(&app, &viewer, &choice).await?;
    let filter = AuditFilter { action, actor_id: actor, target: object, range: period.range };
    let page = audit::list_audit_entries(&app, &viewer, &filter, before, PAGE_SIZE).await?;
    let actors = audit::list_audit_actors(&app, &viewer).await?;
    Ok(AuditView { period, page, actors })
}
