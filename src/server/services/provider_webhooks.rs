//! Addresses that a team's providers post to, and what they report there. Called by `/settings/provider-webhooks`
//! and, once it has proven who posts, by [crate::server::inbound].

mod connect;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::info;

pub use self::connect::{connect_webhook, list_connectable};
use super::events::{EventReport, read_events};
use super::{audit, checked_name};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, WebhookId};
use crate::domain::permission::Permission;
use crate::domain::provider_webhook::{ProviderWebhook, RefusalReason, SecretSource, WebhookProvider};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::secrets::{random_token, token_hash};
use crate::server::store::ingest::Ingested;
use crate::server::store::provider_webhooks::{FoundWebhook, Heard};
use crate::server::telemetry::metrics;

/// How long is remembered what a provider never uses twice: longer than any of them tries again.
const REMEMBERED: TimeDelta = TimeDelta::days(3);
/// The longest secret, in characters: several keys, or topics, a line each.
const MAX_SECRET_CHARS: usize = 8_000;
/// The user in addresses that have one.
const USER: &str = "sendlog";
/// How much is kept of what was wrong, in characters.
const MAX_WORDS_CHARS: usize = 300;

/// What is sealed of an address.
#[derive(Serialize, Deserialize)]
struct Sealed {
    token: String,
    secret: String,
}

impl Sealed {
    fn seal(&self, app: &App, team: TeamId, id: WebhookId) -> String {
        app.secret_key.seal(json!(self).to_string().as_bytes(), &context(team, id))
    }

    fn open(app: &App, sealed: &str, team: TeamId, id: WebhookId) -> Result<Self, AppError> {
        serde_json::from_slice(&app.secret_key.open(sealed, &context(team, id))?).map_err(|_| AppError::Internal)
    }
}

fn context(team: TeamId, id: WebhookId) -> String {
    format!("provider-webhook:{team}:{id}")
}

/// An address that something was posted to, with what its provider signs by; empty where nobody has said that yet.
#[derive(Clone, Debug)]
pub struct PostedTo {
    pub provider: WebhookProvider,
    pub secret: String,
    team_id: TeamId,
    id: WebhookId,
}

/// The team's provider webhooks, the newest first. Needs `adapters:view`.
pub async fn list_webhooks(app: &App, viewer: &Viewer) -> Result<Vec<ProviderWebhook>, AppError> {
    viewer.require(Permission::AdaptersView)?;
    app.store.list_webhooks(viewer.team).await
}

/// One of them. Needs `adapters:view`.
pub async fn find_webhook(app: &App, viewer: &Viewer, id: WebhookId) -> Result<ProviderWebhook, AppError> {
    viewer.require(Permission::AdaptersView)?;
    load(app, viewer.team, id).await
}

/// The address that its provider posts to; whoever has it can post where the address alone proves who posts. Needs
/// `adapters:update`.
pub async fn address_of(app: &App, viewer: &Viewer, webhook: &ProviderWebhook) -> Result<String, AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let sealed = open(app, viewer.team, webhook.id).await?;
    Ok(address(app, webhook.provider, &sealed))
}

/// Adds an address for a provider to post to. Needs `adapters:create`. The name is the provider's where it is empty.
pub async fn create_webhook(
    app: &App,
    viewer: &Viewer,
    provider: WebhookProvider,
    name: &str,
) -> Result<ProviderWebhook, AppError> {
    viewer.require(Permission::AdaptersCreate)?;
    let name = if name.trim().is_empty() { provider.label() } else { name };
    let secret = match provider.secret_source() {
        SecretSource::InAddress => format!("{USER}:{}", random_token()),
        SecretSource::Theirs(_) => String::new(),
    };
    let sealed = Sealed { token: random_token(), secret };
    let webhook = ProviderWebhook {
        id: app.clock.mint(),
        provider,
        name: checked_name("name", name)?,
        has_secret: !sealed.secret.is_empty(),
        created_at: app.clock.now(),
        heard_at: None,
        recorded: 0,
        refusals: Vec::new(),
    };
    let event = audit::by(app, viewer, AuditAction::WebhookCreated).about(webhook.id, &webhook.name);
    let (kept, hash) = (sealed.seal(app, viewer.team, webhook.id), token_hash(&sealed.token));
    app.store.insert_webhook(viewer.team, &webhook, &hash, &kept, &event.made(said(&webhook))).await?;
    info!(team.id = %viewer.team, webhook.id = %webhook.id, "added provider webhook");
    Ok(webhook)
}

/// Gives one another name, and another secret where that is not empty. Needs `adapters:update`.
pub async fn update_webhook(
    app: &App,
    viewer: &Viewer,
    id: WebhookId,
    name: &str,
    secret: &str,
) -> Result<ProviderWebhook, AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let before = load(app, viewer.team, id).await?;
    let mut webhook = ProviderWebhook { name: checked_name("name", name)?, ..before.clone() };
    let mut sealed = open(app, viewer.team, id).await?;
    let mut after = said(&webhook);
    if !secret.trim().is_empty() {
        sealed.secret = checked_secret(before.provider, secret)?;
        webhook.has_secret = true;
        after["secret"] = json!("replaced");
    }
    let event = audit::by(app, viewer, AuditAction::WebhookUpdated).about(id, &before.name);
    let event = event.changed(said(&before), after);
    let kept = sealed.seal(app, viewer.team, id);
    match app.store.update_webhook(viewer.team, &webhook, &kept, &event).await? {
        true => Ok(webhook),
        false => Err(AppError::not_found("Provider webhook")),
    }
}

/// Takes one away, and answers with its name; its provider is refused from now on. Needs `adapters:delete`.
pub async fn delete_webhook(app: &App, viewer: &Viewer, id: WebhookId) -> Result<String, AppError> {
    viewer.require(Permission::AdaptersDelete)?;
    let webhook = load(app, viewer.team, id).await?;
    let event = audit::by(app, viewer, AuditAction::WebhookDeleted).about(id, &webhook.name).removed(said(&webhook));
    match app.store.delete_webhook(viewer.team, id, &event).await? {
        true => Ok(webhook.name),
        false => Err(AppError::not_found("Provider webhook")),
    }
}

/// The address that is `/hooks/{provider}/{token}`. [AppError::NotFound] where there is none.
pub async fn find_posted_to(app: &App, provider: &str, token: &str) -> Result<PostedTo, AppError> {
    let found = app.store.find_webhook_by_token(&token_hash(token)).await?;
    let found = found.filter(|found| found.provider.as_str() == provider);
    let FoundWebhook { team_id, id, provider, sealed } = found.ok_or_else(|| AppError::not_found("Webhook"))?;
    let Sealed { secret, .. } = Sealed::open(app, &sealed, team_id, id)?;
    Ok(PostedTo { provider, secret, team_id, id })
}

/// Records what a provider reports, and counts what of it cannot be; `false`, and nothing recorded, where an earlier post
/// had the same `nonce`. Once this returns, what is reported is kept.
pub async fn record(
    app: &App,
    webhook: &PostedTo,
    nonce: Option<&str>,
    reports: Vec<Result<EventReport, String>>,
) -> Result<bool, AppError> {
    let (events, bad) = read_events(app, webhook.team_id, reports).await?;
    let now = app.clock.now();
    let nonce = nonce.map(|nonce| (token_hash(nonce), now + REMEMBERED));
    let heard = Heard { webhook: webhook.id, at: now, nonce };
    let Some(ingested) = app.store.ingest_webhook(webhook.team_id, &events, &heard).await? else {
        refuse(app, webhook, RefusalReason::Replayed, "");
        return Ok(false);
    };
    bad.iter().for_each(|words| refuse(app, webhook, RefusalReason::BadEvent, words));
    for _ in ingested.iter().filter(|outcome| **outcome == Ingested::Unknown) {
        refuse(app, webhook, RefusalReason::UnknownMessage, "");
    }
    let recorded = ingested.iter().filter(|outcome| matches!(outcome, Ingested::Recorded(_))).count();
    let source = webhook.provider.as_str();
    let unknown = ingested.iter().filter(|outcome| **outcome == Ingested::Unknown).count();
    metrics::count_events(source, "recorded", recorded);
    metrics::count_events(source, "refused", bad.len() + unknown);
    info!(team.id = %webhook.team_id, webhook.id = %webhook.id, recorded, reported = ingested.len(), "heard from a provider");
    Ok(true)
}

/// Counts what is refused.
pub fn refuse(app: &App, webhook: &PostedTo, reason: RefusalReason, words: &str) {
    let words: String = words.chars().take(MAX_WORDS_CHARS).collect();
    app.store.note_refusal(webhook.team_id, webhook.id, reason, &words, app.clock.now());
}

async fn load(app: &App, team: TeamId, id: WebhookId) -> Result<ProviderWebhook, AppError> {
    let found = app.store.list_webhooks(team).await?.into_iter().find(|webhook| webhook.id == id);
    found.ok_or_else(|| AppError::not_found("Provider webhook"))
}

async fn open(app: &App, team: TeamId, id: WebhookId) -> Result<Sealed, AppError> {
    let sealed = app.store.find_sealed_webhook(team, id).await?;
    Sealed::open(app, &sealed.ok_or_else(|| AppError::not_found("Provider webhook"))?, team, id)
}

fn address(app: &App, provider: WebhookProvider, sealed: &Sealed) -> String {
    let public = app.config.public_url();
    let public = public.trim_end_matches('/');
    let path = format!("/hooks/{}/{}", provider.as_str(), sealed.token);
    match (provider.secret_source(), public.split_once("://")) {
        (SecretSource::InAddress, Some((scheme, host))) => format!("{scheme}://{}@{host}{path}", sealed.secret),
        (SecretSource::InAddress | SecretSource::Theirs(_), _) => format!("{public}{path}"),
    }
}

/// A secret as it is kept: its lines without blanks around them.
fn checked_secret(provider: WebhookProvider, secret: &str) -> Result<String, AppError> {
    let SecretSource::Theirs(called) = provider.secret_source() else {
        return Err(AppError::invalid_field("secret", "The secret of this provider is in the address"));
    };
    let lines: Vec<&str> = secret.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let kept = lines.join("\n");
    if kept.chars().count() > MAX_SECRET_CHARS || kept.chars().any(|letter| letter.is_control() && letter != '\n') {
        let message = format!("{called} must be text of at most {MAX_SECRET_CHARS} characters");
        return Err(AppError::invalid_field("secret", message));
    }
    if let Some(words) = lines.iter().find_map(|line| provider.wrong_secret(line)) {
        return Err(AppError::invalid_field("secret", words));
    }
    Ok(kept)
}

/// What the audit log says of one.
fn said(webhook: &ProviderWebhook) -> Value {
    json!({ "name": webhook.name, "provider": webhook.provider.as_str() })
}
