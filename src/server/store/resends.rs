//! Jobs that send many messages again, and their messages. Any number of programs can work at one database: a job is leased
//! by one at a time, and a message of it is marked in the transaction that accepts its copy, so that it has one copy whoever
//! is killed when. A transaction takes the job's row first, then the message's.

pub(super) mod turn;

use chrono::{DateTime, Utc};

pub use self::turn::ResendTurn;
use self::turn::settle_item;
use super::audit::{AuditEvent, append_event, commit_change};
use super::emails::accept::{NewIdempotencyKey, claim_key};
use super::engine::{Engine, Sql};
use super::{Store, instant, micros, stored};
use crate::domain::api_request::KeptAnswer;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, EmailId, ResendJobId, TeamId, UserId};
use crate::domain::resend_job::{ResendCounts, ResendItemState, ResendJob, ResendJobState};

/// A job as it is kept: with who made it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredResend {
    pub job: ResendJob,
    pub user_id: Option<UserId>,
    pub api_key_id: Option<ApiKeyId>,
}

/// A message of a job, as it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct NewResendItem {
    pub email_id: EmailId,
    pub state: ResendItemState,
    /// Why it is not to be sent again.
    pub words: Option<String>,
    /// The newest message that says the same and went out.
    pub known: Option<EmailId>,
}

/// A message of a job, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredResendItem {
    pub email_id: EmailId,
    pub state: ResendItemState,
    pub words: Option<String>,
    pub copy: Option<(EmailId, Option<EmailStatus>)>,
}

/// A job that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DueResend {
    pub team_id: TeamId,
    pub id: ResendJobId,
    run_at: i64,
}

impl DueResend {
    /// When its next message may go, or the lease of another program ends.
    pub fn run_at(&self) -> DateTime<Utc> {
        instant(self.run_at)
    }
}

const COLUMNS: &str =
    "j.id, j.name, j.reason, j.user_id, j.api_key_id, j.made_by, j.filter_words, j.filter_url, j.per_minute,
    j.state, j.note, j.waiting, j.resent, j.refused, j.left_out, j.started_at, j.finished_at";

/// The first jobs that run, over all teams: `$1` how many.
pub(super) fn list_running_statement(engine: Engine) -> String {
    let by_index = engine.by_index("resend_jobs_by_run_at");
    format!(
        "SELECT j.team_id, j.id, j.run_at FROM resend_jobs j{by_index}
         WHERE j.state = 'running' AND EXISTS (SELECT 1 FROM teams t WHERE t.id = j.team_id AND t.deleted_at IS NULL)
         ORDER BY j.run_at, j.team_id, j.id LIMIT $1"
    )
}

/// The first messages of a job that wait: `$1` team, `$2` job, `$3` how many.
pub(super) fn list_waiting_items_statement(engine: Engine) -> String {
    let by_index = engine.by_index("resend_items_waiting");
    format!(
        "SELECT email_id, known_id FROM resend_items{by_index}
         WHERE team_id = $1 AND job_id = $2 AND state = 'waiting' ORDER BY email_id LIMIT $3"
    )
}

#[derive(sqlx::FromRow)]
struct JobRow {
    id: ResendJobId,
    name: String,
    reason: Option<String>,
    user_id: Option<UserId>,
    api_key_id: Option<ApiKeyId>,
    made_by: String,
    filter_words: Option<String>,
    filter_url: Option<String>,
    per_minute: i64,
    state: String,
    note: Option<String>,
    waiting: i64,
    resent: i64,
    refused: i64,
    left_out: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

impl TryFrom<JobRow> for StoredResend {
    type Error = AppError;

    fn try_from(row: JobRow) -> Result<Self, AppError> {
        let counts =
            ResendCounts { waiting: row.waiting, resent: row.resent, refused: row.refused, left_out: row.left_out };
        let job = ResendJob {
            id: row.id,
            name: row.name,
            reason: row.reason,
            made_by: row.made_by,
            filter: row.filter_words.zip(row.filter_url),
            per_minute: row.per_minute,
            state: stored("resend_jobs.state", row.state.parse())?,
            note: row.note,
            counts,
            started_at: row.started_at.map(instant),
            finished_at: row.finished_at.map(instant),
        };
        Ok(Self { job, user_id: row.user_id, api_key_id: row.api_key_id })
    }
}

impl Store {
    /// Makes a job with its messages, which runs from `now` on. `Some`, and nothing made, where an earlier request came with
    /// the same key: what that one was answered.
    pub async fn insert_resend_job(
        &self,
        team_id: TeamId,
        new: &StoredResend,
        items: &[NewResendItem],
        idempotency: Option<&NewIdempotencyKey>,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<Option<KeptAnswer>, AppError> {
        let StoredResend { job, user_id, api_key_id } = new;
        let mut tx = self.begin().await?;
        if let Some(key) = idempotency
            && let Some(first) = claim_key(&mut tx, team_id, key, &[]).await?
        {
            return first.answer_to(&key.request_hash).map(Some);
        }
        let (words, url) = job.filter.as_ref().map(|(words, url)| (words.as_str(), url.as_str())).unzip();
        tx.query(
            "INSERT INTO resend_jobs (team_id, id, name, reason, user_id, api_key_id, made_by, filter_words, filter_url,
                 per_minute, state, note, waiting, resent, refused, left_out, run_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(team_id)
        .bind(job.id)
        .bind(&job.name)
        .bind(job.reason.as_deref())
        .bind(*user_id)
        .bind(*api_key_id)
        .bind(&job.made_by)
        .bind(words)
        .bind(url)
        .bind(job.per_minute)
        .bind(job.state.as_str())
        .bind(job.note.as_deref())
        .bind(job.counts.waiting)
        .bind(job.counts.resent)
        .bind(job.counts.refused)
        .bind(job.counts.left_out)
        .bind(micros(now))
        .execute()
        .await?;
        let into = "INSERT INTO resend_items (team_id, job_id, email_id, state, words, known_id) ";
        tx.insert_rows(into, items, |row, item: &NewResendItem| {
            row.bind(team_id).bind(job.id).bind(item.email_id).bind(item.state.as_str());
            row.bind(item.words.as_deref()).bind(item.known);
        })
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(None)
    }

    /// A job of the team.
    pub async fn find_resend_job(&self, team_id: TeamId, id: ResendJobId) -> Result<Option<StoredResend>, AppError> {
        let row: Option<JobRow> = self
            .read(format!("SELECT {COLUMNS} FROM resend_jobs j WHERE j.team_id = $1 AND j.id = $2"))
            .bind(team_id)
            .bind(id)
            .fetch_optional()
            .await?;
        row.map(StoredResend::try_from).transpose()
    }

    /// The team's jobs, the newest first: those that are older than `before` where that is given.
    pub async fn list_resend_jobs(
        &self,
        team_id: TeamId,
        before: Option<ResendJobId>,
        limit: i64,
    ) -> Result<Vec<StoredResend>, AppError> {
        let rows: Vec<JobRow> = self
            .read(format!(
                "SELECT {COLUMNS} FROM resend_jobs j WHERE j.team_id = $1 AND j.id < $2 ORDER BY j.id DESC LIMIT $3"
            ))
            .bind(team_id)
            .bind(before.map_or(i64::MAX, |id| id.0))
            .bind(limit)
            .fetch_all()
            .await?;
        rows.into_iter().map(StoredResend::try_from).collect()
    }

    /// Messages of a job in the order in which they are sent, the oldest first; in one state where that is given.
    pub async fn list_resend_items(
        &self,
        team_id: TeamId,
        id: ResendJobId,
        state: Option<ResendItemState>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<StoredResendItem>, AppError> {
        type Row = (EmailId, String, Option<String>, Option<EmailId>, Option<i16>);
        let rows: Vec<Row> = self
            .read(
                "SELECT i.email_id, i.state, i.words, i.copy_id, e.status FROM resend_items i
                 LEFT JOIN emails e ON e.team_id = i.team_id AND e.id = i.copy_id
                 WHERE i.team_id = $1 AND i.job_id = $2 AND (CAST($3 AS TEXT) IS NULL OR i.state = $3)
                 ORDER BY i.email_id LIMIT $4 OFFSET $5",
            )
            .bind(team_id)
            .bind(id)
            .bind(state.map(ResendItemState::as_str))
            .bind(limit)
            .bind(offset)
            .fetch_all()
            .await?;
        let item = |(email_id, state, words, copy, status): Row| {
            let status = status.map(|code| EmailStatus::from_code(code).ok_or("unknown status"));
            let status = stored("emails.status", status.transpose())?;
            let state = stored("resend_items.state", state.parse())?;
            Ok(StoredResendItem { email_id, state, words, copy: copy.map(|copy| (copy, status)) })
        };
        rows.into_iter().map(item).collect()
    }

    /// What became of the copies of a job: how many have each status, of those that are still kept.
    pub async fn count_resend_copies(
        &self,
        team_id: TeamId,
        id: ResendJobId,
    ) -> Result<Vec<(EmailStatus, i64)>, AppError> {
        let rows: Vec<(i16, i64)> = self
            .read(
                "SELECT e.status, COUNT(*) FROM resend_items i
                 JOIN emails e ON e.team_id = i.team_id AND e.id = i.copy_id
                 WHERE i.team_id = $1 AND i.job_id = $2 GROUP BY e.status ORDER BY e.status",
            )
            .bind(team_id)
            .bind(id)
            .fetch_all()
            .await?;
        let known =
            |(code, count)| Ok((stored("emails.status", EmailStatus::from_code(code).ok_or("unknown status"))?, count));
        rows.into_iter().map(known).collect()
    }

    /// Leads a job from one of these states to another, and takes it from whoever works at it; `false` when it is in none of
    /// them. Once this has returned, nothing more is sent by a job that is not to run.
    pub async fn change_resend_job(
        &self,
        team_id: TeamId,
        id: ResendJobId,
        (from, to): (&[ResendJobState], ResendJobState),
        note: Option<&str>,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let mut sql = Sql::new(tx.engine(), "UPDATE resend_jobs SET lease_id = NULL, state = ");
        sql.push_bind(to.as_str()).push(", note = ").push_bind(note).push(", run_at = ").push_bind(micros(now));
        sql.push(", finished_at = ").push_bind(to.is_over().then(|| micros(now)));
        sql.push(" WHERE team_id = ").push_bind(team_id).push(" AND id = ").push_bind(id);
        sql.push(" AND state IN (").push_list(from.iter().map(|state| state.as_str())).push(")");
        let changed = tx.query(sql).execute().await?;
        commit_change(tx, team_id, event, changed).await
    }

    /// The first jobs that run, over all teams, by when they are due.
    pub async fn list_running_resends(&self, limit: i64) -> Result<Vec<DueResend>, AppError> {
        self.read(list_running_statement(self.engine())).bind(limit).fetch_all().await
    }

    /// Leases a job that is due at `now` until `until`; `false` when somebody else has it, or it does not run.
    pub async fn lease_resend(
        &self,
        team_id: TeamId,
        id: ResendJobId,
        lease_id: i64,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let leased = tx
            .query(
                "UPDATE resend_jobs SET lease_id = $3, run_at = $5, started_at = COALESCE(started_at, $4)
                 WHERE team_id = $1 AND id = $2 AND state = 'running' AND run_at <= $4",
            )
            .bind(team_id)
            .bind(id)
            .bind(lease_id)
            .bind(micros(now))
            .bind(micros(until))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(leased == 1)
    }

    /// The first messages of a job that wait, the oldest first, with the newest copy of each that was known.
    pub async fn list_waiting_items(
        &self,
        team_id: TeamId,
        id: ResendJobId,
        limit: i64,
    ) -> Result<Vec<(EmailId, Option<EmailId>)>, AppError> {
        self.read(list_waiting_items_statement(self.engine())).bind(team_id).bind(id).bind(limit).fetch_all().await
    }

    /// Notes why the message whose turn it is was not sent again; `false`, and nothing noted, when the lease is lost.
    pub async fn refuse_resend_item(&self, team_id: TeamId, turn: &ResendTurn, words: &str) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let is_ours = settle_item(&mut tx, team_id, turn, ResendItemState::Refused, None, Some(words)).await?;
        if is_ours {
            tx.commit().await?;
        }
        Ok(is_ours)
    }

    /// Gives a leased job back: its next message may go at `run_at`. Nothing happens when the lease is lost.
    pub async fn release_resend(
        &self,
        team_id: TeamId,
        id: ResendJobId,
        lease_id: i64,
        run_at: DateTime<Utc>,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query(
            "UPDATE resend_jobs SET lease_id = NULL, run_at = $4 WHERE team_id = $1 AND id = $2 AND lease_id = $3",
        )
        .bind(team_id)
        .bind(id)
        .bind(lease_id)
        .bind(micros(run_at))
        .execute()
        .await?;
        tx.commit().await
    }

    /// Ends a leased job that has nothing left to send; `false` when the lease is lost, or something waits.
    pub async fn finish_resend(
        &self,
        team_id: TeamId,
        id: ResendJobId,
        lease_id: i64,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let finished = tx
            .query(
                "UPDATE resend_jobs SET state = 'done', lease_id = NULL, finished_at = $4
                 WHERE team_id = $1 AND id = $2 AND lease_id = $3 AND state = 'running' AND waiting = 0",
            )
            .bind(team_id)
            .bind(id)
            .bind(lease_id)
            .bind(micros(now))
            .execute()
            .await?;
        commit_change(tx, team_id, event, finished).await
    }
}
