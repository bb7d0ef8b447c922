//! Deleting much, a little at a time: a step is a transaction of its own and takes a bounded number of rows, so that nobody
//! waits for it, and the next one finds what is left, also after a crash and beside other programs. [super::retention]
//! deletes in this way what is kept no longer; here it is what has expired, and whole teams.
//!
//! A team is deleted in one small transaction: whoever enters a team reads its row in `teams`, and nobody reads that of a
//! deleted one. Its rows follow. Called by services and by [crate::server::delivery::retention].

use chrono::{DateTime, Utc};

use super::audit::{AuditEvent, commit_change};
use super::engine::Engine;
use super::search::index::delete_search_rows;
use super::{Store, holds, micros};
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;

/// The most rows that one step deletes.
pub(super) const STEP: i64 = 200;

/// The same of rows that hold texts of messages and requests, and of files.
pub(super) const TEXTS: i64 = 50;
const FILES: i64 = 10;

/// Rows to be deleted in steps.
pub(super) struct Rows {
    table: &'static str,
    /// The primary key. What is a message's, or a request's, has the id second.
    key: &'static [&'static str],
    /// The columns of the index that steps walk along.
    order: &'static [&'static str],
    step: i64,
}

const fn rows_of_team(table: &'static str, key: &'static [&'static str]) -> Rows {
    Rows { table, key, order: key, step: STEP }
}

const fn few(step: i64, rows: Rows) -> Rows {
    Rows { step, ..rows }
}

pub(super) const EMAIL_EVENTS: Rows = rows_of_team("email_events", &["team_id", "email_id", "id"]);
const EMAIL_CONTENTS: Rows = few(TEXTS, rows_of_team("email_contents", &["team_id", "email_id"]));
pub(super) const EMAIL_ATTACHMENTS: Rows =
    few(FILES, rows_of_team("email_attachments", &["team_id", "email_id", "position"]));
pub(super) const EMAIL_MIMES: Rows = few(FILES, rows_of_team("email_mimes", &["team_id", "email_id"]));
pub(super) const EMAIL_ATTEMPTS: Rows = few(TEXTS, rows_of_team("email_attempts", &["team_id", "email_id", "id"]));
pub(super) const NOTIFICATIONS: Rows = rows_of_team("notifications", &["team_id", "id"]);
pub(super) const API_REQUEST_BODIES: Rows =
    few(TEXTS, rows_of_team("api_request_bodies", &["team_id", "api_request_id"]));
pub(super) const API_REQUESTS: Rows = rows_of_team("api_requests", &["team_id", "id"]);
pub(super) const RESEND_ITEMS: Rows = rows_of_team("resend_items", &["team_id", "job_id", "email_id"]);
pub(super) const RESEND_JOBS: Rows = rows_of_team("resend_jobs", &["team_id", "id"]);
pub(super) const WEBHOOK_DELIVERIES: Rows =
    few(TEXTS, rows_of_team("webhook_deliveries", &["team_id", "webhook_id", "id"]));
const EMAIL_FAILURES: Rows = rows_of_team("email_failures", &["team_id", "email_id"]);
const EMAILS: Rows = rows_of_team("emails", &["team_id", "id"]);

/// What a team has, in the order in which it goes: the messages to be sent first, and of everything what refers to it
/// before itself, so that no step takes more than its own rows.
const OF_TEAM: [Rows; 39] = [
    rows_of_team("outbox", &["team_id", "email_id"]),
    RESEND_ITEMS,
    RESEND_JOBS,
    rows_of_team("api_keys", &["team_id", "id"]),
    rows_of_team("invites", &["team_id", "id"]),
    few(TEXTS, rows_of_team("template_samples", &["team_id", "template_id", "user_id"])),
    rows_of_team("memberships", &["team_id", "user_id"]),
    rows_of_team("role_permissions", &["team_id", "role", "permission"]),
    rows_of_team("roles", &["team_id", "role"]),
    rows_of_team("retention", &["team_id"]),
    EMAIL_CONTENTS,
    EMAIL_ATTACHMENTS,
    EMAIL_MIMES,
    EMAIL_ATTEMPTS,
    EMAIL_EVENTS,
    EMAIL_FAILURES,
    rows_of_team("resend_changes", &["team_id", "email_id"]),
    rows_of_team("email_aliases", &["team_id", "alias", "email_id"]),
    rows_of_team("email_keys", &["team_id", "kind", "key", "email_id"]),
    EMAILS,
    rows_of_team("email_rollups", &["team_id", "template_id", "hour"]),
    NOTIFICATIONS,
    rows_of_team("idempotency_keys", &["team_id", "endpoint", "key_hash"]),
    API_REQUEST_BODIES,
    API_REQUESTS,
    few(TEXTS, rows_of_team("template_versions", &["team_id", "id"])),
    rows_of_team("templates", &["team_id", "id"]),
    rows_of_team("adapters", &["team_id", "id"]),
    rows_of_team("suppressions", &["team_id", "address_key"]),
    rows_of_team("provider_webhook_refusals", &["team_id", "webhook_id", "reason"]),
    rows_of_team("provider_webhook_nonces", &["team_id", "webhook_id", "nonce_hash"]),
    rows_of_team("provider_webhooks", &["team_id", "id"]),
    WEBHOOK_DELIVERIES,
    rows_of_team("webhooks", &["team_id", "id"]),
    few(TEXTS, rows_of_team("history_import_parts", &["team_id", "import_id", "position"])),
    rows_of_team("history_imports", &["team_id", "id"]),
    rows_of_team("forgettings", &["team_id", "id"]),
    rows_of_team("forgotten_addresses", &["team_id", "address_hash"]),
    rows_of_team("holds", &["team_id", "id"]),
];

/// Why a team is not deleted.
const HELD_TEAM: &str = "The team is not deleted: a legal hold is in force. Lift it in the privacy settings first";

const SESSIONS: Rows = Rows { table: "sessions", key: &["id_hash"], order: &["expires_at"], step: STEP };
const IDEMPOTENCY_KEYS: Rows =
    Rows { table: "idempotency_keys", key: &["team_id", "endpoint", "key_hash"], order: &["expires_at"], step: STEP };
const DRAFTS: Rows = few(TEXTS, Rows { table: "drafts", key: &["user_id"], order: &["expires_at"], step: STEP });
const WEBHOOK_NONCES: Rows = Rows {
    table: "provider_webhook_nonces",
    key: &["team_id", "webhook_id", "nonce_hash"],
    order: &["expires_at"],
    step: STEP,
};
const RATE_LIMITS: Rows = Rows { table: "rate_limits", key: &["subject"], order: &["window_ends_at"], step: STEP };

/// Columns as those of the row `x`.
fn of_x(columns: &[&str]) -> String {
    columns.iter().map(|name| format!("x.{name}")).collect::<Vec<_>>().join(", ")
}

impl Rows {
    /// The statement of a step: deletes the first `$2` rows `x` that `condition` holds for, whosever they are.
    fn delete_any_statement(&self, condition: &str) -> String {
        let Self { table, key, order, .. } = self;
        format!(
            "DELETE FROM {table} WHERE ({key}) IN (
                 SELECT {first} FROM {table} x WHERE {condition} ORDER BY {order} LIMIT $2)",
            key = key.join(", "),
            first = of_x(key),
            order = of_x(order)
        )
    }

    /// The same of the rows of the team `$1`. PostgreSQL passes over rows that somebody else is changing, and over what is of
    /// a message that somebody else is changing, so that nobody waits for another in a circle; the next step finds them.
    pub(super) fn delete_statement(&self, engine: Engine, condition: &str) -> String {
        let Self { table, key, order, .. } = self;
        match engine {
            Engine::Sqlite => self.delete_any_statement(condition),
            Engine::Postgres => {
                let order = of_x(order);
                let message = if key.get(1) == Some(&"email_id") {
                    "JOIN emails message ON message.team_id = x.team_id AND message.id = x.email_id"
                } else {
                    ""
                };
                format!(
                    "DELETE FROM {table} WHERE team_id = $1 AND ctid = ANY(ARRAY(
                         SELECT x.ctid FROM {table} x {message}
                         WHERE {condition} ORDER BY {order} LIMIT $2 FOR UPDATE SKIP LOCKED))"
                )
            }
        }
    }

    /// Holds for the rows of the team `$1` with ids below `$3`.
    fn are_old(&self) -> String {
        format!("x.team_id = $1 AND x.{} < $3", self.key[1])
    }
}

impl Store {
    /// Takes one step in deleting rows of a team with ids below `below`, where `condition` holds as well: the first of the
    /// tables that has some. Whether there may be more.
    pub(super) async fn delete_old_rows(
        &self,
        tables: &[Rows],
        condition: &str,
        team_id: TeamId,
        below: i64,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let held = holds::lock(&mut tx, team_id).await?;
        let conditions = |rows: &Rows| format!("{} {condition} {}", rows.are_old(), held.spares(rows.table));
        let statement = |rows: &Rows| rows.delete_statement(self.engine(), &conditions(rows));
        let statements: Vec<(String, i64)> = tables.iter().map(|rows| (statement(rows), rows.step)).collect();
        for (statement, step) in statements {
            let deleted = tx.query(statement).bind(team_id).bind(step).bind(below).execute().await?;
            if deleted > 0 {
                tx.commit().await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes some of the sessions that ended before `now`; whether there may be more.
    pub async fn delete_expired_sessions(&self, now: DateTime<Utc>) -> Result<bool, AppError> {
        self.delete_expired(&SESSIONS, now).await
    }

    /// Forgets some of the idempotency keys that are no longer remembered; whether there may be more.
    pub async fn delete_expired_idempotency_keys(&self, now: DateTime<Utc>) -> Result<bool, AppError> {
        self.delete_expired(&IDEMPOTENCY_KEYS, now).await
    }

    /// Forgets some of the attempts whose windows ended; whether there may be more.
    pub async fn delete_expired_attempts(&self, now: DateTime<Utc>) -> Result<bool, AppError> {
        self.delete_expired(&RATE_LIMITS, now).await
    }

    /// Forgets some of what providers used once, where it is too old to be taken again; whether there may be more.
    pub async fn delete_expired_nonces(&self, now: DateTime<Utc>) -> Result<bool, AppError> {
        self.delete_expired(&WEBHOOK_NONCES, now).await
    }

    /// Deletes some of the drafts that nobody came back for; whether there may be more.
    pub async fn delete_expired_drafts(&self, now: DateTime<Utc>) -> Result<bool, AppError> {
        self.delete_expired(&DRAFTS, now).await
    }

    async fn delete_expired(&self, rows: &Rows, now: DateTime<Utc>) -> Result<bool, AppError> {
        let statement = rows.delete_any_statement(&format!("x.{} <= $1", rows.order[0]));
        let mut tx = self.begin().await?;
        let deleted = tx.query(statement).bind(micros(now)).bind(rows.step).execute().await?;
        tx.commit().await?;
        Ok(deleted > 0)
    }

    /// Deletes a team for everybody: nobody gets into it any more, nothing of it is sent, and its slug is free. What it has
    /// goes afterwards, by [Store::delete_some_of_team]; its audit log stays. `false` when it is gone already;
    /// [AppError::Conflict] while a legal hold is in force.
    pub async fn delete_team(&self, team_id: TeamId, now: DateTime<Utc>, event: &AuditEvent) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let held: Option<String> = tx.query(holds::IN_FORCE).bind(team_id).fetch_optional_scalar().await?;
        if held.is_some() {
            return Err(AppError::Conflict(HELD_TEAM.to_owned()));
        }
        let deleted = tx
            .query("UPDATE teams SET deleted_at = $2, slug = $3 WHERE id = $1 AND deleted_at IS NULL")
            .bind(team_id)
            .bind(micros(now))
            // No team's name gives such a slug.
            .bind(format!("~{}", team_id.0))
            .execute()
            .await?;
        commit_change(tx, team_id, event, deleted).await
    }

    /// The deleted teams that still have rows, by when they were deleted.
    pub async fn list_deleted_teams(&self) -> Result<Vec<TeamId>, AppError> {
        self.read("SELECT id FROM teams WHERE deleted_at IS NOT NULL ORDER BY deleted_at, id").fetch_scalars().await
    }

    /// Takes one step in deleting what a deleted team has: some rows of one table and, when there are none left, the team's
    /// own. Whether there may be more. A team that is not deleted keeps everything.
    pub async fn delete_some_of_team(&self, team_id: TeamId) -> Result<bool, AppError> {
        let statement = |rows: &Rows| rows.delete_statement(self.engine(), "x.team_id = $1");
        let statements: Vec<(String, i64)> = OF_TEAM.iter().map(|rows| (statement(rows), rows.step)).collect();
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let deleted: Option<i64> = tx
            .query("SELECT deleted_at FROM teams WHERE id = $1 AND deleted_at IS NOT NULL")
            .bind(team_id)
            .fetch_optional_scalar()
            .await?;
        if deleted.is_none() {
            return Ok(false);
        }
        for (rows, (statement, step)) in OF_TEAM.iter().zip(statements) {
            // PostgreSQL's index of search follows by itself.
            if rows.table == EMAILS.table && tx.engine() == Engine::Sqlite {
                let next = "SELECT id FROM emails WHERE team_id = $1 ORDER BY id LIMIT $2";
                let ids: Vec<i64> = tx.query(next).bind(team_id).bind(step).fetch_scalars().await?;
                delete_search_rows(&mut tx, team_id, &ids).await?;
            }
            let deleted = tx.query(statement).bind(team_id).bind(step).execute().await?;
            if deleted > 0 {
                tx.commit().await?;
                return Ok(true);
            }
        }
        // With what was written by somebody who was in the team until a moment ago.
        tx.query("DELETE FROM teams WHERE id = $1 AND deleted_at IS NOT NULL").bind(team_id).execute().await?;
        tx.commit().await?;
        Ok(false)
    }
}

/// The statements of all steps, for their plans to be looked at.
#[cfg(test)]
pub(super) fn step_statements(engine: Engine) -> Vec<String> {
    let of_team = OF_TEAM.iter().map(|rows| rows.delete_statement(engine, "x.team_id = $1"));
    let expired = [SESSIONS, IDEMPOTENCY_KEYS, RATE_LIMITS, WEBHOOK_NONCES];
    let expired = expired.iter().map(|rows| rows.delete_any_statement(&format!("x.{} <= $1", rows.order[0])));
    let old = [
        EMAIL_EVENTS,
        EMAIL_CONTENTS,
        EMAIL_ATTACHMENTS,
        EMAIL_MIMES,
        EMAIL_ATTEMPTS,
        NOTIFICATIONS,
        RESEND_ITEMS,
        RESEND_JOBS,
        API_REQUEST_BODIES,
        API_REQUESTS,
    ];
    let old = old.iter().map(|rows| rows.delete_statement(engine, &rows.are_old()));
    of_team.chain(expired).chain(old).collect()
}
