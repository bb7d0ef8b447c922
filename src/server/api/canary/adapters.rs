//! Adapters. User names, passwords and tokens go in and never come out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::JsonBody;
use super::error::{CanaryError, Clash};
use super::{Answer, Deleted, Success, Timestamp, success};
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::ids::AdapterId;
use crate::server::App;
use crate::server::api::extract::{Caller, PathId};
use crate::server::services::adapters::{self, AdapterChange, GivenAddress, NewAdapter};

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
    get, path = "/api/adapters", tag = "adapters", summary = "List adapters",
    responses((status = 200, description = "The adapters: those for email, for text messages and calls, and the web addresses, each in their order", body = Success<Vec<AdapterBody>>)),
)]
async fn list_adapters(State(app): State<App>, Caller(viewer, ()): Caller) -> Answer<Vec<AdapterBody>> {
    let found = adapters::list_adapters(&app, &viewer).await?;
    Ok(success(found.into_iter().map(AdapterBody::from).collect()))
}

/// Adds an adapter. Needs `adapters:create`.
#[utoipa::path(
    post, path = "/api/adapters", tag = "adapters", summary = "Add an adapter",
    request_body(content = NewAdapterBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The adapter", body = Success<AdapterBody>),
        Clash,
    ),
)]
async fn create_adapter(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    JsonBody(body): JsonBody<NewAdapterBody>,
) -> Result<(StatusCode, Json<Success<AdapterBody>>), CanaryError> {
    let new = NewAdapter {
        name: body.name.unwrap_or_default(),
        kind: body.kind,
        address: GivenAddress::Url(body.url),
        from_address: body.from.unwrap_or_default(),
        is_default: body.is_default,
    };
    let adapter = adapters::create_adapter(&app, &viewer, new).await?;
    Ok((StatusCode::CREATED, success(adapter.into())))
}

/// Shows an adapter. Needs `adapters:view`.
#[utoipa::path(
    get, path = "/api/adapters/{id}", tag = "adapters", summary = "Show an adapter",
    responses((status = 200, description = "The adapter", body = Success<AdapterBody>)),
)]
async fn find_adapter(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<AdapterId>,
) -> Answer<AdapterBody> {
    Ok(success(adapters::find_adapter(&app, &viewer, id).await?.into()))
}

/// Changes an adapter. Needs `adapters:update`.
#[utoipa::path(
    put, path = "/api/adapters/{id}", tag = "adapters", summary = "Change an adapter",
    request_body(content = AdapterChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The adapter", body = Success<AdapterBody>),
        Clash,
    ),
)]
async fn update_adapter(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<AdapterId>,
    JsonBody(body): JsonBody<AdapterChangeBody>,
) -> Answer<AdapterBody> {
    let AdapterChangeBody { name, url, from, is_default } = body;
    let change = AdapterChange { name, address: url.map(GivenAddress::Url), from_address: from, is_default };
    Ok(success(adapters::update_adapter(&app, &viewer, id, change).await?.into()))
}

/// Deletes an adapter. Needs `adapters:delete`.
#[utoipa::path(
    delete, path = "/api/adapters/{id}", tag = "adapters", summary = "Delete an adapter",
    responses((status = 200, description = "The adapter is gone", body = Success<Deleted<String>>)),
)]
async fn delete_adapter(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<AdapterId>,
) -> Answer<Deleted<String>> {
    adapters::delete_adapter(&app, &viewer, id).await?;
    Ok(success(Deleted { id: id.to_string() }))
}

/// An adapter to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAdapterBody {
    /// Its name, unique in the team; by default the server's.
    pub name: Option<String>,
    /// What it speaks: `smtp` sends email by a mail server, `http` posts the messages of every other channel to an address of
    /// yours, and a provider's name sends by its API: text messages and calls by `twilio` and `vonage`, email by the others.
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// Where it connects to, with user name and password, which are never shown again:
    /// `smtp://user:password@mail.example.com:587`, `https://token@example.com/messages`. A provider's is that of its API, with
    /// the key, or with both halves of the log-in: `https://key@api.sendgrid.com`.
    #[schema(example = "smtp://user:password@mail.example.com:587")]
    pub url: String,
    /// The sender of messages that name none: a mailbox where it sends email, a number or a name for text messages and calls,
    /// both of which it needs; for `http` any name, by default the adapter's.
    #[schema(example = "Finch <receipts@finch.example>")]
    pub from: Option<String>,
    /// Whether messages go out by it unless they name another; a first adapter is the default in any case.
    #[serde(default)]
    pub is_default: bool,
}

/// What of an adapter is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdapterChangeBody {
    /// A new name.
    pub name: Option<String>,
    /// Another address, with user name and password.
    pub url: Option<String>,
    /// Another sender.
    pub from: Option<String>,
    /// `true` makes it the default: the first in its order.
    pub is_default: Option<bool>,
}

/// An adapter, without user name and password.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdapterBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AdapterId,
    /// Its name.
    pub name: String,
    /// What it speaks.
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// Where it connects to.
    pub endpoint: String,
    /// The sender of messages that name none.
    pub from: String,
    /// Whether messages go out by it unless they name another.
    pub is_default: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

impl From<Adapter> for AdapterBody {
    fn from(adapter: Adapter) -> Self {
        Self {
            id: adapter.id,
            name: adapter.name,
            kind: adapter.kind,
            endpoint: adapter.endpoint,
            from: adapter.from_address,
            is_default: adapter.is_default,
            created_at: adapter.created_at.into(),
        }
    }
}
