//! Taking back messages that were chosen in the log and wait for their time. Called by `/logs/cancel`.

use serde_json::json;

use super::{audit, send};
use crate::domain::audit::AuditAction;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// The most messages at once.
pub const MAX_CHOSEN: usize = 200;

/// Those of the chosen messages that are queued for a time to come, in the order of their ids. Needs `logs:view` and
/// `emails:send`.
pub async fn list_scheduled(app: &App, viewer: &Viewer, chosen: &[EmailId]) -> Result<Vec<EmailId>, AppError> {
    viewer.require(Permission::LogsView)?;
    viewer.require(Permission::EmailsSend)?;
    if chosen.len() > MAX_CHOSEN {
        return Err(AppError::invalid_field("ids", format!("Choose at most {MAX_CHOSEN} messages")));
    }
    let mut ids: Vec<i64> = chosen.iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    let now = app.clock.now();
    let found = app.store.find_emails(viewer.team, &ids).await?;
    let waiting = found
        .iter()
        .filter(|email| email.status == EmailStatus::Queued && email.scheduled_at.is_some_and(|at| at > now))
        .map(|email| email.id);
    let mut waiting: Vec<EmailId> = waiting.collect();
    waiting.sort_unstable();
    Ok(waiting)
}

/// Takes those of them back, and says how many were; one that goes out meanwhile goes out. Said twice, it does nothing the
/// second time. Needs `logs:view` and `emails:send`.
pub async fn cancel_scheduled(app: &App, viewer: &Viewer, chosen: &[EmailId]) -> Result<usize, AppError> {
    let waiting: Vec<_> = list_scheduled(app, viewer, chosen)
        .await?
        .into_iter()
        .map(|id| {
            let (event, facts) = send::canceled(app, viewer, "");
            (id, event, facts)
        })
        .collect();
    let line = |canceled: &[EmailId]| {
        let ids: Vec<String> = canceled.iter().map(EmailId::to_string).collect();
        audit::by(app, viewer, AuditAction::EmailsCanceled).made(json!({"messages": ids.len(), "ids": ids}))
    };
    Ok(app.store.cancel_all(viewer.team, &waiting, line).await?.len())
}
