//! The audit log.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::audit::{AuditChoice, AuditEntry};
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
    /// When the newest line of all time is from, where the period has none.
    pub newest_at: Option<DateTime<Utc>>,
}

/// Lines of the audit log, newest first, done to the thing with the id `object` where that is given: those with a number below `before` where that is given. Needs `audit:view`.
#[server]
pub async fn load_audit(
    choice: PeriodChoice,
    action: Option<AuditChoice>,
    actor: Option<String>,
    object: Option<String>,
    before: Option<i64>,
) -> Result<AuditView, AppError> {
    use crate::domain::audit::AuditFilter;
    use crate::domain::filter::TimeRange;
    use crate::server::{
        context,
        services::{audit, emails},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let period = emails::resolve_period(&app, &viewer, &choice).await?;
    let actions = action.map(AuditChoice::actions).unwrap_or_default();
    let filter = AuditFilter { actions, actor_id: actor, target: object, range: period.range };
    let page = audit::list_audit_entries(&app, &viewer, &filter, before, PAGE_SIZE).await?;
    let actors = audit::list_audit_actors(&app, &viewer).await?;
    let newest_at = if page.items.is_empty() && filter.range != TimeRange::default() {
        let ever = AuditFilter { range: TimeRange::default(), ..filter };
        audit::list_audit_entries(&app, &viewer, &ever, None, 1).await?.items.first().map(|line| line.at)
    } else {
        None
    };
    Ok(AuditView { period, page, actors, newest_at })
}
