//! Adapters. User name and password are sealed before they get here.

use chrono::{DateTime, Utc};

use super::audit::{AuditEvent, append_event, commit_change};
use super::engine::Transaction;
use super::names::{Named, keep_name_free};
use super::{Store, instant, micros, stored};
use crate::domain::adapter::{Adapter, AdapterKind, Lane};
use crate::domain::channel::Channel;
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

/// The names of the kinds that send messages of a channel, as a list of SQL.
pub(super) fn kinds_for(channel: Channel) -> String {
    kinds(|kind| kind.sends(channel))
}

/// The names of the kinds that have one default together.
fn kinds_in(lane: Lane) -> String {
    kinds(|kind| kind.lane() == lane)
}

fn kinds(is_meant: impl Fn(AdapterKind) -> bool) -> String {
    let names = AdapterKind::ALL.into_iter().filter(|kind| is_meant(*kind)).map(|kind| format!("'{}'", kind.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

/// Orders the defaults that send messages of one channel: an adapter made for text messages and calls comes before a web
/// address, which sends them too.
const BY_LANE: &str = "CASE kind WHEN 'http' THEN 1 ELSE 0 END";

/// Whether messages of every channel that an adapter of this kind sends go out by a default already, inside a transaction that
/// has taken turns.
async fn has_default(tx: &mut Transaction, team_id: TeamId, kind: AdapterKind) -> Result<bool, AppError> {
    for channel in Channel::ALL.into_iter().filter(|channel| kind.sends(*channel)) {
        let statement = format!(
            "SELECT id FROM adapters
             WHERE team_id = $1 AND kind IN ({}) AND is_default AND deleted_at IS NULL LIMIT 1",
            kinds_for(channel)
        );
        let default: Option<AdapterId> = tx.query(statement).bind(team_id).fetch_optional_scalar().await?;
        if default.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Store {
    /// Adds an adapter; [AppError::AlreadyExists] when the name is taken. A default adapter takes that place from
    /// another; one that sends a channel for which there is no default is the default in any case. The worker gives it the
    /// messages that wait for one.
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
        let is_default = new.is_default || !has_default(&mut tx, team_id, new.kind).await?;
        if is_default {
            tx.query(format!(
                "UPDATE adapters SET is_default = FALSE WHERE team_id = $1 AND is_default AND kind IN ({})",
                kinds_in(new.kind.lane())
            ))
            .bind(team_id)
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
            tx.query(format!(
                "UPDATE adapters SET is_default = FALSE
                     WHERE team_id = $1 AND is_default AND id <> $2 AND kind IN ({})",
                kinds_in(changed.kind.lane())
            ))
            .bind(team_id)
            .bind(changed.id)
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

    /// Brings back an adapter that was deleted, as the default where there is none for a channel that it sends, and answers with its name; `None` when
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
        let is_default = !has_default(&mut tx, team_id, stored("adapters.kind", kind.parse())?).await?;
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

    /// The adapter that messages of a channel go out by unless they name another.
    pub async fn find_default_adapter(&self, team_id: TeamId, channel: Channel) -> Result<Option<Adapter>, AppError> {
        let statement = format!(
            "SELECT {ADAPTER_COLUMNS} FROM adapters
             WHERE team_id = $1 AND kind IN ({}) AND is_default AND deleted_at IS NULL ORDER BY {BY_LANE} LIMIT 1",
            kinds_for(channel)
        );
        let row: Option<AdapterRow> = self.read(statement).bind(team_id).fetch_optional().await?;
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
