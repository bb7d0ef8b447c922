//! What each role may do.

use leptos::prelude::*;

use crate::domain::error::AppError;
use crate::domain::permission::Permission;
use crate::domain::team::{Role, RoleGrants};

/// The roles of the team with their grants.
#[server]
pub async fn load_roles() -> Result<Vec<RoleGrants>, AppError> {
    use crate::server::{context, services::roles};
    roles::list_role_grants(&context::app(), &context::viewer().await?).await
}

/// Grants a permission to a role, or withdraws it. Needs `team:update-role`.
#[server]
pub async fn set_role_permission(role: Role, permission: Permission, granted: bool) -> Result<(), AppError> {
    use crate::server::{context, services::roles};
    roles::set_role_permission(&context::app(), &context::viewer().await?, role, permission, granted).await
}

/// Makes the grants of every role but the owner's and the viewer's own what the whole grid says: those have no boxes.
/// `grants` holds `role permission` for each box that is ticked. Needs `team:update-role`.
#[server]
pub async fn save_role_grid(#[server(default)] grants: Vec<String>) -> Result<(), AppError> {
    use crate::server::{context, services::roles};
    let (app, viewer) = (context::app(), context::viewer().await?);
    // Asked here too, for a grid that changes nothing.
    viewer.require(Permission::TeamUpdateRole)?;
    let grid = roles::list_role_grants(&app, &viewer).await?;
    for held in grid.into_iter().filter(|held| viewer.role() != Some(held.role)) {
        for (permission, granted) in changes(&held, &grants) {
            roles::set_role_permission(&app, &viewer, held.role, permission, granted).await?;
        }
    }
    context::flash(context::FlashKind::Success, "Saved. Changes hold from the next request on.");
    Ok(())
}

/// The name of a box of the grid.
pub fn grant_name(role: Role, permission: Permission) -> String {
    format!("{role} {}", permission.as_str())
}

/// What the grid changes about a role: each permission with its new state.
pub fn changes(held: &RoleGrants, ticked: &[String]) -> Vec<(Permission, bool)> {
    let is_ticked = |permission: &Permission| ticked.contains(&grant_name(held.role, *permission));
    let differs = |permission: &&Permission| held.permissions.contains(**permission) != is_ticked(permission);
    let changed = Permission::ALL.iter().filter(differs);
    if held.role == Role::Owner { Vec::new() } else { changed.map(|one| (*one, is_ticked(one))).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::PermissionSet;

    #[test]
    fn only_boxes_that_differ_are_changes() {
        let held = RoleGrants {
            role: Role::Viewer,
            name: String::new(),
            description: String::new(),
            permissions: PermissionSet::default_for(Role::Viewer),
            members: 1,
        };
        let mut ticked: Vec<String> = held.permissions.iter().map(|one| grant_name(Role::Viewer, one)).collect();
        assert_eq!(changes(&held, &ticked), []);
        ticked.retain(|name| name != "viewer logs:view");
        ticked.push("viewer logs:resend".to_owned());
        assert_eq!(changes(&held, &ticked), [(Permission::LogsView, false), (Permission::LogsResend, true)]);
    }

    #[test]
    fn owners_keep_everything() {
        let held = RoleGrants {
            role: Role::Owner,
            name: String::new(),
            description: String::new(),
            permissions: PermissionSet::all(),
            members: 1,
        };
        assert_eq!(changes(&held, &[]), []);
    }
}
