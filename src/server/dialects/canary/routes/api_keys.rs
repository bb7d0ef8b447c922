//! API keys. A key itself is shown once, when it is made.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::domain::ids::ApiKeyId;
use crate::server::App;
use crate::server::dialects::canary::error::{CanaryError, Faults, InvalidBody, InvalidParameters, Missing, Refusals};
use crate::server::dialects::canary::extract::{Caller, JsonBody, NoParameters, PathText, id_of};
use crate::server::dialects::canary::wire::{ApiKeyBody, Deleted, NewApiKeyBody, Success, success};
use crate::server::services::api_keys;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_api_keys, create_api_key)).routes(routes!(revoke_api_key))
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
    let created = api_keys::create_api_key(&app, &viewer, &body.name, body.permissions()?).await?;
    Ok((StatusCode::CREATED, success(created.into())))
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
