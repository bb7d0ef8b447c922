//! API keys. A key itself is shown once, when it is made or rotated.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::JsonBody;
use super::error::{CanaryError, Clash};
use super::{Answer, Deleted, Success, Timestamp, given, success};
use crate::domain::api_key::{ApiKey, CreatedApiKey, HeldBack, KeyApi, KeyLimits};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, UserId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::server::App;
use crate::server::api::extract::{Caller, PathId, read_instant};
use crate::server::services::api_keys::{self, ApiKeyChange, NewApiKey, USUAL_OVERLAP};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_api_keys, create_api_key))
        .routes(routes!(find_api_key, update_api_key, revoke_api_key))
        .routes(routes!(rotate_api_key))
}

/// Lists the team's keys, newest first, revoked ones too. Needs `api-keys:view`.
#[utoipa::path(
    get, path = "/api/api-keys", tag = "api-keys", summary = "List API keys",
    responses((status = 200, description = "The keys", body = Success<Vec<ApiKeyBody>>)),
)]
async fn list_api_keys(State(app): State<App>, Caller(viewer, ()): Caller) -> Answer<Vec<ApiKeyBody>> {
    let keys = api_keys::list_api_keys(&app, &viewer).await?;
    Ok(success(keys.into_iter().map(ApiKeyBody::from).collect()))
}

/// Makes a key. Needs `api-keys:create`, and every permission that the key gets.
#[utoipa::path(
    post, path = "/api/api-keys", tag = "api-keys", summary = "Create an API key",
    request_body(content = NewApiKeyBody, content_type = "application/json"),
    responses((status = 201, description = "The key, shown this once", body = Success<ApiKeyBody>)),
)]
async fn create_api_key(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    JsonBody(body): JsonBody<NewApiKeyBody>,
) -> Result<(StatusCode, Json<Success<ApiKeyBody>>), CanaryError> {
    let created = api_keys::create_api_key(&app, &viewer, body.read()?).await?;
    Ok((StatusCode::CREATED, success(created.into())))
}

/// Shows a key. Needs `api-keys:view`.
#[utoipa::path(
    get, path = "/api/api-keys/{id}", tag = "api-keys", summary = "Show an API key",
    responses((status = 200, description = "The key", body = Success<ApiKeyBody>)),
)]
async fn find_api_key(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<ApiKeyId>,
) -> Answer<ApiKeyBody> {
    Ok(success(api_keys::find_api_key(&app, &viewer, id).await?.into()))
}

/// Changes a key's name, scopes and limits. Needs `api-keys:create`, and every permission that the key then has.
#[utoipa::path(
    put, path = "/api/api-keys/{id}", tag = "api-keys", summary = "Change an API key",
    request_body(content = ApiKeyChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The key", body = Success<ApiKeyBody>),
        Clash,
    ),
)]
async fn update_api_key(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<ApiKeyId>,
    JsonBody(body): JsonBody<ApiKeyChangeBody>,
) -> Answer<ApiKeyBody> {
    Ok(success(api_keys::update_api_key(&app, &viewer, id, body.read()?).await?.into()))
}

/// Gives a key another secret; the one before counts for a while more. Needs `api-keys:create`, and every permission that
/// the key has.
#[utoipa::path(
    post, path = "/api/api-keys/{id}/rotate", tag = "api-keys", summary = "Rotate an API key",
    request_body(content = RotationBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The key, shown this once", body = Success<ApiKeyBody>),
        Clash,
    ),
)]
async fn rotate_api_key(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<ApiKeyId>,
    JsonBody(body): JsonBody<RotationBody>,
) -> Answer<ApiKeyBody> {
    let overlap = match body.overlap_seconds {
        // What does not fit is too long in any case.
        Some(seconds) => TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX),
        None => USUAL_OVERLAP,
    };
    Ok(success(api_keys::rotate_api_key(&app, &viewer, id, overlap).await?.into()))
}

/// Ends a key. Needs `api-keys:revoke`.
#[utoipa::path(
    delete, path = "/api/api-keys/{id}", tag = "api-keys", summary = "Revoke an API key",
    responses((status = 200, description = "The key has ended", body = Success<Deleted<String>>)),
)]
async fn revoke_api_key(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<ApiKeyId>,
) -> Answer<Deleted<String>> {
    api_keys::revoke_api_key(&app, &viewer, id).await?;
    Ok(success(Deleted { id: id.to_string() }))
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewApiKeyBody {
    /// Its name: one line of 1 to 100 characters.
    pub name: String,
    /// What it may do: names of permissions, or `*` for all.
    #[schema(example = json!(["emails:send", "logs:view"]))]
    pub scopes: Vec<String>,
    /// When it ends by itself, within five years; never when left out. ISO 8601 with an offset.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// The APIs that take it; all when left out.
    pub apis: Option<Vec<KeyApi>>,
    /// How many requests it may make in a second; the server's limit when left out.
    #[schema(minimum = 1)]
    pub rate_limit: Option<u32>,
    /// Whether it is the team's own, which its scopes alone bound; for owners. Otherwise it may do at most what the person
    /// may who made it.
    #[serde(default)]
    pub belongs_to_team: bool,
}

/// What of a key is to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeyChangeBody {
    /// Another name.
    pub name: Option<String>,
    /// Other scopes.
    pub scopes: Option<Vec<String>>,
    /// Another end; null for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<String>>,
    /// Other APIs; null for all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<KeyApi>>)]
    pub apis: Option<Option<Vec<KeyApi>>>,
    /// Another limit; null for the server's.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub rate_limit: Option<Option<u32>>,
    /// Whether it is to be the team's own; for owners. One that is no longer is bound by its changer.
    pub belongs_to_team: Option<bool>,
}

/// How to replace a key's secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotationBody {
    /// For how many seconds more the present secret counts: at most 604800, 7 days; by default 86400, a day.
    #[schema(minimum = 0, maximum = 604_800)]
    pub overlap_seconds: Option<i64>,
}

impl NewApiKeyBody {
    /// The key that is asked for.
    pub fn read(self) -> Result<NewApiKey, AppError> {
        let expires_at = self.expires_at.as_deref().map(read_end).transpose()?;
        let limits = KeyLimits { expires_at, apis: self.apis, rate_limit: self.rate_limit };
        Ok(NewApiKey {
            scopes: read_scopes(&self.scopes)?,
            name: self.name,
            limits,
            belongs_to_team: self.belongs_to_team,
        })
    }
}

impl ApiKeyChangeBody {
    /// The change that is asked for.
    pub fn read(self) -> Result<ApiKeyChange, AppError> {
        Ok(ApiKeyChange {
            name: self.name,
            scopes: self.scopes.as_deref().map(read_scopes).transpose()?,
            expires_at: self.expires_at.map(|end| end.as_deref().map(read_end).transpose()).transpose()?,
            apis: self.apis,
            rate_limit: self.rate_limit,
            belongs_to_team: self.belongs_to_team,
        })
    }
}

fn read_end(text: &str) -> Result<DateTime<Utc>, AppError> {
    read_instant(text).ok_or_else(|| {
        let message = "expiresAt must be an ISO 8601 date and time with its offset, like 2027-01-20T10:30:00Z";
        AppError::invalid_field("expiresAt", message)
    })
}

/// The permissions that scopes name.
fn read_scopes(scopes: &[String]) -> Result<PermissionSet, AppError> {
    if scopes.iter().any(|scope| scope == "*") {
        return Ok(PermissionSet::all());
    }
    let permission = |(index, scope): (usize, &String)| {
        scope.parse::<Permission>().map_err(|_| {
            let names: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
            AppError::invalid_field(
                format!("scopes[{index}]"),
                format!("Unknown scope “{scope}”: use * or {}", names.join(", ")),
            )
        })
    };
    scopes.iter().enumerate().map(permission).collect()
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// How the key begins.
    pub prefix: String,
    /// What it may do at most.
    pub scopes: Vec<Permission>,
    /// What it may do at this moment.
    pub effective_scopes: Vec<Permission>,
    /// Why that is less than its scopes; null where it is not.
    #[schema(required)]
    pub held_back: Option<HeldBack>,
    /// Whether it is the team's own, which its scopes alone bound. Otherwise it may do at most what the person may who made
    /// it.
    pub belongs_to_team: bool,
    /// Who made it; null for one made on the command line, or by a key of the team's own.
    #[schema(value_type = Option<String>, required)]
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(required)]
    pub revoked_at: Option<Timestamp>,
    /// When it ends by itself; null for never.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    /// The APIs that take it; null for all.
    #[schema(required)]
    pub apis: Option<Vec<KeyApi>>,
    /// How many requests it may make in a second; null for the server's limit.
    #[schema(required)]
    pub rate_limit: Option<u32>,
    /// When its secret was last replaced.
    #[schema(required)]
    pub rotated_at: Option<Timestamp>,
    /// Until when the secret before that counts, or counted.
    #[schema(required)]
    pub previous_ends_at: Option<Timestamp>,
    /// The key itself; shown only when it is made or rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes.iter().collect(),
            effective_scopes: key.effective.iter().collect(),
            held_back: key.held_back,
            belongs_to_team: key.belongs_to_team,
            created_by: key.created_by,
            created_at: key.created_at.into(),
            last_used_at: key.last_used_at.map(Timestamp),
            revoked_at: key.revoked_at.map(Timestamp),
            expires_at: key.limits.expires_at.map(Timestamp),
            apis: key.limits.apis,
            rate_limit: key.limits.rate_limit,
            rotated_at: key.rotated_at.map(Timestamp),
            previous_ends_at: key.previous_ends_at.map(Timestamp),
            key: None,
        }
    }
}

impl From<CreatedApiKey> for ApiKeyBody {
    fn from(created: CreatedApiKey) -> Self {
        Self { key: Some(created.secret), ..created.key.into() }
    }
}
