//! Adapters. User name and password are sealed before they get here.

use chrono::{DateTime, Utc};

use super::audit::{AuditEvent, append_event, commit_change};
use super::engine::Transaction;
use super::names::{Named, keep_name_free};
use super::{Store, instant, micros, stored};
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

/// Whether a team has a default adapter of a kind, inside a transaction that has taken turns.
async fn has_default(tx: &mut Transaction, team_id: TeamId, kind: &str) -> Result<bool, AppError> {
    let default: Option<AdapterId> = tx
        .query("SELECT id FROM adapters WHERE team_id = $1 AND kind = $2 AND is_default AND deleted_at IS NULL")
        .bind(team_id)
        .bind(kind)
        .fetch_optional_scalar()
        .await?;
    Ok(default.is_some())
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
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        keep_name_free(&mut tx, team_id, (Named::Adapter, new.id.0), &new.name).await?;
        let is_default = new.is_default || !has_default(&mut tx, team_id, new.kind.as_str()).await?;
        if is_default {
            tx.query("UPDATE adapters SET is_default = FALSE WHERE team_id = $1 AND kind = $2 AND is_default")
                .bind(team_id)
                .bind(new.kind.as_str())
                .execute()
                .await?;
        }
        tx.query(
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
        .execute()
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
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
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        if changed.name != before.name {
            keep_name_free(&mut tx, team_id, (Named::Adapter, changed.id.0), &changed.name).await?;
        }
        let present: Option<AdapterId> = tx
            .query("SELECT id FROM adapters WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL")
            .bind(team_id)
            .bind(changed.id)
            .fetch_optional_scalar()
            .await?;
        if present.is_none() {
            return Ok(false);
        }
        if becomes_default {
            tx.query(
                "UPDATE adapters SET is_default = FALSE
                     WHERE team_id = $1 AND is_default AND id <> $2 AND kind = $3",
            )
            .bind(team_id)
            .bind(changed.id)
            .bind(changed.kind.as_str())
            .execute()
            .await?;
        }
        tx.query(
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
        .execute()
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes an adapter; `false` when there is none.
    pub async fn delete_adapter(
        &self,
        team_id: TeamId,
        id: AdapterId,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let deleted = tx
            .query(
                "UPDATE adapters SET deleted_at = $3, is_default = FALSE
                 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL",
            )
            .bind(team_id)
            .bind(id)
            .bind(micros(now))
            .execute()
            .await?;
        commit_change(tx, team_id, event, deleted).await
    }

    /// Brings back an adapter that was deleted, as the default where its kind has none, and answers with its name; `None` when
    /// there is none, [AppError::AlreadyExists] when another has its name now. The event is about it.
    pub async fn restore_adapter(
        &self,
        team_id: TeamId,
        id: AdapterId,
        event: AuditEvent,
    ) -> Result<Option<String>, AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let deleted: Option<(String, String)> = tx
            .query("SELECT name, kind FROM adapters WHERE team_id = $1 AND id = $2 AND deleted_at IS NOT NULL")
            .bind(team_id)
            .bind(id)
            .fetch_optional()
            .await?;
        let Some((name, kind)) = deleted else { return Ok(None) };
        keep_name_free(&mut tx, team_id, (Named::Adapter, id.0), &name).await?;
        let is_default = !has_default(&mut tx, team_id, &kind).await?;
        tx.query("UPDATE adapters SET deleted_at = NULL, is_default = $3 WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .bind(is_default)
            .execute()
            .await?;
        append_event(&mut tx, team_id, &event.about(id, &name)).await?;
        tx.commit().await?;
        Ok(Some(name))
    }

    /// The team's adapters, by name.
    pub async fn list_adapters(&self, team_id: TeamId) -> Result<Vec<Adapter>, AppError> {
        let statement = format!(
            "SELECT {ADAPTER_COLUMNS} FROM adapters WHERE team_id = $1 AND deleted_at IS NULL ORDER BY name, id"
        );
        let rows: Vec<AdapterRow> = self.read(statement).bind(team_id).fetch_all().await?;
        rows.into_iter().map(Adapter::try_from).collect()
    }

    /// The adapter with this id, unless it is deleted.
    pub async fn find_adapter(&self, team_id: TeamId, id: AdapterId) -> Result<Option<Adapter>, AppError> {
        let statement =
            format!("SELECT {ADAPTER_COLUMNS} FROM adapters WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL");
        let row: Option<AdapterRow> = self.read(statement).bind(team_id).bind(id).fetch_optional().await?;
        row.map(Adapter::try_from).transpose()
    }

    /// The adapter of this kind that messages go out by unless they name another.
    pub async fn find_default_adapter(&self, team_id: TeamId, kind: AdapterKind) -> Result<Option<Adapter>, AppError> {
        let statement = format!(
            "SELECT {ADAPTER_COLUMNS} FROM adapters
             WHERE team_id = $1 AND kind = $2 AND is_default AND deleted_at IS NULL"
        );
        let row: Option<AdapterRow> = self.read(statement).bind(team_id).bind(kind.as_str()).fetch_optional().await?;
        row.map(Adapter::try_from).transpose()
    }

    /// An adapter's sealed secret, even of a deleted one.
    pub async fn find_adapter_secret(&self, team_id: TeamId, id: AdapterId) -> Result<Option<String>, AppError> {
        self.read("SELECT sealed_secret FROM adapters WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .fetch_optional_scalar()
            .await
    }
}
