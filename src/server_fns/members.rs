//! The people of a team and the invitations to it.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, UserId};
use crate::domain::team::{Invite, Member, Role, RoleGrants};

/// What the members page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MembersView {
    pub members: Vec<Member>,
    /// The roles of the team; none for keys.
    pub all_roles: Vec<RoleGrants>,
    /// The roles that the viewer may give to others.
    pub roles: Vec<RoleGrants>,
    /// How many keys each member made; nothing for viewers who may not remove members.
    pub keys: Vec<(UserId, usize)>,
    /// The members who see nothing of the team until they set up the second factor that it demands.
    pub locked_out: Vec<UserId>,
    /// Invitations that wait; none for viewers who may not invite.
    pub invites: Vec<Invite>,
    /// Whether the team has a mail server that invitations go out by.
    pub sends_mail: bool,
    pub draft: Draft,
}

/// The team's members and open invitations.
#[server]
pub async fn load_members() -> Result<MembersView, AppError> {
    use crate::domain::permission::Permission;
    use crate::server::{
        context,
        services::{mail, roles, teams},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let members = teams::list_members(&app, &viewer).await?;
    let may_invite = viewer.may(Permission::TeamInvite);
    let invites = if may_invite { teams::list_invites(&app, &viewer).await? } else { Vec::new() };
    let is_person = viewer.user_id().is_some();
    let all_roles = if is_person { roles::list_role_grants(&app, &viewer).await? } else { Vec::new() };
    let roles = all_roles.iter().filter(|grants| roles::may_hand_out(&viewer, grants)).cloned().collect();
    let may_remove = viewer.may(Permission::TeamRemoveMember);
    let keys = if may_remove { teams::count_keys_of_members(&app, &viewer).await? } else { Vec::new() };
    let demands = viewer.rules.demands_two_factor;
    let locked_out = if demands { teams::list_without_two_factor(&app, &viewer).await? } else { Vec::new() };
    let sends_mail = may_invite && mail::can_send(&app, viewer.team).await?;
    let draft = super::draft::load_draft("invite".to_owned()).await?;
    Ok(MembersView { members, all_roles, roles, keys, locked_out, invites, sends_mail, draft })
}

/// Gives a member another role. Needs `team:update-role`.
#[server]
pub async fn change_role(user: UserId, role: Role) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    let member = teams::change_role(&context::app(), &context::viewer().await?, user, role).await?;
    let words = format!("{} now has the role “{}”. It applies at once.", member.name, member.role_name);
    context::flash(context::FlashKind::Success, words);
    Ok(())
}

/// Removes a member from the team. The API keys that the member created are revoked, or handed over to the viewer. Needs
/// `team:remove-member`.
#[server]
pub async fn remove_member(user: UserId, #[server(default)] hand_over_keys: bool) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    let member = teams::remove_member(&context::app(), &context::viewer().await?, user, hand_over_keys).await?;
    context::flash(context::FlashKind::Success, format!("{} is removed from the team.", member.name));
    Ok(())
}

/// Invites somebody by mail, and shows the link to pass on, on the page that follows. Needs `team:invite`.
#[server]
pub async fn invite_member(email: String, role: Role) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    let (app, draft) = (context::app(), Draft::of("invite").with("email", &email).with("role", &role.to_string()));
    let viewer = context::viewer_of(&draft).await?;
    let invite = context::or_keep(&draft, teams::invite(&app, &viewer, &email, role).await).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, invite.notice());
    Ok(())
}

/// Sends an invitation again with a new link, which is shown on the page that follows. Needs `team:invite`.
#[server]
pub async fn resend_invite(id: InviteId) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    let sent = teams::resend_invite(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, sent.notice());
    Ok(())
}

/// Withdraws an invitation. Needs `team:invite`.
#[server]
pub async fn delete_invite(id: InviteId) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    let email = teams::delete_invite(&context::app(), &context::viewer().await?, id).await?;
    let words = format!("Invitation of {email} withdrawn. Its link no longer works.");
    context::flash(context::FlashKind::Success, words);
    Ok(())
}
