//! Teams, their members and invitations. An id in a path may be any of the account's teams, not the selected one alone.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, TeamId, UserId};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::api::canary::error::{
    CanaryError, Clash, Faults, InvalidBody, InvalidParameters, Missing, Refusals, TooMany,
};
use crate::server::api::canary::extract::{
    Caller, JsonBody, LoggedIn, NoParameters, PathText, QueryParameters, RawQuery, StrictQuery, id_of,
};
use crate::server::api::canary::wire::{
    ChangedRole, Deleted, InviteBody, KeysOfMember, MemberBody, NewInviteBody, RetentionBody, RoleBody, Success,
    TeamBody, TeamChangeBody, TeamNameBody, success,
};
use crate::server::services::{accounts, retention, teams};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_team))
        .routes(routes!(find_team, update_team, delete_team))
        .routes(routes!(find_retention, update_retention))
        .routes(routes!(list_members))
        .routes(routes!(change_role, remove_member))
        .routes(routes!(list_invites))
        .routes(routes!(invite))
        .routes(routes!(delete_invite))
        .routes(routes!(resend_invite))
        .routes(routes!(accept_invite))
}

/// Makes a team that the account owns.
#[utoipa::path(
    post, path = "/api/teams", operation_id = "createTeam", tag = "teams", summary = "Create a team",
    security(("session" = [])),
    request_body(content = TeamNameBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The team", body = Success<TeamBody>),
        InvalidBody, Refusals, Faults,
    ),
)]
async fn create_team(
    State(app): State<App>,
    LoggedIn { user, .. }: LoggedIn,
    _query: NoParameters,
    JsonBody(body): JsonBody<TeamNameBody>,
) -> Result<(StatusCode, Json<Success<TeamBody>>), CanaryError> {
    let team = teams::create_team(&app, user, &body.name).await?;
    Ok((StatusCode::CREATED, success(team.into())))
}

/// Shows a team. Every member may.
#[utoipa::path(
    get, path = "/api/teams/{id}", operation_id = "findTeam", tag = "teams", summary = "Show a team",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The team's id")),
    responses(
        (status = 200, description = "The team", body = Success<TeamBody>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn find_team(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<TeamBody> {
    let viewer = in_team(&app, &viewer, &id).await?;
    Ok(success(teams::find_team(&app, &viewer).await?.into()))
}

/// Changes a team's name and rules. Needs `team:update`.
#[utoipa::path(
    put, path = "/api/teams/{id}", operation_id = "updateTeam", tag = "teams", summary = "Change a team",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The team's id")),
    request_body(content = TeamChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The team", body = Success<TeamBody>),
        InvalidBody, Refusals, Missing, Faults,
    ),
)]
async fn update_team(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
    JsonBody(body): JsonBody<TeamChangeBody>,
) -> Answer<TeamBody> {
    let viewer = in_team(&app, &viewer, &id).await?;
    Ok(success(teams::update_team(&app, &viewer, body.into()).await?.into()))
}

/// Shows how long a team keeps what it has. Every member may.
#[utoipa::path(
    get, path = "/api/teams/{id}/retention", operation_id = "findRetention", tag = "teams",
    summary = "Show how long a team keeps what it has",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The team's id")),
    responses(
        (status = 200, description = "For how many days each is kept", body = Success<RetentionBody>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn find_retention(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<RetentionBody> {
    let viewer = in_team(&app, &viewer, &id).await?;
    Ok(success(retention::find_retention(&app, &viewer).await?.into()))
}

/// Changes how long a team keeps what it has, as a whole. What is older is deleted for good, within minutes and in small
/// steps. Needs `team:update`.
#[utoipa::path(
    put, path = "/api/teams/{id}/retention", operation_id = "updateRetention", tag = "teams",
    summary = "Change how long a team keeps what it has",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The team's id")),
    request_body(content = RetentionBody, content_type = "application/json"),
    responses(
        (status = 200, description = "For how many days each is kept", body = Success<RetentionBody>),
        InvalidBody, Refusals, Missing, Faults,
    ),
)]
async fn update_retention(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
    JsonBody(body): JsonBody<RetentionBody>,
) -> Answer<RetentionBody> {
    let viewer = in_team(&app, &viewer, &id).await?;
    Ok(success(retention::update_retention(&app, &viewer, body.into()).await?.into()))
}

/// Deletes a team. Nobody gets into it from then on, nothing of it is sent, and its slug is free; what is its own is deleted
/// in small steps, beginning within minutes. Needs `team:delete`.
#[utoipa::path(
    delete, path = "/api/teams/{id}", operation_id = "deleteTeam", tag = "teams", summary = "Delete a team",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The team's id")),
    responses(
        (status = 200, description = "The team is gone", body = Success<Deleted<String>>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn delete_team(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<Deleted<String>> {
    let viewer = in_team(&app, &viewer, &id).await?;
    teams::delete_team(&app, &viewer).await?;
    Ok(success(Deleted { id: viewer.team.to_string() }))
}

/// Lists a team's members. Every member may; a key needs `team:invite`.
#[utoipa::path(
    get, path = "/api/teams/{id}/members", operation_id = "listMembers", tag = "teams", summary = "List members",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The team's id")),
    responses(
        (status = 200, description = "The members, by name", body = Success<Vec<MemberBody>>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn list_members(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<Vec<MemberBody>> {
    let viewer = in_team(&app, &viewer, &id).await?;
    let members = teams::list_members(&app, &viewer).await?;
    Ok(success(members.into_iter().map(MemberBody::from).collect()))
}

/// Changes a member's role. Needs `team:update-role`; nobody changes their own.
#[utoipa::path(
    put, path = "/api/teams/{id}/members/{userId}", operation_id = "changeRole", tag = "teams",
    summary = "Change a member's role",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(
        ("id" = String, Path, description = "The team's id"),
        ("userId" = String, Path, description = "The member's account"),
    ),
    request_body(content = RoleBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The member's role now", body = Success<ChangedRole>),
        InvalidBody, Refusals, Missing, Clash, Faults,
    ),
)]
async fn change_role(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText((id, user_id)): PathText<(String, String)>,
    _query: NoParameters,
    JsonBody(body): JsonBody<RoleBody>,
) -> Answer<ChangedRole> {
    let viewer = in_team(&app, &viewer, &id).await?;
    let user_id: UserId = id_of(&user_id);
    teams::change_role(&app, &viewer, user_id, body.role).await?;
    Ok(success(ChangedRole { user_id, role: body.role }))
}

/// What becomes of the keys of a member who is removed.
struct RemovalQuery {
    keys: KeysOfMember,
}

impl QueryParameters for RemovalQuery {
    const NAMES: &'static [&'static str] = &["keys"];

    fn read(query: &RawQuery) -> Result<Self, AppError> {
        Ok(Self { keys: query.text("keys").map(str::parse).transpose()?.unwrap_or_default() })
    }
}

/// Ends a membership. Needs `team:remove-member`; nobody removes themselves or an owner.
#[utoipa::path(
    delete, path = "/api/teams/{id}/members/{userId}", operation_id = "removeMember", tag = "teams",
    summary = "Remove a member",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(
        ("id" = String, Path, description = "The team's id"),
        ("userId" = String, Path, description = "The member's account"),
        ("keys" = inline(Option<KeysOfMember>), Query,
            description = "What becomes of the API keys that the member made; by default they are revoked"),
    ),
    responses(
        (status = 200, description = "The membership has ended", body = Success<Deleted<String>>),
        InvalidParameters, Refusals, Missing, Clash, Faults,
    ),
)]
async fn remove_member(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText((id, user_id)): PathText<(String, String)>,
    StrictQuery(query): StrictQuery<RemovalQuery>,
) -> Answer<Deleted<String>> {
    let viewer = in_team(&app, &viewer, &id).await?;
    let user_id: UserId = id_of(&user_id);
    teams::remove_member(&app, &viewer, user_id, query.keys == KeysOfMember::HandOver).await?;
    Ok(success(Deleted { id: user_id.to_string() }))
}

/// Lists the invitations that wait. Needs `team:invite`.
#[utoipa::path(
    get, path = "/api/teams/{id}/invites", operation_id = "listInvites", tag = "teams", summary = "List invitations",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The team's id")),
    responses(
        (status = 200, description = "The invitations, newest first", body = Success<Vec<InviteBody>>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn list_invites(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<Vec<InviteBody>> {
    let viewer = in_team(&app, &viewer, &id).await?;
    let invites = teams::list_invites(&app, &viewer).await?;
    Ok(success(invites.into_iter().map(InviteBody::from).collect()))
}

/// Invites an address for seven days, in place of an earlier invitation to it. Needs `team:invite`. The link goes out by
/// the team's mail server where it has one, and is in the answer in any case.
#[utoipa::path(
    post, path = "/api/teams/{id}/invite", operation_id = "invite", tag = "teams", summary = "Invite somebody",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The team's id")),
    request_body(content = NewInviteBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The invitation with its link", body = Success<InviteBody>),
        InvalidBody, Refusals, Missing, Clash, TooMany, Faults,
    ),
)]
async fn invite(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
    JsonBody(body): JsonBody<NewInviteBody>,
) -> Result<(StatusCode, Json<Success<InviteBody>>), CanaryError> {
    let viewer = in_team(&app, &viewer, &id).await?;
    let sent = teams::invite(&app, &viewer, &body.email, body.role).await?;
    Ok((StatusCode::CREATED, success(sent.into())))
}

/// Sends an invitation again, with a new link for seven days more; the old link ends. Needs `team:invite`.
#[utoipa::path(
    post, path = "/api/teams/{id}/invites/{inviteId}/resend", operation_id = "resendInvite", tag = "teams",
    summary = "Send an invitation again",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(
        ("id" = String, Path, description = "The team's id"),
        ("inviteId" = String, Path, description = "The invitation's id"),
    ),
    responses(
        (status = 200, description = "The invitation with its new link", body = Success<InviteBody>),
        InvalidParameters, Refusals, Missing, TooMany, Faults,
    ),
)]
async fn resend_invite(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText((id, invite_id)): PathText<(String, String)>,
    _query: NoParameters,
) -> Answer<InviteBody> {
    let viewer = in_team(&app, &viewer, &id).await?;
    Ok(success(teams::resend_invite(&app, &viewer, id_of(&invite_id)).await?.into()))
}

/// Takes an invitation back. Needs `team:invite`.
#[utoipa::path(
    delete, path = "/api/teams/{id}/invites/{inviteId}", operation_id = "deleteInvite", tag = "teams",
    summary = "Take an invitation back",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(
        ("id" = String, Path, description = "The team's id"),
        ("inviteId" = String, Path, description = "The invitation's id"),
    ),
    responses(
        (status = 200, description = "The invitation is gone", body = Success<Deleted<String>>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn delete_invite(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText((id, invite_id)): PathText<(String, String)>,
    _query: NoParameters,
) -> Answer<Deleted<String>> {
    let viewer = in_team(&app, &viewer, &id).await?;
    let invite_id: InviteId = id_of(&invite_id);
    teams::delete_invite(&app, &viewer, invite_id).await?;
    Ok(success(Deleted { id: invite_id.to_string() }))
}

/// Joins the team of an invitation to the account's address, and selects that team.
#[utoipa::path(
    post, path = "/api/teams/accept-invite/{token}", operation_id = "acceptInvite", tag = "teams",
    summary = "Accept an invitation",
    security(("session" = [])),
    params(("token" = String, Path, description = "From the invitation's link")),
    responses(
        (status = 200, description = "The team", body = Success<TeamBody>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn accept_invite(
    State(app): State<App>,
    LoggedIn { session, .. }: LoggedIn,
    PathText(token): PathText<String>,
    _query: NoParameters,
) -> Answer<TeamBody> {
    Ok(success(accounts::accept_invite_as(&app, &session, &token).await?.into()))
}

/// The caller as a member of the team in the path.
async fn in_team(app: &App, viewer: &Viewer, id: &str) -> Result<Viewer, AppError> {
    let team: TeamId = id_of(id);
    teams::viewer_for_team(app, viewer, team).await
}
