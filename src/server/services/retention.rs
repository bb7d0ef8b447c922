//! How long a team keeps what it has. Called by the team's page and `/api/teams/{id}/retention`; what is older is deleted
//! by [crate::server::delivery::retention].

use serde_json::json;
use tracing::info;

use super::audit;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::permission::Permission;
use crate::domain::retention::Retention;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// How long the viewer's team keeps what it has. Every member sees it.
pub async fn find_retention(app: &App, viewer: &Viewer) -> Result<Retention, AppError> {
    viewer.require_two_factor()?;
    app.store.find_retention(viewer.team).await
}

/// Changes how long the viewer's team keeps what it has. Needs `team:update`. What is older then is deleted within minutes.
pub async fn update_retention(app: &App, viewer: &Viewer, retention: Retention) -> Result<Retention, AppError> {
    viewer.require(Permission::TeamUpdate)?;
    let after = retention.checked()?;
    let before = app.store.find_retention(viewer.team).await?;
    if after != before {
        let event = audit::by(app, viewer, AuditAction::TeamUpdated).about(viewer.team, &viewer.team_name);
        let event = event.changed(json!(before), json!(after));
        if !app.store.update_retention(viewer.team, after, &event).await? {
            return Err(AppError::not_found("Team"));
        }
        info!(team.id = %viewer.team, "changed how long is kept what");
    }
    Ok(after)
}
