//! What roles grant. Called by `/settings/roles`. A change holds on the next request of everybody with that role.

use serde_json::json;
use tracing::info;

use super::audit;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::permission::Permission;
use crate::domain::team::{Role, RoleGrants};
use crate::domain::viewer::Viewer;
use crate::server::App;

/// What every role may do. Every member sees it; a key needs `team:update-role`.
pub async fn list_role_grants(app: &App, viewer: &Viewer) -> Result<Vec<RoleGrants>, AppError> {
    viewer.require_two_factor()?;
    if viewer.user_id().is_none() {
        viewer.require(Permission::TeamUpdateRole)?;
    }
    app.store.list_role_grants(viewer.team).await
}

/// Grants a permission to a role, or withdraws it. Needs `team:update-role`, and the permission itself. Owners keep
/// every permission, so that somebody always can undo a change.
pub async fn set_role_permission(
    app: &App,
    viewer: &Viewer,
    role: Role,
    permission: Permission,
    granted: bool,
) -> Result<(), AppError> {
    viewer.require(Permission::TeamUpdateRole)?;
    if role == Role::Owner {
        return Err(AppError::Forbidden("Owners hold every permission".to_owned()));
    }
    if viewer.role() == Some(role) {
        return Err(AppError::Forbidden("You cannot change what your own role may do".to_owned()));
    }
    if granted && !viewer.may(permission) {
        return Err(AppError::Forbidden("You cannot grant a permission that you do not hold".to_owned()));
    }
    let grants = app.store.list_role_grants(viewer.team).await?;
    let held = grants.into_iter().find(|held| held.role == role).ok_or_else(|| AppError::not_found("Role"))?;
    let event = audit::by(app, viewer, AuditAction::RoleUpdated).about(role, held.name);
    let event = if granted {
        event.made(json!({ "granted": [permission] }))
    } else {
        event.made(json!({ "withdrawn": [permission] }))
    };
    app.store.set_role_permission(viewer.team, role, permission, granted, &event).await?;
    info!(team.id = %viewer.team, %role, permission = permission.as_str(), granted, "changed role");
    Ok(())
}
