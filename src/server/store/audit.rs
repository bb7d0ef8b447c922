//! The audit log. A line is written in the transaction of the change that it tells of, by [append_event], and never again
//! touched: the database itself refuses to change or remove one. Each line's hash is over its texts and the hash of the
//! line before it, so that a line that was removed or altered all the same shows in [Store::verify_audit_log].

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::engine::{Engine, Transaction};
use super::{Store, stored};
use crate::domain::audit::{AuditAction, AuditActor, AuditEntry, AuditFilter};
use crate::domain::error::AppError;
use crate::domain::ids::{AuditEntryId, TeamId, lowest_id_at, time_of_id};

/// How many lines are checked at a time.
const VERIFIED_AT_ONCE: i64 = 1000;

/// A line to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    /// Its id; the time of the id is when it happened.
    pub id: AuditEntryId,
    pub actor: AuditActor,
    pub action: AuditAction,
    pub target: Option<String>,
    pub target_name: Option<String>,
    /// What was there before, as far as it changed.
    pub before: Option<Value>,
    /// What is there now, as far as it changed.
    pub after: Option<Value>,
    pub reason: Option<String>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

/// What came of checking a team's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// Every line is as it was written.
    Intact {
        /// How many lines there are.
        entries: i64,
        /// The hash of the last one; empty where there is none. Who keeps it elsewhere can tell later that no line was
        /// cut off the end.
        head: String,
    },
    /// The log is not what was written.
    Broken {
        /// The number of the first line that is missing or altered.
        sequence: i64,
    },
}

const COLUMNS: &str =
    "sequence, id, actor_kind, actor_id, actor_name, action, target, target_name, before, after, reason,
    address, user_agent, hash";

/// How many actors a list offers.
const MAX_ACTORS: i64 = 200;

/// The statement that lists at most `$2` actors of a team (`$1`) with their last names: one look into the index of actors
/// for each, however long the log is.
pub(super) fn list_actors_statement(engine: Engine) -> String {
    let by_index = engine.by_index("audit_log_by_actor");
    format!(
        "WITH RECURSIVE actors (id, place) AS (
        SELECT (SELECT MIN(f.actor_id) FROM audit_log f WHERE f.team_id = $1), 1
        UNION ALL
        SELECT (SELECT MIN(n.actor_id) FROM audit_log n WHERE n.team_id = $1 AND n.actor_id > actors.id), place + 1
        FROM actors WHERE actors.id IS NOT NULL AND place < $2
    )
    SELECT a.id, (
        SELECT l.actor_name FROM audit_log l{by_index} WHERE l.team_id = $1 AND l.actor_id = a.id
        ORDER BY l.sequence DESC LIMIT 1)
    FROM actors a WHERE a.id IS NOT NULL"
    )
}

/// The statement that lists lines: `$1` team, `$2` sequence, `$3` and `$4` ids, `$5` actor, `$6` target, `$7` limit. What is not
/// asked for is not compared, so that what is asked for is found by its index; of several actions, the newest of each.
pub(super) fn list_statement(engine: Engine, filter: &AuditFilter) -> String {
    let actor = if filter.actor_id.is_some() { "actor_id = $5" } else { "CAST($5 AS TEXT) IS NULL" };
    let target = if filter.target.is_some() { "target = $6" } else { "CAST($6 AS TEXT) IS NULL" };
    let walk = |index: &str, actions: &[AuditAction]| {
        let by_index = if index.is_empty() { String::new() } else { engine.by_index(index) };
        let names = actions.iter().map(|action| format!("'{}'", action.as_str())).collect::<Vec<_>>().join(", ");
        let is_one = if actions.is_empty() { String::new() } else { format!(" AND action IN ({names})") };
        format!(
            "SELECT {COLUMNS} FROM audit_log{by_index}
             WHERE team_id = $1 AND sequence < $2 AND id >= $3 AND id < $4{is_one} AND {actor} AND {target}
             ORDER BY sequence DESC, id LIMIT $7"
        )
    };
    let actions = &filter.actions[..];
    match (&filter.target, &filter.actor_id, actions) {
        (Some(_), _, _) => walk("audit_log_by_target", actions),
        (None, Some(_), _) => walk("audit_log_by_actor", actions),
        (None, None, []) => walk("", actions),
        (None, None, _) => {
            let newest = actions.iter().map(|action| {
                let newest = walk("audit_log_by_action", &[*action]);
                format!("SELECT {COLUMNS} FROM ({newest}) newest")
            });
            format!("{} ORDER BY sequence DESC, id LIMIT $7", newest.collect::<Vec<_>>().join("\nUNION ALL "))
        }
    }
}

/// A line as it is stored: texts alone, so that its hash is over the same bytes on both databases.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Line {
    pub(super) sequence: i64,
    pub(super) id: AuditEntryId,
    pub(super) actor_kind: String,
    pub(super) actor_id: Option<String>,
    pub(super) actor_name: String,
    pub(super) action: String,
    pub(super) target: Option<String>,
    pub(super) target_name: Option<String>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) address: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) hash: String,
}

impl Line {
    /// The line that tells of an event, after the line with the hash `previous`.
    pub(super) fn after(previous: &str, team_id: TeamId, sequence: i64, event: &AuditEvent) -> Self {
        let mut line = Self {
            sequence,
            id: event.id,
            actor_kind: event.actor.kind.as_str().to_owned(),
            actor_id: event.actor.id.clone(),
            actor_name: event.actor.name.clone(),
            action: event.action.as_str().to_owned(),
            target: event.target.clone(),
            target_name: event.target_name.clone(),
            before: event.before.as_ref().map(Value::to_string),
            after: event.after.as_ref().map(Value::to_string),
            reason: event.reason.clone(),
            address: event.address.clone(),
            user_agent: event.user_agent.clone(),
            hash: String::new(),
        };
        line.hash = line.chained_to(previous, team_id);
        line
    }

    /// The hash that the line must have after one with the hash `previous`. A JSON array of all texts stands for the
    /// line: no two different lines have the same.
    fn chained_to(&self, previous: &str, team_id: TeamId) -> String {
        let texts = serde_json::json!([
            previous,
            team_id.0,
            self.sequence,
            self.id.0,
            self.actor_kind,
            self.actor_id,
            self.actor_name,
            self.action,
            self.target,
            self.target_name,
            self.before,
            self.after,
            self.reason,
            self.address,
            self.user_agent,
        ]);
        hex::encode(Sha256::digest(texts.to_string()))
    }
}

impl TryFrom<Line> for AuditEntry {
    type Error = AppError;

    fn try_from(line: Line) -> Result<Self, AppError> {
        let value = |text: Option<String>| text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Self {
            id: line.id,
            sequence: line.sequence,
            at: time_of_id(line.id.0),
            actor: AuditActor {
                kind: stored("audit_log.actor_kind", line.actor_kind.parse())?,
                id: line.actor_id,
                name: line.actor_name,
            },
            action: stored("audit_log.action", line.action.parse())?,
            target: line.target,
            target_name: line.target_name,
            before: stored("audit_log.before", value(line.before))?,
            after: stored("audit_log.after", value(line.after))?,
            reason: line.reason,
            address: line.address,
            user_agent: line.user_agent,
            hash: line.hash,
        })
    }
}

/// Ends a transaction that was to change a row: with its line where it changed one, and then `true`.
pub(super) async fn commit_change(
    mut tx: Transaction,
    team_id: TeamId,
    event: &AuditEvent,
    changed: u64,
) -> Result<bool, AppError> {
    if changed > 0 {
        append_event(&mut tx, team_id, event).await?;
    }
    tx.commit().await?;
    Ok(changed > 0)
}

/// Writes a line, inside a transaction. The team's head is locked from here to the commit, so this comes last in a
/// transaction.
pub(super) async fn append_event(tx: &mut Transaction, team_id: TeamId, event: &AuditEvent) -> Result<(), AppError> {
    let (sequence, previous): (i64, String) = tx
        .query(
            "INSERT INTO audit_heads (team_id, sequence, hash) VALUES ($1, 1, '')
             ON CONFLICT (team_id) DO UPDATE SET sequence = audit_heads.sequence + 1
             RETURNING sequence, hash",
        )
        .bind(team_id)
        .fetch_one()
        .await?;
    let line = Line::after(&previous, team_id, sequence, event);
    tx.query(
        "INSERT INTO audit_log (team_id, sequence, id, actor_kind, actor_id, actor_name, action, target, target_name,
             before, after, reason, address, user_agent, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(team_id)
    .bind(line.sequence)
    .bind(line.id)
    .bind(&line.actor_kind)
    .bind(&line.actor_id)
    .bind(&line.actor_name)
    .bind(&line.action)
    .bind(&line.target)
    .bind(&line.target_name)
    .bind(&line.before)
    .bind(&line.after)
    .bind(&line.reason)
    .bind(&line.address)
    .bind(&line.user_agent)
    .bind(&line.hash)
    .execute()
    .await?;
    tx.query("UPDATE audit_heads SET hash = $2 WHERE team_id = $1").bind(team_id).bind(&line.hash).execute().await?;
    Ok(())
}

impl Store {
    /// Writes a line about what changed nothing else: a reveal, an export, a failed log-in.
    pub async fn append_audit_event(&self, team_id: TeamId, event: &AuditEvent) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await
    }

    /// The team's lines that pass the filter, newest first: at most `limit`, with a sequence below `before` where that is
    /// given.
    pub async fn list_audit_entries(
        &self,
        team_id: TeamId,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditEntry>, AppError> {
        let statement = list_statement(self.engine(), filter);
        let lowest = |time: Option<DateTime<Utc>>, absent: i64| time.map_or(absent, lowest_id_at);
        let rows: Vec<Line> = self
            .read(statement)
            .bind(team_id)
            .bind(before.unwrap_or(i64::MAX))
            .bind(lowest(filter.range.from, 0))
            .bind(lowest(filter.range.to, i64::MAX))
            .bind(&filter.actor_id)
            .bind(&filter.target)
            .bind(limit)
            .fetch_all()
            .await?;
        rows.into_iter().map(AuditEntry::try_from).collect()
    }

    /// Who is in the team's log, the last name of each, by name: at most [MAX_ACTORS].
    pub async fn list_audit_actors(&self, team_id: TeamId) -> Result<Vec<(String, String)>, AppError> {
        let statement = list_actors_statement(self.engine());
        let mut actors: Vec<(String, String)> = self.read(statement).bind(team_id).bind(MAX_ACTORS).fetch_all().await?;
        actors.sort_by(|(a_id, a), (b_id, b)| (a, a_id).cmp(&(b, b_id)));
        Ok(actors)
    }

    /// Every team that has an audit log, teams that are gone included.
    pub async fn list_audited_teams(&self) -> Result<Vec<TeamId>, AppError> {
        self.read("SELECT team_id FROM audit_heads ORDER BY team_id").fetch_scalars().await
    }

    /// The number of the line that has this hash; also of the last one that was deleted because its time was over.
    pub async fn find_audit_hash(&self, team_id: TeamId, hash: &str) -> Result<Option<i64>, AppError> {
        self.read(
            "SELECT sequence FROM audit_log WHERE team_id = $1 AND hash = $2
                 UNION SELECT sequence FROM audit_anchors WHERE team_id = $1 AND hash = $2
                 ORDER BY sequence LIMIT 1",
        )
        .bind(team_id)
        .bind(hash)
        .fetch_optional_scalar()
        .await
    }

    /// Checks that a team's log is what was written: every line is there and has the hash that follows from its texts
    /// and the line before it, and the last one is the newest that was written. It begins behind the lines that were
    /// deleted because their time was over.
    pub async fn verify_audit_log(&self, team_id: TeamId) -> Result<AuditVerdict, AppError> {
        let mut anchor = self.find_audit_anchor(team_id).await?;
        loop {
            let verdict = self.verify_audit_lines(team_id, anchor.clone()).await?;
            let moved = self.find_audit_anchor(team_id).await?;
            if moved == anchor {
                return Ok(verdict);
            }
            anchor = moved;
        }
    }

    /// The number and the hash of the last line that was deleted because its time was over; 0 and empty where none was.
    async fn find_audit_anchor(&self, team_id: TeamId) -> Result<(i64, String), AppError> {
        let anchor: Option<(i64, String)> = self
            .read("SELECT sequence, hash FROM audit_anchors WHERE team_id = $1")
            .bind(team_id)
            .fetch_optional()
            .await?;
        Ok(anchor.unwrap_or_default())
    }

    async fn verify_audit_lines(
        &self,
        team_id: TeamId,
        (deleted, anchor): (i64, String),
    ) -> Result<AuditVerdict, AppError> {
        let head: Option<(i64, String)> = self
            .read("SELECT sequence, hash FROM audit_heads WHERE team_id = $1")
            .bind(team_id)
            .fetch_optional()
            .await?;
        let (entries, newest) = head.unwrap_or_default();
        let statement = format!(
            "SELECT {COLUMNS} FROM audit_log
             WHERE team_id = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence, id LIMIT {VERIFIED_AT_ONCE}"
        );
        let (mut checked, mut previous) = (deleted, anchor);
        loop {
            let lines: Vec<Line> =
                self.read(statement.clone()).bind(team_id).bind(checked).bind(entries).fetch_all().await?;
            if lines.is_empty() {
                break;
            }
            for line in lines {
                let is_next = line.sequence == checked + 1;
                if !is_next || line.hash != line.chained_to(&previous, team_id) {
                    return Ok(AuditVerdict::Broken { sequence: checked + 1 });
                }
                checked = line.sequence;
                previous = line.hash;
            }
        }
        if checked != entries || previous != newest {
            return Ok(AuditVerdict::Broken { sequence: checked.min(entries) + i64::from(checked < entries) });
        }
        Ok(AuditVerdict::Intact { entries: entries - deleted, head: newest })
    }
}
