//! API keys. A key's secret is kept as its SHA-256 alone: 192 random bits need no slow hash.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::audit::{AuditEvent, append_event, commit_change};
use super::teams::ViewedTeam;
use super::{Store, instant, micros, stored};
use crate::domain::api_key::{ApiKey, HeldBack, KeyApi, KeyLimits};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, TeamId, UserId};
use crate::domain::permission::PermissionSet;
use crate::domain::viewer::{Actor, RequestOrigin, Viewer};

/// `last_used_at` is at most this far behind, so that a busy key does not write on every request.
const LAST_USED_STEP: TimeDelta = TimeDelta::minutes(1);

#[derive(sqlx::FromRow)]
struct ApiKeyRow {
    id: ApiKeyId,
    name: String,
    prefix: String,
    scopes: Json<Vec<String>>,
    #[sqlx(flatten)]
    bounds: Bounds,
    created_by: Option<UserId>,
    created_by_name: Option<String>,
    created_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    expires_at: Option<i64>,
    dialects: Option<Json<Vec<KeyApi>>>,
    rate_limit: Option<i64>,
    rotated_at: Option<i64>,
    previous_ends_at: Option<i64>,
}

impl From<ApiKeyRow> for ApiKey {
    fn from(row: ApiKeyRow) -> Self {
        let scopes = scopes(&row.scopes);
        let (effective, held_back) = row.bounds.of(scopes);
        Self {
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            scopes,
            effective,
            held_back,
            belongs_to_team: row.bounds.belongs_to_team,
            created_by: row.created_by,
            created_by_name: row.created_by_name,
            created_at: instant(row.created_at),
            last_used_at: row.last_used_at.map(instant),
            revoked_at: row.revoked_at.map(instant),
            limits: KeyLimits {
                expires_at: row.expires_at.map(instant),
                apis: row.dialects.map(|dialects| dialects.0),
                rate_limit: row.rate_limit.and_then(|limit| limit.try_into().ok()),
            },
            rotated_at: row.rotated_at.map(instant),
            previous_ends_at: row.previous_ends_at.map(instant),
        }
    }
}

/// What bounds what a key may do: whether it is the team's own, and otherwise what the person may who created it.
#[derive(sqlx::FromRow)]
struct Bounds {
    belongs_to_team: bool,
    /// The maker's role, where they are a member.
    maker_role: Option<String>,
    /// The names of what that role grants, with blanks between them.
    maker_grants: Option<String>,
    maker_lacks_two_factor: Option<bool>,
}

impl Bounds {
    /// What a key with these scopes may do at this moment, and why less.
    fn of(&self, scopes: PermissionSet) -> (PermissionSet, Option<HeldBack>) {
        let names = self.maker_grants.as_deref().unwrap_or_default();
        let granted = names.split(' ').filter_map(|name| name.parse().ok()).collect();
        let granted = self.maker_role.as_ref().map(|_| granted);
        HeldBack::of(scopes, self.belongs_to_team, granted, self.maker_lacks_two_factor.unwrap_or(false))
    }
}

/// The columns of [Bounds], of a key `k` of a team `t` beside [MAKER].
const BOUNDS_COLUMNS: &str = "k.belongs_to_team, m.role AS maker_role,
    (SELECT string_agg(p.permission, ' ') FROM role_permissions p WHERE p.team_id = m.team_id AND p.role = m.role)
        AS maker_grants,
    t.demands_two_factor AND u.password_hash <> '' AND u.totp_confirmed_at IS NULL AS maker_lacks_two_factor";

/// Who made a key `k`, where they are still there.
const MAKER: &str = "LEFT JOIN users u ON u.id = k.created_by
    LEFT JOIN memberships m ON m.team_id = k.team_id AND m.user_id = k.created_by";

/// Scopes as stored: names, or `*` for every permission there will ever be. A name that is no permission any more counts
/// for nothing.
fn scopes(names: &[String]) -> PermissionSet {
    if names.iter().any(|name| name == "*") {
        return PermissionSet::all();
    }
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn scope_names(scopes: PermissionSet) -> Vec<String> {
    if scopes == PermissionSet::all() {
        return vec!["*".to_owned()];
    }
    scopes.iter().map(|permission| permission.as_str().to_owned()).collect()
}

/// A key's new secret.
#[derive(Clone, Copy, Debug)]
pub struct NewSecret<'a> {
    /// Its SHA-256, in hexadecimal.
    pub key_hash: &'a str,
    pub prefix: &'a str,
    /// From when it counts.
    pub now: DateTime<Utc>,
    /// Until when the one before counts.
    pub previous_ends_at: DateTime<Utc>,
}

/// A key as a request finds it.
#[derive(Clone, Debug)]
pub struct FoundKey {
    pub viewer: Viewer,
    pub limits: KeyLimits,
}

const KEY_COLUMNS: &str = "k.id, k.name, k.prefix, k.scopes, k.created_by, u.name AS created_by_name, k.created_at,
    k.last_used_at, k.revoked_at, k.expires_at, k.dialects, k.rate_limit, k.rotated_at, k.previous_ends_at";

/// Finds a key that counts by the hash of its secret, with its team and what its maker may.
pub(super) fn find_by_hash_statement() -> String {
    format!(
        "SELECT k.team_id, k.id, k.name, k.scopes, k.created_by, k.last_used_at, k.expires_at, k.dialects, k.rate_limit,
             t.name AS team_name, t.demands_two_factor, t.masks_addresses, t.reveals_with_reason, {BOUNDS_COLUMNS}
         FROM api_keys k JOIN teams t ON t.id = k.team_id AND t.deleted_at IS NULL {MAKER}
         WHERE (k.key_hash = $1 OR (k.previous_hash = $1 AND k.previous_ends_at > $2))
             AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)"
    )
}

impl Store {
    /// Keeps a new key; `key_hash` is the SHA-256 of the whole secret, in hexadecimal.
    pub async fn insert_api_key(
        &self,
        team_id: TeamId,
        key: &ApiKey,
        key_hash: &str,
        event: &AuditEvent,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query(
            "INSERT INTO api_keys (team_id, id, name, prefix, key_hash, scopes, created_by, created_at, expires_at,
                     dialects, rate_limit, belongs_to_team)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(team_id)
        .bind(key.id)
        .bind(&key.name)
        .bind(&key.prefix)
        .bind(key_hash)
        .bind(Json(scope_names(key.scopes)))
        .bind(key.created_by)
        .bind(micros(key.created_at))
        .bind(key.limits.expires_at.map(micros))
        .bind(key.limits.apis.as_ref().map(Json))
        .bind(key.limits.rate_limit.map(i64::from))
        .bind(key.belongs_to_team)
        .execute()
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await
    }

    /// The team's keys, newest first, revoked ones too.
    pub async fn list_api_keys(&self, team_id: TeamId) -> Result<Vec<ApiKey>, AppError> {
        let statement = format!(
            "SELECT {KEY_COLUMNS}, {BOUNDS_COLUMNS} FROM api_keys k JOIN teams t ON t.id = k.team_id AND t.deleted_at IS NULL {MAKER}
             WHERE k.team_id = $1 ORDER BY k.id DESC"
        );
        let rows: Vec<ApiKeyRow> = self.read(statement).bind(team_id).fetch_all().await?;
        Ok(rows.into_iter().map(ApiKey::from).collect())
    }

    /// One of the team's keys.
    pub async fn find_api_key(&self, team_id: TeamId, id: ApiKeyId) -> Result<Option<ApiKey>, AppError> {
        let statement = format!(
            "SELECT {KEY_COLUMNS}, {BOUNDS_COLUMNS} FROM api_keys k JOIN teams t ON t.id = k.team_id AND t.deleted_at IS NULL {MAKER}
             WHERE k.team_id = $1 AND k.id = $2"
        );
        let row: Option<ApiKeyRow> = self.read(statement).bind(team_id).bind(id).fetch_optional().await?;
        Ok(row.map(ApiKey::from))
    }

    /// Changes a key's name, scopes and limits; `false` when the team has no such key that counts.
    pub async fn update_api_key(
        &self,
        team_id: TeamId,
        changed: &ApiKey,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let updated = tx
            .query(
                "UPDATE api_keys SET name = $3, scopes = $4, expires_at = $5, dialects = $6, rate_limit = $7,
                     belongs_to_team = $8, created_by = $9
                 WHERE team_id = $1 AND id = $2 AND revoked_at IS NULL",
            )
            .bind(team_id)
            .bind(changed.id)
            .bind(&changed.name)
            .bind(Json(scope_names(changed.scopes)))
            .bind(changed.limits.expires_at.map(micros))
            .bind(changed.limits.apis.as_ref().map(Json))
            .bind(changed.limits.rate_limit.map(i64::from))
            .bind(changed.belongs_to_team)
            .bind(changed.created_by)
            .execute()
            .await?;
        commit_change(tx, team_id, event, updated).await
    }

    /// Gives a key another secret; the one before counts until `previous_ends_at`, and the one before that ends now.
    /// `false` when the team has no such key that counts.
    pub async fn rotate_api_key(
        &self,
        team_id: TeamId,
        id: ApiKeyId,
        secret: &NewSecret<'_>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let rotated = tx
            .query(
                "UPDATE api_keys SET previous_hash = key_hash, previous_ends_at = $3, key_hash = $4, prefix = $5,
                     rotated_at = $6
                 WHERE team_id = $1 AND id = $2 AND revoked_at IS NULL",
            )
            .bind(team_id)
            .bind(id)
            .bind(micros(secret.previous_ends_at))
            .bind(secret.key_hash)
            .bind(secret.prefix)
            .bind(micros(secret.now))
            .execute()
            .await?;
        commit_change(tx, team_id, event, rotated).await
    }

    /// Ends a key; `false` when the team has no such key. A key that has ended stays ended.
    pub async fn revoke_api_key(
        &self,
        team_id: TeamId,
        id: ApiKeyId,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let known: Option<Option<i64>> = tx
            .query("SELECT revoked_at FROM api_keys WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .fetch_optional_scalar()
            .await?;
        let Some(revoked_at) = known else { return Ok(false) };
        if revoked_at.is_none() {
            tx.query("UPDATE api_keys SET revoked_at = $3 WHERE team_id = $1 AND id = $2")
                .bind(team_id)
                .bind(id)
                .bind(micros(now))
                .execute()
                .await?;
            append_event(&mut tx, team_id, event).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The key with this id as [Store::find_key_by_hash] finds it.
    pub async fn find_key_viewer(
        &self,
        team_id: TeamId,
        id: ApiKeyId,
        now: DateTime<Utc>,
    ) -> Result<Option<Viewer>, AppError> {
        let hash: Option<String> = self
            .read("SELECT key_hash FROM api_keys WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .fetch_optional_scalar()
            .await?;
        let Some(hash) = hash else { return Ok(None) };
        Ok(self.find_key_by_hash(&hash, now).await?.map(|found| found.viewer))
    }

    /// The key with this hash, now or before its last rotation, as a viewer of its team, with what it may do at this
    /// moment: of its scopes what its maker may too, unless it is the team's own. `None` when it is unknown,
    /// revoked or has ended, and when its maker is no member any more. Notes the use. The hash stands for the team here.
    pub async fn find_key_by_hash(&self, key_hash: &str, now: DateTime<Utc>) -> Result<Option<FoundKey>, AppError> {
        #[derive(sqlx::FromRow)]
        struct Row {
            team_id: TeamId,
            id: ApiKeyId,
            name: String,
            scopes: Json<Vec<String>>,
            created_by: Option<UserId>,
            #[sqlx(flatten)]
            bounds: Bounds,
            last_used_at: Option<i64>,
            expires_at: Option<i64>,
            dialects: Option<Json<Vec<KeyApi>>>,
            rate_limit: Option<i64>,
            #[sqlx(flatten)]
            team: ViewedTeam,
        }
        let statement = find_by_hash_statement();
        let row: Option<Row> = self.read(statement).bind(key_hash).bind(micros(now)).fetch_optional().await?;
        let Some(row) = row else { return Ok(None) };
        let (permissions, held_back) = row.bounds.of(scopes(&row.scopes));
        if held_back == Some(HeldBack::MakerLeft) {
            return Ok(None);
        }
        if row.last_used_at.is_none_or(|used| now - instant(used) >= LAST_USED_STEP) {
            self.note_key(row.team_id, row.id, now);
        }
        let limits = KeyLimits {
            expires_at: row.expires_at.map(instant),
            apis: row.dialects.map(|dialects| dialects.0),
            rate_limit: row.rate_limit.map(|limit| stored("api_keys.rate_limit", limit.try_into())).transpose()?,
        };
        let bound_to = row.created_by.filter(|_| !row.bounds.belongs_to_team);
        let viewer = Viewer {
            actor: Actor::ApiKey { id: row.id, name: row.name, bound_to },
            team: row.team_id,
            rules: row.team.rules(),
            team_name: row.team.team_name,
            permissions,
            lacks_two_factor: held_back == Some(HeldBack::MakerLacksTwoFactor),
            origin: RequestOrigin::default(),
            reveals: Vec::new(),
        };
        Ok(Some(FoundKey { viewer, limits }))
    }
}
