//! Setting an address up at its provider, with the key of one of the team's adapters.

use std::time::Duration;

use serde_json::json;

use super::{Sealed, address, load, open, said, update_webhook};
use crate::domain::adapter::Adapter;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, WebhookId};
use crate::domain::permission::Permission;
use crate::domain::provider_webhook::{ProviderWebhook, SecretSource, WebhookProvider};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::delivery::http::{HttpRoute, HttpSender, HttpSettings};
use crate::server::delivery::http_endpoint::{HttpLogIn, HttpSecret};
use crate::server::delivery::providers::{AmazonAccount, CONFIGURATION_SET, HookAddress, connect};
use crate::server::services::{adapters, audit, limits};

/// How long a provider may take for each thing that it is asked.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The setting of an adapter that says where to report.
const STATUS_CALLBACK: &str = "statusCallback";

/// The team's adapters with whose key the provider of a webhook can be asked to set it up. Needs `adapters:update`.
pub async fn list_connectable(app: &App, viewer: &Viewer, provider: WebhookProvider) -> Result<Vec<Adapter>, AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    if !provider.can_be_asked() {
        return Ok(Vec::new());
    }
    let all = app.store.list_adapters(viewer.team).await?;
    Ok(all.into_iter().filter(|adapter| Some(adapter.kind) == provider.adapter_kind()).collect())
}

/// Has a provider set up that it posts to this webhook, with an adapter's key, and keeps what it signs by. Needs
/// `adapters:update`. [AppError::Adapter] in the provider's words where it does not; the webhook stays as it was.
pub async fn connect_webhook(
    app: &App,
    viewer: &Viewer,
    id: WebhookId,
    adapter_id: AdapterId,
) -> Result<ProviderWebhook, AppError> {
    let webhook = load(app, viewer.team, id).await?;
    let adapters = list_connectable(app, viewer, webhook.provider).await?;
    let adapter = adapters.into_iter().find(|adapter| adapter.id == adapter_id);
    let adapter = adapter.ok_or_else(|| AppError::not_found("Adapter"))?;
    limits::count_attempt(app, limits::ADAPTER_TEST, &viewer.team.to_string()).await?;
    let sealed = open(app, viewer.team, id).await?;
    let secret = match webhook.provider {
        WebhookProvider::Twilio => Some(connect_twilio(app, viewer, &webhook, &sealed, &adapter).await?),
        WebhookProvider::Vonage => connect_vonage(app, viewer, &webhook, &sealed, &adapter).await?,
        WebhookProvider::AmazonSes => connect_amazon(app, viewer, &webhook, &sealed, &adapter).await?,
        provider => ask(app, viewer, provider, &sealed, &adapter).await?,
    };
    match (webhook.provider.secret_source(), secret) {
        (SecretSource::Theirs(_), Some(secret)) => update_webhook(app, viewer, id, &webhook.name, &secret).await,
        (_, _) => {
            let event = audit::by(app, viewer, AuditAction::WebhookUpdated).about(id, &webhook.name);
            let mut after = said(&webhook);
            after["connectedBy"] = json!(adapter.name);
            app.store.append_audit_event(viewer.team, &event.changed(said(&webhook), after)).await?;
            load(app, viewer.team, id).await
        }
    }
}

fn sender(app: &App) -> HttpSender {
    HttpSender::new(HttpSettings {
        connect_timeout: TIMEOUT,
        timeout: TIMEOUT,
        outbound: app.config.outbound(),
        ..HttpSettings::default()
    })
}

fn refused(provider: WebhookProvider, words: &str) -> AppError {
    AppError::Adapter(format!("{} did not set it up: {words}", provider.label()))
}

async fn ask(
    app: &App,
    viewer: &Viewer,
    provider: WebhookProvider,
    sealed: &Sealed,
    adapter: &Adapter,
) -> Result<Option<String>, AppError> {
    let route = route_of(app, viewer, adapter).await?;
    let whole = address(app, provider, sealed);
    let log_in = match provider.secret_source() {
        SecretSource::InAddress => sealed.secret.split_once(':'),
        SecretSource::Theirs(_) => None,
    };
    let bare = match log_in {
        Some(_) => whole.replacen(&format!("{}@", sealed.secret), "", 1),
        None => whole.clone(),
    };
    let hook = HookAddress { whole: &whole, bare: &bare, log_in };
    let domain = adapter.from_address.rsplit_once('@').map_or("", |(_, domain)| domain.trim_end_matches('>').trim());
    let connected = connect(&sender(app), adapter.kind, &route, domain, hook).await;
    connected.map_err(|words| refused(provider, &words))
}

/// Amazon SES publishes to a topic of SNS, which posts to the webhook. The webhook takes posts of that topic, beside those that it
/// takes already, before the topic asks whether it may post.
async fn connect_amazon(
    app: &App,
    viewer: &Viewer,
    webhook: &ProviderWebhook,
    sealed: &Sealed,
    adapter: &Adapter,
) -> Result<Option<String>, AppError> {
    let (route, sender) = (route_of(app, viewer, adapter).await?, sender(app));
    let amazon = AmazonAccount::new(&sender, &route, &webhook.id.to_string(), app.clock.now());
    let refused = |words: String| refused(webhook.provider, &words);
    let topic = amazon.publish().await.map_err(refused)?;
    if !sealed.secret.lines().any(|line| line == topic) {
        let topics = format!("{}\n{topic}", sealed.secret);
        update_webhook(app, viewer, webhook.id, &webhook.name, &topics).await?;
    }
    amazon.subscribe(&topic, &address(app, webhook.provider, sealed)).await.map_err(refused)?;
    if amazon.named_set().is_none() {
        adapters::set_setting(app, viewer, adapter, CONFIGURATION_SET, amazon.configuration_set()).await?;
    }
    Ok(None)
}

/// Vonage is told with each message where to report. What it signs by, it tells by no API.
async fn connect_vonage(
    app: &App,
    viewer: &Viewer,
    webhook: &ProviderWebhook,
    sealed: &Sealed,
    adapter: &Adapter,
) -> Result<Option<String>, AppError> {
    let route = route_of(app, viewer, adapter).await?;
    report_to(app, viewer, adapter, &route, &address(app, webhook.provider, sealed)).await?;
    Ok(None)
}

/// Has an adapter say with each message where to report.
async fn report_to(app: &App, viewer: &Viewer, adapter: &Adapter, route: &HttpRoute, to: &str) -> Result<(), AppError> {
    let query = route.secret.query.as_deref().unwrap_or_default();
    if form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == STATUS_CALLBACK && value == to) {
        return Ok(());
    }
    adapters::set_setting(app, viewer, adapter, STATUS_CALLBACK, to).await
}

/// Twilio is told with each message where to report. It signs by the token that the adapter logs in with.
async fn connect_twilio(
    app: &App,
    viewer: &Viewer,
    webhook: &ProviderWebhook,
    sealed: &Sealed,
    adapter: &Adapter,
) -> Result<String, AppError> {
    let route = route_of(app, viewer, adapter).await?;
    let token = match &route.secret.log_in {
        Some(HttpLogIn::Basic(user, token)) if user.starts_with("AC") => token.clone(),
        Some(HttpLogIn::Basic(_, _) | HttpLogIn::Bearer(_)) | None => {
            let words =
                "This adapter logs in with an API key, and Twilio signs by the account’s auth token: type that below";
            return Err(AppError::Adapter(words.to_owned()));
        }
    };
    report_to(app, viewer, adapter, &route, &address(app, webhook.provider, sealed)).await?;
    Ok(token)
}

async fn route_of(app: &App, viewer: &Viewer, adapter: &Adapter) -> Result<HttpRoute, AppError> {
    let sealed = app.store.find_adapter_secret(viewer.team, adapter.id).await?.ok_or(AppError::Internal)?;
    Ok(HttpRoute {
        endpoint: adapter.endpoint.parse().map_err(|_| AppError::Internal)?,
        secret: HttpSecret::open(&app.secret_key, &sealed, viewer.team, adapter.id)?,
    })
}
