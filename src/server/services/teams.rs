//! Teams, members and invitations. Nobody invites an owner, removes themselves or an owner, or changes their own role.
//! Called by the settings pages, `/api/teams` and the command line.

use chrono::TimeDelta;
use serde_json::json;
use tracing::info;

use super::accounts::checked_email;
use super::{audit, checked_name};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, TeamId, UserId};
use crate::domain::permission::Permission;
use crate::domain::team::{Invite, InviteLink, Member, Membership, Role, RoleGrants, Team, TeamRules};
use crate::domain::viewer::{RequestOrigin, Viewer};
use crate::server::App;
use crate::server::secrets::{random_token, token_hash};
use crate::server::store::teams::NewInvite;

const INVITE_LASTS: TimeDelta = TimeDelta::days(7);

/// Makes a team that the viewer owns.
pub async fn create_team(app: &App, user: UserId, name: &str) -> Result<Team, AppError> {
    create_team_of(app, &checked_name("name", name)?, Some(user)).await
}

/// Makes a team with a slug from its name, made unique by a number; for set-up and the command line too.
pub async fn create_team_of(app: &App, name: &str, owner: Option<UserId>) -> Result<Team, AppError> {
    let base = slug_of(name);
    let (id, mut attempt) = (app.clock.mint::<TeamId>(), 1);
    loop {
        let slug = if attempt == 1 { base.clone() } else { format!("{base}-{attempt}") };
        let team = Team { id, slug, name: name.to_owned(), created_at: id.created_at(), rules: TeamRules::default() };
        let event = match owner {
            Some(owner) => {
                let email = app.store.find_user(owner).await?.map(|user| user.email).unwrap_or_default();
                audit::by_account(app, owner, &email, AuditAction::TeamCreated, &RequestOrigin::default())
            }
            None => audit::by_command_line(app, AuditAction::TeamCreated),
        };
        let event = event.about(team.id, &team.name).made(json!({ "name": team.name, "slug": team.slug }));
        if app.store.insert_team(&team, owner, &event).await? {
            info!(team.id = %team.id, "created team");
            return Ok(team);
        }
        attempt += 1;
    }
}

/// The slug that a name gives: lower-case letters, digits and single hyphens.
pub fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "team".to_owned() } else { slug.chars().take(48).collect() }
}

/// The teams of an account.
pub async fn list_memberships(app: &App, user: UserId) -> Result<Vec<Membership>, AppError> {
    app.store.list_memberships(user).await
}

/// The viewer as a member of another of their teams; [AppError::NotFound] for a team that is not theirs. A key has one
/// team.
pub async fn viewer_for_team(app: &App, viewer: &Viewer, team: TeamId) -> Result<Viewer, AppError> {
    if team == viewer.team {
        return Ok(viewer.clone());
    }
    let found = match viewer.user_id() {
        Some(user) => app.store.find_viewer(team, user).await?,
        None => None,
    };
    found.ok_or_else(|| AppError::not_found("Team"))
}

/// The viewer's team. Every member sees it.
pub async fn find_team(app: &App, viewer: &Viewer) -> Result<Team, AppError> {
    viewer.require_two_factor()?;
    app.store.find_team(viewer.team).await?.ok_or_else(|| AppError::not_found("Team"))
}

/// Changes the team's name. Needs `team:update`.
pub async fn rename_team(app: &App, viewer: &Viewer, name: &str) -> Result<Team, AppError> {
    update_team(app, viewer, name, None).await
}

/// Changes the team's name, and its rules where some are given. Needs `team:update`.
pub async fn update_team(app: &App, viewer: &Viewer, name: &str, rules: Option<TeamRules>) -> Result<Team, AppError> {
    viewer.require(Permission::TeamUpdate)?;
    let (before, name) = (find_team(app, viewer).await?, checked_name("name", name)?);
    let after = Team { name, rules: rules.unwrap_or(before.rules), ..before.clone() };
    if after != before {
        let event = audit::by(app, viewer, AuditAction::TeamUpdated).about(before.id, &before.name);
        let event = event.changed(json!(before), json!(after));
        app.store.update_team(viewer.team, &after.name, after.rules, &event).await?;
    }
    Ok(after)
}

/// Deletes the team with everything that is its own. Needs `team:delete`.
pub async fn delete_team(app: &App, viewer: &Viewer) -> Result<(), AppError> {
    viewer.require(Permission::TeamDelete)?;
    let event = audit::by(app, viewer, AuditAction::TeamDeleted).about(viewer.team, &viewer.team_name);
    app.store.delete_team(viewer.team, &event).await?;
    info!(team.id = %viewer.team, "deleted team");
    Ok(())
}

/// The team's members. Every member sees them; a key needs `team:invite`.
pub async fn list_members(app: &App, viewer: &Viewer) -> Result<Vec<Member>, AppError> {
    viewer.require_two_factor()?;
    if viewer.user_id().is_none() {
        viewer.require(Permission::TeamInvite)?;
    }
    app.store.list_members(viewer.team).await
}

/// Changes a member's role. Needs `team:update-role`.
pub async fn change_role(app: &App, viewer: &Viewer, user: UserId, role: Role) -> Result<(), AppError> {
    viewer.require(Permission::TeamUpdateRole)?;
    if viewer.user_id() == Some(user) {
        return Err(AppError::Forbidden("You cannot change your own role".to_owned()));
    }
    let member = find_member(app, viewer, user).await?;
    let by_owner = viewer.role() == Some(Role::Owner);
    if (member.role == Role::Owner || role == Role::Owner) && !by_owner {
        return Err(AppError::Forbidden("Only an owner can make or unmake an owner".to_owned()));
    }
    let grants = role_within_own(app, viewer, role).await?;
    let event = audit::by(app, viewer, AuditAction::MemberRoleChanged).about(user, member.email);
    let event = event.changed(json!({ "role": member.role_name }), json!({ "role": grants.name }));
    app.store.update_member_role(viewer.team, user, role, &event).await?;
    info!(team.id = %viewer.team, user.id = %user, %role, "changed role");
    Ok(())
}

/// The role with what it may do. Nobody hands out a role that may do more than they may.
async fn role_within_own(app: &App, viewer: &Viewer, role: Role) -> Result<RoleGrants, AppError> {
    let grants = app.store.list_role_grants(viewer.team).await?;
    let unknown = || AppError::invalid_field("role", "There is no such role in this team");
    let held = grants.into_iter().find(|grants| grants.role == role).ok_or_else(unknown)?;
    if viewer.permissions.contains_all(held.permissions) {
        return Ok(held);
    }
    Err(AppError::Forbidden(format!("The role {} may do more than you may", held.name)))
}

/// Ends a membership, and at once the person's sessions in the team and the keys that they made; with `hands_over_keys`
/// the keys are the viewer's from then on. Needs `team:remove-member`.
pub async fn remove_member(app: &App, viewer: &Viewer, user: UserId, hands_over_keys: bool) -> Result<(), AppError> {
    viewer.require(Permission::TeamRemoveMember)?;
    if viewer.user_id() == Some(user) {
        return Err(AppError::Forbidden("You cannot remove yourself".to_owned()));
    }
    let member = find_member(app, viewer, user).await?;
    if member.role == Role::Owner {
        return Err(AppError::Forbidden("An owner cannot be removed".to_owned()));
    }
    let heir = viewer.user_id().filter(|_| hands_over_keys);
    let keys = if heir.is_some() { "handed over" } else { "revoked" };
    let event = audit::by(app, viewer, AuditAction::MemberRemoved).about(user, member.email);
    let event = event.removed(json!({ "role": member.role_name })).made(json!({ "keys": keys }));
    app.store.delete_membership(viewer.team, user, heir, app.clock.now(), &event).await?;
    info!(team.id = %viewer.team, user.id = %user, "removed member");
    Ok(())
}

async fn find_member(app: &App, viewer: &Viewer, user: UserId) -> Result<Member, AppError> {
    let members = app.store.list_members(viewer.team).await?;
    members.into_iter().find(|member| member.user_id == user).ok_or_else(|| AppError::not_found("Member"))
}

/// The invitations that wait. Needs `team:invite`.
pub async fn list_invites(app: &App, viewer: &Viewer) -> Result<Vec<Invite>, AppError> {
    viewer.require(Permission::TeamInvite)?;
    app.store.list_invites(viewer.team, app.clock.now()).await
}

/// Invites an address, in place of an earlier invitation to it. Needs `team:invite`. The link is given back for the
/// viewer to pass on.
pub async fn invite(app: &App, viewer: &Viewer, email: &str, role: Role) -> Result<InviteLink, AppError> {
    viewer.require(Permission::TeamInvite)?;
    if role == Role::Owner {
        return Err(AppError::Forbidden("Nobody can be invited as an owner; change the role afterwards".to_owned()));
    }
    let email = checked_email(email)?;
    let role_name = role_within_own(app, viewer, role).await?.name;
    let key = crate::server::store::accounts::email_key;
    if app.store.list_members(viewer.team).await?.iter().any(|member| key(&member.email) == key(&email)) {
        return Err(AppError::AlreadyExists(format!("{email} is a member already")));
    }
    let (id, token) = (app.clock.mint::<InviteId>(), random_token());
    let now = app.clock.now();
    let invite = Invite { id, email, role, role_name, created_at: now, expires_at: now + INVITE_LASTS };
    let event = audit::by(app, viewer, AuditAction::MemberInvited).about(id, &invite.email);
    let event = event.made(json!({ "role": invite.role_name }));
    let new = NewInvite { invite: invite.clone(), token_hash: token_hash(&token), invited_by: viewer.user_id() };
    app.store.insert_invite(viewer.team, &new, &event).await?;
    Ok(InviteLink { invite, url: format!("{}/invite/{token}", app.config.public_url()) })
}

/// Takes an invitation back. Needs `team:invite`.
pub async fn delete_invite(app: &App, viewer: &Viewer, id: InviteId) -> Result<(), AppError> {
    viewer.require(Permission::TeamInvite)?;
    let not_found = || AppError::not_found("Invitation");
    let invites = app.store.list_invites(viewer.team, app.clock.now()).await?;
    let invite = invites.into_iter().find(|invite| invite.id == id).ok_or_else(not_found)?;
    let event = audit::by(app, viewer, AuditAction::InviteRevoked).about(id, invite.email);
    let deleted = app.store.delete_invite(viewer.team, id, &event).await?;
    if deleted { Ok(()) } else { Err(not_found()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain() {
        assert_eq!(slug_of("Finch Payments, Inc."), "finch-payments-inc");
        assert_eq!(slug_of("  Żółw! "), "w");
        assert_eq!(slug_of("日本"), "team");
    }
}
