//! Forgettings as jobs: begun by a member, leased by one program at a time, and gone on with where the last step ended.

use chrono::{DateTime, Utc};

use super::Place;
use crate::domain::error::AppError;
use crate::domain::forgetting::{Forgetting, ForgettingState};
use crate::domain::ids::{ForgettingId, TeamId};
use crate::server::store::audit::{AuditEvent, append_event};
use crate::server::store::engine::Transaction;
use crate::server::store::{Store, holds, instant, micros, stored};

/// How many forgettings a team sees.
const SHOWN: i64 = 50;

const COLUMNS: &str = "id, sealed, address_hash, placeholder, state, place, messages, others, held, ended_at";

pub(in crate::server::store) const LIST_DUE: &str = "SELECT f.team_id, f.id FROM forgettings f
    WHERE f.run_at <= $1 AND EXISTS (SELECT 1 FROM teams t WHERE t.id = f.team_id AND t.deleted_at IS NULL)
    ORDER BY f.run_at, f.team_id, f.id LIMIT $2";

#[derive(sqlx::FromRow)]
struct ForgettingRow {
    id: ForgettingId,
    sealed: String,
    address_hash: String,
    placeholder: String,
    state: String,
    place: String,
    messages: i64,
    others: i64,
    held: i64,
    ended_at: Option<i64>,
}

/// A forgetting as it is kept.
#[derive(Clone, Debug)]
pub struct StoredForgetting {
    pub forgetting: Forgetting,
    /// The address; empty at the end.
    pub sealed: String,
    pub address_hash: String,
    pub place: Place,
}

/// Who works at a forgetting.
#[derive(Clone, Copy, Debug)]
pub struct ForgettingLease {
    pub team_id: TeamId,
    pub id: ForgettingId,
    pub lease_id: i64,
}

impl TryFrom<ForgettingRow> for StoredForgetting {
    type Error = AppError;

    fn try_from(row: ForgettingRow) -> Result<Self, AppError> {
        let forgetting = Forgetting {
            id: row.id,
            placeholder: row.placeholder,
            state: stored("forgettings.state", row.state.parse())?,
            messages: row.messages,
            others: row.others,
            held: row.held,
            ended_at: row.ended_at.map(instant),
        };
        let place = stored("forgettings.place", serde_json::from_str(&row.place))?;
        Ok(Self { forgetting, sealed: row.sealed, address_hash: row.address_hash, place })
    }
}

impl Store {
    /// Begins a forgetting. With `unwritten`, hashes that are not written to from now on. [AppError::Conflict] where the same
    /// person is being forgotten already, or where a hold covers everything or all messages to `key`.
    pub async fn insert_forgetting(
        &self,
        team_id: TeamId,
        new: &StoredForgetting,
        key: &str,
        unwritten: &[String],
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let runs: Option<ForgettingId> = tx
            .query("SELECT id FROM forgettings WHERE team_id = $1 AND address_hash = $2 AND state = 'running' LIMIT 1")
            .bind(team_id)
            .bind(&new.address_hash)
            .fetch_optional_scalar()
            .await?;
        if runs.is_some() {
            return Err(AppError::Conflict("This person is being forgotten already".to_owned()));
        }
        let hold: Option<String> = tx
            .query(
                "SELECT name FROM holds WHERE team_id = $1 AND lifted_at IS NULL
                 AND (scope = 'team' OR scope = 'address' AND address_key = $2) ORDER BY id LIMIT 1",
            )
            .bind(team_id)
            .bind(key)
            .fetch_optional_scalar()
            .await?;
        if let Some(name) = hold {
            let words = format!("Nothing was forgotten: the legal hold “{name}” keeps what there is of this person");
            return Err(AppError::Conflict(words));
        }
        for hash in unwritten {
            tx.query(
                "INSERT INTO forgotten_addresses (team_id, address_hash, created_at) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
            )
            .bind(team_id)
            .bind(hash)
            .bind(micros(now))
            .execute()
            .await?;
        }
        tx.query(
            "INSERT INTO forgettings (team_id, id, sealed, address_hash, placeholder, state, place, run_at)
             VALUES ($1, $2, $3, $4, $5, 'running', $6, $7)",
        )
        .bind(team_id)
        .bind(new.forgetting.id)
        .bind(&new.sealed)
        .bind(&new.address_hash)
        .bind(&new.forgetting.placeholder)
        .bind(written(&new.place)?)
        .bind(micros(now))
        .execute()
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await
    }

    /// The team's forgettings, the newest first.
    pub async fn list_forgettings(&self, team_id: TeamId) -> Result<Vec<Forgetting>, AppError> {
        let statement = format!("SELECT {COLUMNS} FROM forgettings WHERE team_id = $1 ORDER BY id DESC LIMIT {SHOWN}");
        let rows: Vec<ForgettingRow> = self.read(statement).bind(team_id).fetch_all().await?;
        rows.into_iter().map(|row| Ok(StoredForgetting::try_from(row)?.forgetting)).collect()
    }

    /// One of them.
    pub async fn find_forgetting(
        &self,
        team_id: TeamId,
        id: ForgettingId,
    ) -> Result<Option<StoredForgetting>, AppError> {
        let statement = format!("SELECT {COLUMNS} FROM forgettings WHERE team_id = $1 AND id = $2");
        let row: Option<ForgettingRow> = self.read(statement).bind(team_id).bind(id).fetch_optional().await?;
        row.map(StoredForgetting::try_from).transpose()
    }

    /// The forgettings of all teams that are due at `now`, those that wait longest first.
    pub async fn list_due_forgettings(
        &self,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<(TeamId, ForgettingId)>, AppError> {
        self.read(LIST_DUE).bind(micros(now)).bind(limit).fetch_all().await
    }

    /// Leases a forgetting that is due at `now` until `until`; `false` where somebody else has it, or it has ended.
    pub async fn lease_forgetting(
        &self,
        lease: ForgettingLease,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let leased = tx
            .query("UPDATE forgettings SET lease_id = $3, run_at = $5 WHERE team_id = $1 AND id = $2 AND run_at <= $4")
            .bind(lease.team_id)
            .bind(lease.id)
            .bind(lease.lease_id)
            .bind(micros(now))
            .bind(micros(until))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(leased == 1)
    }

    /// Ends a forgetting: its address is gone from then on. `false` where the lease is lost.
    pub async fn end_forgetting(
        &self,
        lease: ForgettingLease,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let ended = tx
            .query(
                "UPDATE forgettings SET state = $4, sealed = '', place = '{}', ended_at = $5, run_at = NULL,
                     lease_id = NULL
                 WHERE team_id = $1 AND id = $2 AND lease_id = $3",
            )
            .bind(lease.team_id)
            .bind(lease.id)
            .bind(lease.lease_id)
            .bind(ForgettingState::Done.as_str())
            .bind(micros(now))
            .execute()
            .await?;
        if ended == 0 {
            return Ok(false);
        }
        append_event(&mut tx, lease.team_id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Those of these hashes that are of addresses that are not written to, with since when.
    pub async fn find_unwritten(
        &self,
        team_id: TeamId,
        hashes: &[String],
    ) -> Result<Vec<(String, DateTime<Utc>)>, AppError> {
        let mut found = Vec::new();
        for hashes in hashes.chunks(500) {
            let mut sql = crate::server::store::engine::Sql::new(
                self.engine(),
                "SELECT address_hash, created_at FROM forgotten_addresses WHERE team_id = ",
            );
            sql.push_bind(team_id).push(" AND address_hash IN (").push_list(hashes).push(")").keep(hashes.len() == 1);
            let rows: Vec<(String, i64)> = self.read(sql).fetch_all().await?;
            found.extend(rows.into_iter().map(|(hash, at)| (hash, instant(at))));
        }
        Ok(found)
    }

    /// Lets an address that was forgotten be written to; `false` where it was not forgotten.
    pub async fn delete_unwritten(&self, team_id: TeamId, hash: &str, event: &AuditEvent) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let deleted = tx
            .query("DELETE FROM forgotten_addresses WHERE team_id = $1 AND address_hash = $2")
            .bind(team_id)
            .bind(hash)
            .execute()
            .await?;
        crate::server::store::audit::commit_change(tx, team_id, event, deleted).await
    }
}

/// Whether a forgetting is still leased so; lets no hold be placed before the transaction ends.
pub(super) async fn is_leased(
    tx: &mut Transaction,
    lease: ForgettingLease,
) -> Result<Option<holds::InForce>, AppError> {
    let in_force = holds::lock(tx, lease.team_id).await?;
    let lock = tx.engine().for_update();
    let held: Option<ForgettingId> = tx
        .query(format!("SELECT id FROM forgettings WHERE team_id = $1 AND id = $2 AND lease_id = $3{lock}"))
        .bind(lease.team_id)
        .bind(lease.id)
        .bind(lease.lease_id)
        .fetch_optional_scalar()
        .await?;
    Ok(held.map(|_| in_force))
}

/// A place, as it is kept.
pub(super) fn written(place: &Place) -> Result<String, AppError> {
    stored("forgettings.place", serde_json::to_string(place))
}
