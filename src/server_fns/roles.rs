//! The roles of a team, what each may do, and who holds it.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::{GrantEdit, Member, Role, RoleGrants};

pub const ROLES_PATH: &str = "/settings/roles";

/// What the roles page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RolesView {
    /// The roles with their grants: the built-in ones first, then the team's own by name.
    pub roles: Vec<RoleGrants>,
    /// Those that a new role can be cloned from: they may do no more than the viewer.
    pub sources: Vec<RoleGrants>,
    /// What was typed into the form of a new role and refused.
    pub draft: Draft,
}

/// What the page of one role shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoleView {
    pub grants: RoleGrants,
    /// The members who hold it.
    pub holders: Vec<Member>,
    /// How many open invitations lead to it.
    pub invites: usize,
    /// The roles that its members can be given when it is deleted.
    pub successors: Vec<RoleGrants>,
    pub draft: Draft,
}

/// The roles of the team with their grants.
#[server]
pub async fn load_roles() -> Result<RolesView, AppError> {
    use crate::server::{context, services::roles};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let roles = roles::list_role_grants(&app, &viewer).await?;
    let sources = roles::list_roles_to_hand_out(&app, &viewer).await?;
    Ok(RolesView { roles, sources, draft: super::draft::load_draft("create_role".to_owned()).await? })
}

/// One role with who holds it.
#[server]
pub async fn load_role(role: Role) -> Result<RoleView, AppError> {
    use crate::server::{context, services::roles};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let roles::HeldRole { grants, holders, invites } = roles::find_role(&app, &viewer, role).await?;
    let mut successors = roles::list_roles_to_hand_out(&app, &viewer).await?;
    successors.retain(|one| one.role != role && one.role != Role::Owner);
    let draft = super::draft::load_draft(role.to_string()).await?;
    Ok(RoleView { grants, holders, invites, successors, draft })
}

/// Makes a role that may do what another may (`from`, empty for nothing), and leads to its page. Needs
/// `team:update-role`.
#[server]
pub async fn create_role(
    name: String,
    #[server(default)] description: String,
    #[server(default)] from: String,
) -> Result<(), AppError> {
    use crate::server::{context, services::roles};
    let draft = Draft::of("create_role").with("name", &name).with("description", &description).with("from", &from);
    let viewer = context::viewer_of(&draft).await?;
    let source: Option<Role> = Some(from.as_str()).filter(|from| !from.is_empty()).map(read_role).transpose()?;
    let result = roles::create_role(&context::app(), &viewer, &name, &description, source).await;
    let role = context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, format!("Role “{}” created. Choose what it may do.", name.trim()));
    crate::server::context::redirect(&format!("{ROLES_PATH}/{role}"));
    Ok(())
}

/// Changes the name and description of a role that the team made. Needs `team:update-role`.
#[server]
pub async fn rename_role(role: Role, name: String, #[server(default)] description: String) -> Result<(), AppError> {
    use crate::server::{context, services::roles};
    let draft = Draft::of(role.to_string()).with("name", &name).with("description", &description);
    let viewer = context::viewer_of(&draft).await?;
    let result = roles::rename_role(&context::app(), &viewer, role, &name, &description).await;
    context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, "Saved.");
    Ok(())
}

/// Deletes a role that the team made; its members and the invitations to it get the role `successor`. Needs
/// `team:update-role`.
#[server]
pub async fn delete_role(role: Role, successor: Role) -> Result<(), AppError> {
    use crate::server::{context, services::roles};
    let done = roles::delete_role(&context::app(), &context::viewer().await?, role, successor).await?;
    let words = format!("Role “{}” deleted. Its members now have the role “{}”.", done.name, done.successor);
    context::flash(context::FlashKind::Success, words);
    crate::server::context::redirect(ROLES_PATH);
    Ok(())
}

/// Saves what was ticked and unticked in a grid, all at once. `shown` holds each role that had boxes with what was
/// ticked then, as [shown_role] writes it; `grants` holds [grant_name] for each box that is ticked now. What others
/// changed in the meantime, and roles made since, stay as they are. Needs `team:update-role`.
#[server]
pub async fn save_role_grid(
    #[server(default)] shown: Vec<String>,
    #[server(default)] grants: Vec<String>,
) -> Result<(), AppError> {
    use crate::server::{context, services::roles};
    let words = "Your session ended, and what you ticked was not saved. Log in and tick it again.";
    let viewer = context::viewer_or_say(words).await?;
    let edits = shown.iter().map(|shown| ticks_of(shown, &grants)).collect::<Result<Vec<_>, _>>()?;
    roles::edit_grants(&context::app(), &viewer, &edits).await?;
    let saved = roles::edit_words(&edits, &roles::list_role_grants(&context::app(), &viewer).await?);
    context::flash(context::FlashKind::Success, saved);
    Ok(())
}

/// What the forms of a role call a field, where they say what is wrong beside it.
pub fn label_of(field: &str) -> Option<&'static str> {
    match field {
        "name" => Some("Name"),
        "description" => Some("Description"),
        _ => None,
    }
}

/// The name of a box of the grid.
pub fn grant_name(role: Role, permission: Permission) -> String {
    format!("{role} {}", permission.as_str())
}

/// What a form says of a role that it has boxes for: the role, and what it may do.
pub fn shown_role(grants: &RoleGrants) -> String {
    let names = grants.permissions.iter().map(Permission::as_str);
    std::iter::once(grants.role.to_string()).chain(names.map(str::to_owned)).collect::<Vec<_>>().join(" ")
}

/// Reads a role of a form.
pub fn read_role(name: &str) -> Result<Role, AppError> {
    name.parse().map_err(|cause| AppError::invalid_field("role", format!("{cause}")))
}

/// What was ticked and unticked for one role of a form: `shown` as [shown_role] wrote it, `grants` the boxes that are
/// ticked now, of all roles.
pub fn ticks_of(shown: &str, grants: &[String]) -> Result<GrantEdit, AppError> {
    let mut words = shown.split(' ');
    let role = read_role(words.next().unwrap_or_default())?;
    let before: PermissionSet = words.filter_map(|name| name.parse().ok()).collect();
    let is_ticked = |permission: Permission| grants.contains(&grant_name(role, permission));
    let all = || Permission::ALL.iter().copied();
    Ok(GrantEdit {
        role,
        granted: all().filter(|one| is_ticked(*one) && !before.contains(*one)).collect(),
        withdrawn: all().filter(|one| !is_ticked(*one) && before.contains(*one)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_boxes_that_were_touched_are_changes() {
        let held = RoleGrants {
            role: Role::Viewer,
            name: String::new(),
            description: String::new(),
            permissions: PermissionSet::default_for(Role::Viewer),
            members: 1,
        };
        let shown = shown_role(&held);
        let mut ticked: Vec<String> = held.permissions.iter().map(|one| grant_name(Role::Viewer, one)).collect();
        // Another role's boxes say nothing of this one.
        ticked.push("member team:delete".to_owned());
        let none = PermissionSet::default();
        let ticks = |granted, withdrawn| Ok(GrantEdit { role: Role::Viewer, granted, withdrawn });
        assert_eq!(ticks_of(&shown, &ticked), ticks(none, none));
        ticked.retain(|name| name != "viewer logs:view");
        ticked.push("viewer logs:resend".to_owned());
        let one = |permission| [permission].into_iter().collect::<PermissionSet>();
        assert_eq!(ticks_of(&shown, &ticked), ticks(one(Permission::LogsResend), one(Permission::LogsView)));
        assert!(matches!(ticks_of("king logs:view", &ticked), Err(AppError::Validation { .. })));
    }
}
