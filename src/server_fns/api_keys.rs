//! API keys.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::draft::Draft;
use crate::domain::api_key::ApiKey;
use crate::domain::error::AppError;
use crate::domain::ids::ApiKeyId;
use crate::domain::permission::Permission;

/// What the API keys page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKeysView {
    /// The team's keys.
    pub keys: Vec<ApiKey>,
    /// What was typed and refused.
    pub draft: Draft,
}

/// The team's keys, without their secrets. Needs `api-keys:view`.
#[server]
pub async fn load_api_keys() -> Result<ApiKeysView, AppError> {
    use crate::server::{context, services::api_keys};
    let keys = api_keys::list_api_keys(&context::app(), &context::viewer().await?).await?;
    Ok(ApiKeysView { keys, draft: super::draft::load_draft("api_key".to_owned()).await? })
}

/// Makes a key and shows its secret once, on the page that follows. Needs `api-keys:create`.
#[server]
pub async fn create_api_key(name: String, #[server(default)] scopes: Vec<Permission>) -> Result<(), AppError> {
    use crate::domain::api_key::{CreatedApiKey, NewKey};
    use crate::server::{context, services::api_keys};
    let (session, draft) = (context::session().await, Draft::of("api_key").with("name", &name));
    let scopes = scopes.into_iter().collect();
    let result = api_keys::create_api_key(&context::app(), &context::viewer().await?, &name, scopes).await;
    if result.is_err() {
        drop(session.insert(super::draft::DRAFT_KEY, draft).await);
    }
    let CreatedApiKey { key, secret } = result?;
    let text = format!("Key “{}” made. Copy it now: it is not shown again.\n{secret}", key.name);
    context::flash_key(text, NewKey { id: key.id, name: key.name, secret });
    Ok(())
}

/// Ends a key. Needs `api-keys:revoke`.
#[server]
pub async fn revoke_api_key(id: ApiKeyId) -> Result<(), AppError> {
    use crate::server::{context, services::api_keys};
    api_keys::revoke_api_key(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, "Key revoked. Requests with it are refused from now on.");
    Ok(())
}
