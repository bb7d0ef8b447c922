//! The people of a team and the invitations to it.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, UserId};
use crate::domain::team::{Invite, Member, Role, RoleGrants};

/// What the members page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MembersView {
    /// The team's members.
    pub members: Vec<Member>,
    /// The team's roles.
    pub roles: Vec<RoleGrants>,
    /// Invitations that wait; none for viewers who may not invite.
    pub invites: Vec<Invite>,
    /// What was typed and refused.
    pub draft: Draft,
}

/// The team's members and open invitations.
#[server]
pub async fn load_members() -> Result<MembersView, AppError> {
    use crate::domain::permission::Permission;
    use crate::server::{
        context,
        services::{roles, teams},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let members = teams::list_members(&app, &viewer).await?;
    let may_invite = viewer.may(Permission::TeamInvite);
    let invites = if may_invite { teams::list_invites(&app, &viewer).await? } else { Vec::new() };
    let roles = if viewer.user_id().is_some() { roles::list_role_grants(&app, &viewer).await? } else { Vec::new() };
    Ok(MembersView { members, roles, invites, draft: super::draft::load_draft("invite".to_owned()).await? })
}

/// Gives a member another role. Needs `team:update-role`.
#[server]
pub async fn change_role(user: UserId, role: Role) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    teams::change_role(&context::app(), &context::viewer().await?, user, role).await?;
    context::flash(context::FlashKind::Success, "Role changed. It holds from their next request on.");
    Ok(())
}

/// Removes a member from the team. Needs `team:remove-member`.
#[server]
pub async fn remove_member(user: UserId, #[server(default)] hand_over_keys: Option<String>) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    let hands_over_keys = hand_over_keys.is_some();
    teams::remove_member(&context::app(), &context::viewer().await?, user, hands_over_keys).await?;
    context::flash(context::FlashKind::Success, "Member removed.");
    Ok(())
}

/// Invites somebody and shows the link to pass on, on the page that follows. Needs `team:invite`.
#[server]
pub async fn invite_member(email: String, role: Role) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    let (app, draft) = (context::app(), Draft::of("invite").with("email", &email).with("role", &role.to_string()));
    let result = teams::invite(&app, &context::viewer().await?, &email, role).await;
    if result.is_err() {
        drop(context::session().await.insert(super::draft::DRAFT_KEY, draft).await);
    }
    let link = result?;
    let text = format!("Send this link to {}. It is shown once and lasts 7 days.\n{}", link.invite.email, link.url);
    context::flash(context::FlashKind::Success, text);
    Ok(())
}

/// Withdraws an invitation. Needs `team:invite`.
#[server]
pub async fn delete_invite(id: InviteId) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    teams::delete_invite(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, "Invitation withdrawn. Its link no longer works.");
    Ok(())
}
