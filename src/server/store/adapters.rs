//! Adapters. User name and password are sealed before they get here. Their order, and which are down, is in
//! [super::adapter_order].

use chrono::{DateTime, Utc};

use super::adapter_order::{MARK_UP, kinds, list_lane, write_order};
use super::audit::{AuditEvent, append_event};
use super::engine::Transaction;
use super::names::{Named, keep_name_free};
use super::{Store, instant, micros, stored};
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, TeamId};

/// The lane of an adapter as a number, by which lists are ordered.
const LANE: &str = "CASE kind WHEN 'http' THEN 2 WHEN 'twilio' THEN 1 WHEN 'vonage' THEN 1 ELSE 0 END";

pub(super) const ADAPTER_COLUMNS: &str = "id, name, kind, from_address, endpoint, is_default, created_at";

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
        let mut order = list_lane(&mut tx, team_id, new.kind.lane()).await?;
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
        .bind(false)
        .bind(micros(new.created_at))
        .execute()
        .await?;
        order.insert(new.id, is_default);
        write_order(&mut tx, team_id, new.kind.lane(), &order).await?;
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
        tx.query(
            "UPDATE adapters SET name = COALESCE($3, name), from_address = COALESCE($4, from_address),
                     endpoint = COALESCE($5, endpoint), sealed_secret = COALESCE($6, sealed_secret)
                 WHERE team_id = $1 AND id = $2",
        )
        .bind(team_id)
        .bind(changed.id)
        .bind(new(&before.name, &changed.name))
        .bind(new(&before.from_address, &changed.from_address))
        .bind(new(&before.endpoint, &changed.endpoint))
        .bind(sealed_secret)
        .execute()
        .await?;
        if sealed_secret.is_some() || changed.endpoint != before.endpoint {
            // What was wrong with it may be mended: the next message tries it.
            tx.query(format!("{MARK_UP} WHERE team_id = $1 AND id = $2"))
                .bind(team_id)
                .bind(changed.id)
                .execute()
                .await?;
        }
        if becomes_default {
            let mut order = list_lane(&mut tx, team_id, changed.kind.lane()).await?;
            order.insert(changed.id, true);
            write_order(&mut tx, team_id, changed.kind.lane(), &order).await?;
        }
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes an adapter; `false` when there is none. The next in the order takes the place of a default.
    pub async fn delete_adapter(
        &self,
        team_id: TeamId,
        id: AdapterId,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let kind: Option<String> = tx
            .query("SELECT kind FROM adapters WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL")
            .bind(team_id)
            .bind(id)
            .fetch_optional_scalar()
            .await?;
        let Some(kind) = kind else { return Ok(false) };
        let lane = stored::<AdapterKind, _>("adapters.kind", kind.parse())?.lane();
        let mut order = list_lane(&mut tx, team_id, lane).await?;
        tx.query("UPDATE adapters SET deleted_at = $3, is_default = FALSE WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .bind(micros(now))
            .execute()
            .await?;
        order.remove(id);
        write_order(&mut tx, team_id, lane, &order).await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Brings back an adapter that was deleted, as the last in the order, or as the default where there is none for a channel
    /// that it sends, and answers with its name; `None` when there is none, [AppError::AlreadyExists] when another has its name now. The event is about it.
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
        let kind: AdapterKind = stored("adapters.kind", kind.parse())?;
        let is_default = !has_default(&mut tx, team_id, kind).await?;
        let mut order = list_lane(&mut tx, team_id, kind.lane()).await?;
        tx.query("UPDATE adapters SET deleted_at = NULL WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .execute()
            .await?;
        order.insert(id, is_default);
        write_order(&mut tx, team_id, kind.lane(), &order).await?;
        append_event(&mut tx, team_id, &event.about(id, &name)).await?;
        tx.commit().await?;
        Ok(Some(name))
    }

    /// The team's adapters: those for email, for text messages and calls, and the web addresses, each in their order.
    pub async fn list_adapters(&self, team_id: TeamId) -> Result<Vec<Adapter>, AppError> {
        let statement = format!(
            "SELECT {ADAPTER_COLUMNS} FROM adapters WHERE team_id = $1 AND deleted_at IS NULL
             ORDER BY {LANE}, position, id"
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
