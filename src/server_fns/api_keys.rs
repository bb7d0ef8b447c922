//! API keys.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::api_key::{ApiKey, KeyApi};
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::ApiKeyId;
use crate::domain::permission::{Permission, PermissionSet};

/// What the API keys page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKeysView {
    pub keys: Vec<ApiKey>,
    /// How many requests each of them made in the last days, as far as counting goes.
    pub recent: Vec<(ApiKeyId, i64)>,
    /// How many requests a key may make in a second unless it has a limit of its own.
    pub server_rate_limit: u32,
    pub draft: Draft,
}

/// What the page of one API key shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKeyView {
    pub key: ApiKey,
    /// How many requests each of the team's keys made in the last days, as far as counting goes.
    pub recent: Vec<(ApiKeyId, i64)>,
    pub server_rate_limit: u32,
    pub draft: Draft,
}

/// The limits of a key as a form sends them. A form without them leaves the key unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsForm {
    /// `never`, `date`, `keep`, or a number of days from now.
    pub ends: String,
    /// With `date`, the last whole day in the viewer's time zone.
    pub ends_on: String,
    /// Whether the form asks for APIs; without, all are meant.
    pub asks_apis: bool,
    pub apis: Vec<KeyApi>,
    /// Requests in a second; nothing for the server's limit.
    pub rate_limit: String,
}

/// A choice of permissions that most keys are made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopePreset {
    Send,
    /// Send, and read what became of it.
    Read,
    /// All that the person may do who makes the key.
    Everything,
    /// The ones that are ticked.
    #[default]
    Chosen,
}

impl ScopePreset {
    /// Every preset, in the order of the form.
    pub const ALL: [ScopePreset; 4] = [Self::Send, Self::Read, Self::Everything, Self::Chosen];

    /// Its name in the form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Everything => "everything",
            Self::Chosen => "chosen",
        }
    }

    /// The permissions it means to somebody who holds `own`.
    pub fn scopes(self, own: PermissionSet, chosen: PermissionSet) -> PermissionSet {
        match self {
            Self::Send => PermissionSet::from_iter([Permission::EmailsSend]),
            Self::Read => {
                PermissionSet::from_iter([Permission::EmailsSend, Permission::LogsView, Permission::TemplatesView])
            }
            Self::Everything => own,
            Self::Chosen => chosen,
        }
    }
}

/// The team's keys, without their secrets. Needs `api-keys:view`.
#[server]
pub async fn load_api_keys() -> Result<ApiKeysView, AppError> {
    use crate::server::{context, services::api_keys};
    let app = context::app();
    let viewer = context::viewer().await?;
    let keys = api_keys::list_api_keys(&app, &viewer).await?;
    let recent = api_keys::count_recent_requests(&app, &viewer).await?;
    let draft = super::draft::load_draft("api_key".to_owned()).await?;
    Ok(ApiKeysView { keys, recent, server_rate_limit: app.config.rate_limit, draft })
}

/// One of the team's keys, without its secret. Needs `api-keys:view`.
#[server]
pub async fn load_api_key(id: ApiKeyId) -> Result<ApiKeyView, AppError> {
    use crate::server::{context, services::api_keys};
    let app = context::app();
    let viewer = context::viewer().await?;
    let key = api_keys::find_api_key(&app, &viewer, id).await?;
    let recent = api_keys::count_recent_requests(&app, &viewer).await?;
    let draft = super::draft::load_draft(id.to_string()).await?;
    Ok(ApiKeyView { key, recent, server_rate_limit: app.config.rate_limit, draft })
}

/// Makes a key and shows its secret once, on the page that follows. Needs `api-keys:create`.
#[server]
pub async fn create_api_key(
    name: String,
    #[server(default)] preset: ScopePreset,
    #[server(default)] scopes: Vec<Permission>,
    #[server(default)] belongs_to_team: bool,
    #[server(default)] limits: LimitsForm,
) -> Result<(), AppError> {
    use crate::domain::api_key::{CreatedApiKey, KeyLimits, NewKey};
    use crate::server::context;
    use crate::server::services::api_keys::{self, NewApiKey, end_of_choice};
    let chosen: PermissionSet = scopes.into_iter().collect();
    let draft = draft_of("api_key", &name, chosen, &limits).with("preset", preset.as_str());
    let draft = draft.with("belongs_to_team", if belongs_to_team { "true" } else { "false" });
    let (app, viewer) = (context::app(), context::viewer_of(&draft).await?);
    let made = async {
        let ends = if limits.ends.is_empty() { "never" } else { &limits.ends };
        let limits = KeyLimits {
            expires_at: end_of_choice(&app, &viewer, ends, &limits.ends_on)?,
            apis: limits.asks_apis.then(|| limits.apis.clone()),
            rate_limit: rate_of(&limits.rate_limit),
        };
        let new = NewApiKey { name, scopes: preset.scopes(viewer.permissions, chosen), limits, belongs_to_team };
        api_keys::create_api_key(&app, &viewer, new).await
    };
    let CreatedApiKey { key, secret } = context::or_point(&draft, made.await, label_of).await?;
    context::sent(&draft).await;
    let text = format!("Key “{}” created. Copy it now: it is not shown again.\n{secret}", key.name);
    context::flash_key(text, NewKey { id: key.id, name: key.name, secret });
    Ok(())
}

/// Changes a key's name, scopes and limits. Needs `api-keys:create`.
#[server]
pub async fn update_api_key(
    id: ApiKeyId,
    name: String,
    #[server(default)] scopes: Vec<Permission>,
    #[server(default)] asks_owner: bool,
    #[server(default)] belongs_to_team: bool,
    #[server(default)] limits: LimitsForm,
) -> Result<(), AppError> {
    use crate::server::context;
    use crate::server::services::api_keys::{self, ApiKeyChange, end_of_choice};
    let scopes: PermissionSet = scopes.into_iter().collect();
    let draft = draft_of(&id.to_string(), &name, scopes, &limits);
    let draft = draft.with("belongs_to_team", if belongs_to_team { "true" } else { "false" });
    let (app, viewer) = (context::app(), context::viewer_of(&draft).await?);
    let changed = async {
        let is_kept = matches!(limits.ends.as_str(), "" | "keep") && limits.ends_on.trim().is_empty();
        let end = || end_of_choice(&app, &viewer, &limits.ends, &limits.ends_on);
        let change = ApiKeyChange {
            name: Some(name),
            scopes: Some(scopes),
            expires_at: if is_kept { None } else { Some(end()?) },
            apis: limits.asks_apis.then(|| Some(limits.apis.clone())),
            rate_limit: Some(rate_of(&limits.rate_limit)),
            belongs_to_team: asks_owner.then_some(belongs_to_team),
        };
        api_keys::update_api_key(&app, &viewer, id, change).await
    };
    let saved = context::or_point(&draft, changed.await, label_of).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, format!("Key “{}” saved.", saved.name));
    Ok(())
}

/// Gives a key another secret, which is shown once, on the page that follows; the one before counts for that many seconds
/// more. Needs `api-keys:create`.
#[server]
pub async fn rotate_api_key(id: ApiKeyId, overlap_seconds: u32) -> Result<(), AppError> {
    use crate::domain::api_key::{CreatedApiKey, NewKey};
    use crate::server::{context, services::api_keys};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let overlap = chrono::TimeDelta::seconds(overlap_seconds.into());
    let CreatedApiKey { key, secret } = api_keys::rotate_api_key(&app, &viewer, id, overlap).await?;
    let text = format!("Key “{}” has a new secret. Copy it now: it is not shown again.\n{secret}", key.name);
    context::flash_key(text, NewKey { id: key.id, name: key.name, secret });
    Ok(())
}

/// Ends a key. Needs `api-keys:revoke`.
#[server]
pub async fn revoke_api_key(id: ApiKeyId) -> Result<(), AppError> {
    use crate::server::{context, services::api_keys};
    let name = api_keys::revoke_api_key(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, format!("Key “{name}” revoked. It no longer works."));
    Ok(())
}

/// What was typed into the form of a key; `form` is the key's id, or `api_key` for a new one.
pub fn draft_of(form: &str, name: &str, scopes: PermissionSet, limits: &LimitsForm) -> Draft {
    let scopes: Vec<&str> = scopes.iter().map(Permission::as_str).collect();
    let draft = Draft::of(form).with("name", name).with("scopes", &scopes.join(" "));
    let draft = draft.with("ends", &limits.ends).with("ends_on", &limits.ends_on);
    let draft = draft.with("rate_limit", &limits.rate_limit);
    if !limits.asks_apis {
        return draft;
    }
    let apis: Vec<&str> = limits.apis.iter().map(|api| api.as_str()).collect();
    draft.with("apis", &apis.join(" "))
}

/// A number of requests as it was typed. What is no number is refused like 0, which no key can have.
pub fn rate_of(text: &str) -> Option<u32> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    Some(text.parse().unwrap_or(0))
}

/// What the form of a key calls a field, where it says what is wrong beside it.
pub fn label_of(field: &str) -> Option<&'static str> {
    match field {
        "name" => Some("Name"),
        "rateLimit" => Some("Requests per second"),
        "ends_on" => Some("Last day, for “On a date”"),
        _ => None,
    }
}
