//! Addresses that providers post to.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, WebhookId};
use crate::domain::provider_webhook::{ProviderWebhook, WebhookProvider};

/// What the page of one provider webhook shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProviderWebhookView {
    pub webhook: ProviderWebhook,
    /// What its provider posts to, for who may change it.
    pub address: Option<String>,
    /// The adapters with whose key the provider can be asked to set it up, for who may change it.
    pub adapters: Vec<(AdapterId, String)>,
    pub draft: Draft,
}

/// The team's provider webhooks. Needs `adapters:view`.
#[server]
pub async fn load_provider_webhooks() -> Result<Vec<ProviderWebhook>, AppError> {
    use crate::server::{context, services::provider_webhooks};
    provider_webhooks::list_webhooks(&context::app(), &context::viewer().await?).await
}

/// One of them. Needs `adapters:view`.
#[server]
pub async fn load_provider_webhook(id: WebhookId) -> Result<ProviderWebhookView, AppError> {
    use crate::domain::permission::Permission;
    use crate::server::{context, services::provider_webhooks};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let webhook = provider_webhooks::find_webhook(&app, &viewer, id).await?;
    let (address, adapters) = match viewer.may(Permission::AdaptersUpdate) {
        true => (
            Some(provider_webhooks::address_of(&app, &viewer, &webhook).await?),
            provider_webhooks::list_connectable(&app, &viewer, webhook.provider).await?,
        ),
        false => (None, Vec::new()),
    };
    let adapters = adapters.into_iter().map(|adapter| (adapter.id, adapter.name)).collect();
    Ok(ProviderWebhookView { webhook, address, adapters, draft: super::draft::load_draft(id.to_string()).await? })
}

/// Adds an address for a provider to post to, and leads to its page. Needs `adapters:create`.
#[server]
pub async fn create_provider_webhook(
    provider: WebhookProvider,
    #[server(default)] name: String,
) -> Result<(), AppError> {
    use crate::server::{context, services::provider_webhooks};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let webhook = provider_webhooks::create_webhook(&app, &viewer, provider, &name).await?;
    crate::server::context::redirect(&format!("/settings/provider-webhooks/{}", webhook.id));
    Ok(())
}

/// Changes one's name, and its secret where one is typed. Needs `adapters:update`.
#[server]
pub async fn update_provider_webhook(
    id: WebhookId,
    name: String,
    #[server(default)] secret: String,
) -> Result<(), AppError> {
    use crate::server::{context, services::provider_webhooks};
    let draft = Draft::of(id.to_string()).with("name", &name);
    let viewer = context::viewer_of(&draft).await?;
    let result = provider_webhooks::update_webhook(&context::app(), &viewer, id, &name, &secret).await;
    let label_of = |field: &str| match field {
        "name" => Some("Name"),
        "secret" => Some("Secret"),
        _ => None,
    };
    let webhook = context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, format!("Provider webhook “{}” saved.", webhook.name));
    Ok(())
}

/// Has its provider set it up, with an adapter's key. Needs `adapters:update`.
#[server]
pub async fn connect_provider_webhook(id: WebhookId, adapter: AdapterId) -> Result<(), AppError> {
    use crate::server::{context, services::provider_webhooks};
    let viewer = context::viewer().await?;
    let webhook = provider_webhooks::connect_webhook(&context::app(), &viewer, id, adapter).await?;
    let label = webhook.provider.label();
    let words = match webhook.has_secret {
        true => format!("{label} posts here from now on."),
        false => format!("{label} posts here from now on. Its secret is missing: copy it from there, as below."),
    };
    context::flash(context::FlashKind::Success, words);
    Ok(())
}

/// Takes one away. Needs `adapters:delete`.
#[server]
pub async fn delete_provider_webhook(id: WebhookId) -> Result<(), AppError> {
    use crate::server::{context, services::provider_webhooks};
    let name = provider_webhooks::delete_webhook(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, format!("Provider webhook “{name}” removed."));
    crate::server::context::redirect("/settings/provider-webhooks");
    Ok(())
}
