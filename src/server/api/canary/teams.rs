//! Teams. An id in a path may be any of the account's teams, not the selected one alone.

use std::collections::HashMap;
use std::str::FromStr;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::LoggedIn;
use super::body::JsonBody;
use super::error::CanaryError;
use super::{Answer, Deleted, Success, Timestamp, success};
use crate::domain::ids::TeamId;
use crate::domain::retention::Retention;
use crate::domain::team::{Team, TeamRules};
use crate::domain::tracking::Tracking;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::api::Api;
use crate::server::api::extract::{Caller, NO_ID, PathText, QueryParameters, id_of};
use crate::server::services::teams::TeamChange;
use crate::server::services::{retention, teams, tracking};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_team))
        .routes(routes!(find_team, update_team, delete_team))
        .routes(routes!(find_retention, update_retention))
        .routes(routes!(find_tracking, update_tracking))
}

/// Makes a team that the account owns.
#[utoipa::path(
    post, path = "/api/teams", tag = "teams", summary = "Create a team",
    security(("session" = [])),
    request_body(content = TeamNameBody, content_type = "application/json"),
    responses((status = 201, description = "The team", body = Success<TeamBody>)),
)]
async fn create_team(
    State(app): State<App>,
    LoggedIn { user, .. }: LoggedIn,
    JsonBody(body): JsonBody<TeamNameBody>,
) -> Result<(StatusCode, Json<Success<TeamBody>>), CanaryError> {
    let team = teams::create_team(&app, user, &body.name).await?;
    Ok((StatusCode::CREATED, success(team.into())))
}

/// Shows a team. Every member may.
#[utoipa::path(
    get, path = "/api/teams/{id}", tag = "teams", summary = "Show a team",
    responses((status = 200, description = "The team", body = Success<TeamBody>)),
)]
async fn find_team(State(app): State<App>, team: InTeam) -> Answer<TeamBody> {
    Ok(success(teams::find_team(&app, &team.viewer).await?.into()))
}

/// Changes a team's name and rules. Needs `team:update`.
#[utoipa::path(
    put, path = "/api/teams/{id}", tag = "teams", summary = "Change a team",
    request_body(content = TeamChangeBody, content_type = "application/json"),
    responses((status = 200, description = "The team", body = Success<TeamBody>)),
)]
async fn update_team(
    State(app): State<App>,
    team: InTeam,
    JsonBody(body): JsonBody<TeamChangeBody>,
) -> Answer<TeamBody> {
    Ok(success(teams::update_team(&app, &team.viewer, body.into()).await?.into()))
}

/// Shows how long a team keeps what it has. Every member may.
#[utoipa::path(
    get, path = "/api/teams/{id}/retention", tag = "teams", summary = "Show how long a team keeps what it has",
    responses((status = 200, description = "For how many days each is kept", body = Success<RetentionBody>)),
)]
async fn find_retention(State(app): State<App>, team: InTeam) -> Answer<RetentionBody> {
    Ok(success(retention::find_retention(&app, &team.viewer).await?.into()))
}

/// Changes how long a team keeps what it has, as a whole. What is older is deleted for good, within minutes and in small
/// steps. Needs `team:update`.
#[utoipa::path(
    put, path = "/api/teams/{id}/retention", tag = "teams", summary = "Change how long a team keeps what it has",
    request_body(content = RetentionBody, content_type = "application/json"),
    responses((status = 200, description = "For how many days each is kept", body = Success<RetentionBody>)),
)]
async fn update_retention(
    State(app): State<App>,
    team: InTeam,
    JsonBody(body): JsonBody<RetentionBody>,
) -> Answer<RetentionBody> {
    Ok(success(retention::update_retention(&app, &team.viewer, body.into()).await?.into()))
}

/// Shows what a team tracks where a template says nothing. Every member may.
#[utoipa::path(
    get, path = "/api/teams/{id}/tracking", tag = "teams", summary = "Show what a team tracks",
    responses((status = 200, description = "What is tracked", body = Success<TrackingBody>)),
)]
async fn find_tracking(State(app): State<App>, team: InTeam) -> Answer<TrackingBody> {
    Ok(success(tracking::find_tracking(&app, &team.viewer).await?.into()))
}

/// Changes what a team tracks of messages that go out by SMTP, where a template says nothing. Needs `team:update`.
#[utoipa::path(
    put, path = "/api/teams/{id}/tracking", tag = "teams", summary = "Change what a team tracks",
    request_body(content = TrackingBody, content_type = "application/json"),
    responses((status = 200, description = "What is tracked", body = Success<TrackingBody>)),
)]
async fn update_tracking(
    State(app): State<App>,
    team: InTeam,
    JsonBody(body): JsonBody<TrackingBody>,
) -> Answer<TrackingBody> {
    Ok(success(tracking::update_tracking(&app, &team.viewer, body.into()).await?.into()))
}

/// Deletes a team. Nobody gets into it from then on, nothing of it is sent, and its slug is free; what is its own is deleted
/// in small steps, beginning within minutes. Needs `team:delete`.
#[utoipa::path(
    delete, path = "/api/teams/{id}", tag = "teams", summary = "Delete a team",
    responses((status = 200, description = "The team is gone", body = Success<Deleted<String>>)),
)]
async fn delete_team(State(app): State<App>, team: InTeam) -> Answer<Deleted<String>> {
    teams::delete_team(&app, &team.viewer).await?;
    Ok(success(Deleted { id: team.viewer.team.to_string() }))
}

/// The caller as a member of the team in the path, with what else is in the path and the parameters.
pub struct InTeam<Q = ()> {
    pub viewer: Viewer,
    pub query: Q,
    path: HashMap<String, String>,
}

impl<Q: QueryParameters + Send> FromRequestParts<App> for InTeam<Q> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Caller(viewer, query) = Caller::<Q>::from_request_parts(parts, app).await?;
        let PathText(path) = PathText::<HashMap<String, String>>::from_request_parts(parts, app).await?;
        let team = path.get("id").map_or(TeamId(NO_ID), |id| id_of(id));
        let viewer = teams::viewer_for_team(app, &viewer, team).await.map_err(|error| Api::Sendlog.refuse(error))?;
        Ok(Self { viewer, query, path })
    }
}

impl<Q> InTeam<Q> {
    /// The id of this name in the path.
    pub fn id<Id: FromStr + From<i64>>(&self, name: &str) -> Id {
        id_of(self.path.get(name).map_or("", String::as_str))
    }
}

/// The name of a team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamNameBody {
    /// One line of 1 to 100 characters.
    pub name: String,
}

/// What changes about a team. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeamChangeBody {
    /// One line of 1 to 100 characters.
    pub name: Option<String>,
    /// Whether every member needs two-factor authentication. Only somebody who has it can turn this on.
    pub demands_two_factor: Option<bool>,
    /// Whether members without `logs:reveal` see addresses masked.
    pub masks_addresses: Option<bool>,
    /// Whether members with `logs:reveal` give a reason before they see variables, bodies and links.
    pub reveals_with_reason: Option<bool>,
}

impl From<TeamChangeBody> for TeamChange {
    fn from(body: TeamChangeBody) -> Self {
        let TeamChangeBody { name, demands_two_factor, masks_addresses, reveals_with_reason } = body;
        Self { name, demands_two_factor, masks_addresses, reveals_with_reason }
    }
}

/// For how many days a team keeps what it has; what is left out or null is kept for ever.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionBody {
    /// Bodies, variables and attachments of messages; no longer than the messages.
    #[schema(minimum = 1, maximum = 36500)]
    pub bodies_days: Option<i64>,
    /// Events of messages, by the age of the message; no longer than the messages.
    #[schema(minimum = 1, maximum = 36500)]
    pub events_days: Option<i64>,
    /// Messages with everything that is theirs. One that still has to be sent stays.
    #[schema(minimum = 1, maximum = 36500)]
    pub messages_days: Option<i64>,
    /// The log of API requests.
    #[schema(minimum = 1, maximum = 36500)]
    pub requests_days: Option<i64>,
    /// The audit log.
    #[schema(minimum = 1, maximum = 36500)]
    pub audit_days: Option<i64>,
}

impl From<RetentionBody> for Retention {
    fn from(body: RetentionBody) -> Self {
        let RetentionBody { bodies_days, events_days, messages_days, requests_days, audit_days } = body;
        Self { bodies_days, events_days, messages_days, requests_days, audit_days }
    }
}

impl From<Retention> for RetentionBody {
    fn from(retention: Retention) -> Self {
        let Retention { bodies_days, events_days, messages_days, requests_days, audit_days } = retention;
        Self { bodies_days, events_days, messages_days, requests_days, audit_days }
    }
}

/// What a team tracks where a template says nothing.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackingBody {
    /// Whether messages tell when they are opened.
    pub tracks_opens: bool,
    /// Whether messages tell which of their links are followed.
    pub tracks_clicks: bool,
}

impl From<TrackingBody> for Tracking {
    fn from(TrackingBody { tracks_opens, tracks_clicks }: TrackingBody) -> Self {
        Self { tracks_opens, tracks_clicks }
    }
}

impl From<Tracking> for TrackingBody {
    fn from(Tracking { tracks_opens, tracks_clicks }: Tracking) -> Self {
        Self { tracks_opens, tracks_clicks }
    }
}

/// A team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TeamId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether every member needs two-factor authentication.
    pub demands_two_factor: bool,
    /// Whether members without `logs:reveal` see addresses masked.
    pub masks_addresses: bool,
    /// Whether members with `logs:reveal` give a reason before they see variables, bodies and links.
    pub reveals_with_reason: bool,
}

impl From<Team> for TeamBody {
    fn from(team: Team) -> Self {
        let TeamRules { demands_two_factor, masks_addresses, reveals_with_reason } = team.rules;
        Self {
            id: team.id,
            slug: team.slug,
            name: team.name,
            created_at: team.created_at.into(),
            demands_two_factor,
            masks_addresses,
            reveals_with_reason,
        }
    }
}
