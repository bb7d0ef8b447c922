//! Roles: what each may do, who holds it, and the ones that a team makes of its own. Called by `/settings/roles` and by
//! [super::teams]. A change holds on the next request of everybody with that role.

use serde_json::json;
use tracing::info;

use super::{audit, checked_name};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::{GrantEdit, Member, Role, RoleGrants};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::store::roles::{GrantChange, NewRole};

/// The longest name of a role, in characters.
const MAX_ROLE_NAME_CHARS: usize = 40;
/// The longest description of a role, in characters.
const MAX_DESCRIPTION_CHARS: usize = 200;
/// How often an edit of grants is tried while others change the same roles.
const EDIT_ATTEMPTS: usize = 5;
/// So many changes are each said in a sentence.
const MAX_SAID_EDITS: usize = 3;

/// A role with everybody whom a change of it meets.
#[derive(Clone, Debug)]
pub struct HeldRole {
    pub grants: RoleGrants,
    /// The members who hold it, by name.
    pub holders: Vec<Member>,
    /// How many open invitations lead to it.
    pub invites: usize,
}

/// A role that was deleted, by its name and by that of the role that its members have now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    pub name: String,
    pub successor: String,
}

/// What every role may do: the built-in ones first, then the team's own by name. Every member sees it; a key needs
/// `team:update-role`.
pub async fn list_role_grants(app: &App, viewer: &Viewer) -> Result<Vec<RoleGrants>, AppError> {
    viewer.require_member_or(Permission::TeamUpdateRole)?;
    app.store.list_role_grants(viewer.team).await
}

/// One role and who holds it. Every member sees it; a key needs `team:update-role`.
pub async fn find_role(app: &App, viewer: &Viewer, role: Role) -> Result<HeldRole, AppError> {
    viewer.require_member_or(Permission::TeamUpdateRole)?;
    held_role(app, viewer, role).await
}

/// The roles that the viewer may give to others: those that may do no more than the viewer.
pub async fn list_roles_to_hand_out(app: &App, viewer: &Viewer) -> Result<Vec<RoleGrants>, AppError> {
    let roles = list_role_grants(app, viewer).await?;
    Ok(roles.into_iter().filter(|grants| may_hand_out(viewer, grants)).collect())
}

/// Whether the viewer may give this role to others. Only owners make owners; nobody gives what they do not hold.
pub fn may_hand_out(viewer: &Viewer, grants: &RoleGrants) -> bool {
    let is_ownership = grants.role == Role::Owner;
    (!is_ownership || viewer.role() == Some(Role::Owner)) && viewer.permissions.contains_all(grants.permissions)
}

/// The role with what it may do, where the viewer may give it to others.
pub(super) async fn role_to_hand_out(app: &App, viewer: &Viewer, role: Role) -> Result<RoleGrants, AppError> {
    let roles = app.store.list_role_grants(viewer.team).await?;
    let unknown = || AppError::invalid_field("role", "There is no such role in this team");
    let grants = roles.into_iter().find(|grants| grants.role == role).ok_or_else(unknown)?;
    if may_hand_out(viewer, &grants) {
        return Ok(grants);
    }
    Err(AppError::Forbidden(format!("The role {} may do more than you may", grants.name)))
}

/// Makes a role that may do what `from` may, or nothing yet. Needs `team:update-role`, and every permission that the
/// role gets.
pub async fn create_role(
    app: &App,
    viewer: &Viewer,
    name: &str,
    description: &str,
    from: Option<Role>,
) -> Result<Role, AppError> {
    viewer.require(Permission::TeamUpdateRole)?;
    let (name, description) = (checked_role_name(name)?, checked_description(description)?);
    let permissions = match from {
        Some(from) => held_role(app, viewer, from).await?.grants.permissions,
        None => PermissionSet::default(),
    };
    require_held(viewer, permissions)?;
    let new = NewRole { id: app.clock.mint(), name, description, permissions, created_at: app.clock.now() };
    let role = Role::Custom(new.id);
    let event = audit::by(app, viewer, AuditAction::RoleCreated).about(role, &new.name);
    let event = event.made(json!({
        "name": new.name, "description": new.description, "permissions": new.permissions,
    }));
    app.store.insert_role(viewer.team, &new, &event).await?;
    info!(team.id = %viewer.team, %role, "created role");
    Ok(role)
}

/// Changes the name and description of a role that the team made. Needs `team:update-role`.
pub async fn rename_role(
    app: &App,
    viewer: &Viewer,
    role: Role,
    name: &str,
    description: &str,
) -> Result<(), AppError> {
    viewer.require(Permission::TeamUpdateRole)?;
    let held = held_role(app, viewer, role).await?.grants;
    let Role::Custom(id) = role else {
        return Err(AppError::Forbidden("A built-in role keeps its name".to_owned()));
    };
    let (name, description) = (checked_role_name(name)?, checked_description(description)?);
    if (&name, &description) == (&held.name, &held.description) {
        return Ok(());
    }
    let event = audit::by(app, viewer, AuditAction::RoleUpdated).about(role, &held.name);
    let event = event.changed(
        json!({ "name": held.name, "description": held.description }),
        json!({ "name": name, "description": description }),
    );
    let renamed = app.store.rename_role(viewer.team, id, &name, &description, &event).await?;
    if renamed { Ok(()) } else { Err(AppError::not_found("Role")) }
}

/// Deletes a role that the team made, and gives its members and the invitations to it the role `successor`, whose name
/// comes back. Needs `team:update-role`; nobody deletes their own role.
pub async fn delete_role(app: &App, viewer: &Viewer, role: Role, successor: Role) -> Result<Succession, AppError> {
    viewer.require(Permission::TeamUpdateRole)?;
    let held = held_role(app, viewer, role).await?;
    let Role::Custom(id) = role else {
        return Err(AppError::Forbidden("A built-in role cannot be deleted".to_owned()));
    };
    if viewer.role() == Some(role) {
        return Err(AppError::Forbidden("You cannot delete your own role".to_owned()));
    }
    if successor == role {
        return Err(AppError::invalid_field("successor", "Choose another role for those who hold this one"));
    }
    if successor == Role::Owner {
        return Err(AppError::Forbidden("Members become owners one by one, on the members page".to_owned()));
    }
    let successor_grants = role_to_hand_out(app, viewer, successor).await?;
    let HeldRole { grants, holders, invites } = held;
    let event = audit::by(app, viewer, AuditAction::RoleDeleted).about(role, &grants.name);
    let event = event.removed(json!({
        "name": grants.name,
        "permissions": grants.permissions,
        "members": holders.iter().map(|member| &member.email).collect::<Vec<_>>(),
        "invitations": invites,
    }));
    let event = event.made(json!({ "role": successor_grants.name }));
    if !app.store.delete_role(viewer.team, id, successor, &event).await? {
        return Err(AppError::not_found("Role"));
    }
    info!(team.id = %viewer.team, %role, %successor, "deleted role");
    Ok(Succession { name: grants.name, successor: successor_grants.name })
}

/// Changes what roles may do, all or none. What is ticked or unticked already stays so. Needs `team:update-role`, and
/// every permission that is granted; nobody changes the owners' role or their own.
pub async fn edit_grants(app: &App, viewer: &Viewer, edits: &[GrantEdit]) -> Result<(), AppError> {
    viewer.require(Permission::TeamUpdateRole)?;
    // An edit says what to change, so it holds as well for what somebody else has made of the role at the same time.
    for _ in 1..EDIT_ATTEMPTS {
        match try_edit_grants(app, viewer, edits).await {
            Err(AppError::Conflict(_)) => {}
            outcome => return outcome,
        }
    }
    try_edit_grants(app, viewer, edits).await
}

/// What to say of edits that were saved, with the roles by name: a sentence each where they are few.
pub fn edit_words(edits: &[GrantEdit], roles: &[RoleGrants]) -> String {
    let sentences = edits.iter().flat_map(|edit| {
        let name =
            roles.iter().find(|grants| grants.role == edit.role).map_or("The role", |grants| grants.name.as_str());
        let granted = edit.granted.iter().map(move |one| format!("{name} can now {}.", one.deed()));
        let withdrawn = edit.withdrawn.iter().map(move |one| format!("{name} can no longer {}.", one.deed()));
        granted.chain(withdrawn)
    });
    let sentences: Vec<String> = sentences.collect();
    match sentences.len() {
        0 => "Nothing was changed.".to_owned(),
        1..=MAX_SAID_EDITS => sentences.join(" "),
        count => format!("Saved: {count} changes. They apply at once."),
    }
}

async fn try_edit_grants(app: &App, viewer: &Viewer, edits: &[GrantEdit]) -> Result<(), AppError> {
    let roles = app.store.list_role_grants(viewer.team).await?;
    let mut changes = Vec::new();
    for edit in edits {
        let held = roles.iter().find(|grants| grants.role == edit.role).ok_or_else(|| AppError::not_found("Role"))?;
        let before = held.permissions;
        let after: PermissionSet = Permission::ALL
            .iter()
            .copied()
            .filter(|one| (before.contains(*one) || edit.granted.contains(*one)) && !edit.withdrawn.contains(*one))
            .collect();
        if after == before {
            continue;
        }
        require_changeable(viewer, edit.role)?;
        require_held(viewer, after.iter().filter(|one| !before.contains(*one)).collect())?;
        let event = audit::by(app, viewer, AuditAction::RoleUpdated).about(edit.role, &held.name);
        let event = event.changed(json!({ "permissions": before }), json!({ "permissions": after }));
        changes.push(GrantChange { role: edit.role, before, permissions: after, event });
    }
    app.store.update_role_grants(viewer.team, &changes).await?;
    info!(team.id = %viewer.team, roles = changes.len(), "changed roles");
    Ok(())
}

fn require_changeable(viewer: &Viewer, role: Role) -> Result<(), AppError> {
    if role == Role::Owner {
        return Err(AppError::Forbidden("Owners hold every permission".to_owned()));
    }
    if viewer.role() == Some(role) {
        return Err(AppError::Forbidden("You cannot change what your own role may do".to_owned()));
    }
    Ok(())
}

fn require_held(viewer: &Viewer, granted: PermissionSet) -> Result<(), AppError> {
    if viewer.permissions.contains_all(granted) {
        return Ok(());
    }
    Err(AppError::Forbidden("You cannot grant a permission that you do not hold".to_owned()))
}

async fn held_role(app: &App, viewer: &Viewer, role: Role) -> Result<HeldRole, AppError> {
    let roles = app.store.list_role_grants(viewer.team).await?;
    let grants = roles.into_iter().find(|grants| grants.role == role).ok_or_else(|| AppError::not_found("Role"))?;
    let mut holders = app.store.list_members(viewer.team).await?;
    holders.retain(|member| member.role == role);
    let invites = app.store.list_invites(viewer.team, app.clock.now()).await?;
    let invites = invites.iter().filter(|invite| invite.role == role).count();
    Ok(HeldRole { grants, holders, invites })
}

fn checked_role_name(name: &str) -> Result<String, AppError> {
    let name = checked_name("name", name)?;
    if name.chars().count() > MAX_ROLE_NAME_CHARS {
        let message = format!("name must have at most {MAX_ROLE_NAME_CHARS} characters");
        return Err(AppError::invalid_field("name", message));
    }
    let key = name.to_lowercase();
    let is_built_in = |role: Role| role.built_in_label().is_some_and(|label| label.to_lowercase() == key);
    if Role::BUILT_IN.into_iter().any(is_built_in) {
        return Err(AppError::AlreadyExists(format!("“{name}” is the name of a built-in role")));
    }
    Ok(name)
}

fn checked_description(description: &str) -> Result<String, AppError> {
    let description = description.trim();
    if description.chars().count() > MAX_DESCRIPTION_CHARS || description.chars().any(char::is_control) {
        let message = format!("description must be one line of at most {MAX_DESCRIPTION_CHARS} characters");
        return Err(AppError::invalid_field("description", message));
    }
    Ok(description.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ticked_is_said_by_role_and_deed() {
        let set = |permissions: &[Permission]| permissions.iter().copied().collect::<PermissionSet>();
        let edit = |granted, withdrawn| GrantEdit { role: Role::Member, granted, withdrawn };
        let member = RoleGrants {
            role: Role::Member,
            name: "Member".to_owned(),
            description: String::new(),
            permissions: PermissionSet::default(),
            members: 1,
        };
        let said = |edits: &[GrantEdit]| edit_words(edits, std::slice::from_ref(&member));
        let (none, resend) = (PermissionSet::default(), set(&[Permission::LogsResend]));
        assert_eq!(said(&[edit(resend, none)]), "Member can now resend messages that failed or bounced.");
        assert_eq!(said(&[edit(none, resend)]), "Member can no longer resend messages that failed or bounced.");
        assert_eq!(said(&[edit(none, none)]), "Nothing was changed.");
        assert_eq!(
            said(&[edit(PermissionSet::all(), none)]),
            format!("Saved: {} changes. They apply at once.", Permission::ALL.len())
        );
    }

    #[test]
    fn names_of_roles_are_short_and_not_those_of_the_built_in_ones() {
        assert_eq!(checked_role_name("  Support desk "), Ok("Support desk".to_owned()));
        assert_eq!(checked_role_name(&"ü".repeat(40)), Ok("ü".repeat(40)));
        for wrong in ["", "  ", "a\nb", &"ü".repeat(41)] {
            assert!(matches!(checked_role_name(wrong), Err(AppError::Validation { .. })), "{wrong}");
        }
        for taken in ["Owner", "ADMIN", " member", "viewer"] {
            assert!(matches!(checked_role_name(taken), Err(AppError::AlreadyExists(_))), "{taken}");
        }
    }
}
