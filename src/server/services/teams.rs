//! Teams, members and invitations. Nobody invites an owner, removes themselves or an owner, or changes their own role.
//! Called by the settings pages, `/api/teams` and the command line.

use chrono::TimeDelta;
use serde_json::json;
use tracing::info;

use super::mail::{self, SystemMail, SystemMailOutcome};
use super::roles::role_to_hand_out;
use super::{audit, checked_member_email, checked_name, limits};
use crate::domain::api_key::ApiKey;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, TeamId, UserId};
use crate::domain::permission::Permission;
use crate::domain::team::{Invite, InviteLink, Member, Membership, Role, Team, TeamOwner, TeamRules, slug_of};
use crate::domain::viewer::{Actor, RequestOrigin, Viewer};
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

/// What changes about a team; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct TeamChange {
    pub name: Option<String>,
    pub demands_two_factor: Option<bool>,
    pub masks_addresses: Option<bool>,
    pub reveals_with_reason: Option<bool>,
}

/// Changes the team's name and rules. Needs `team:update`. Only somebody with two-factor authentication demands it of
/// the others, and only who may see addresses shows them to everybody.
pub async fn update_team(app: &App, viewer: &Viewer, change: TeamChange) -> Result<Team, AppError> {
    viewer.require(Permission::TeamUpdate)?;
    let before = find_team(app, viewer).await?;
    let name = change.name.map_or_else(|| Ok(before.name.clone()), |name| checked_name("name", &name))?;
    let rules = TeamRules {
        demands_two_factor: change.demands_two_factor.unwrap_or(before.rules.demands_two_factor),
        masks_addresses: change.masks_addresses.unwrap_or(before.rules.masks_addresses),
        reveals_with_reason: change.reveals_with_reason.unwrap_or(before.rules.reveals_with_reason),
    };
    if rules.demands_two_factor && !before.rules.demands_two_factor {
        require_own_two_factor(app, viewer).await?;
    }
    if before.rules.masks_addresses && !rules.masks_addresses {
        viewer.require(Permission::LogsReveal)?;
    }
    let after = Team { name, rules, ..before.clone() };
    if after != before {
        let event = audit::by(app, viewer, AuditAction::TeamUpdated).about(before.id, &before.name);
        let event = event.changed(json!(before), json!(after));
        if !app.store.update_team(viewer.team, &after.name, after.rules, &event).await? {
            return Err(AppError::not_found("Team"));
        }
    }
    Ok(after)
}

async fn require_own_two_factor(app: &App, viewer: &Viewer) -> Result<(), AppError> {
    let Some(user) = viewer.user_id() else {
        return Err(AppError::Forbidden(
            "Only a person can demand two-factor authentication, not an API key".to_owned(),
        ));
    };
    if app.store.list_without_two_factor(viewer.team).await?.contains(&user) {
        return Err(AppError::Forbidden(
            "Set up two-factor authentication in your own profile before you demand it of others".to_owned(),
        ));
    }
    Ok(())
}

/// The members who have no second factor and need one where the team demands it. Every member sees them.
pub async fn list_without_two_factor(app: &App, viewer: &Viewer) -> Result<Vec<UserId>, AppError> {
    viewer.require_member_or(Permission::TeamInvite)?;
    app.store.list_without_two_factor(viewer.team).await
}

/// Deletes the team when `typed` is its name, so that nobody deletes one by a slip. Needs `team:delete`.
pub async fn delete_team_named(app: &App, viewer: &Viewer, typed: &str) -> Result<(), AppError> {
    viewer.require(Permission::TeamDelete)?;
    if typed.trim() != viewer.team_name {
        let message = format!("Nothing was deleted: type the team's name, {}, to delete it", viewer.team_name);
        return Err(AppError::invalid_field("name", message));
    }
    delete_team(app, viewer).await
}

/// Deletes the team: nobody gets into it from now on, and what it has goes in the background. Needs `team:delete`.
pub async fn delete_team(app: &App, viewer: &Viewer) -> Result<(), AppError> {
    viewer.require(Permission::TeamDelete)?;
    let event = audit::by(app, viewer, AuditAction::TeamDeleted).about(viewer.team, &viewer.team_name);
    if !app.store.delete_team(viewer.team, app.clock.now(), &event).await? {
        return Err(AppError::not_found("Team"));
    }
    info!(team.id = %viewer.team, "deleted team");
    Ok(())
}

/// The team's members. Every member sees them; a key needs `team:invite`.
pub async fn list_members(app: &App, viewer: &Viewer) -> Result<Vec<Member>, AppError> {
    viewer.require_member_or(Permission::TeamInvite)?;
    app.store.list_members(viewer.team).await
}

/// Those who can give the viewer's role what it lacks: the team's owners. For its members alone.
pub async fn list_owners(app: &App, viewer: &Viewer) -> Result<Vec<TeamOwner>, AppError> {
    let owners = list_members(app, viewer).await?.into_iter().filter(|member| member.role == Role::Owner);
    Ok(owners.map(|Member { name, email, .. }| TeamOwner { name, email }).collect())
}

/// Changes a member's role. Needs `team:update-role`.
pub async fn change_role(app: &App, viewer: &Viewer, user: UserId, role: Role) -> Result<Member, AppError> {
    viewer.require(Permission::TeamUpdateRole)?;
    if viewer.user_id() == Some(user) {
        return Err(AppError::Forbidden("You cannot change your own role".to_owned()));
    }
    let member = find_member(app, viewer, user).await?;
    let by_owner = viewer.role() == Some(Role::Owner);
    if (member.role == Role::Owner || role == Role::Owner) && !by_owner {
        return Err(AppError::Forbidden("Only an owner can make or unmake an owner".to_owned()));
    }
    let grants = role_to_hand_out(app, viewer, role).await?;
    if member.role == role {
        return Ok(member);
    }
    let event = audit::by(app, viewer, AuditAction::MemberRoleChanged).about(user, &member.email);
    let event = event.changed(json!({ "role": member.role_name }), json!({ "role": grants.name }));
    if !app.store.update_member_role(viewer.team, user, role, &event).await? {
        return Err(AppError::not_found("Member"));
    }
    info!(team.id = %viewer.team, user.id = %user, %role, "changed role");
    Ok(Member { role, role_name: grants.name, ..member })
}

/// How many keys that still open the team each member made, the team's own aside. Needs `team:remove-member`: it is asked before a removal.
pub async fn count_keys_of_members(app: &App, viewer: &Viewer) -> Result<Vec<(UserId, usize)>, AppError> {
    viewer.require(Permission::TeamRemoveMember)?;
    let (keys, now) = (app.store.list_api_keys(viewer.team).await?, app.clock.now());
    let mut counts: Vec<(UserId, usize)> = Vec::new();
    let lives = |key: &ApiKey| key.revoked_at.is_none() && key.limits.expires_at.is_none_or(|end| end > now);
    let ends = |key: &&ApiKey| lives(key) && !key.belongs_to_team;
    for maker in keys.iter().filter(ends).filter_map(|key| key.created_by) {
        match counts.iter_mut().find(|(user, _)| *user == maker) {
            Some((_, count)) => *count += 1,
            None => counts.push((maker, 1)),
        }
    }
    Ok(counts)
}

/// Ends a membership, and at once the person's sessions in the team and the keys that they made; with `hands_over_keys`
/// the keys are the viewer's from then on. Needs `team:remove-member`.
pub async fn remove_member(
    app: &App,
    viewer: &Viewer,
    user: UserId,
    hands_over_keys: bool,
) -> Result<Member, AppError> {
    viewer.require(Permission::TeamRemoveMember)?;
    if viewer.user_id() == Some(user) {
        return Err(AppError::Forbidden("You cannot remove yourself".to_owned()));
    }
    let member = find_member(app, viewer, user).await?;
    if member.role == Role::Owner {
        return Err(AppError::Forbidden("An owner cannot be removed".to_owned()));
    }
    let heir = viewer.user_id().filter(|_| hands_over_keys);
    if hands_over_keys && heir.is_none() {
        return Err(AppError::Forbidden("Keys are handed over to a person: an API key cannot take them".to_owned()));
    }
    let keys = if heir.is_some() { "handed over" } else { "revoked" };
    let event = audit::by(app, viewer, AuditAction::MemberRemoved).about(user, &member.email);
    let event = event.removed(json!({ "role": member.role_name })).made(json!({ "keys": keys }));
    if !app.store.delete_membership(viewer.team, user, heir, app.clock.now(), &event).await? {
        return Err(AppError::not_found("Member"));
    }
    info!(team.id = %viewer.team, user.id = %user, "removed member");
    Ok(member)
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

/// An invitation with its link, and what became of the mail that carries it.
#[derive(Clone, Debug)]
pub struct SentInvite {
    pub link: InviteLink,
    pub mail: SystemMailOutcome,
}

impl SentInvite {
    /// What to tell who invites: a sentence about the mail and, on a line of its own, the link, which is never lost.
    pub fn notice(&self) -> String {
        let InviteLink { invite: Invite { email, .. }, url } = &self.link;
        let sentence = match &self.mail {
            SystemMailOutcome::Sent => {
                format!(
                    "Invitation sent to {email}. If the email does not arrive, send this link yourself. It works for 7 days."
                )
            }
            SystemMailOutcome::NoAdapter => format!(
                "The team has no mail adapter yet. Send this link to {email} yourself. It is shown only once and works for 7 days."
            ),
            SystemMailOutcome::Refused(reason) => {
                // Cut, because the browser carries it to the next page.
                let reason: String = reason.trim_end_matches('.').chars().take(300).collect();
                format!(
                    "No email went out to {email}. {reason}. Send this link yourself. It is shown only once and works for 7 days."
                )
            }
        };
        format!("{sentence}\n{url}")
    }
}

/// Invites an address, in place of an earlier invitation to it, by a mail from the team's mail server. Needs
/// `team:invite`. The link is given back too, for the viewer to pass on where no letter goes out.
pub async fn invite(app: &App, viewer: &Viewer, email: &str, role: Role) -> Result<SentInvite, AppError> {
    viewer.require(Permission::TeamInvite)?;
    if role == Role::Owner {
        return Err(AppError::Forbidden("Nobody can be invited as an owner; change the role afterwards".to_owned()));
    }
    let email = checked_member_email(email)?;
    let role_name = role_to_hand_out(app, viewer, role).await?.name;
    let key = crate::server::store::accounts::email_key;
    if app.store.list_members(viewer.team).await?.iter().any(|member| key(&member.email) == key(&email)) {
        return Err(AppError::AlreadyExists(format!("{email} is a member already")));
    }
    limits::count_attempt(app, limits::INVITATION, &viewer.team.to_string()).await?;
    let (id, token) = (app.clock.mint::<InviteId>(), random_token());
    let now = app.clock.now();
    let invite = Invite { id, email, role, role_name, created_at: now, expires_at: now + INVITE_LASTS };
    let event = audit::by(app, viewer, AuditAction::MemberInvited).about(id, &invite.email);
    let event = event.made(json!({ "role": invite.role_name }));
    let new = NewInvite { invite: invite.clone(), token_hash: token_hash(&token), invited_by: viewer.user_id() };
    app.store.insert_invite(viewer.team, &new, &event).await?;
    info!(team.id = %viewer.team, invite.id = %id, "invited");
    Ok(send_invite(app, viewer, invite, &token).await)
}

/// Sends an invitation again, with a new link that lasts as long as the first; the old one ends. Needs `team:invite`.
pub async fn resend_invite(app: &App, viewer: &Viewer, id: InviteId) -> Result<SentInvite, AppError> {
    viewer.require(Permission::TeamInvite)?;
    let before = find_invite(app, viewer, id).await?;
    role_to_hand_out(app, viewer, before.role).await?;
    limits::count_attempt(app, limits::INVITATION, &viewer.team.to_string()).await?;
    let (token, expires_at) = (random_token(), app.clock.now() + INVITE_LASTS);
    let event = audit::by(app, viewer, AuditAction::InviteResent).about(id, &before.email);
    let event = event.changed(json!({ "expiresAt": before.expires_at }), json!({ "expiresAt": expires_at }));
    if !app.store.renew_invite(viewer.team, id, &token_hash(&token), expires_at, &event).await? {
        return Err(AppError::not_found("Invitation"));
    }
    info!(team.id = %viewer.team, invite.id = %id, "invited again");
    Ok(send_invite(app, viewer, Invite { expires_at, ..before }, &token).await)
}

async fn send_invite(app: &App, viewer: &Viewer, invite: Invite, token: &str) -> SentInvite {
    let link = InviteLink { invite, url: format!("{}/invite/{token}", app.config.public_url()) };
    let mail = mail::try_system_mail(app, viewer.team, &invitation(viewer, &link)).await;
    SentInvite { link, mail }
}

/// The letter that invites.
fn invitation(viewer: &Viewer, link: &InviteLink) -> SystemMail {
    let (team, InviteLink { invite, url }) = (&viewer.team_name, link);
    let who = match &viewer.actor {
        Actor::User { name, email, .. } => format!("{name} ({email}) invites you"),
        Actor::ApiKey { .. } => "You are invited".to_owned(),
    };
    let text = format!(
        "{who} to the team {team} on Sendlog,\nwith the role {role}.\n\nThis link accepts the invitation:\n\n{url}\n\n\
         It works once, for {to} alone, and ends in {days} days,\non {end} UTC.\n\n\
         If you do not know what this is about, you need not do anything.\n",
        role = invite.role_name,
        to = invite.email,
        days = INVITE_LASTS.num_days(),
        end = invite.expires_at.format("%-d %B %Y at %H:%M"),
    );
    SystemMail { to: invite.email.clone(), subject: format!("Invitation to {team} on Sendlog"), text }
}

async fn find_invite(app: &App, viewer: &Viewer, id: InviteId) -> Result<Invite, AppError> {
    let invites = app.store.list_invites(viewer.team, app.clock.now()).await?;
    invites.into_iter().find(|invite| invite.id == id).ok_or_else(|| AppError::not_found("Invitation"))
}

/// Takes an invitation back. Needs `team:invite`.
pub async fn delete_invite(app: &App, viewer: &Viewer, id: InviteId) -> Result<String, AppError> {
    viewer.require(Permission::TeamInvite)?;
    let invite = find_invite(app, viewer, id).await?;
    let event = audit::by(app, viewer, AuditAction::InviteRevoked).about(id, &invite.email);
    let deleted = app.store.delete_invite(viewer.team, id, &event).await?;
    if deleted { Ok(invite.email) } else { Err(AppError::not_found("Invitation")) }
}
