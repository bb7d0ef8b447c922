//! Webhooks: the addresses of the team's own programs that are told what becomes of its messages. What each was told is in
//! [super::deliveries].

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
use crate::domain::event::EventKind;
use crate::domain::ids::OutgoingWebhookId;
use crate::domain::webhook::{DisabledReason, Webhook, WebhookShape};
use crate::server::App;
use crate::server::api::extract::{Caller, PathId};
use crate::server::services::webhooks::{self, WebhookChange, WebhookForm, WebhookSecrets};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_webhooks, create_webhook))
        .routes(routes!(find_webhook, update_webhook, delete_webhook))
        .routes(routes!(rotate_secret))
}

/// Lists the team's webhooks, newest first. Needs `webhooks:view`.
#[utoipa::path(
    get, path = "/api/webhooks", tag = "webhooks", summary = "List webhooks",
    responses((status = 200, description = "The webhooks", body = Success<Vec<WebhookBody>>)),
)]
async fn list_webhooks(State(app): State<App>, Caller(viewer, ()): Caller) -> Answer<Vec<WebhookBody>> {
    let found = webhooks::list_webhooks(&app, &viewer).await?;
    Ok(success(found.into_iter().map(WebhookBody::from).collect()))
}

/// Adds a webhook, and tells what its posts are signed with. Needs `webhooks:create`.
#[utoipa::path(
    post, path = "/api/webhooks", tag = "webhooks", summary = "Add a webhook",
    request_body(content = NewWebhookBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The webhook", body = Success<WholeWebhookBody>),
        Clash,
    ),
)]
async fn create_webhook(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    JsonBody(body): JsonBody<NewWebhookBody>,
) -> Result<(StatusCode, Json<Success<WholeWebhookBody>>), CanaryError> {
    let NewWebhookBody { name, url, shape, events, is_on } = body;
    let (name, kinds) = (name.unwrap_or_default(), events.unwrap_or_default());
    let form = WebhookForm { name, url, shape, kinds, is_on };
    let (webhook, secrets) = webhooks::create_whole_webhook(&app, &viewer, form).await?;
    Ok((StatusCode::CREATED, success(WholeWebhookBody::new(webhook, Some(secrets)))))
}

/// Shows a webhook; its address and its secret to those who have `webhooks:update`. Needs `webhooks:view`.
#[utoipa::path(
    get, path = "/api/webhooks/{id}", tag = "webhooks", summary = "Show a webhook",
    responses((status = 200, description = "The webhook", body = Success<WholeWebhookBody>)),
)]
async fn find_webhook(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<OutgoingWebhookId>,
) -> Answer<WholeWebhookBody> {
    let (webhook, secrets) = webhooks::find_whole_webhook(&app, &viewer, id).await?;
    Ok(success(WholeWebhookBody::new(webhook, secrets)))
}

/// Changes a webhook. Needs `webhooks:update`.
#[utoipa::path(
    put, path = "/api/webhooks/{id}", tag = "webhooks", summary = "Change a webhook",
    request_body(content = WebhookChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The webhook", body = Success<WebhookBody>),
        Clash,
    ),
)]
async fn update_webhook(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<OutgoingWebhookId>,
    JsonBody(body): JsonBody<WebhookChangeBody>,
) -> Answer<WebhookBody> {
    let WebhookChangeBody { name, url, shape, events: kinds, is_on } = body;
    let change = WebhookChange { name, url, shape, kinds, is_on };
    let mut changed = webhooks::change_webhook(&app, &viewer, id, change).await?;
    if is_on == Some(true) && changed.disabled.is_some() {
        webhooks::enable_webhook(&app, &viewer, id).await?;
        (changed.disabled, changed.failing_since) = (None, None);
    }
    Ok(success(changed.into()))
}

/// Deletes a webhook, with its log. Needs `webhooks:delete`.
#[utoipa::path(
    delete, path = "/api/webhooks/{id}", tag = "webhooks", summary = "Delete a webhook",
    responses((status = 200, description = "The webhook is gone", body = Success<Deleted<String>>)),
)]
async fn delete_webhook(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<OutgoingWebhookId>,
) -> Answer<Deleted<String>> {
    webhooks::delete_webhook(&app, &viewer, id).await?;
    Ok(success(Deleted { id: id.to_string() }))
}

/// Gives a webhook another secret; for a day, posts are signed with the one before as well. Needs `webhooks:update`.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/rotate", operation_id = "rotateWebhookSecret", tag = "webhooks",
    summary = "Replace a webhook's secret",
    responses(
        (status = 200, description = "The new secret", body = Success<SecretBody>),
        Clash,
    ),
)]
async fn rotate_secret(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<OutgoingWebhookId>,
) -> Answer<SecretBody> {
    webhooks::rotate_secret(&app, &viewer, id).await?;
    let WebhookSecrets { secret, former_until, .. } = webhooks::find_secrets(&app, &viewer, id).await?;
    Ok(success(SecretBody { secret, former_until: former_until.map(Timestamp) }))
}

/// A webhook to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWebhookBody {
    /// Its name; by default the address's host.
    pub name: Option<String>,
    /// Where to post.
    #[schema(max_length = 2000, example = "https://example.com/hooks")]
    pub url: String,
    /// How a post is written and signed.
    #[serde(default = "own_shape")]
    pub shape: WebhookShape,
    /// The kinds of events that it is told of, as events are reported by; none for every kind.
    #[schema(value_type = Option<Vec<String>>, example = json!(["bounced"]))]
    pub events: Option<Vec<EventKind>>,
    /// Whether it is told of anything; by default it is.
    #[serde(default = "on")]
    pub is_on: bool,
}

const fn own_shape() -> WebhookShape {
    WebhookShape::Sendlog
}

const fn on() -> bool {
    true
}

/// What of a webhook is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookChangeBody {
    /// A new name.
    pub name: Option<String>,
    /// Another address.
    #[schema(max_length = 2000)]
    pub url: Option<String>,
    /// Another shape.
    pub shape: Option<WebhookShape>,
    /// Other kinds of events; none for every kind.
    #[schema(value_type = Option<Vec<String>>)]
    pub events: Option<Vec<EventKind>>,
    /// `true` switches on what somebody or Sendlog switched off: what waited goes out.
    pub is_on: Option<bool>,
}

/// A webhook, without address and secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: OutgoingWebhookId,
    /// Its name.
    pub name: String,
    /// The host of its address.
    #[schema(example = "example.com")]
    pub host: String,
    /// How a post is written and signed.
    pub shape: WebhookShape,
    /// The kinds of events that it is told of; none for every kind.
    #[schema(value_type = Vec<String>)]
    pub events: Vec<EventKind>,
    /// Whether somebody wants it to be told.
    pub is_on: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last took something; null where it never did.
    #[schema(required)]
    pub succeeded_at: Option<Timestamp>,
    /// Since when it takes nothing; null where it took the last.
    #[schema(required)]
    pub failing_since: Option<Timestamp>,
    /// When Sendlog switched it off; null where it did not.
    #[schema(required)]
    pub disabled_at: Option<Timestamp>,
    /// Why Sendlog switched it off.
    #[schema(required)]
    pub disabled_reason: Option<DisabledReason>,
}

impl From<Webhook> for WebhookBody {
    fn from(webhook: Webhook) -> Self {
        let (disabled_at, disabled_reason) = webhook.disabled.unzip();
        Self {
            id: webhook.id,
            name: webhook.name,
            host: webhook.host,
            shape: webhook.shape,
            events: webhook.kinds,
            is_on: webhook.is_on,
            created_at: webhook.created_at.into(),
            succeeded_at: webhook.succeeded_at.map(Timestamp),
            failing_since: webhook.failing_since.map(Timestamp),
            disabled_at: disabled_at.map(Timestamp),
            disabled_reason,
        }
    }
}

/// A webhook, with what is secret of it for those who may change it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WholeWebhookBody {
    /// What is in a list, too.
    #[serde(flatten)]
    pub webhook: WebhookBody,
    /// Where it is posted to; null to those without `webhooks:update`.
    #[schema(required)]
    pub url: Option<String>,
    /// What posts are signed with; null to those without `webhooks:update`.
    #[schema(required, example = "whsec_xxxxxxxxxx")]
    pub secret: Option<String>,
}

impl WholeWebhookBody {
    fn new(webhook: Webhook, secrets: Option<WebhookSecrets>) -> Self {
        let (url, secret) = secrets.map(|secrets| (secrets.url, secrets.secret)).unzip();
        Self { webhook: webhook.into(), url, secret }
    }
}

/// What posts are signed with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretBody {
    /// The secret.
    #[schema(example = "whsec_xxxxxxxxxx")]
    pub secret: String,
    /// Until when posts are signed with the one before as well.
    #[schema(required)]
    pub former_until: Option<Timestamp>,
}
