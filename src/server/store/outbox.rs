//! The queue of messages to send, read by [crate::server::delivery::worker]. A worker leases rows; a lease that is not
//! renewed ends, and the row is found again.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::events::{EmailFacts, NewEvent, record_events};
use super::{Store, micros, read, write};
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId, TeamId};
use crate::server::store::emails::Attachment;

/// A leased row.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The lease's own number.
    pub lease_id: i64,
    /// The message's team.
    pub team_id: TeamId,
    /// The message.
    pub email_id: EmailId,
    /// The addresses not yet settled.
    pub pending: Vec<String>,
    /// How many attempts were made before this one.
    pub attempts: i64,
    /// Whether an earlier lease ended while the message's bytes were on their way: its outcome is unknown.
    pub in_doubt: bool,
}

/// What to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The adapter to send by; `None` when it is deleted.
    pub adapter: Option<OutgoingAdapter>,
    /// The sender.
    pub from_address: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// Everybody it is for, for the headers.
    pub recipients: Vec<Recipient>,
    /// The subject.
    pub subject: String,
    /// HTML body.
    pub html: Option<String>,
    /// Plain-text body.
    pub text: Option<String>,
    /// What is attached.
    pub attachments: Vec<Attachment>,
}

/// The adapter of a message to send.
#[derive(Clone, Debug)]
pub struct OutgoingAdapter {
    /// Its id.
    pub id: AdapterId,
    /// Its name.
    pub name: String,
    /// Where it connects to: `smtp://host:587`.
    pub endpoint: String,
    /// Its sealed secret.
    pub sealed_secret: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    /// What happened, to record.
    pub events: Vec<NewEvent>,
    /// What else became known.
    pub facts: EmailFacts,
    /// The addresses to try again, at `next_attempt_at`; when empty, the message leaves the outbox.
    pub pending: Vec<String>,
    /// When to try again.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Leases up to `limit` rows that are due at `now`, until `until`.
    pub async fn lease_outbox(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        lease_id: i64,
        limit: i64,
    ) -> Result<Vec<Lease>, AppError> {
        let skip_locked = self.skip_locked();
        // Every team's rows: the worker serves them all.
        let statement = format!(
            "UPDATE outbox SET lease_id = $1, run_at = $2
             WHERE (team_id, email_id) IN (
                 SELECT team_id, email_id FROM outbox WHERE run_at <= $3 ORDER BY run_at LIMIT $4 {skip_locked})
             RETURNING team_id, email_id, pending, attempts, in_doubt"
        );
        type Row = (TeamId, EmailId, Json<Vec<String>>, i64, bool);
        if self.next_outbox_run().await?.is_none_or(|run_at| run_at > now) {
            return Ok(Vec::new());
        }
        let rows: Vec<Row> = write!(self, |tx| {
            Ok(sqlx::query_as(&statement)
                .bind(lease_id)
                .bind(micros(until))
                .bind(micros(now))
                .bind(limit)
                .fetch_all(&mut *tx)
                .await?)
        })?;
        let lease = |(team_id, email_id, pending, attempts, in_doubt): Row| Lease {
            lease_id,
            team_id,
            email_id,
            pending: pending.0,
            attempts,
            in_doubt,
        };
        Ok(rows.into_iter().map(lease).collect())
    }

    /// When the next row is due; `None` for an empty outbox.
    pub async fn next_outbox_run(&self) -> Result<Option<DateTime<Utc>>, AppError> {
        let run_at: Option<i64> =
            read!(self, |pool| sqlx::query_scalar("SELECT MIN(run_at) FROM outbox").fetch_one(pool).await)?;
        Ok(run_at.map(super::instant))
    }

    /// Prolongs a lease; `false` when the row is no longer this lease's.
    pub async fn renew_lease(&self, lease: &Lease, until: DateTime<Utc>) -> Result<bool, AppError> {
        write!(self, |tx| {
            let renewed =
                sqlx::query("UPDATE outbox SET run_at = $4 WHERE team_id = $1 AND email_id = $2 AND lease_id = $3")
                    .bind(lease.team_id)
                    .bind(lease.email_id)
                    .bind(lease.lease_id)
                    .bind(micros(until))
                    .execute(&mut *tx)
                    .await?;
            Ok(renewed.rows_affected() == 1)
        })
    }

    /// Notes that the message's bytes go out now, so that a crash before [Store::settle] leaves the outcome in doubt;
    /// `false` when the row is no longer this lease's.
    pub async fn mark_in_doubt(&self, lease: &Lease) -> Result<bool, AppError> {
        write!(self, |tx| {
            let marked =
                sqlx::query("UPDATE outbox SET in_doubt = TRUE WHERE team_id = $1 AND email_id = $2 AND lease_id = $3")
                    .bind(lease.team_id)
                    .bind(lease.email_id)
                    .bind(lease.lease_id)
                    .execute(&mut *tx)
                    .await?;
            Ok(marked.rows_affected() == 1)
        })
    }

    /// Records how a leased attempt ended; `false`, and nothing recorded, when the row is no longer this lease's.
    pub async fn settle(&self, lease: &Lease, settlement: &Settlement) -> Result<bool, AppError> {
        let (team_id, email_id) = (lease.team_id, lease.email_id);
        write!(self, |tx| {
            let settled = if let (false, Some(next)) = (settlement.pending.is_empty(), settlement.next_attempt_at) {
                sqlx::query(
                    "UPDATE outbox SET pending = $4, attempts = attempts + 1, run_at = $5, lease_id = NULL,
                         in_doubt = FALSE
                     WHERE team_id = $1 AND email_id = $2 AND lease_id = $3",
                )
                .bind(team_id)
                .bind(email_id)
                .bind(lease.lease_id)
                .bind(Json(&settlement.pending))
                .bind(micros(next))
                .execute(&mut *tx)
                .await?
                .rows_affected()
            } else {
                sqlx::query("DELETE FROM outbox WHERE team_id = $1 AND email_id = $2 AND lease_id = $3")
                    .bind(team_id)
                    .bind(email_id)
                    .bind(lease.lease_id)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected()
            };
            if settled == 1 {
                record_events!(tx, team_id, email_id, &settlement.events, &settlement.facts);
            }
            Ok(settled == 1)
        })
    }

    /// What to send for a leased row; `None` when the message is gone.
    pub async fn find_outgoing(&self, team_id: TeamId, email_id: EmailId) -> Result<Option<Outgoing>, AppError> {
        type Row = (
            String,
            Option<String>,
            Json<Vec<Recipient>>,
            String,
            Option<String>,
            Option<String>,
            Option<AdapterId>,
            Option<String>,
            Option<String>,
            Option<String>,
        );
        let row: Option<Row> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT e.from_address, e.reply_to, e.recipients, e.subject, c.html, c.text,
                     a.id, a.name, a.endpoint, a.sealed_secret
                 FROM emails e
                 JOIN email_contents c ON c.team_id = e.team_id AND c.email_id = e.id
                 LEFT JOIN adapters a ON a.team_id = e.team_id AND a.id = e.adapter_id AND a.deleted_at IS NULL
                 WHERE e.team_id = $1 AND e.id = $2",
            )
            .bind(team_id)
            .bind(email_id)
            .fetch_optional(pool)
            .await
        })?;
        let Some((from_address, reply_to, recipients, subject, html, text, id, name, endpoint, secret)) = row else {
            return Ok(None);
        };
        let adapter = match (id, name, endpoint, secret) {
            (Some(id), Some(name), Some(endpoint), Some(sealed_secret)) => {
                Some(OutgoingAdapter { id, name, endpoint, sealed_secret })
            }
            _ => None,
        };
        let attachments = self.list_attachments(team_id, email_id).await?;
        let recipients = recipients.0;
        Ok(Some(Outgoing { adapter, from_address, reply_to, recipients, subject, html, text, attachments }))
    }
}
