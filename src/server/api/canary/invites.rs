//! Invitations to a team.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::LoggedIn;
use super::body::JsonBody;
use super::error::{CanaryError, Clash, TooMany};
use super::teams::{InTeam, TeamBody};
use super::{Answer, Deleted, Success, Timestamp, success};
use crate::domain::ids::InviteId;
use crate::domain::team::{Invite, Role};
use crate::server::App;
use crate::server::api::extract::PathText;
use crate::server::services::mail::SystemMailOutcome;
use crate::server::services::teams::SentInvite;
use crate::server::services::{accounts, teams};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_invites))
        .routes(routes!(invite))
        .routes(routes!(delete_invite))
        .routes(routes!(resend_invite))
        .routes(routes!(accept_invite))
}

/// Lists the invitations that wait. Needs `team:invite`.
#[utoipa::path(
    get, path = "/api/teams/{id}/invites", tag = "teams", summary = "List invitations",
    responses((status = 200, description = "The invitations, newest first", body = Success<Vec<InviteBody>>)),
)]
async fn list_invites(State(app): State<App>, team: InTeam) -> Answer<Vec<InviteBody>> {
    let invites = teams::list_invites(&app, &team.viewer).await?;
    Ok(success(invites.into_iter().map(InviteBody::from).collect()))
}

/// Invites an address for seven days, in place of an earlier invitation to it. Needs `team:invite`. The link goes out by
/// the team's mail server where it has one, and is in the answer in any case.
#[utoipa::path(
    post, path = "/api/teams/{id}/invite", tag = "teams", summary = "Invite somebody",
    request_body(content = NewInviteBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The invitation with its link", body = Success<InviteBody>),
        Clash,
        TooMany,
    ),
)]
async fn invite(
    State(app): State<App>,
    team: InTeam,
    JsonBody(body): JsonBody<NewInviteBody>,
) -> Result<(StatusCode, Json<Success<InviteBody>>), CanaryError> {
    let sent = teams::invite(&app, &team.viewer, &body.email, body.role).await?;
    Ok((StatusCode::CREATED, success(sent.into())))
}

/// Sends an invitation again, with a new link for seven days more; the old link ends. Needs `team:invite`.
#[utoipa::path(
    post, path = "/api/teams/{id}/invites/{inviteId}/resend", tag = "teams", summary = "Send an invitation again",
    responses(
        (status = 200, description = "The invitation with its new link", body = Success<InviteBody>),
        TooMany,
    ),
)]
async fn resend_invite(State(app): State<App>, team: InTeam) -> Answer<InviteBody> {
    Ok(success(teams::resend_invite(&app, &team.viewer, team.id("inviteId")).await?.into()))
}

/// Takes an invitation back. Needs `team:invite`.
#[utoipa::path(
    delete, path = "/api/teams/{id}/invites/{inviteId}", tag = "teams", summary = "Take an invitation back",
    responses((status = 200, description = "The invitation is gone", body = Success<Deleted<String>>)),
)]
async fn delete_invite(State(app): State<App>, team: InTeam) -> Answer<Deleted<String>> {
    let invite_id: InviteId = team.id("inviteId");
    teams::delete_invite(&app, &team.viewer, invite_id).await?;
    Ok(success(Deleted { id: invite_id.to_string() }))
}

/// Joins the team of an invitation to the account's address, and selects that team.
#[utoipa::path(
    post, path = "/api/teams/accept-invite/{token}", tag = "teams", summary = "Accept an invitation",
    security(("session" = [])),
    responses((status = 200, description = "The team", body = Success<TeamBody>)),
)]
async fn accept_invite(
    State(app): State<App>,
    LoggedIn { session, .. }: LoggedIn,
    PathText(token): PathText,
) -> Answer<TeamBody> {
    Ok(success(accounts::accept_invite_as(&app, &session, &token).await?.into()))
}

/// Somebody to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInviteBody {
    /// The only address that can accept.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The role that it grants; not `owner`.
    pub role: Role,
}

/// An invitation that waits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: InviteId,
    /// The only address that can accept it.
    pub email: String,
    /// The role that it grants.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The link that accepts it; shown only when it is made or sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_url: Option<String>,
    /// Whether the link went out by the team's mail server; shown with the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_sent: Option<bool>,
}

impl From<Invite> for InviteBody {
    fn from(invite: Invite) -> Self {
        Self {
            id: invite.id,
            email: invite.email,
            role: invite.role,
            created_at: invite.created_at.into(),
            expires_at: invite.expires_at.into(),
            invite_url: None,
            email_sent: None,
        }
    }
}

impl From<SentInvite> for InviteBody {
    fn from(sent: SentInvite) -> Self {
        let email_sent = Some(sent.mail == SystemMailOutcome::Sent);
        Self { invite_url: Some(sent.link.url), email_sent, ..sent.link.invite.into() }
    }
}
