//! API keys. Called by `/settings/api-keys`, `/api/api-keys` and the command line.

use serde_json::{Value, json};
use tracing::info;

use super::{audit, checked_name};
use crate::domain::api_key::{ApiKey, CreatedApiKey, KeyLimits};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, TeamId, UserId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::secrets::{random_token, token_hash};
use crate::server::store::audit::AuditEvent;

/// What every key's secret begins with.
pub const SECRET_PREFIX: &str = "sl_";

/// How much of a secret is kept to tell keys apart.
const SHOWN_CHARS: usize = 8;

/// The team's keys. Needs `api-keys:view`.
pub async fn list_api_keys(app: &App, viewer: &Viewer) -> Result<Vec<ApiKey>, AppError> {
    viewer.require(Permission::ApiKeysView)?;
    app.store.list_api_keys(viewer.team).await
}

/// Makes a key. Needs `api-keys:create`; nobody gives a key more than they may do themselves.
pub async fn create_api_key(
    app: &App,
    viewer: &Viewer,
    name: &str,
    scopes: PermissionSet,
) -> Result<CreatedApiKey, AppError> {
    viewer.require(Permission::ApiKeysCreate)?;
    if !viewer.permissions.contains_all(scopes) {
        return Err(AppError::Forbidden("You cannot give a key a permission that you do not hold".to_owned()));
    }
    let event = audit::by(app, viewer, AuditAction::ApiKeyCreated);
    make(app, viewer.team, viewer.user_id(), name, scopes, event).await
}

/// Makes a key without asking who wants it, for the command line.
pub async fn create_key_of(
    app: &App,
    team: TeamId,
    created_by: Option<UserId>,
    name: &str,
    scopes: PermissionSet,
) -> Result<CreatedApiKey, AppError> {
    make(app, team, created_by, name, scopes, audit::by_command_line(app, AuditAction::ApiKeyCreated)).await
}

async fn make(
    app: &App,
    team: TeamId,
    created_by: Option<UserId>,
    name: &str,
    scopes: PermissionSet,
    event: AuditEvent,
) -> Result<CreatedApiKey, AppError> {
    let name = checked_name("name", name)?;
    if scopes == PermissionSet::default() {
        return Err(AppError::invalid_field("scopes", "Choose at least one permission for the key"));
    }
    let secret = format!("{SECRET_PREFIX}{}", random_token());
    let key = ApiKey {
        id: app.clock.mint(),
        name,
        prefix: secret.chars().take(SHOWN_CHARS).collect(),
        scopes,
        created_by,
        created_by_name: None,
        created_at: app.clock.now(),
        last_used_at: None,
        revoked_at: None,
        limits: KeyLimits::default(),
        rotated_at: None,
        previous_ends_at: None,
    };
    let event = event.about(key.id, &key.name).made(said(&key));
    app.store.insert_api_key(team, &key, &token_hash(&secret), &event).await?;
    info!(team.id = %team, api_key.id = %key.id, "created API key");
    Ok(CreatedApiKey { key, secret })
}

/// Ends a key. Needs `api-keys:revoke`.
pub async fn revoke_api_key(app: &App, viewer: &Viewer, id: ApiKeyId) -> Result<(), AppError> {
    viewer.require(Permission::ApiKeysRevoke)?;
    let key = app.store.find_api_key(viewer.team, id).await?.ok_or_else(|| AppError::not_found("API key"))?;
    let event = audit::by(app, viewer, AuditAction::ApiKeyRevoked).about(id, key.name);
    if app.store.revoke_api_key(viewer.team, id, app.clock.now(), &event).await? {
        info!(team.id = %viewer.team, api_key.id = %id, "revoked API key");
        Ok(())
    } else {
        Err(AppError::not_found("API key"))
    }
}

/// What the audit log says of a key.
fn said(key: &ApiKey) -> Value {
    json!({ "name": key.name, "scopes": key.scopes, "limits": key.limits })
}
