//! Teams, members and invitations. Nobody invites an owner, removes themselves or an owner, or changes their own role.
//! Called by the settings pages, `/api/teams` and the command line.

use chrono::TimeDelta;
use tracing::info;

use super::accounts::checked_email;
use super::checked_name;
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, TeamId, UserId};
use crate::domain::permission::Permission;
use crate::domain::team::{Invite, InviteLink, Member, Membership, Role, Team};
use crate::domain::viewer::Viewer;
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
        let team = Team { id, slug, name: name.to_owned(), created_at: id.created_at() };
        if app.store.insert_team(&team, owner).await? {
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
    app.store.find_team(viewer.team).await?.ok_or_else(|| AppError::not_found("Team"))
}

/// Changes the team's name. Needs `team:update`.
pub async fn rename_team(app: &App, viewer: &Viewer, name: &str) -> Result<Team, AppError> {
    viewer.require(Permission::TeamUpdate)?;
    app.store.rename_team(viewer.team, &checked_name("name", name)?).await?;
    find_team(app, viewer).await
}

/// Deletes the team with everything that is its own. Needs `team:delete`.
pub async fn delete_team(app: &App, viewer: &Viewer) -> Result<(), AppError> {
    viewer.require(Permission::TeamDelete)?;
    app.store.delete_team(viewer.team).await?;
    info!(team.id = %viewer.team, "deleted team");
    Ok(())
}

/// The team's members. Every member sees them; a key needs `team:invite`.
pub async fn list_members(app: &App, viewer: &Viewer) -> Result<Vec<Member>, AppError> {
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
    let present = member_role(app, viewer, user).await?;
    let by_owner = viewer.role() == Some(Role::Owner);
    if (present == Role::Owner || role == Role::Owner) && !by_owner {
        return Err(AppError::Forbidden("Only an owner can make or unmake an owner".to_owned()));
    }
    require_role_within_own(app, viewer, role).await?;
    app.store.update_role(viewer.team, user, role).await?;
    info!(team.id = %viewer.team, user.id = %user, role = role.as_str(), "changed role");
    Ok(())
}

/// Nobody hands out a role that may do more than they may.
async fn require_role_within_own(app: &App, viewer: &Viewer, role: Role) -> Result<(), AppError> {
    let grants = app.store.list_role_grants(viewer.team).await?;
    let granted = grants.iter().find(|grants| grants.role == role).map(|grants| grants.permissions).unwrap_or_default();
    if viewer.permissions.contains_all(granted) {
        return Ok(());
    }
    Err(AppError::Forbidden(format!("The role {} may do more than you may", role.label())))
}

/// Ends a membership. Needs `team:remove-member`.
pub async fn remove_member(app: &App, viewer: &Viewer, user: UserId) -> Result<(), AppError> {
    viewer.require(Permission::TeamRemoveMember)?;
    if viewer.user_id() == Some(user) {
        return Err(AppError::Forbidden("You cannot remove yourself".to_owned()));
    }
    if member_role(app, viewer, user).await? == Role::Owner {
        return Err(AppError::Forbidden("An owner cannot be removed".to_owned()));
    }
    app.store.delete_membership(viewer.team, user).await?;
    info!(team.id = %viewer.team, user.id = %user, "removed member");
    Ok(())
}

async fn member_role(app: &App, viewer: &Viewer, user: UserId) -> Result<Role, AppError> {
    app.store.find_role(viewer.team, user).await?.ok_or_else(|| AppError::not_found("Member"))
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
    require_role_within_own(app, viewer, role).await?;
    let key = crate::server::store::accounts::email_key;
    if app.store.list_members(viewer.team).await?.iter().any(|member| key(&member.email) == key(&email)) {
        return Err(AppError::AlreadyExists(format!("{email} is a member already")));
    }
    let (id, token) = (app.clock.mint::<InviteId>(), random_token());
    let now = app.clock.now();
    let invite = Invite { id, email, role, created_at: now, expires_at: now + INVITE_LASTS };
    let new = NewInvite { invite: invite.clone(), token_hash: token_hash(&token) };
    app.store.insert_invite(viewer.team, &new).await?;
    Ok(InviteLink { invite, url: format!("{}/invite/{token}", app.config.public_url()) })
}

/// Takes an invitation back. Needs `team:invite`.
pub async fn delete_invite(app: &App, viewer: &Viewer, id: InviteId) -> Result<(), AppError> {
    viewer.require(Permission::TeamInvite)?;
    let deleted = app.store.delete_invite(viewer.team, id).await?;
    if deleted { Ok(()) } else { Err(AppError::not_found("Invitation")) }
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
