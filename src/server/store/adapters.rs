//! Adapters. User name and password are sealed before they get here.

use chrono::{DateTime, Utc};

use super::audit::{self, AuditEvent};
use super::events::take_turns;
use super::{Store, instant, micros, read, stored, write};
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, TeamId};

const ADAPTER_COLUMNS: &str = "id, name, kind, from_address, endpoint, is_default, created_at";

#[derive(sqlx::FromRow)]
struct AdapterRow {
    id: AdapterId,
    name: String,
    kind: String,
    from_address: String,
    endpoint: String,
    is_default: bool,
    created_at: i64,
}

impl TryFrom<AdapterRow> for Adapter {
    type Error = AppError;

    fn try_from(row: AdapterRow) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            name: row.name,
            kind: stored("adapters.kind", row.kind.parse())?,
            from_address: row.from_address,
            endpoint: row.endpoint,
            is_default: row.is_default,
            created_at: instant(row.created_at),
        })
    }
}

/// Refuses a name that another adapter has, inside a transaction that has taken turns.
macro_rules! keep_name_free {
    ($tx:expr, $team_id:expr, $id:expr, $name:expr) => {
        let namesake: Option<AdapterId> = sqlx::query_scalar(
            "SELECT id FROM adapters WHERE team_id = $1 AND name = $2 AND id <> $3 AND deleted_at IS NULL",
        )
        .bind($team_id)
        .bind($name)
        .bind($id)
        .fetch_optional(&mut *$tx)
        .await?;
        if namesake.is_some() {
            return Err(AppError::AlreadyExists(format!("An adapter named “{}” exists already", $name)));
        }
    };
}

impl Store {
    /// Adds an adapter; [AppError::AlreadyExists] when the name is taken. A default adapter takes that place from
    /// another; the first of its kind is the default in any case. The worker gives it the messages that wait for one.
    pub async fn insert_adapter(
        &self,
        team_id: TeamId,
        new: &Adapter,
        sealed_secret: &str,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            take_turns!(tx, self, team_id);
            keep_name_free!(tx, team_id, new.id, &new.name);
            let has_default: Option<AdapterId> = sqlx::query_scalar(
                "SELECT id FROM adapters WHERE team_id = $1 AND kind = $2 AND is_default AND deleted_at IS NULL",
            )
            .bind(team_id)
            .bind(new.kind.as_str())
            .fetch_optional(&mut *tx)
            .await?;
            let is_default = new.is_default || has_default.is_none();
            if is_default {
                sqlx::query("UPDATE adapters SET is_default = FALSE WHERE team_id = $1 AND kind = $2 AND is_default")
                    .bind(team_id)
                    .bind(new.kind.as_str())
                    .execute(&mut *tx)
                    .await?;
            }
            sqlx::query(
                "INSERT INTO adapters
                 (team_id, id, name, kind, from_address, endpoint, sealed_secret, is_default, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(team_id)
            .bind(new.id)
            .bind(&new.name)
            .bind(new.kind.as_str())
            .bind(&new.from_address)
            .bind(&new.endpoint)
            .bind(sealed_secret)
            .bind(is_default)
            .bind(micros(new.created_at))
            .execute(&mut *tx)
            .await?;
            audit::append!(tx, team_id, event);
            Ok(true)
        })
    }

    /// Changes of an adapter what differs between `before` and `changed`, so that nobody undoes what somebody else changes
    /// at the same time; `sealed_secret` is kept when `None`. One that becomes the default gets the messages that wait for
    /// one. `false` when there is no such adapter, [AppError::AlreadyExists] when another has the name.
    pub async fn update_adapter(
        &self,
        team_id: TeamId,
        before: &Adapter,
        changed: &Adapter,
        sealed_secret: Option<&str>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let becomes_default = changed.is_default && !before.is_default;
        let new = |before: &'_ str, changed: &'_ str| (before != changed).then(|| changed.to_owned());
        write!(self, |tx| {
            take_turns!(tx, self, team_id);
            if changed.name != before.name {
                keep_name_free!(tx, team_id, changed.id, &changed.name);
            }
            let present: Option<AdapterId> =
                sqlx::query_scalar("SELECT id FROM adapters WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL")
                    .bind(team_id)
                    .bind(changed.id)
                    .fetch_optional(&mut *tx)
                    .await?;
            if present.is_none() {
                return Ok(false);
            }
            if becomes_default {
                sqlx::query(
                    "UPDATE adapters SET is_default = FALSE
                     WHERE team_id = $1 AND is_default AND id <> $2 AND kind = $3",
                )
                .bind(team_id)
                .bind(changed.id)
                .bind(changed.kind.as_str())
                .execute(&mut *tx)
                .await?;
            }
            sqlx::query(
                "UPDATE adapters SET name = COALESCE($3, name), from_address = COALESCE($4, from_address),
                     endpoint = COALESCE($5, endpoint), is_default = (is_default OR $6),
                     sealed_secret = COALESCE($7, sealed_secret)
                 WHERE team_id = $1 AND id = $2",
            )
            .bind(team_id)
            .bind(changed.id)
            .bind(new(&before.name, &changed.name))
            .bind(new(&before.from_address, &changed.from_address))
            .bind(new(&before.endpoint, &changed.endpoint))
            .bind(becomes_default)
            .bind(sealed_secret)
            .execute(&mut *tx)
            .await?;
            audit::append!(tx, team_id, event);
            Ok(true)
        })
    }

    /// Deletes an adapter; `false` when there is none.
    pub async fn delete_adapter(
        &self,
        team_id: TeamId,
        id: AdapterId,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            take_turns!(tx, self, team_id);
            let deleted = sqlx::query(
                "UPDATE adapters SET deleted_at = $3, is_default = FALSE
                 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL",
            )
            .bind(team_id)
            .bind(id)
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
            if deleted.rows_affected() == 1 {
                audit::append!(tx, team_id, event);
            }
            Ok(deleted.rows_affected() == 1)
        })
    }

    /// The team's adapters, by name.
    pub async fn list_adapters(&self, team_id: TeamId) -> Result<Vec<Adapter>, AppError> {
        let statement = format!(
            "SELECT {ADAPTER_COLUMNS} FROM adapters WHERE team_id = $1 AND deleted_at IS NULL ORDER BY name, id"
        );
        let rows: Vec<AdapterRow> = read!(self, |pool| sqlx::query_as(&statement).bind(team_id).fetch_all(pool).await)?;
        rows.into_iter().map(Adapter::try_from).collect()
    }

    /// The adapter with this id, unless it is deleted.
    pub async fn find_adapter(&self, team_id: TeamId, id: AdapterId) -> Result<Option<Adapter>, AppError> {
        let statement =
            format!("SELECT {ADAPTER_COLUMNS} FROM adapters WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL");
        let row: Option<AdapterRow> =
            read!(self, |pool| sqlx::query_as(&statement).bind(team_id).bind(id).fetch_optional(pool).await)?;
        row.map(Adapter::try_from).transpose()
    }

    /// The adapter of this kind that messages go out by unless they name another.
    pub async fn find_default_adapter(&self, team_id: TeamId, kind: AdapterKind) -> Result<Option<Adapter>, AppError> {
        let statement = format!(
            "SELECT {ADAPTER_COLUMNS} FROM adapters
             WHERE team_id = $1 AND kind = $2 AND is_default AND deleted_at IS NULL"
        );
        let row: Option<AdapterRow> = read!(self, |pool| {
            sqlx::query_as(&statement).bind(team_id).bind(kind.as_str()).fetch_optional(pool).await
        })?;
        row.map(Adapter::try_from).transpose()
    }

    /// An adapter's sealed secret, even of a deleted one.
    pub async fn find_adapter_secret(&self, team_id: TeamId, id: AdapterId) -> Result<Option<String>, AppError> {
        Ok(read!(self, |pool| {
            sqlx::query_scalar("SELECT sealed_secret FROM adapters WHERE team_id = $1 AND id = $2")
                .bind(team_id)
                .bind(id)
                .fetch_optional(pool)
                .await
        })?)
    }
}
