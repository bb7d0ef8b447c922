//! Imports of what other systems know of a team's messages. Any number of programs can work at one database: an import is leased
//! by one at a time, and how far it came is kept in the transaction that records what was read.

use std::io;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::audit::{AuditEvent, append_event, commit_change};
use super::engine::Transaction;
use super::ingest::{Ingested, ReportedEvent, ingest_history};
use super::{Store, instant, micros, stored};
use crate::domain::error::AppError;
use crate::domain::history_import::{HistoryImport, ImportState, ImportWay, MAX_OPEN};
use crate::domain::ids::{ImportId, TeamId};

/// How many imports a team sees.
const SHOWN: i64 = 100;

/// How hard parts of files are compressed: zstd's own choice.
const LEVEL: i32 = 3;

const COLUMNS: &str =
    "id, source, way, state, sealed, cursor, created_at, ended_at, records, recorded, known, unusable,
    seen_from, seen_until, words, tries, run_at, lease_id";

pub(super) const LIST_DUE: &str = "SELECT i.team_id, i.id FROM history_imports i
    WHERE i.run_at <= $1 AND EXISTS (SELECT 1 FROM teams t WHERE t.id = i.team_id AND t.deleted_at IS NULL)
    ORDER BY i.run_at, i.team_id, i.id LIMIT $2";

/// The first part that is not read.
pub(super) const FIND_PART: &str = "SELECT position, content FROM history_import_parts
    WHERE team_id = $1 AND import_id = $2 ORDER BY position LIMIT 1";

#[derive(sqlx::FromRow)]
struct ImportRow {
    id: ImportId,
    source: String,
    way: Json<ImportWay>,
    state: String,
    sealed: String,
    cursor: String,
    created_at: i64,
    ended_at: Option<i64>,
    records: i64,
    recorded: i64,
    known: i64,
    unusable: i64,
    seen_from: Option<i64>,
    seen_until: Option<i64>,
    words: String,
    tries: i64,
    run_at: Option<i64>,
    lease_id: Option<i64>,
}

/// An import as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImport {
    pub import: HistoryImport,
    /// How its source lets it in; empty for a file, and where it has ended.
    pub sealed: String,
    /// How far it came at its source; empty for a file.
    pub cursor: String,
    /// How often the source did not answer since it last did.
    pub tries: i64,
}

/// Who works at an import.
#[derive(Clone, Copy, Debug)]
pub struct ImportLease {
    pub team_id: TeamId,
    pub id: ImportId,
    pub lease_id: i64,
}

/// What was read in one go.
#[derive(Clone, Debug, Default)]
pub struct ImportStep {
    /// How far it came; `None` for a part of a file.
    pub cursor: Option<String>,
    /// The part of the file that was read.
    pub part: Option<i64>,
    pub records: i64,
    /// How many of them, or of their events, could not be used.
    pub unusable: i64,
    /// What is wrong with one of those.
    pub words: Option<String>,
}

impl TryFrom<ImportRow> for StoredImport {
    type Error = AppError;

    fn try_from(row: ImportRow) -> Result<Self, AppError> {
        let state: ImportState = stored("history_imports.state", row.state.parse())?;
        let waits = row.run_at.map(instant).filter(|_| row.lease_id.is_none() && row.tries > 0);
        let seen = row.seen_from.map(instant).zip(row.seen_until.map(instant));
        let way = row.way.0;
        let import = HistoryImport {
            id: row.id,
            source: stored("history_imports.source", row.source.parse())?,
            progress: progress(&way, state, row.records, seen),
            way,
            state,
            created_at: instant(row.created_at),
            ended_at: row.ended_at.map(instant),
            read: row.records,
            recorded: row.recorded,
            known: row.known,
            unusable: row.unusable,
            words: row.words,
            waits_until: waits,
        };
        Ok(Self { import, sealed: row.sealed, cursor: row.cursor, tries: row.tries })
    }
}

/// What is done, in thousandths: of a file's records, or of the time that is asked for.
fn progress(way: &ImportWay, state: ImportState, records: i64, seen: Option<(DateTime<Utc>, DateTime<Utc>)>) -> i64 {
    let (done, whole) = match (way, seen) {
        (ImportWay::File { records: whole }, _) => (records, *whole),
        (ImportWay::Pull { from, until }, Some((first, last))) => {
            ((last.min(*until) - first.max(*from)).num_seconds(), (*until - *from).num_seconds())
        }
        (ImportWay::Pull { .. }, None) => (0, 1),
    };
    match state {
        ImportState::Done => 1_000,
        // What is not at its end never looks as if it were.
        ImportState::Running | ImportState::Stopped => (done.saturating_mul(1_000) / whole.max(1)).clamp(0, 999),
    }
}

impl Store {
    /// Keeps a new import, with the parts of its file. [AppError::Conflict] where the team has as many open ones as it may.
    pub async fn insert_import(
        &self,
        team_id: TeamId,
        new: &StoredImport,
        parts: &[String],
        event: &AuditEvent,
    ) -> Result<(), AppError> {
        let packed = parts.iter().map(|part| zstd::encode_all(part.as_bytes(), LEVEL));
        let packed = stored("history_import_parts.content", packed.collect::<io::Result<Vec<Vec<u8>>>>())?;
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let open: i64 = tx
            .query("SELECT COUNT(*) FROM history_imports WHERE team_id = $1 AND state <> 'done'")
            .bind(team_id)
            .fetch_scalar()
            .await?;
        if open >= MAX_OPEN {
            let words =
                format!("A team has at most {MAX_OPEN} imports at once: wait for one, or remove one that stopped");
            return Err(AppError::Conflict(words));
        }
        let StoredImport { import, sealed, cursor, .. } = new;
        tx.query(
            "INSERT INTO history_imports (team_id, id, source, way, state, sealed, cursor, created_at, run_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        )
        .bind(team_id)
        .bind(import.id)
        .bind(import.source.as_str())
        .bind(Json(&import.way))
        .bind(import.state.as_str())
        .bind(sealed)
        .bind(cursor)
        .bind(micros(import.created_at))
        .execute()
        .await?;
        for (position, content) in (0_i64..).zip(&packed) {
            tx.query(
                "INSERT INTO history_import_parts (team_id, import_id, position, content) VALUES ($1, $2, $3, $4)",
            )
            .bind(team_id)
            .bind(import.id)
            .bind(position)
            .bind(content)
            .execute()
            .await?;
        }
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await
    }

    /// The team's newest imports, the newest first.
    pub async fn list_imports(&self, team_id: TeamId) -> Result<Vec<HistoryImport>, AppError> {
        let statement =
            format!("SELECT {COLUMNS} FROM history_imports WHERE team_id = $1 ORDER BY id DESC LIMIT {SHOWN}");
        let rows: Vec<ImportRow> = self.read(statement).bind(team_id).fetch_all().await?;
        rows.into_iter().map(|row| Ok(StoredImport::try_from(row)?.import)).collect()
    }

    /// One of them.
    pub async fn find_import(&self, team_id: TeamId, id: ImportId) -> Result<Option<StoredImport>, AppError> {
        let statement = format!("SELECT {COLUMNS} FROM history_imports WHERE team_id = $1 AND id = $2");
        let row: Option<ImportRow> = self.read(statement).bind(team_id).bind(id).fetch_optional().await?;
        row.map(StoredImport::try_from).transpose()
    }

    /// Has an import stop, or go on as `sealed` says; `false` where it is in none of the states `from`. Whoever works at it loses
    /// it.
    pub async fn change_import(
        &self,
        team_id: TeamId,
        id: ImportId,
        (from, to): (ImportState, ImportState),
        sealed: &str,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let run_at = matches!(to, ImportState::Running).then(|| micros(now));
        let mut tx = self.begin().await?;
        let changed = tx
            .query(
                "UPDATE history_imports
                 SET state = $4, sealed = $5, run_at = $6, lease_id = NULL, tries = 0, words = ''
                 WHERE team_id = $1 AND id = $2 AND state = $3",
            )
            .bind(team_id)
            .bind(id)
            .bind(from.as_str())
            .bind(to.as_str())
            .bind(sealed)
            .bind(run_at)
            .execute()
            .await?;
        commit_change(tx, team_id, event, changed).await
    }

    /// Removes an import, and what of its file was not read; what it recorded stays. `false` where there is none.
    pub async fn delete_import(&self, team_id: TeamId, id: ImportId, event: &AuditEvent) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        tx.query("DELETE FROM history_import_parts WHERE team_id = $1 AND import_id = $2")
            .bind(team_id)
            .bind(id)
            .execute()
            .await?;
        let deleted = tx
            .query("DELETE FROM history_imports WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .execute()
            .await?;
        commit_change(tx, team_id, event, deleted).await
    }

    /// The imports of all teams that are due at `now`, those that wait longest first.
    pub async fn list_due_imports(&self, now: DateTime<Utc>, limit: i64) -> Result<Vec<(TeamId, ImportId)>, AppError> {
        self.read(LIST_DUE).bind(micros(now)).bind(limit).fetch_all().await
    }

    /// Leases an import that is due at `now` until `until`; `false` where somebody else has it, or it does not run.
    pub async fn lease_import(
        &self,
        lease: ImportLease,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let leased = tx
            .query(
                "UPDATE history_imports SET lease_id = $3, run_at = $5
                 WHERE team_id = $1 AND id = $2 AND run_at <= $4",
            )
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

    /// The first part of a file that is not read, with its position.
    pub async fn find_import_part(&self, team_id: TeamId, id: ImportId) -> Result<Option<(i64, String)>, AppError> {
        let part: Option<(i64, Vec<u8>)> = self.read(FIND_PART).bind(team_id).bind(id).fetch_optional().await?;
        let Some((position, content)) = part else { return Ok(None) };
        let text = zstd::decode_all(content.as_slice()).and_then(|text| {
            String::from_utf8(text).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))
        });
        Ok(Some((position, stored("history_import_parts.content", text)?)))
    }

    /// Records what was read, and how far the import came by it; it is due again at `run_at`. `None`, and nothing recorded, where
    /// the lease is lost.
    pub async fn record_import_step(
        &self,
        lease: ImportLease,
        events: &[ReportedEvent],
        step: &ImportStep,
        run_at: DateTime<Utc>,
    ) -> Result<Option<Vec<Ingested>>, AppError> {
        let ImportLease { team_id, id, lease_id } = lease;
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        if !holds(&mut tx, lease).await? {
            return Ok(None);
        }
        let outcomes = ingest_history(&mut tx, team_id, events).await?;
        let count = |is: fn(&Ingested) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count() as i64;
        let times = events.iter().map(|line| micros(line.event.event.at));
        if let Some(part) = step.part {
            tx.query("DELETE FROM history_import_parts WHERE team_id = $1 AND import_id = $2 AND position = $3")
                .bind(team_id)
                .bind(id)
                .bind(part)
                .execute()
                .await?;
        }
        tx.query(
            "UPDATE history_imports
             SET cursor = COALESCE($4, cursor), records = records + $5, recorded = recorded + $6, known = known + $7,
                 unusable = unusable + $8, run_at = $9, lease_id = NULL,
                 words = COALESCE($12, CASE WHEN tries > 0 THEN '' ELSE words END), tries = 0,
                 seen_from = CASE WHEN seen_from < $10 THEN seen_from ELSE COALESCE($10, seen_from) END,
                 seen_until = CASE WHEN seen_until > $11 THEN seen_until ELSE COALESCE($11, seen_until) END
             WHERE team_id = $1 AND id = $2 AND lease_id = $3",
        )
        .bind(team_id)
        .bind(id)
        .bind(lease_id)
        .bind(&step.cursor)
        .bind(step.records)
        .bind(count(|outcome| matches!(outcome, Ingested::Recorded(_))))
        .bind(count(|outcome| matches!(outcome, Ingested::Duplicate(_))))
        .bind(step.unusable + count(|outcome| matches!(outcome, Ingested::Unknown)))
        .bind(micros(run_at))
        .bind(times.clone().min())
        .bind(times.max())
        .bind(&step.words)
        .execute()
        .await?;
        tx.commit().await?;
        Ok(Some(outcomes))
    }

    /// Has an import wait until `run_at`, since its source does not answer, and says so; `false` where the lease is lost.
    pub async fn postpone_import(
        &self,
        lease: ImportLease,
        words: &str,
        run_at: DateTime<Utc>,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let postponed = tx
            .query(
                "UPDATE history_imports SET run_at = $4, lease_id = NULL, tries = tries + 1, words = $5
                 WHERE team_id = $1 AND id = $2 AND lease_id = $3",
            )
            .bind(lease.team_id)
            .bind(lease.id)
            .bind(lease.lease_id)
            .bind(micros(run_at))
            .bind(words)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(postponed == 1)
    }

    /// Ends an import, or stops it for a person to mend what `words` say. One that is done forgets its key. `false` where the lease
    /// is lost.
    pub async fn end_import(
        &self,
        lease: ImportLease,
        state: ImportState,
        words: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, AppError> {
        let ended_at = matches!(state, ImportState::Done).then(|| micros(now));
        let mut tx = self.begin().await?;
        let ended = tx
            .query(
                "UPDATE history_imports
                 SET state = $4, words = CASE WHEN $5 = '' AND tries = 0 THEN words ELSE $5 END, ended_at = $6,
                     run_at = NULL, lease_id = NULL, tries = 0,
                     sealed = CASE WHEN $4 = 'done' THEN '' ELSE sealed END
                 WHERE team_id = $1 AND id = $2 AND lease_id = $3",
            )
            .bind(lease.team_id)
            .bind(lease.id)
            .bind(lease.lease_id)
            .bind(state.as_str())
            .bind(words)
            .bind(ended_at)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(ended == 1)
    }
}

/// Whether an import is still leased so.
async fn holds(tx: &mut Transaction, lease: ImportLease) -> Result<bool, AppError> {
    let held: Option<i64> = tx
        .query("SELECT id FROM history_imports WHERE team_id = $1 AND id = $2 AND lease_id = $3")
        .bind(lease.team_id)
        .bind(lease.id)
        .bind(lease.lease_id)
        .fetch_optional_scalar()
        .await?;
    Ok(held.is_some())
}
