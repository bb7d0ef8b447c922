//! Adapters. User names, passwords and tokens go in and never come out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::domain::ids::AdapterId;
use crate::server::App;
use crate::server::api::canary::error::{
    CanaryError, Clash, Faults, InvalidBody, InvalidParameters, Missing, Refusals,
};
use crate::server::api::canary::extract::{Caller, JsonBody, NoParameters, PathText, id_of};
use crate::server::api::canary::wire::{AdapterBody, AdapterChangeBody, Deleted, NewAdapterBody, Success, success};
use crate::server::services::adapters::{self, AdapterChange, NewAdapter};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_adapters, create_adapter)).routes(routes!(
        find_adapter,
        update_adapter,
        delete_adapter
    ))
}

/// Lists the team's adapters. Needs `adapters:view`.
#[utoipa::path(
    get, path = "/api/adapters", operation_id = "listAdapters", tag = "adapters", summary = "List adapters",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    responses(
        (status = 200, description = "The adapters, by name", body = Success<Vec<AdapterBody>>),
        InvalidParameters, Refusals, Faults,
    ),
)]
async fn list_adapters(
    State(app): State<App>,
    Caller(viewer): Caller,
    _query: NoParameters,
) -> Answer<Vec<AdapterBody>> {
    let found = adapters::list_adapters(&app, &viewer).await?;
    Ok(success(found.into_iter().map(AdapterBody::from).collect()))
}

/// Adds an adapter. Needs `adapters:create`.
#[utoipa::path(
    post, path = "/api/adapters", operation_id = "createAdapter", tag = "adapters", summary = "Add an adapter",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    request_body(content = NewAdapterBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The adapter", body = Success<AdapterBody>),
        InvalidBody, Refusals, Clash, Faults,
    ),
)]
async fn create_adapter(
    State(app): State<App>,
    Caller(viewer): Caller,
    _query: NoParameters,
    JsonBody(body): JsonBody<NewAdapterBody>,
) -> Result<(StatusCode, Json<Success<AdapterBody>>), CanaryError> {
    let new = NewAdapter {
        name: body.name.unwrap_or_default(),
        kind: body.kind,
        url: body.url,
        from_address: body.from.unwrap_or_default(),
        is_default: body.is_default,
    };
    let adapter = adapters::create_adapter(&app, &viewer, new).await?;
    Ok((StatusCode::CREATED, success(adapter.into())))
}

/// Shows an adapter. Needs `adapters:view`.
#[utoipa::path(
    get, path = "/api/adapters/{id}", operation_id = "findAdapter", tag = "adapters", summary = "Show an adapter",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The adapter's id")),
    responses(
        (status = 200, description = "The adapter", body = Success<AdapterBody>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn find_adapter(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<AdapterBody> {
    Ok(success(adapters::find_adapter(&app, &viewer, id_of(&id)).await?.into()))
}

/// Changes an adapter. Needs `adapters:update`.
#[utoipa::path(
    put, path = "/api/adapters/{id}", operation_id = "updateAdapter", tag = "adapters", summary = "Change an adapter",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The adapter's id")),
    request_body(content = AdapterChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The adapter", body = Success<AdapterBody>),
        InvalidBody, Refusals, Missing, Clash, Faults,
    ),
)]
async fn update_adapter(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
    JsonBody(body): JsonBody<AdapterChangeBody>,
) -> Answer<AdapterBody> {
    let change = AdapterChange { name: body.name, url: body.url, from_address: body.from, is_default: body.is_default };
    Ok(success(adapters::update_adapter(&app, &viewer, id_of(&id), change).await?.into()))
}

/// Deletes an adapter. Needs `adapters:delete`.
#[utoipa::path(
    delete, path = "/api/adapters/{id}", operation_id = "deleteAdapter", tag = "adapters",
    summary = "Delete an adapter",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The adapter's id")),
    responses(
        (status = 200, description = "The adapter is gone", body = Success<Deleted<String>>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn delete_adapter(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<Deleted<String>> {
    let id: AdapterId = id_of(&id);
    adapters::delete_adapter(&app, &viewer, id).await?;
    Ok(success(Deleted { id: id.to_string() }))
}
