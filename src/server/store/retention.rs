//! How long teams keep what they have, and deleting what is older, in steps as [super::deletion] has it. Called by
//! [crate::server::delivery::retention]. Ids are time, so that "older than" is "below this id".
//! A message that still has to be sent is never touched, nor anything of it.

use super::Store;
use super::audit::{AuditEvent, commit_change};
use super::deletion::{
    API_REQUEST_BODIES, API_REQUESTS, EMAIL_ATTACHMENTS, EMAIL_ATTEMPTS, EMAIL_EVENTS, EMAIL_MIMES, NOTIFICATIONS,
    RESEND_ITEMS, RESEND_JOBS, STEP, TEXTS,
};
use super::engine::{Engine, Sql};
use super::holds::{self, InForce};
use super::rollups::{Rollups, counted};
use super::search::index::{delete_search_rows, index_again};
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId, TemplateId};
use crate::domain::retention::Retention;

/// SQLite's word for files that give room back when they are asked to.
const INCREMENTAL: i64 = 2;

/// The pages that SQLite's file keeps free: so many, or a part of all.
const KEPT_FREE: i64 = 1_024;
const KEPT_FREE_PART: i64 = 50;

/// Pages that one step gives back: 1 MiB, some milliseconds of the writer's.
const PAGES: i64 = 256;

#[derive(sqlx::FromRow)]
struct RetentionRow {
    team_id: TeamId,
    bodies_days: Option<i64>,
    events_days: Option<i64>,
    messages_days: Option<i64>,
    requests_days: Option<i64>,
    audit_days: Option<i64>,
}

impl From<RetentionRow> for Retention {
    fn from(row: RetentionRow) -> Self {
        Self {
            bodies_days: row.bodies_days,
            events_days: row.events_days,
            messages_days: row.messages_days,
            requests_days: row.requests_days,
            audit_days: row.audit_days,
        }
    }
}

/// Of a message's rows `x`: it does not have to be sent any more.
const NOT_TO_BE_SENT: &str =
    "AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.team_id = x.team_id AND o.email_id = x.email_id)";

/// Of notifications `x`.
const WITHOUT_MESSAGES: &str =
    "AND NOT EXISTS (SELECT 1 FROM emails e WHERE e.team_id = x.team_id AND e.notification_id = x.id)";

/// The statement that finds the first `$2` messages of a team (`$1`) with ids below `$3` that have a body. PostgreSQL passes
/// over what somebody else is changing, as in [super::deletion].
pub(super) fn find_old_contents_statement(engine: Engine, spares: &str) -> String {
    let (message, lock) = match engine {
        Engine::Sqlite => ("", ""),
        Engine::Postgres => ("JOIN emails m ON m.team_id = x.team_id AND m.id = x.email_id", "FOR UPDATE SKIP LOCKED"),
    };
    format!(
        "SELECT x.email_id FROM email_contents x {message}
         WHERE x.team_id = $1 AND x.email_id < $3 {NOT_TO_BE_SENT} {spares} ORDER BY x.email_id LIMIT $2 {lock}"
    )
}

/// The same of messages.
pub(super) fn find_old_emails_statement(engine: Engine, spares: &str) -> String {
    let lock = engine.for_update();
    format!(
        "SELECT x.id, x.status, x.template_id, x.channel FROM emails x
         WHERE x.team_id = $1 AND x.id < $2 AND NOT EXISTS (
             SELECT 1 FROM outbox o WHERE o.team_id = x.team_id AND o.email_id = x.id) {spares}
         ORDER BY x.id LIMIT $3{lock}"
    )
}

/// The first id that a hold of days covers.
const FIRST_HELD: &str = "SELECT MIN(from_id) FROM holds WHERE team_id = $1 AND lifted_at IS NULL AND scope = 'range'";

impl Store {
    /// How long a team keeps what it has; everything for ever where it chose nothing.
    pub async fn find_retention(&self, team_id: TeamId) -> Result<Retention, AppError> {
        let row: Option<RetentionRow> = self
            .read(
                "SELECT team_id, bodies_days, events_days, messages_days, requests_days, audit_days
                 FROM retention WHERE team_id = $1",
            )
            .bind(team_id)
            .fetch_optional()
            .await?;
        Ok(row.map(Retention::from).unwrap_or_default())
    }

    /// The teams that keep something for a time.
    pub async fn list_retentions(&self) -> Result<Vec<(TeamId, Retention)>, AppError> {
        let rows: Vec<RetentionRow> = self
            .read(
                "SELECT team_id, bodies_days, events_days, messages_days, requests_days, audit_days
                 FROM retention ORDER BY team_id",
            )
            .fetch_all()
            .await?;
        Ok(rows.into_iter().map(|row| (row.team_id, Retention::from(row))).collect())
    }

    /// Changes how long a team keeps what it has; `false` when it is gone.
    pub async fn update_retention(
        &self,
        team_id: TeamId,
        retention: Retention,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let written = tx
            .query(
                "INSERT INTO retention
                 (team_id, bodies_days, events_days, messages_days, requests_days, audit_days)
                 SELECT id, $2, $3, $4, $5, $6 FROM teams WHERE id = $1 AND deleted_at IS NULL
                 ON CONFLICT (team_id) DO UPDATE SET
                     bodies_days = excluded.bodies_days, events_days = excluded.events_days,
                     messages_days = excluded.messages_days, requests_days = excluded.requests_days,
                     audit_days = excluded.audit_days",
            )
            .bind(team_id)
            .bind(retention.bodies_days)
            .bind(retention.events_days)
            .bind(retention.messages_days)
            .bind(retention.requests_days)
            .bind(retention.audit_days)
            .execute()
            .await?;
        commit_change(tx, team_id, event, written).await
    }

    /// Deletes some of the bodies, variables, attachments and exchanges of messages with ids below `below`; whether there may be more.
    pub async fn delete_old_bodies(&self, team_id: TeamId, below: EmailId) -> Result<bool, AppError> {
        // A message without a body is not resent, so that none is without its attachments.
        Ok(self.delete_old_contents(team_id, below).await?
            || self
                .delete_old_rows(&[EMAIL_ATTACHMENTS, EMAIL_MIMES, EMAIL_ATTEMPTS], NOT_TO_BE_SENT, team_id, below.0)
                .await?)
    }

    /// Deletes some of the bodies and variables, which are not found by search from then on; whether there may be more.
    async fn delete_old_contents(&self, team_id: TeamId, below: EmailId) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let spares = holds::lock(&mut tx, team_id).await?.spares("email_contents");
        let find = find_old_contents_statement(tx.engine(), &spares);
        let ids: Vec<i64> = tx.query(find).bind(team_id).bind(TEXTS).bind(below).fetch_scalars().await?;
        if ids.is_empty() {
            return Ok(false);
        }
        let mut delete = Sql::new(tx.engine(), "DELETE FROM email_contents WHERE team_id = ");
        delete.push_bind(team_id).push(" AND email_id IN (").push_list(&ids).push(")");
        tx.query(delete).execute().await?;
        index_again(&mut tx, team_id, &ids).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes some of the events of messages with ids below `below`; whether there may be more. Statuses stay.
    pub async fn delete_old_events(&self, team_id: TeamId, below: EmailId) -> Result<bool, AppError> {
        self.delete_old_rows(&[EMAIL_EVENTS], NOT_TO_BE_SENT, team_id, below.0).await
    }

    /// Deletes some messages with ids below `below`, with everything that is theirs, and takes them out of the counts;
    /// whether there may be more. Their events and bodies go before, in steps of their own.
    pub async fn delete_old_emails(&self, team_id: TeamId, below: EmailId) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let spares = holds::lock(&mut tx, team_id).await?.spares("emails");
        let statement = find_old_emails_statement(tx.engine(), &spares);
        let rows: Vec<(EmailId, i16, Option<TemplateId>, i16)> =
            tx.query(statement).bind(team_id).bind(below).bind(STEP).fetch_all().await?;
        if rows.is_empty() {
            return Ok(false);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.0.0).collect();
        // PostgreSQL's index follows by itself.
        if tx.engine() == Engine::Sqlite {
            delete_search_rows(&mut tx, team_id, &ids).await?;
        }
        let mut delete = Sql::new(tx.engine(), "DELETE FROM emails WHERE team_id = ");
        delete.push_bind(team_id).push(" AND id IN (").push_list(&ids).push(")");
        tx.query(delete).execute().await?;
        let mut rollups = Rollups::default();
        for (id, status, template_id, channel) in rows {
            let Some(status) = EmailStatus::from_code(status) else { continue };
            let channel = Channel::from_code(channel).unwrap_or_default();
            rollups.add(id, template_id, channel, counted(status, -1));
        }
        let keys = rollups.keys();
        rollups.apply(&mut tx, team_id).await?;
        for (template_id, hour) in keys {
            tx.query(
                "DELETE FROM email_rollups WHERE team_id = $1 AND template_id = $2 AND hour = $3
                         AND queued = 0 AND sent = 0 AND delivered = 0 AND opened = 0 AND clicked = 0 AND bounced = 0
                         AND failed = 0 AND spam = 0",
            )
            .bind(team_id)
            .bind(template_id)
            .bind(hour)
            .execute()
            .await?;
        }
        tx.commit().await?;
        Ok(ids.len() as i64 == STEP)
    }

    /// Deletes some notifications with ids below `below` that have no message any more; whether there may be more.
    pub async fn delete_old_notifications(&self, team_id: TeamId, below: EmailId) -> Result<bool, AppError> {
        self.delete_old_rows(&[NOTIFICATIONS], WITHOUT_MESSAGES, team_id, below.0).await
    }

    /// Deletes some messages of resend jobs with ids below `below`, then the jobs; whether there may be more.
    pub async fn delete_old_resends(&self, team_id: TeamId, below: i64) -> Result<bool, AppError> {
        self.delete_old_rows(&[RESEND_ITEMS, RESEND_JOBS], "", team_id, below).await
    }

    /// Deletes some API requests with ids below `below`; whether there may be more.
    pub async fn delete_old_requests(&self, team_id: TeamId, below: i64) -> Result<bool, AppError> {
        self.delete_old_rows(&[API_REQUEST_BODIES, API_REQUESTS], "", team_id, below).await
    }

    /// Deletes some lines of the audit log, the oldest, as long as their ids are below `below`; whether there may be more.
    /// What is left is a chain from the anchor on.
    pub async fn delete_old_audit_lines(&self, team_id: TeamId, below: i64) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        if holds::lock(&mut tx, team_id).await? == InForce::Everything {
            return Ok(false);
        }
        // The log goes from its beginning alone, and so stays from what the first hold covers on.
        let held: Option<i64> = tx.query(FIRST_HELD).bind(team_id).fetch_scalar().await?;
        let below = below.min(held.unwrap_or(below));
        // The line before the first that stays: the newest one that is old enough, of the oldest ones.
        let last: Option<(i64, String)> = tx
            .query(
                "SELECT l.sequence, l.hash FROM audit_log l
                 WHERE l.team_id = $1 AND l.id < $2 AND l.sequence < $3 + (
                     SELECT MIN(o.sequence) FROM audit_log o WHERE o.team_id = $1)
                 ORDER BY l.sequence DESC LIMIT 1",
            )
            .bind(team_id)
            .bind(below)
            .bind(STEP)
            .fetch_optional()
            .await?;
        let Some((sequence, hash)) = last else { return Ok(false) };
        tx.query(
            "INSERT INTO audit_anchors (team_id, sequence, hash) VALUES ($1, $2, $3)
                 ON CONFLICT (team_id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash
                 WHERE audit_anchors.sequence < excluded.sequence",
        )
        .bind(team_id)
        .bind(sequence)
        .bind(&hash)
        .execute()
        .await?;
        let deleted = tx
            .query("DELETE FROM audit_log WHERE team_id = $1 AND sequence <= $2")
            .bind(team_id)
            .bind(sequence)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(deleted as i64 == STEP)
    }

    /// Gives some of the room that SQLite's file does not need back to the disk; whether there may be more. A part of it stays,
    /// for what comes next. PostgreSQL does it by itself, and files of before this release do not.
    pub async fn give_room_back(&self) -> Result<bool, AppError> {
        if self.engine() == Engine::Postgres {
            return Ok(false);
        }
        let mut reading = self.begin_reading().await?;
        let mode: i64 = reading.read("PRAGMA auto_vacuum").fetch_scalar().await?;
        let free: i64 = reading.read("PRAGMA freelist_count").fetch_scalar().await?;
        let all: i64 = reading.read("PRAGMA page_count").fetch_scalar().await?;
        drop(reading);
        if mode != INCREMENTAL || free <= (all / KEPT_FREE_PART).max(KEPT_FREE) {
            return Ok(false);
        }
        let mut tx = self.begin().await?;
        tx.query(format!("PRAGMA incremental_vacuum({PAGES})")).execute().await?;
        tx.commit().await?;
        Ok(true)
    }
}
