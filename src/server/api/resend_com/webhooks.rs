//! Webhooks in Resend's shape: list, read, make, change and remove. What posts in another shape is not there. Source: Resend,
//! Webhooks, and what npm `resend` sends and expects.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ResendError;
use super::{Answer, List, MAX_LIMIT, PagingQuery, Timestamp, read_body, read_paging};
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::ids::OutgoingWebhookId;
use crate::domain::webhook::shape::resend_com_kind;
use crate::domain::webhook::{Webhook, WebhookShape};
use crate::server::App;
use crate::server::api::extract::{Body, Caller, PathId};
use crate::server::services::webhooks::{self, WebhookChange, WebhookForm, WebhookSecrets};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_webhooks, create_webhook)).routes(routes!(
        find_webhook,
        update_webhook,
        remove_webhook
    ))
}

/// Makes a webhook, which posts in Resend's shape. Needs `webhooks:create`.
#[utoipa::path(
    post, path = "/webhooks", tag = "webhooks", summary = "Create a webhook",
    request_body(content = NewWebhookBody, content_type = "application/json"),
    responses((status = 201, description = "It is there, and told from now on", body = CreatedWebhook)),
)]
async fn create_webhook(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    Body(body): Body,
) -> Result<(StatusCode, Json<CreatedWebhook>), ResendError> {
    let NewWebhookBody { endpoint, events } = read_body(&body)?;
    let form = WebhookForm {
        name: String::new(),
        url: endpoint.ok_or_else(|| ResendError::missing_field("`endpoint`"))?,
        shape: WebhookShape::ResendCom,
        kinds: read_events(&events.ok_or_else(|| ResendError::missing_field("`events`"))?)?,
        is_on: true,
    };
    let (webhook, secrets) = webhooks::create_whole_webhook(&app, &viewer, form).await?;
    let created =
        CreatedWebhook { object: WebhookObject::Webhook, id: webhook.id.to_uuid(), signing_secret: secrets.secret };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Lists the team's webhooks in Resend's shape, newest first. Needs `webhooks:view`.
#[utoipa::path(
    get, path = "/webhooks", tag = "webhooks", summary = "List webhooks",
    params(
        ("limit" = Option<i64>, Query, description = "How many, by default all", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "The id of the last webhook of the page before this one"),
        ("before" = Option<String>, Query,
            description = "The id of the first webhook of the page after this one; not together with `after`"),
    ),
    responses((status = 200, description = "One page of the list", body = List<WebhookRow>)),
)]
async fn list_webhooks(
    State(app): State<App>,
    Caller(viewer, PagingQuery(query)): Caller<PagingQuery>,
) -> Answer<List<WebhookRow>> {
    let (cursor, limit) = read_paging(&query)?;
    // A team has fewer webhooks than that.
    let limit = if query.text("limit").is_none() { MAX_LIMIT } else { limit };
    let listed = webhooks::list_whole_webhooks(&app, &viewer, WebhookShape::ResendCom, cursor, limit).await?;
    Ok(Json(List::of(listed, |(webhook, secrets)| WebhookRow::new(&webhook, secrets.as_ref()))))
}

/// Shows a webhook; the secret to keys with `webhooks:update`. Needs `webhooks:view`.
#[utoipa::path(
    get, path = "/webhooks/{webhook_id}", operation_id = "retrieveWebhook", tag = "webhooks", summary = "Retrieve a webhook",
    responses((status = 200, description = "The webhook", body = WholeWebhook)),
)]
async fn find_webhook(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<OutgoingWebhookId>,
) -> Answer<WholeWebhook> {
    let (webhook, secrets) = webhooks::find_whole_webhook(&app, &viewer, id).await?;
    require_shape(&webhook)?;
    Ok(Json(WholeWebhook {
        object: WebhookObject::Webhook,
        row: WebhookRow::new(&webhook, secrets.as_ref()),
        signing_secret: secrets.map(|secrets| secrets.secret),
    }))
}

/// Changes a webhook; what is left out stays. Needs `webhooks:update`.
#[utoipa::path(
    patch, path = "/webhooks/{webhook_id}", tag = "webhooks", summary = "Update a webhook",
    request_body(content = WebhookChangeBody, content_type = "application/json"),
    responses((status = 200, description = "It is changed", body = UpdatedWebhook)),
)]
async fn update_webhook(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<OutgoingWebhookId>,
    Body(body): Body,
) -> Answer<UpdatedWebhook> {
    let WebhookChangeBody { endpoint, events, status } = read_body(&body)?;
    require_shape(&webhooks::find_webhook_to_change(&app, &viewer, id).await?)?;
    let is_on = status.as_deref().map(read_status).transpose()?;
    let kinds = events.as_deref().map(read_events).transpose()?;
    let change = WebhookChange { url: endpoint, kinds, is_on, ..WebhookChange::default() };
    let changed = webhooks::change_webhook(&app, &viewer, id, change).await?;
    if is_on == Some(true) && changed.disabled.is_some() {
        webhooks::enable_webhook(&app, &viewer, id).await?;
    }
    Ok(Json(UpdatedWebhook { object: WebhookObject::Webhook, id: id.to_uuid() }))
}

/// Removes a webhook, with its log. Needs `webhooks:delete`.
#[utoipa::path(
    delete, path = "/webhooks/{webhook_id}", tag = "webhooks", summary = "Delete a webhook",
    responses((status = 200, description = "It is gone", body = RemovedWebhook)),
)]
async fn remove_webhook(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<OutgoingWebhookId>,
) -> Answer<RemovedWebhook> {
    require_shape(&webhooks::find_webhook_to_delete(&app, &viewer, id).await?)?;
    webhooks::delete_webhook(&app, &viewer, id).await?;
    Ok(Json(RemovedWebhook { object: WebhookObject::Webhook, id: id.to_uuid(), deleted: true }))
}

fn require_shape(webhook: &Webhook) -> Result<(), AppError> {
    match webhook.shape {
        WebhookShape::ResendCom => Ok(()),
        WebhookShape::Sendlog | WebhookShape::JetEmail => Err(AppError::not_found("Webhook")),
    }
}

/// What Resend's posts can be called, each once.
fn event_names() -> Vec<&'static str> {
    names_of(&EventKind::ALL)
}

/// What posts of events of these kinds are called, each once, in the order of what happens.
fn names_of(kinds: &[EventKind]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for name in kinds.iter().filter_map(|kind| resend_com_kind(*kind)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The kinds of events that are called so.
fn read_events(events: &[String]) -> Result<Vec<EventKind>, ResendError> {
    let names = event_names();
    if events.is_empty() {
        return Err(ResendError::invalid(format!("`events` must hold some of {}", names.join(", "))));
    }
    if let Some(wrong) = events.iter().find(|event| !names.contains(&event.as_str())) {
        let shown: String = wrong.chars().filter(|letter| !letter.is_control()).take(60).collect();
        let words = format!("`events` holds `{shown}`, which is not posted here; there are {}", names.join(", "));
        return Err(ResendError::invalid(words));
    }
    let is_meant = |kind: &EventKind| resend_com_kind(*kind).is_some_and(|name| events.iter().any(|one| one == name));
    Ok(EventKind::ALL.into_iter().filter(is_meant).collect())
}

fn read_status(status: &str) -> Result<bool, ResendError> {
    match status {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        _ => Err(ResendError::invalid("`status` must be `enabled` or `disabled`")),
    }
}

/// Whether it is told of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookStatus {
    /// It is.
    Enabled,
    /// Somebody switched it off, or Sendlog did, because it took nothing.
    Disabled,
}

/// A webhook to make.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewWebhookBody {
    /// Where to post.
    #[schema(value_type = String, required, example = "https://example.com/handler", max_length = 2000)]
    endpoint: Option<String>,
    /// What it is told of: `email.sent`, `email.delivery_delayed`, `email.delivered`, `email.opened`, `email.clicked`,
    /// `email.bounced`, `email.suppressed`, `email.failed` or `email.complained`.
    #[schema(value_type = Vec<String>, required, min_items = 1, example = json!(["email.sent"]))]
    events: Option<Vec<String>>,
}

/// What of a webhook is to change.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WebhookChangeBody {
    /// Where to post.
    #[schema(example = "https://example.com/handler", max_length = 2000)]
    endpoint: Option<String>,
    /// What it is told of, in the place of what it was before.
    #[schema(min_items = 1, example = json!(["email.sent"]))]
    events: Option<Vec<String>>,
    /// `enabled` or `disabled`. What was switched off because it failed begins anew.
    #[schema(value_type = Option<WebhookStatus>)]
    status: Option<String>,
}

/// The word for a webhook.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookObject {
    /// `webhook`
    Webhook,
}

/// A webhook was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedWebhook {
    /// Always `webhook`.
    pub object: WebhookObject,
    /// Its id.
    #[schema(example = "4dd369bc-aa82-4ff3-97de-514ae3000ee0", format = "uuid")]
    pub id: String,
    /// What its posts are signed with.
    #[schema(example = "whsec_xxxxxxxxxx")]
    pub signing_secret: String,
}

/// A webhook in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookRow {
    /// Its id.
    #[schema(example = "4dd369bc-aa82-4ff3-97de-514ae3000ee0", format = "uuid")]
    pub id: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Whether it is told of anything.
    pub status: WebhookStatus,
    /// Where it is posted to; to keys without `webhooks:update` its host alone.
    #[schema(example = "https://example.com/handler")]
    pub endpoint: String,
    /// What it is told of.
    #[schema(example = json!(["email.sent"]))]
    pub events: Vec<&'static str>,
}

impl WebhookRow {
    fn new(webhook: &Webhook, secrets: Option<&WebhookSecrets>) -> Self {
        let is_on = webhook.is_on && webhook.disabled.is_none();
        Self {
            id: webhook.id.to_uuid(),
            created_at: Timestamp(webhook.created_at),
            status: if is_on { WebhookStatus::Enabled } else { WebhookStatus::Disabled },
            endpoint: secrets.map_or_else(|| format!("https://{}/", webhook.host), |secrets| secrets.url.clone()),
            events: if webhook.kinds.is_empty() { event_names() } else { names_of(&webhook.kinds) },
        }
    }
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeWebhook {
    /// Always `webhook`.
    pub object: WebhookObject,
    /// What of it is in a list, too.
    #[serde(flatten)]
    pub row: WebhookRow,
    /// What its posts are signed with; null to keys without `webhooks:update`.
    #[schema(required, example = "whsec_xxxxxxxxxx")]
    pub signing_secret: Option<String>,
}

/// A webhook was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct UpdatedWebhook {
    /// Always `webhook`.
    pub object: WebhookObject,
    /// Its id.
    #[schema(example = "4dd369bc-aa82-4ff3-97de-514ae3000ee0", format = "uuid")]
    pub id: String,
}

/// A webhook is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedWebhook {
    /// Always `webhook`.
    pub object: WebhookObject,
    /// The id that it had.
    #[schema(example = "4dd369bc-aa82-4ff3-97de-514ae3000ee0", format = "uuid")]
    pub id: String,
    /// Always `true`.
    #[schema(example = true)]
    pub deleted: bool,
}
