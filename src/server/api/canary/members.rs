//! The members of a team.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::JsonBody;
use super::error::Clash;
use super::teams::InTeam;
use super::{Answer, Deleted, Success, Timestamp, success};
use crate::domain::error::AppError;
use crate::domain::ids::UserId;
use crate::domain::team::{Member, Role};
use crate::server::App;
use crate::server::api::extract::{QueryParameters, RawQuery};
use crate::server::services::teams;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_members)).routes(routes!(change_role, remove_member))
}

/// Lists a team's members. Every member may; a key needs `team:invite`.
#[utoipa::path(
    get, path = "/api/teams/{id}/members", tag = "teams", summary = "List members",
    responses((status = 200, description = "The members, by name", body = Success<Vec<MemberBody>>)),
)]
async fn list_members(State(app): State<App>, team: InTeam) -> Answer<Vec<MemberBody>> {
    let members = teams::list_members(&app, &team.viewer).await?;
    Ok(success(members.into_iter().map(MemberBody::from).collect()))
}

/// Changes a member's role. Needs `team:update-role`; nobody changes their own.
#[utoipa::path(
    put, path = "/api/teams/{id}/members/{userId}", tag = "teams", summary = "Change a member's role",
    request_body(content = RoleBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The member's role now", body = Success<ChangedRole>),
        Clash,
    ),
)]
async fn change_role(State(app): State<App>, team: InTeam, JsonBody(body): JsonBody<RoleBody>) -> Answer<ChangedRole> {
    let user_id: UserId = team.id("userId");
    teams::change_role(&app, &team.viewer, user_id, body.role).await?;
    Ok(success(ChangedRole { user_id, role: body.role }))
}

/// What becomes of the keys of a member who is removed.
struct RemovalQuery {
    keys: KeysOfMember,
}

impl QueryParameters for RemovalQuery {
    const NAMES: &'static [&'static str] = &["keys"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        Ok(Self { keys: query.text("keys").map(str::parse).transpose()?.unwrap_or_default() })
    }
}

/// Ends a membership. Needs `team:remove-member`; nobody removes themselves or an owner.
#[utoipa::path(
    delete, path = "/api/teams/{id}/members/{userId}", tag = "teams", summary = "Remove a member",
    params(
        ("keys" = inline(Option<KeysOfMember>), Query,
            description = "What becomes of the API keys that the member created; by default they are revoked"),
    ),
    responses(
        (status = 200, description = "The membership has ended", body = Success<Deleted<String>>),
        Clash,
    ),
)]
async fn remove_member(State(app): State<App>, team: InTeam<RemovalQuery>) -> Answer<Deleted<String>> {
    let user_id: UserId = team.id("userId");
    teams::remove_member(&app, &team.viewer, user_id, team.query.keys == KeysOfMember::HandOver).await?;
    Ok(success(Deleted { id: user_id.to_string() }))
}

/// A member of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberBody {
    /// The account.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// Its address.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// The role in this team.
    pub role: Role,
    /// When the account joined.
    pub joined_at: Timestamp,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id,
            email: member.email,
            name: member.name,
            role: member.role,
            joined_at: member.joined_at.into(),
        }
    }
}

/// A member's role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// The role.
    pub role: Role,
}

/// A member's role has changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedRole {
    /// The account.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// Its role now.
    pub role: Role,
}

/// What becomes of the keys that a removed member made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeysOfMember {
    /// They end at once.
    #[default]
    Revoke,
    /// They are the caller's from then on.
    HandOver,
}

impl std::str::FromStr for KeysOfMember {
    type Err = AppError;

    fn from_str(name: &str) -> Result<Self, AppError> {
        match name {
            "revoke" => Ok(Self::Revoke),
            "hand-over" => Ok(Self::HandOver),
            _ => Err(AppError::invalid_field("keys", "keys must be revoke or hand-over")),
        }
    }
}
