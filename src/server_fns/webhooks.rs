//! Webhooks: addresses of the team's own programs that are told what becomes of messages.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::ids::{EventId, OutgoingWebhookId};
use crate::domain::page::CursorPage;
use crate::domain::webhook::{DeliveryDetail, Webhook, WebhookDelivery, WebhookShape};

/// Rows on a page of what a webhook was told.
pub const PAGE_SIZE: i64 = 50;

/// What the page of all webhooks shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhooksView {
    pub webhooks: Vec<Webhook>,
    /// What was typed and refused.
    pub draft: Draft,
}

/// What the page of one webhook shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookView {
    pub webhook: Webhook,
    /// For who may change it.
    pub secrets: Option<ShownSecrets>,
    /// What it was told, the newest first.
    pub page: CursorPage<WebhookDelivery>,
    pub draft: Draft,
}

/// The address of a webhook, and what its posts are signed with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShownSecrets {
    pub url: String,
    pub secret: String,
    /// Until when posts are signed with the secret before it as well.
    pub former_until: Option<DateTime<Utc>>,
}

/// What the page of one delivery shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryView {
    pub webhook: Webhook,
    pub detail: DeliveryDetail,
}

/// The team's webhooks. Needs `webhooks:view`.
#[server]
pub async fn load_webhooks() -> Result<WebhooksView, AppError> {
    use crate::server::{context, services::webhooks};
    let webhooks = webhooks::list_webhooks(&context::app(), &context::viewer().await?).await?;
    Ok(WebhooksView { webhooks, draft: super::draft::load_draft("webhook".to_owned()).await? })
}

/// One of them, with what it was told: only what failed where `failed` says so, and what has ids below `before` where that is
/// given. Needs `webhooks:view`.
#[server]
pub async fn load_webhook(
    id: OutgoingWebhookId,
    #[server(default)] failed: bool,
    before: Option<EventId>,
) -> Result<WebhookView, AppError> {
    use crate::domain::permission::Permission;
    use crate::server::{
        context,
        services::webhooks::{self, DeliveryFilter},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let webhook = webhooks::find_webhook(&app, &viewer, id).await?;
    let filter = if failed { DeliveryFilter::Failed } else { DeliveryFilter::All };
    let page = webhooks::list_deliveries(&app, &viewer, id, filter, before, PAGE_SIZE).await?;
    let secrets = match viewer.may(Permission::WebhooksUpdate) {
        true => {
            let webhooks::WebhookSecrets { url, secret, former_until } =
                webhooks::find_secrets(&app, &viewer, id).await?;
            Some(ShownSecrets { url, secret, former_until })
        }
        false => None,
    };
    Ok(WebhookView { webhook, secrets, page, draft: super::draft::load_draft(id.to_string()).await? })
}

/// One thing that a webhook was told. Needs `webhooks:view`.
#[server]
pub async fn load_delivery(id: OutgoingWebhookId, delivery: EventId) -> Result<DeliveryView, AppError> {
    use crate::server::{context, services::webhooks};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let webhook = webhooks::find_webhook(&app, &viewer, id).await?;
    Ok(DeliveryView { webhook, detail: webhooks::find_delivery(&app, &viewer, id, delivery).await? })
}

/// Adds a webhook, and leads to its page. Needs `webhooks:create`.
#[server]
pub async fn create_webhook(
    #[server(default)] name: String,
    url: String,
    shape: WebhookShape,
    #[server(default)] kinds: Vec<EventKind>,
) -> Result<(), AppError> {
    use crate::server::{
        context,
        services::webhooks::{self, WebhookForm},
    };
    let draft = Draft::of("webhook").with("name", &name).with("url", &url).with("shape", shape.as_str());
    let viewer = context::viewer_of(&draft).await?;
    let form = WebhookForm { name, url, shape, kinds, is_on: true };
    let result = webhooks::create_webhook(&context::app(), &viewer, form).await;
    let webhook = context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, format!("Webhook “{}” added.", webhook.name));
    crate::server::context::redirect(&format!("/settings/webhooks/{}", webhook.id));
    Ok(())
}

/// Changes a webhook. Needs `webhooks:update`.
#[server]
pub async fn update_webhook(
    id: OutgoingWebhookId,
    #[server(default)] name: String,
    url: String,
    shape: WebhookShape,
    #[server(default)] kinds: Vec<EventKind>,
    #[server(default)] on: Option<String>,
) -> Result<(), AppError> {
    use crate::server::{
        context,
        services::webhooks::{self, WebhookForm},
    };
    let draft = Draft::of(id.to_string()).with("name", &name).with("url", &url).with("shape", shape.as_str());
    let viewer = context::viewer_of(&draft).await?;
    let form = WebhookForm { name, url, shape, kinds, is_on: on.is_some() };
    let result = webhooks::update_webhook(&context::app(), &viewer, id, form).await;
    let webhook = context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, format!("Webhook “{}” saved.", webhook.name));
    Ok(())
}

/// Switches a webhook on again. Needs `webhooks:update`.
#[server]
pub async fn enable_webhook(id: OutgoingWebhookId) -> Result<(), AppError> {
    use crate::server::{context, services::webhooks};
    let name = webhooks::enable_webhook(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, format!("Webhook “{name}” is on. What waited is posted now."));
    Ok(())
}

/// Gives a webhook another secret. Needs `webhooks:update`.
#[server]
pub async fn rotate_webhook_secret(id: OutgoingWebhookId) -> Result<(), AppError> {
    use crate::server::{context, services::webhooks};
    let name = webhooks::rotate_secret(&context::app(), &context::viewer().await?, id).await?;
    let words = format!("“{name}” has another secret. For 24 hours posts are signed with the one before as well.");
    context::flash(context::FlashKind::Success, words);
    Ok(())
}

/// Has a webhook be told of a test, and leads to what comes of it. Needs `webhooks:update`.
#[server]
pub async fn test_webhook(id: OutgoingWebhookId) -> Result<(), AppError> {
    use crate::server::{context, services::webhooks};
    let test = webhooks::send_test(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, "The test is on its way.");
    crate::server::context::redirect(&format!("/settings/webhooks/{id}/deliveries/{test}"));
    Ok(())
}

/// Tells a webhook one thing again. Needs `webhooks:update`.
#[server]
pub async fn replay_delivery(id: OutgoingWebhookId, delivery: EventId) -> Result<(), AppError> {
    use crate::server::{
        context,
        services::webhooks::{self, Replay},
    };
    webhooks::replay(&context::app(), &context::viewer().await?, id, Replay::One(delivery)).await?;
    context::flash(context::FlashKind::Success, "It is posted again, with the same id.");
    Ok(())
}

/// Tells a webhook again of what happened in a span of time. Needs `webhooks:update`.
#[server]
pub async fn replay_deliveries(
    id: OutgoingWebhookId,
    from: String,
    to: String,
    #[server(default)] which: String,
) -> Result<(), AppError> {
    use crate::server::{
        context,
        services::webhooks::{self, DeliveryFilter},
    };
    let filter = if which == "all" { DeliveryFilter::All } else { DeliveryFilter::Failed };
    let draft = Draft::of(id.to_string()).with("from", &from).with("to", &to);
    let viewer = context::viewer_of(&draft).await?;
    let result = webhooks::replay_span(&context::app(), &viewer, id, (&from, &to), filter).await;
    let count = context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    let words = match count {
        0 => "Nothing of that time is to be posted again.".to_owned(),
        1 => "One delivery is posted again.".to_owned(),
        count => format!("{count} deliveries are posted again."),
    };
    context::flash(context::FlashKind::Success, words);
    Ok(())
}

/// Removes a webhook. Needs `webhooks:delete`.
#[server]
pub async fn delete_webhook(id: OutgoingWebhookId) -> Result<(), AppError> {
    use crate::server::{context, services::webhooks};
    let name = webhooks::delete_webhook(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, format!("Webhook “{name}” removed."));
    crate::server::context::redirect("/settings/webhooks");
    Ok(())
}

/// What a field of these forms is called on the page.
pub fn label_of(field: &str) -> Option<&'static str> {
    match field {
        "name" => Some("Name"),
        "url" => Some("Address"),
        "from" => Some("From"),
        "to" => Some("To"),
        _ => None,
    }
}
