//! API keys. A key itself is shown once, when it is made or rotated.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::domain::ids::ApiKeyId;
use crate::server::App;
use crate::server::api::canary::error::{
    CanaryError, Clash, Faults, InvalidBody, InvalidParameters, Missing, Refusals,
};
use crate::server::api::canary::extract::{Caller, JsonBody, NoParameters, PathText, id_of};
use crate::server::api::canary::wire::{
    ApiKeyBody, ApiKeyChangeBody, Deleted, NewApiKeyBody, RotationBody, Success, success,
};
use crate::server::services::api_keys::{self, USUAL_OVERLAP};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_api_keys, create_api_key))
        .routes(routes!(find_api_key, update_api_key, revoke_api_key))
        .routes(routes!(rotate_api_key))
}

/// Lists the team's keys, newest first, revoked ones too. Needs `api-keys:view`.
#[utoipa::path(
    get, path = "/api/api-keys", operation_id = "listApiKeys", tag = "api-keys", summary = "List API keys",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    responses(
        (status = 200, description = "The keys", body = Success<Vec<ApiKeyBody>>),
        InvalidParameters, Refusals, Faults,
    ),
)]
async fn list_api_keys(
    State(app): State<App>,
    Caller(viewer): Caller,
    _query: NoParameters,
) -> Answer<Vec<ApiKeyBody>> {
    let keys = api_keys::list_api_keys(&app, &viewer).await?;
    Ok(success(keys.into_iter().map(ApiKeyBody::from).collect()))
}

/// Makes a key. Needs `api-keys:create`, and every permission that the key gets.
#[utoipa::path(
    post, path = "/api/api-keys", operation_id = "createApiKey", tag = "api-keys", summary = "Create an API key",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    request_body(content = NewApiKeyBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The key, shown this once", body = Success<ApiKeyBody>),
        InvalidBody, Refusals, Faults,
    ),
)]
async fn create_api_key(
    State(app): State<App>,
    Caller(viewer): Caller,
    _query: NoParameters,
    JsonBody(body): JsonBody<NewApiKeyBody>,
) -> Result<(StatusCode, Json<Success<ApiKeyBody>>), CanaryError> {
    let created = api_keys::create_api_key(&app, &viewer, body.read()?).await?;
    Ok((StatusCode::CREATED, success(created.into())))
}

/// Shows a key. Needs `api-keys:view`.
#[utoipa::path(
    get, path = "/api/api-keys/{id}", operation_id = "findApiKey", tag = "api-keys", summary = "Show an API key",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The key's id")),
    responses(
        (status = 200, description = "The key", body = Success<ApiKeyBody>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn find_api_key(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<ApiKeyBody> {
    Ok(success(api_keys::find_api_key(&app, &viewer, id_of(&id)).await?.into()))
}

/// Changes a key's name, scopes and limits. Needs `api-keys:create`, and every permission that the key then has.
#[utoipa::path(
    put, path = "/api/api-keys/{id}", operation_id = "updateApiKey", tag = "api-keys", summary = "Change an API key",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The key's id")),
    request_body(content = ApiKeyChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The key", body = Success<ApiKeyBody>),
        InvalidBody, Refusals, Missing, Clash, Faults,
    ),
)]
async fn update_api_key(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
    JsonBody(body): JsonBody<ApiKeyChangeBody>,
) -> Answer<ApiKeyBody> {
    Ok(success(api_keys::update_api_key(&app, &viewer, id_of(&id), body.read()?).await?.into()))
}

/// Gives a key another secret; the one before counts for a while more. Needs `api-keys:create`, and every permission that
/// the key has.
#[utoipa::path(
    post, path = "/api/api-keys/{id}/rotate", operation_id = "rotateApiKey", tag = "api-keys",
    summary = "Rotate an API key",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The key's id")),
    request_body(content = RotationBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The key, shown this once", body = Success<ApiKeyBody>),
        InvalidBody, Refusals, Missing, Clash, Faults,
    ),
)]
async fn rotate_api_key(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
    JsonBody(body): JsonBody<RotationBody>,
) -> Answer<ApiKeyBody> {
    let overlap = match body.overlap_seconds {
        // What does not fit is too long in any case.
        Some(seconds) => TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX),
        None => USUAL_OVERLAP,
    };
    Ok(success(api_keys::rotate_api_key(&app, &viewer, id_of(&id), overlap).await?.into()))
}

/// Ends a key. Needs `api-keys:revoke`.
#[utoipa::path(
    delete, path = "/api/api-keys/{id}", operation_id = "revokeApiKey", tag = "api-keys", summary = "Revoke an API key",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The key's id")),
    responses(
        (status = 200, description = "The key has ended", body = Success<Deleted<String>>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn revoke_api_key(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<Deleted<String>> {
    let id: ApiKeyId = id_of(&id);
    api_keys::revoke_api_key(&app, &viewer, id).await?;
    Ok(success(Deleted { id: id.to_string() }))
}
