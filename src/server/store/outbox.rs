//! The messages to send, read by [crate::server::delivery::worker]: a queue for each adapter of each team. A worker leases
//! rows of those that it has room for; a lease that is not renewed ends, and the row is found again. Whoever changes a row of
//! the outbox and its message takes the row first.

use std::slice::from_ref;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::adapters::kinds_for;
use super::audit::{AuditEvent, append_event};
use super::events::{EmailFacts, NewEvent, fold_events, record_events};
use super::rollups::Rollups;
use super::{Store, micros};
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId, TeamId};

pub use super::outgoing::{Outgoing, OutgoingAdapter};
pub use super::settling::{Lease, Onward, Settlement};

/// When a message is due that waits for an adapter: the last second of the year 9999, in microseconds.
pub(super) const NEVER: i64 = 253_402_300_799_000_000;

/// How many messages that waited get their adapter in one transaction.
const GIVEN_AT_ONCE: i64 = 500;

/// The queues that have rows, each found behind the one before it without a look at their rows.
const QUEUES: &str = "RECURSIVE waiting (team_id) AS (
         SELECT MIN(team_id) FROM outbox
         UNION ALL
         SELECT (SELECT MIN(o.team_id) FROM outbox o WHERE o.team_id > w.team_id)
         FROM waiting w WHERE w.team_id IS NOT NULL
     ), queues (team_id, adapter_id) AS (
         SELECT w.team_id, (SELECT MIN(o.adapter_id) FROM outbox o WHERE o.team_id = w.team_id)
         FROM waiting w WHERE w.team_id IS NOT NULL
         UNION ALL
         SELECT q.team_id, (
             SELECT MIN(o.adapter_id) FROM outbox o WHERE o.team_id = q.team_id AND o.adapter_id > q.adapter_id)
         FROM queues q WHERE q.adapter_id IS NOT NULL
     )";

/// The same where the rows are spread over nodes, each of which looks through its own.
const SPREAD_QUEUES: &str = "queues AS (SELECT team_id, adapter_id FROM outbox GROUP BY team_id, adapter_id)";

/// The queues that have rows, with the first time of each, and the default adapter that can take one that waits for it.
pub(super) static LIST_QUEUES: LazyLock<String> = LazyLock::new(|| list_queues_statement(QUEUES));
static LIST_SPREAD_QUEUES: LazyLock<String> = LazyLock::new(|| list_queues_statement(SPREAD_QUEUES));

fn list_queues_statement(queues: &str) -> String {
    let sends = Channel::ALL.map(|channel| {
        let AdapterId(queue) = queue_of(None, channel);
        format!("WHEN {queue} THEN a.kind IN ({})", kinds_for(channel))
    });
    let sends = sends.join(" ");
    format!(
        "WITH {queues}
     SELECT q.team_id, q.adapter_id,
         (SELECT MIN(o.run_at) FROM outbox o WHERE o.team_id = q.team_id AND o.adapter_id = q.adapter_id) AS due_at,
         CASE WHEN q.adapter_id < 0 THEN COALESCE((
             SELECT MIN(a.id) FROM adapters a
             WHERE a.team_id = q.team_id AND a.is_default AND a.deleted_at IS NULL AND a.kind <> 'http'
                 AND CASE q.adapter_id {sends} END
         ), (
             SELECT MIN(a.id) FROM adapters a
             WHERE a.team_id = q.team_id AND a.is_default AND a.deleted_at IS NULL AND a.kind = 'http'
                 AND CASE q.adapter_id {sends} END)) END AS taker
     FROM queues q WHERE q.adapter_id IS NOT NULL
         AND EXISTS (SELECT 1 FROM teams t WHERE t.id = q.team_id AND t.deleted_at IS NULL)"
    )
}

/// The first rows of a queue that are due. `$1` team, `$2` adapter, `$3` now, `$4` how many.
pub(super) const FIND_DUE: &str = "SELECT email_id, pending, attempts, in_doubt, tried, stays, trace,
         CAST(CASE WHEN lease_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS was_leased,
         CAST(COALESCE((SELECT COALESCE(c.body_bytes, octet_length(COALESCE(c.html, '')) + octet_length(COALESCE(c.text, '')))
             FROM email_contents c WHERE c.team_id = $1 AND c.email_id = outbox.email_id), 0)
         + COALESCE((SELECT SUM(octet_length(a.content))
             FROM email_attachments a WHERE a.team_id = $1 AND a.email_id = outbox.email_id), 0)
         + COALESCE((SELECT m.mime_bytes FROM email_mimes m WHERE m.team_id = $1 AND m.email_id = outbox.email_id), 0)
         AS BIGINT) AS bytes
     FROM outbox WHERE team_id = $1 AND adapter_id = $2 AND run_at <= $3
     ORDER BY run_at, email_id LIMIT $4 ";

/// The first rows of the queue of a channel (`$2`). `$1` team, `$3` how many.
pub(super) const FIND_WAITING: &str =
    "SELECT email_id FROM outbox WHERE team_id = $1 AND adapter_id = $2 ORDER BY run_at, email_id LIMIT $3 ";

/// The queue of a message: its adapter's, or, while it waits for one, that of its channel, which is below 0.
pub(super) fn queue_of(adapter_id: Option<AdapterId>, channel: Channel) -> AdapterId {
    adapter_id.unwrap_or(AdapterId(-1 - i64::from(channel.code())))
}

/// A queue that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Queue {
    pub team_id: TeamId,
    /// Their adapter; below 0 for those that wait for one.
    pub adapter_id: AdapterId,
    pub(super) due_at: i64,
    /// The adapter that can be given those that wait for one.
    pub taker: Option<AdapterId>,
}

impl Queue {
    /// When the first of its messages is due, or the first of its leases ends.
    pub fn due_at(&self) -> DateTime<Utc> {
        super::instant(self.due_at)
    }
}

/// How many rows of a queue to lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub team_id: TeamId,
    pub adapter_id: AdapterId,
    pub count: usize,
}

/// The next attempt at a message that still has to be sent.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The addresses not yet settled.
    pub pending: Vec<String>,
    pub attempts: i64,
    /// When the next one is due; `None` for a message that waits for an adapter.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The trace that it was accepted in. Source: W3C Trace Context, traceparent.
    pub trace: Option<String>,
}

impl Store {
    /// The queues that are not empty, over all teams, in no order.
    pub async fn list_queues(&self) -> Result<Vec<Queue>, AppError> {
        let statement = if self.db.is_spread { &LIST_SPREAD_QUEUES } else { &LIST_QUEUES };
        self.read(statement.as_str()).fetch_all().await
    }

    /// Leases the rows of each share that are due at `now`, the first due first, until `until`, all in one transaction.
    pub async fn lease_outbox(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        lease_id: i64,
        shares: &[Share],
    ) -> Result<Vec<Lease>, AppError> {
        type Row =
            (EmailId, Json<Vec<String>>, i64, bool, Option<Json<Vec<AdapterId>>>, bool, Option<String>, i64, i64);
        if shares.is_empty() {
            return Ok(Vec::new());
        }
        let find_due = format!("{FIND_DUE}{}", self.engine().skip_locked());
        let mut tx = self.begin().await?;
        let mut leases = Vec::new();
        for share in shares {
            let rows: Vec<Row> = tx
                .query(find_due.clone())
                .bind(share.team_id)
                .bind(share.adapter_id)
                .bind(micros(now))
                .bind(share.count as i64)
                .fetch_all()
                .await?;
            for (email_id, pending, attempts, in_doubt, tried, stays, trace, was_leased, bytes) in rows {
                tx.query("UPDATE outbox SET lease_id = $3, run_at = $4 WHERE team_id = $1 AND email_id = $2")
                    .bind(share.team_id)
                    .bind(email_id)
                    .bind(lease_id)
                    .bind(micros(until))
                    .execute()
                    .await?;
                leases.push(Lease {
                    lease_id: Arc::new(AtomicI64::new(lease_id)),
                    team_id: share.team_id,
                    adapter_id: share.adapter_id,
                    email_id,
                    pending: pending.0,
                    attempts,
                    in_doubt,
                    tried: tried.map(|tried| tried.0).unwrap_or_default(),
                    stays,
                    trace,
                    was_cut_off: was_leased != 0,
                    bytes,
                });
            }
        }
        tx.commit().await?;
        Ok(leases)
    }

    /// How many messages of a team wait to go out, by adapter.
    pub async fn count_waiting(&self, team_id: TeamId) -> Result<Vec<(AdapterId, i64)>, AppError> {
        let statement =
            "SELECT adapter_id, COUNT(*) FROM outbox WHERE team_id = $1 AND adapter_id > 0 GROUP BY adapter_id";
        self.read(statement).bind(team_id).fetch_all().await
    }

    /// Gives the first messages of a queue that waits for an adapter to the one that can take them; how many. None when it
    /// is the default no longer.
    pub async fn give_waiting(&self, queue: &Queue, now: DateTime<Utc>) -> Result<usize, AppError> {
        let Some(taker) = queue.taker else { return Ok(0) };
        let find_waiting = format!("{FIND_WAITING}{}", self.engine().skip_locked());
        let find_taker = format!(
            "SELECT id FROM adapters WHERE team_id = $1 AND id = $2 AND is_default AND deleted_at IS NULL{}",
            self.engine().for_update()
        );
        let mut tx = self.begin().await?;
        let found: Option<AdapterId> =
            tx.query(find_taker).bind(queue.team_id).bind(taker).fetch_optional_scalar().await?;
        if found.is_none() {
            return Ok(0);
        }
        let ids: Vec<EmailId> = tx
            .query(find_waiting)
            .bind(queue.team_id)
            .bind(queue.adapter_id)
            .bind(GIVEN_AT_ONCE)
            .fetch_scalars()
            .await?;
        for id in &ids {
            tx.query(
                "UPDATE outbox SET adapter_id = $3, run_at = COALESCE(
                         (SELECT e.scheduled_at FROM emails e WHERE e.team_id = $1 AND e.id = $2), $4)
                     WHERE team_id = $1 AND email_id = $2",
            )
            .bind(queue.team_id)
            .bind(id)
            .bind(taker)
            .bind(micros(now))
            .execute()
            .await?;
            tx.query("UPDATE emails SET adapter_id = $3 WHERE team_id = $1 AND id = $2")
                .bind(queue.team_id)
                .bind(id)
                .bind(taker)
                .execute()
                .await?;
        }
        tx.commit().await?;
        Ok(ids.len())
    }

    /// Gives a leased row back for another attempt at `at`, which counts nothing; `false` when the row is no longer this
    /// lease's, or its outcome is in doubt.
    pub async fn give_back(&self, lease: &Lease, at: DateTime<Utc>) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let given = tx
            .query(
                "UPDATE outbox SET lease_id = NULL, run_at = $4
                 WHERE team_id = $1 AND email_id = $2 AND lease_id = $3 AND NOT in_doubt",
            )
            .bind(lease.team_id)
            .bind(lease.email_id)
            .bind(lease.lease_id.load(Ordering::SeqCst))
            .bind(micros(at))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(given == 1)
    }

    /// Prolongs a lease; `false` when the row is no longer this lease's.
    pub async fn renew_lease(&self, lease: &Lease, until: DateTime<Utc>) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let renewed = tx
            .query(
                "UPDATE outbox SET run_at = $4 WHERE team_id = $1 AND email_id = $2 AND lease_id = $3
                     AND EXISTS (SELECT 1 FROM teams t WHERE t.id = $1 AND t.deleted_at IS NULL)",
            )
            .bind(lease.team_id)
            .bind(lease.email_id)
            .bind(lease.lease_id.load(Ordering::SeqCst))
            .bind(micros(until))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(renewed == 1)
    }

    /// Notes that the message's bytes go out now, so that a crash before [Store::settle] leaves the outcome in doubt;
    /// `false` when the row is no longer this lease's.
    pub async fn mark_in_doubt(&self, lease: &Lease) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let marked = tx
            .query(
                "UPDATE outbox SET in_doubt = TRUE WHERE team_id = $1 AND email_id = $2 AND lease_id = $3
                     AND EXISTS (SELECT 1 FROM teams t WHERE t.id = $1 AND t.deleted_at IS NULL)",
            )
            .bind(lease.team_id)
            .bind(lease.email_id)
            .bind(lease.lease_id.load(Ordering::SeqCst))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(marked == 1)
    }

    /// Moves a message that only waits, for its first attempt or another, to another time, and records the event; `false`, and nothing done,
    /// when it is being sent or was.
    pub async fn reschedule(
        &self,
        team_id: TeamId,
        email_id: EmailId,
        at: DateTime<Utc>,
        event: &NewEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let moved = tx
            .query(
                "UPDATE outbox SET run_at = CASE WHEN run_at = $4 THEN run_at ELSE $3 END
                 WHERE team_id = $1 AND email_id = $2 AND lease_id IS NULL",
            )
            .bind(team_id)
            .bind(email_id)
            .bind(micros(at))
            .bind(NEVER)
            .execute()
            .await?;
        if moved == 0 {
            return Ok(false);
        }
        tx.query("UPDATE emails SET scheduled_at = $3 WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(email_id)
            .bind(micros(at))
            .execute()
            .await?;
        record_events(&mut tx, team_id, email_id, from_ref(event), &EmailFacts::default()).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes a message back that only waits, for its first attempt or another, and records the event; `false`, and nothing
    /// done, when it is being sent or was.
    pub async fn cancel(
        &self,
        team_id: TeamId,
        email_id: EmailId,
        event: &NewEvent,
        facts: &EmailFacts,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let taken = tx
            .query("DELETE FROM outbox WHERE team_id = $1 AND email_id = $2 AND lease_id IS NULL")
            .bind(team_id)
            .bind(email_id)
            .execute()
            .await?;
        if taken == 0 {
            return Ok(false);
        }
        record_events(&mut tx, team_id, email_id, from_ref(event), facts).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes back those of several messages, in the order of their ids, that only wait, and writes the line that `line` makes
    /// of them; gives which those were. Where none does, nothing is written.
    pub async fn cancel_all(
        &self,
        team_id: TeamId,
        waiting: &[(EmailId, NewEvent, EmailFacts)],
        line: impl FnOnce(&[EmailId]) -> AuditEvent + Send,
    ) -> Result<Vec<EmailId>, AppError> {
        let mut tx = self.begin().await?;
        let mut canceled = Vec::new();
        for waits in waiting {
            let taken = tx
                .query("DELETE FROM outbox WHERE team_id = $1 AND email_id = $2 AND lease_id IS NULL")
                .bind(team_id)
                .bind(waits.0)
                .execute()
                .await?;
            if taken == 1 {
                canceled.push(waits);
            }
        }
        let mut rollups = Rollups::default();
        for (email_id, event, facts) in canceled.iter().copied() {
            rollups.join(fold_events(&mut tx, team_id, *email_id, from_ref(event), facts).await?.unwrap_or_default());
        }
        rollups.apply(&mut tx, team_id).await?;
        let canceled: Vec<EmailId> = canceled.iter().map(|waits| waits.0).collect();
        if !canceled.is_empty() {
            append_event(&mut tx, team_id, &line(&canceled)).await?;
        }
        tx.commit().await?;
        Ok(canceled)
    }
}
