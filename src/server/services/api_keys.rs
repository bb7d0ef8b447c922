//! API keys. Called by `/settings/api-keys`, `/api/api-keys` and the command line.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};
use tracing::info;

use super::{audit, checked_name, period};
use crate::domain::api_key::{ApiKey, CreatedApiKey, KeyApi, KeyLimits, RECENT_DAYS, rate_words};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, TeamId, UserId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::secrets::{random_token, token_hash};
use crate::server::store::api_keys::NewSecret;
use crate::server::store::audit::AuditEvent;

/// What every key's secret begins with.
pub const SECRET_PREFIX: &str = "sl_";

/// How long the secret before a rotation counts, unless the caller says.
pub const USUAL_OVERLAP: TimeDelta = TimeDelta::hours(24);

/// How long it counts at most.
pub const LONGEST_OVERLAP: TimeDelta = TimeDelta::days(7);

/// How far ahead a key's end can be.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(5 * 366);

/// How much of a secret is kept to tell keys apart.
const SHOWN_CHARS: usize = 8;

/// A key to make.
#[derive(Clone, Debug, Default)]
pub struct NewApiKey {
    pub name: String,
    pub scopes: PermissionSet,
    pub limits: KeyLimits,
    /// Whether it is to be the team's own, which its scopes alone bound. Otherwise it may do at most what its maker may.
    pub belongs_to_team: bool,
}

/// What of a key is to change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyChange {
    pub name: Option<String>,
    pub scopes: Option<PermissionSet>,
    /// Another end, or none.
    pub expires_at: Option<Option<DateTime<Utc>>>,
    /// Other APIs, or all.
    pub apis: Option<Option<Vec<KeyApi>>>,
    /// Another limit, or the server's.
    pub rate_limit: Option<Option<u32>>,
    /// Whether it is to be the team's own; one that is no longer is its changer's.
    pub belongs_to_team: Option<bool>,
}

/// The team's keys. Needs `api-keys:view`.
pub async fn list_api_keys(app: &App, viewer: &Viewer) -> Result<Vec<ApiKey>, AppError> {
    viewer.require(Permission::ApiKeysView)?;
    app.store.list_api_keys(viewer.team).await
}

/// How many requests each of the team's keys made in the last days, as far as counting goes. Needs `api-keys:view`.
pub async fn count_recent_requests(app: &App, viewer: &Viewer) -> Result<Vec<(ApiKeyId, i64)>, AppError> {
    viewer.require(Permission::ApiKeysView)?;
    let since = app.clock.now() - TimeDelta::days(RECENT_DAYS);
    app.store.count_requests_of_keys(viewer.team, since).await
}

/// One of the team's keys. Needs `api-keys:view`.
pub async fn find_api_key(app: &App, viewer: &Viewer, id: ApiKeyId) -> Result<ApiKey, AppError> {
    viewer.require(Permission::ApiKeysView)?;
    load(app, viewer.team, id).await
}

/// Makes a key. Needs `api-keys:create`; nobody gives a key more than they may do themselves, and only an owner makes one of
/// the team's own. What a key makes is bound like itself.
pub async fn create_api_key(app: &App, viewer: &Viewer, new: NewApiKey) -> Result<CreatedApiKey, AppError> {
    viewer.require(Permission::ApiKeysCreate)?;
    require_no_more(app, viewer, new.scopes, &new.limits).await?;
    if new.belongs_to_team {
        require_hold_of_teams_own(viewer)?;
    }
    let new = NewApiKey { belongs_to_team: new.belongs_to_team || viewer.is_teams_own_key(), ..new };
    let event = audit::by(app, viewer, AuditAction::ApiKeyCreated);
    make(app, viewer.team, viewer.liable(), new, event).await
}

/// Makes a key without asking who wants it: the team's own where nobody does.
pub async fn create_key_of(
    app: &App,
    team: TeamId,
    created_by: Option<UserId>,
    name: &str,
    scopes: PermissionSet,
) -> Result<CreatedApiKey, AppError> {
    let new = NewApiKey {
        name: name.to_owned(),
        scopes,
        limits: KeyLimits::default(),
        belongs_to_team: created_by.is_none(),
    };
    create_limited_key_of(app, team, created_by, new).await
}

/// Makes a key with limits without asking who wants it, for the command line.
pub async fn create_limited_key_of(
    app: &App,
    team: TeamId,
    created_by: Option<UserId>,
    new: NewApiKey,
) -> Result<CreatedApiKey, AppError> {
    make(app, team, created_by, new, audit::by_command_line(app, AuditAction::ApiKeyCreated)).await
}

async fn make(
    app: &App,
    team: TeamId,
    created_by: Option<UserId>,
    new: NewApiKey,
    event: AuditEvent,
) -> Result<CreatedApiKey, AppError> {
    let secret = new_secret();
    let scopes = checked_scopes(new.scopes)?;
    let key = ApiKey {
        id: app.clock.mint(),
        name: checked_name("name", &new.name)?,
        prefix: shown_of(&secret),
        scopes,
        // Nobody gives a key more than they may.
        effective: scopes,
        held_back: None,
        belongs_to_team: new.belongs_to_team,
        created_by,
        created_by_name: None,
        created_at: app.clock.now(),
        last_used_at: None,
        revoked_at: None,
        limits: KeyLimits {
            expires_at: checked_end(app, new.limits.expires_at)?,
            apis: checked_apis(new.limits.apis)?,
            rate_limit: checked_rate(app, new.limits.rate_limit)?,
        },
        rotated_at: None,
        previous_ends_at: None,
    };
    let event = event.about(key.id, &key.name).made(said(&key));
    app.store.insert_api_key(team, &key, &token_hash(&secret), &event).await?;
    info!(team.id = %team, api_key.id = %key.id, "created API key");
    Ok(CreatedApiKey { key, secret })
}

/// Changes a key's name, scopes and limits. Needs `api-keys:create`; nobody makes a key into one that may do more than
/// they may, only an owner changes one of the team's own or makes it one, and a key that has ended stays as it is.
pub async fn update_api_key(
    app: &App,
    viewer: &Viewer,
    id: ApiKeyId,
    change: ApiKeyChange,
) -> Result<ApiKey, AppError> {
    viewer.require(Permission::ApiKeysCreate)?;
    let before = load_living(app, viewer.team, id).await?;
    if before.belongs_to_team || change.belongs_to_team == Some(true) {
        require_hold_of_teams_own(viewer)?;
    }
    let mut key = before.clone();
    if let Some(name) = change.name {
        key.name = checked_name("name", &name)?;
    }
    if let Some(scopes) = change.scopes {
        key.scopes = checked_scopes(scopes)?;
    }
    if let Some(expires_at) = change.expires_at.filter(|end| *end != before.limits.expires_at) {
        key.limits.expires_at = checked_end(app, expires_at)?;
    }
    if let Some(apis) = change.apis {
        key.limits.apis = checked_apis(apis)?;
    }
    if let Some(rate_limit) = change.rate_limit.filter(|limit| *limit != before.limits.rate_limit) {
        key.limits.rate_limit = checked_rate(app, rate_limit)?;
    }
    match change.belongs_to_team {
        Some(false) if before.belongs_to_team => (key.belongs_to_team, key.created_by) = (false, owner_of(viewer)?),
        Some(true) => key.belongs_to_team = true,
        Some(false) | None => {}
    }
    require_no_more(app, viewer, key.scopes, &key.limits).await?;
    if key == before {
        return Ok(key);
    }
    let event = audit::by(app, viewer, AuditAction::ApiKeyUpdated).about(id, &before.name);
    let event = event.changed(said(&before), said(&key));
    if app.store.update_api_key(viewer.team, &key, &event).await? {
        info!(team.id = %viewer.team, api_key.id = %id, "changed API key");
        // What it may do now depends on its maker.
        load(app, viewer.team, id).await
    } else {
        Err(AppError::not_found("API key"))
    }
}

/// Gives a key another secret. The one before counts for as long as `overlap` says, at most [LONGEST_OVERLAP]. Needs
/// `api-keys:create`, and every permission that the key has: who rotates it can use it. One of the team's own needs an
/// owner: what its new holder may at another time does not bound it.
pub async fn rotate_api_key(
    app: &App,
    viewer: &Viewer,
    id: ApiKeyId,
    overlap: TimeDelta,
) -> Result<CreatedApiKey, AppError> {
    viewer.require(Permission::ApiKeysCreate)?;
    if !(TimeDelta::zero()..=LONGEST_OVERLAP).contains(&overlap) {
        return Err(AppError::invalid_field("overlapSeconds", "Let the old secret count for at most 7 days"));
    }
    let before = load_living(app, viewer.team, id).await?;
    if before.belongs_to_team {
        require_hold_of_teams_own(viewer)?;
    }
    require_no_more(app, viewer, before.scopes, &before.limits).await?;
    let (secret, now) = (new_secret(), app.clock.now());
    let key = ApiKey {
        prefix: shown_of(&secret),
        rotated_at: Some(now),
        previous_ends_at: Some(now + overlap),
        ..before.clone()
    };
    let event = audit::by(app, viewer, AuditAction::ApiKeyRotated).about(id, &key.name);
    let said = |key: &ApiKey| json!({ "prefix": key.prefix, "previousEndsAt": key.previous_ends_at });
    let event = event.changed(said(&before), said(&key));
    let new = NewSecret { key_hash: &token_hash(&secret), prefix: &key.prefix, now, previous_ends_at: now + overlap };
    if app.store.rotate_api_key(viewer.team, id, &new, &event).await? {
        info!(team.id = %viewer.team, api_key.id = %id, "rotated API key");
        Ok(CreatedApiKey { key, secret })
    } else {
        Err(AppError::not_found("API key"))
    }
}

/// Ends a key. Needs `api-keys:revoke`.
pub async fn revoke_api_key(app: &App, viewer: &Viewer, id: ApiKeyId) -> Result<String, AppError> {
    viewer.require(Permission::ApiKeysRevoke)?;
    let key = load(app, viewer.team, id).await?;
    let event = audit::by(app, viewer, AuditAction::ApiKeyRevoked).about(id, &key.name);
    if app.store.revoke_api_key(viewer.team, id, app.clock.now(), &event).await? {
        info!(team.id = %viewer.team, api_key.id = %id, "revoked API key");
        Ok(key.name)
    } else {
        Err(AppError::not_found("API key"))
    }
}

/// The end that a form means: `never`, a number of days from now, or `date` with the last whole day in the viewer's time
/// zone.
pub fn end_of_choice(app: &App, viewer: &Viewer, choice: &str, date: &str) -> Result<Option<DateTime<Utc>>, AppError> {
    let invalid = |field: &str, message: &str| Err(AppError::invalid_field(field, message));
    if !date.trim().is_empty() && choice != "date" {
        return invalid("ends", "Choose “On a date” for the date to count, or leave it empty");
    }
    match choice {
        "never" => Ok(None),
        "date" => {
            let Ok(day) = date.trim().parse::<NaiveDate>() else {
                return invalid("ends_on", "Say on which date the key ends, like 2027-03-31");
            };
            let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
            Ok(Some(period::start_of_day(next, period::time_zone(viewer.time_zone()))))
        }
        days => match days.parse::<u16>() {
            Ok(days) => Ok(Some(app.clock.now() + TimeDelta::days(days.into()))),
            Err(_) => invalid("ends", "Choose when the key ends"),
        },
    }
}

/// Passes only who may do all that a key with these scopes and limits may. A key's own limits bind what it makes.
async fn require_no_more(
    app: &App,
    viewer: &Viewer,
    scopes: PermissionSet,
    limits: &KeyLimits,
) -> Result<(), AppError> {
    if !viewer.permissions.contains_all(scopes) {
        return Err(AppError::Forbidden("You cannot give a key a permission that you do not hold".to_owned()));
    }
    let Some(own) = viewer.api_key_id() else { return Ok(()) };
    if load(app, viewer.team, own).await?.limits.cover(limits) {
        return Ok(());
    }
    Err(AppError::Forbidden(
        "A key cannot have another one that lasts longer, is for more APIs or may ask more often than itself"
            .to_owned(),
    ))
}

/// Passes only who may have a key that outlives their own rights: an owner, or a key that does so itself.
fn require_hold_of_teams_own(viewer: &Viewer) -> Result<(), AppError> {
    if viewer.role() == Some(Role::Owner) || viewer.is_teams_own_key() {
        return Ok(());
    }
    Err(AppError::Forbidden("Only an owner makes, changes or rotates a key of the team's own".to_owned()))
}

/// The owner who takes a key of the team's own over.
fn owner_of(viewer: &Viewer) -> Result<Option<UserId>, AppError> {
    match viewer.user_id() {
        Some(user) => Ok(Some(user)),
        None => Err(AppError::Forbidden("Log in as a person to do this: a key takes no other key over".to_owned())),
    }
}

async fn load(app: &App, team: TeamId, id: ApiKeyId) -> Result<ApiKey, AppError> {
    app.store.find_api_key(team, id).await?.ok_or_else(|| AppError::not_found("API key"))
}

/// A key that still counts.
async fn load_living(app: &App, team: TeamId, id: ApiKeyId) -> Result<ApiKey, AppError> {
    let key = load(app, team, id).await?;
    if key.has_ended(app.clock.now()) {
        return Err(AppError::Conflict("This key has ended and stays so. Create another one".to_owned()));
    }
    Ok(key)
}

fn new_secret() -> String {
    format!("{SECRET_PREFIX}{}", random_token())
}

fn shown_of(secret: &str) -> String {
    secret.chars().take(SHOWN_CHARS).collect()
}

fn checked_scopes(scopes: PermissionSet) -> Result<PermissionSet, AppError> {
    if scopes == PermissionSet::default() {
        return Err(AppError::invalid_field("scopes", "Choose at least one permission for the key"));
    }
    Ok(scopes)
}

fn checked_end(app: &App, end: Option<DateTime<Utc>>) -> Result<Option<DateTime<Utc>>, AppError> {
    let Some(end) = end else { return Ok(None) };
    let now = app.clock.now();
    if end <= now {
        return Err(AppError::invalid_field("expiresAt", "The key must end in the future"));
    }
    if end > now + LONGEST_LIFE {
        return Err(AppError::invalid_field("expiresAt", "Let the key end within five years, or never"));
    }
    Ok(Some(end))
}

/// The APIs in their usual order, each once; all of them are the same as no limit.
fn checked_apis(apis: Option<Vec<KeyApi>>) -> Result<Option<Vec<KeyApi>>, AppError> {
    let Some(apis) = apis else { return Ok(None) };
    let chosen: Vec<KeyApi> = KeyApi::ALL.into_iter().filter(|api| apis.contains(api)).collect();
    match chosen.len() {
        0 => Err(AppError::invalid_field("apis", "Choose at least one API for the key")),
        count if count == KeyApi::ALL.len() => Ok(None),
        _ => Ok(Some(chosen)),
    }
}

fn checked_rate(app: &App, limit: Option<u32>) -> Result<Option<u32>, AppError> {
    let most = app.config.rate_limit;
    if limit.is_some_and(|limit| limit == 0 || limit > most) {
        return Err(AppError::invalid_field("rateLimit", rate_words(most)));
    }
    Ok(limit)
}

/// What the audit log says of a key.
fn said(key: &ApiKey) -> Value {
    let scopes = if key.scopes == PermissionSet::all() { json!(["*"]) } else { json!(key.scopes) };
    json!({
        "name": key.name,
        "scopes": scopes,
        "expiresAt": key.limits.expires_at,
        "apis": key.limits.apis,
        "rateLimit": key.limits.rate_limit,
        "belongsToTeam": key.belongs_to_team,
    })
}
