//! Webhooks: which addresses of a team's own programs are told what becomes of its messages, what they were told, and telling
//! them again. Called by `/settings/webhooks`, `/api/webhooks` and `/resend/webhooks`. [worker] posts.

mod log;
mod sealed;
pub mod worker;

use serde_json::{Value, json};
use tracing::info;
use url::Url;

use self::sealed::Sealed;
use super::{audit, checked_name, limits};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::ids::{EventId, OutgoingWebhookId};
use crate::domain::page::{Cursor, CursorPage};
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::domain::webhook::shape::test_post;
use crate::domain::webhook::{Webhook, WebhookShape};
use crate::server::App;
use crate::server::delivery::webhook::new_secret;
use crate::server::store::audit::AuditEvent;

pub use log::{find_delivery, list_deliveries, list_told_webhooks, replay, replay_span};

pub use crate::domain::webhook::{DeliveryFilter, Replay};

/// The longest address, in characters.
const MAX_URL_CHARS: usize = 2_000;

/// What somebody sets of a webhook.
#[derive(Clone, Debug)]
pub struct WebhookForm {
    /// That of the host where it is empty.
    pub name: String,
    pub url: String,
    pub shape: WebhookShape,
    /// None for every kind.
    pub kinds: Vec<EventKind>,
    pub is_on: bool,
}

/// What of a webhook is to change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// That of the host where it is empty. A name that was the host's goes along with the address.
    pub name: Option<String>,
    pub url: Option<String>,
    pub shape: Option<WebhookShape>,
    pub kinds: Option<Vec<EventKind>>,
    pub is_on: Option<bool>,
}

impl From<WebhookForm> for WebhookChange {
    fn from(form: WebhookForm) -> Self {
        let WebhookForm { name, url, shape, kinds, is_on } = form;
        Self { name: Some(name), url: Some(url), shape: Some(shape), kinds: Some(kinds), is_on: Some(is_on) }
    }
}

/// What is secret of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSecrets {
    pub url: String,
    pub secret: String,
    /// Until when posts are signed with the secret before it as well.
    pub former_until: Option<chrono::DateTime<chrono::Utc>>,
}

/// The team's webhooks, the newest first. Needs `webhooks:view`.
pub async fn list_webhooks(app: &App, viewer: &Viewer) -> Result<Vec<Webhook>, AppError> {
    viewer.require(Permission::WebhooksView)?;
    app.store.list_outgoing_webhooks(viewer.team).await
}

/// One of them. Needs `webhooks:view`.
pub async fn find_webhook(app: &App, viewer: &Viewer, id: OutgoingWebhookId) -> Result<Webhook, AppError> {
    viewer.require(Permission::WebhooksView)?;
    Ok(load(app, viewer, id).await?.0)
}

/// The address of one, and what its posts are signed with. Needs `webhooks:update`.
pub async fn find_secrets(app: &App, viewer: &Viewer, id: OutgoingWebhookId) -> Result<WebhookSecrets, AppError> {
    viewer.require(Permission::WebhooksUpdate)?;
    let (_, kept) = load(app, viewer, id).await?;
    opened(app, viewer, id, &kept)
}

/// One of them, with what is secret of it for those who have `webhooks:update`. Needs `webhooks:view`.
pub async fn find_whole_webhook(
    app: &App,
    viewer: &Viewer,
    id: OutgoingWebhookId,
) -> Result<(Webhook, Option<WebhookSecrets>), AppError> {
    viewer.require(Permission::WebhooksView)?;
    let (webhook, kept) = load(app, viewer, id).await?;
    let secrets = viewer.may(Permission::WebhooksUpdate).then(|| opened(app, viewer, id, &kept)).transpose()?;
    Ok((webhook, secrets))
}

/// One of them, before it is changed. Needs `webhooks:update`.
pub async fn find_webhook_to_change(app: &App, viewer: &Viewer, id: OutgoingWebhookId) -> Result<Webhook, AppError> {
    viewer.require(Permission::WebhooksUpdate)?;
    Ok(load(app, viewer, id).await?.0)
}

/// One of them, before it is removed. Needs `webhooks:delete`.
pub async fn find_webhook_to_delete(app: &App, viewer: &Viewer, id: OutgoingWebhookId) -> Result<Webhook, AppError> {
    viewer.require(Permission::WebhooksDelete)?;
    Ok(load(app, viewer, id).await?.0)
}

/// Some of the team's webhooks of one shape, the newest first, each with what is secret of it for those who have
/// `webhooks:update`. Needs `webhooks:view`.
pub async fn list_whole_webhooks(
    app: &App,
    viewer: &Viewer,
    shape: WebhookShape,
    cursor: Cursor<OutgoingWebhookId>,
    limit: i64,
) -> Result<CursorPage<(Webhook, Option<WebhookSecrets>)>, AppError> {
    viewer.require(Permission::WebhooksView)?;
    let mut found = app.store.list_sealed_webhooks(viewer.team).await?;
    found.retain(|(webhook, _)| {
        let is_there = match cursor {
            Cursor::Newest => true,
            Cursor::After(id) => webhook.id < id,
            Cursor::Before(id) => webhook.id > id,
        };
        is_there && webhook.shape == shape
    });
    let limit = usize::try_from(limit).unwrap_or_default();
    let has_more = found.len() > limit;
    match cursor {
        Cursor::Newest | Cursor::After(_) => found.truncate(limit),
        Cursor::Before(_) => drop(found.drain(..found.len().saturating_sub(limit))),
    }
    let sees = viewer.may(Permission::WebhooksUpdate);
    let whole = |(webhook, kept): (Webhook, String)| {
        let secrets = sees.then(|| opened(app, viewer, webhook.id, &kept)).transpose()?;
        Ok((webhook, secrets))
    };
    Ok(CursorPage { items: found.into_iter().map(whole).collect::<Result<_, AppError>>()?, has_more })
}

fn opened(app: &App, viewer: &Viewer, id: OutgoingWebhookId, kept: &str) -> Result<WebhookSecrets, AppError> {
    let Sealed { url, secret, former } = Sealed::open(app, kept, viewer.team, id)?;
    let former_until = former.map(|former| former.until).filter(|until| *until > app.clock.now());
    Ok(WebhookSecrets { url, secret, former_until })
}

/// Adds a webhook, with a fresh secret. Needs `webhooks:create`.
pub async fn create_webhook(app: &App, viewer: &Viewer, form: WebhookForm) -> Result<Webhook, AppError> {
    Ok(create_whole_webhook(app, viewer, form).await?.0)
}

/// The same, with the secret: whoever makes a webhook has to know it. Needs `webhooks:create`.
pub async fn create_whole_webhook(
    app: &App,
    viewer: &Viewer,
    form: WebhookForm,
) -> Result<(Webhook, WebhookSecrets), AppError> {
    viewer.require(Permission::WebhooksCreate)?;
    let url = checked_url(app, &form.url)?;
    let webhook = Webhook {
        id: app.clock.mint(),
        name: name_of(&form.name, &url)?,
        host: url.host_str().unwrap_or_default().to_owned(),
        shape: form.shape,
        kinds: checked_kinds(form.kinds),
        is_on: form.is_on,
        created_at: app.clock.now(),
        succeeded_at: None,
        failing_since: None,
        disabled: None,
    };
    let sealed = Sealed { url: url.into(), secret: new_secret(), former: None };
    let kept = sealed.seal(app, viewer.team, webhook.id);
    let event = about(app, viewer, AuditAction::OutgoingWebhookCreated, &webhook).made(said(&webhook));
    app.store.insert_outgoing_webhook(viewer.team, &webhook, &kept, &event).await?;
    info!(team.id = %viewer.team, webhook.id = %webhook.id, "added webhook");
    let Sealed { url, secret, .. } = sealed;
    Ok((webhook, WebhookSecrets { url, secret, former_until: None }))
}

/// Changes one, as a form has it. Needs `webhooks:update`.
pub async fn update_webhook(
    app: &App,
    viewer: &Viewer,
    id: OutgoingWebhookId,
    form: WebhookForm,
) -> Result<Webhook, AppError> {
    change_webhook(app, viewer, id, form.into()).await
}

/// Changes some of one. Needs `webhooks:update`. What Sendlog switched off stays off: see [enable_webhook].
pub async fn change_webhook(
    app: &App,
    viewer: &Viewer,
    id: OutgoingWebhookId,
    change: WebhookChange,
) -> Result<Webhook, AppError> {
    viewer.require(Permission::WebhooksUpdate)?;
    let (before, kept) = load(app, viewer, id).await?;
    let sealed = Sealed::open(app, &kept, viewer.team, id)?;
    let url = checked_url(app, change.url.as_deref().unwrap_or(&sealed.url))?;
    let name = match change.name {
        Some(name) => name_of(&name, &url)?,
        None if before.name == before.host => name_of("", &url)?,
        None => before.name.clone(),
    };
    let webhook = Webhook {
        name,
        host: url.host_str().unwrap_or_default().to_owned(),
        shape: change.shape.unwrap_or(before.shape),
        kinds: change.kinds.map_or_else(|| before.kinds.clone(), checked_kinds),
        is_on: change.is_on.unwrap_or(before.is_on),
        ..before.clone()
    };
    let mut after = said(&webhook);
    if sealed.url != url.as_str() {
        after["url"] = json!("replaced");
    }
    let sealed = Sealed { url: url.into(), ..sealed };
    let event = about(app, viewer, AuditAction::OutgoingWebhookUpdated, &before).changed(said(&before), after);
    save(app, viewer, &webhook, &kept, &sealed, &event).await?;
    Ok(webhook)
}

/// Switches on what was switched off; gives its name. Needs `webhooks:update`. What waited goes out.
pub async fn enable_webhook(app: &App, viewer: &Viewer, id: OutgoingWebhookId) -> Result<String, AppError> {
    viewer.require(Permission::WebhooksUpdate)?;
    let (webhook, _) = load(app, viewer, id).await?;
    let event = about(app, viewer, AuditAction::OutgoingWebhookEnabled, &webhook);
    app.store.enable_outgoing_webhook(viewer.team, id, &event).await?;
    Ok(webhook.name)
}

/// Gives one another secret; for a day, posts are signed with the one before as well. Gives its name. Needs `webhooks:update`.
pub async fn rotate_secret(app: &App, viewer: &Viewer, id: OutgoingWebhookId) -> Result<String, AppError> {
    viewer.require(Permission::WebhooksUpdate)?;
    let (webhook, kept) = load(app, viewer, id).await?;
    let sealed = Sealed::open(app, &kept, viewer.team, id)?.rotated(app.clock.now());
    let event = about(app, viewer, AuditAction::OutgoingWebhookRotated, &webhook);
    save(app, viewer, &webhook, &kept, &sealed, &event).await?;
    Ok(webhook.name)
}

/// Has one be told of a test; gives the test's id in its log. Needs `webhooks:update`.
pub async fn send_test(app: &App, viewer: &Viewer, id: OutgoingWebhookId) -> Result<EventId, AppError> {
    viewer.require(Permission::WebhooksUpdate)?;
    let (webhook, _) = load(app, viewer, id).await?;
    if !webhook.is_on || webhook.disabled.is_some() {
        return Err(AppError::Conflict("The webhook is switched off: switch it on first".to_owned()));
    }
    limits::count_attempt(app, limits::WEBHOOK_TEST, &viewer.team.to_string()).await?;
    let test: EventId = app.clock.mint();
    let post = test_post(webhook.shape, test, app.clock.now());
    let event = about(app, viewer, AuditAction::OutgoingWebhookTested, &webhook);
    match app.store.insert_test_delivery(viewer.team, id, test, &post, &event).await? {
        true => Ok(test),
        false => Err(not_found()),
    }
}

/// Removes one, with its log; gives its name. Needs `webhooks:delete`.
pub async fn delete_webhook(app: &App, viewer: &Viewer, id: OutgoingWebhookId) -> Result<String, AppError> {
    viewer.require(Permission::WebhooksDelete)?;
    let (webhook, _) = load(app, viewer, id).await?;
    let event = about(app, viewer, AuditAction::OutgoingWebhookDeleted, &webhook).removed(said(&webhook));
    match app.store.delete_outgoing_webhook(viewer.team, id, app.clock.now(), &event).await? {
        true => Ok(webhook.name),
        false => Err(not_found()),
    }
}

async fn load(app: &App, viewer: &Viewer, id: OutgoingWebhookId) -> Result<(Webhook, String), AppError> {
    app.store.find_outgoing_webhook(viewer.team, id).await?.ok_or_else(not_found)
}

async fn save(
    app: &App,
    viewer: &Viewer,
    webhook: &Webhook,
    kept: &str,
    sealed: &Sealed,
    event: &AuditEvent,
) -> Result<(), AppError> {
    let sealed = sealed.seal(app, viewer.team, webhook.id);
    match app.store.update_outgoing_webhook(viewer.team, webhook, (kept, &sealed), event).await? {
        true => Ok(()),
        false => Err(AppError::Conflict("Somebody else has changed this webhook: look at it again".to_owned())),
    }
}

fn not_found() -> AppError {
    AppError::not_found("Webhook")
}

fn about(app: &App, viewer: &Viewer, action: AuditAction, webhook: &Webhook) -> AuditEvent {
    audit::by(app, viewer, action).about(webhook.id, &webhook.name)
}

/// What the audit log says of one.
fn said(webhook: &Webhook) -> Value {
    json!({
        "name": webhook.name,
        "host": webhook.host,
        "shape": webhook.shape.as_str(),
        "events": webhook.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "on": webhook.is_on,
    })
}

fn name_of(name: &str, url: &Url) -> Result<String, AppError> {
    checked_name("name", if name.trim().is_empty() { url.host_str().unwrap_or_default() } else { name })
}

/// The kinds, each once, in their usual order; none where every one is chosen.
fn checked_kinds(kinds: Vec<EventKind>) -> Vec<EventKind> {
    let chosen: Vec<EventKind> = EventKind::ALL.into_iter().filter(|kind| kinds.contains(kind)).collect();
    if chosen.len() == EventKind::ALL.len() { Vec::new() } else { chosen }
}

/// An address that may be posted to, as far as its text tells: where its name leads is looked at before each post.
fn checked_url(app: &App, text: &str) -> Result<Url, AppError> {
    let wrong = |words: &str| AppError::invalid_field("url", words);
    let text = text.trim();
    let url = Url::parse(text).map_err(|_| wrong("Write the whole address, such as https://example.com/hooks"))?;
    if text.chars().count() > MAX_URL_CHARS || !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("The address must begin with https:// or http:// and have at most 2,000 characters"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("Leave user name and password out of the address: posts are known by their signature"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("The address has no host"))?;
    app.config.outbound().check_host(host).map_err(|cause| wrong(&cause.to_string()))?;
    Ok(url)
}
