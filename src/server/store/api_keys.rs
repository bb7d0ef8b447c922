//! API keys. A key's secret is kept as its SHA-256 alone: 192 random bits need no slow hash.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::{Store, instant, micros, read, write};
use crate::domain::api_key::ApiKey;
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, TeamId, UserId};
use crate::domain::permission::PermissionSet;
use crate::domain::viewer::{Actor, Viewer};

/// `last_used_at` is at most this far behind, so that a busy key does not write on every request.
const LAST_USED_STEP: TimeDelta = TimeDelta::minutes(1);

#[derive(sqlx::FromRow)]
struct ApiKeyRow {
    id: ApiKeyId,
    name: String,
    prefix: String,
    scopes: Json<Vec<String>>,
    created_by: Option<UserId>,
    created_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<ApiKeyRow> for ApiKey {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            scopes: scopes(&row.scopes),
            created_by: row.created_by,
            created_at: instant(row.created_at),
            last_used_at: row.last_used_at.map(instant),
            revoked_at: row.revoked_at.map(instant),
        }
    }
}

/// Scopes as stored: names, or `*` for every permission there will ever be.
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

impl Store {
    /// Keeps a new key; `key_hash` is the SHA-256 of the whole secret, in hexadecimal.
    pub async fn insert_api_key(&self, team_id: TeamId, key: &ApiKey, key_hash: &str) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query(
                "INSERT INTO api_keys (team_id, id, name, prefix, key_hash, scopes, created_by, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(team_id)
            .bind(key.id)
            .bind(&key.name)
            .bind(&key.prefix)
            .bind(key_hash)
            .bind(Json(scope_names(key.scopes)))
            .bind(key.created_by)
            .bind(micros(key.created_at))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// The team's keys, newest first, revoked ones too.
    pub async fn list_api_keys(&self, team_id: TeamId) -> Result<Vec<ApiKey>, AppError> {
        let rows: Vec<ApiKeyRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT id, name, prefix, scopes, created_by, created_at, last_used_at, revoked_at
                 FROM api_keys WHERE team_id = $1 ORDER BY id DESC",
            )
            .bind(team_id)
            .fetch_all(pool)
            .await
        })?;
        Ok(rows.into_iter().map(ApiKey::from).collect())
    }

    /// Ends a key; `false` when the team has no such key. A key that has ended stays ended.
    pub async fn revoke_api_key(&self, team_id: TeamId, id: ApiKeyId, now: DateTime<Utc>) -> Result<bool, AppError> {
        write!(self, |tx| {
            let revoked =
                sqlx::query("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3) WHERE team_id = $1 AND id = $2")
                    .bind(team_id)
                    .bind(id)
                    .bind(micros(now))
                    .execute(&mut *tx)
                    .await?;
            Ok(revoked.rows_affected() == 1)
        })
    }

    /// The key with this hash as a viewer of its team; `None` when it is unknown or revoked. Notes the use. The hash
    /// stands for the team here.
    pub async fn find_viewer_by_api_key(&self, key_hash: &str, now: DateTime<Utc>) -> Result<Option<Viewer>, AppError> {
        type Row = (TeamId, ApiKeyId, String, Json<Vec<String>>, String, Option<i64>);
        let row: Option<Row> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT k.team_id, k.id, k.name, k.scopes, t.name, k.last_used_at
                 FROM api_keys k JOIN teams t ON t.id = k.team_id
                 WHERE k.key_hash = $1 AND k.revoked_at IS NULL",
            )
            .bind(key_hash)
            .fetch_optional(pool)
            .await
        })?;
        let Some((team, id, name, names, team_name, last_used_at)) = row else { return Ok(None) };
        if last_used_at.is_none_or(|used| now - instant(used) >= LAST_USED_STEP) {
            self.note_api_key_use(team, id, now).await?;
        }
        let actor = Actor::ApiKey { id, name };
        Ok(Some(Viewer { actor, team, team_name, permissions: scopes(&names) }))
    }

    async fn note_api_key_use(&self, team_id: TeamId, id: ApiKeyId, now: DateTime<Utc>) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("UPDATE api_keys SET last_used_at = $3 WHERE team_id = $1 AND id = $2")
                .bind(team_id)
                .bind(id)
                .bind(micros(now))
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }
}
