//! The queue of messages to send, read by [crate::server::delivery::worker]. A worker leases rows; a lease that is not
//! renewed ends, and the row is found again.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::events::{EmailFacts, NewEvent, record_events, take_turns};
use super::{Store, micros, read, stored, write};
use crate::domain::adapter::AdapterKind;
use crate::domain::channel::Channel;
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId, NotificationId, TeamId};
use crate::server::store::emails::Attachment;

/// When a message is due that waits for an adapter: the last second of the year 9999, in microseconds.
pub(super) const NEVER: i64 = 253_402_300_799_000_000;

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
    /// How it reaches its recipients.
    pub channel: Channel,
    /// The notification it is a part of.
    pub notification_id: Option<NotificationId>,
    /// What that notification is about, in the sender's words.
    pub notification_kind: Option<String>,
    /// The sender's own id of the person it is for.
    pub external_user_id: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// The template's values, a JSON object.
    pub variables: serde_json::Value,
    /// The caller's own data, a JSON object.
    pub metadata: serde_json::Value,
    /// Headers that the caller added.
    pub headers: Vec<(String, String)>,
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
    /// What it speaks.
    pub kind: AdapterKind,
    /// Where it connects to: `smtp://host:587`, or an `https://` address.
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
            let renewed = sqlx::query(
                "UPDATE outbox SET run_at = $4 WHERE team_id = $1 AND email_id = $2 AND lease_id = $3
                     AND EXISTS (SELECT 1 FROM teams t WHERE t.id = $1 AND t.deleted_at IS NULL)",
            )
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
            let marked = sqlx::query(
                "UPDATE outbox SET in_doubt = TRUE WHERE team_id = $1 AND email_id = $2 AND lease_id = $3
                     AND EXISTS (SELECT 1 FROM teams t WHERE t.id = $1 AND t.deleted_at IS NULL)",
            )
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
            if settlement.facts.provider_message_id.is_some() {
                take_turns!(tx, self, team_id);
            }
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
                record_events!(tx, self, team_id, email_id, &settlement.events, &settlement.facts);
            }
            Ok(settled == 1)
        })
    }

    /// What to send for a leased row; `None` when the message is gone.
    pub async fn find_outgoing(&self, team_id: TeamId, email_id: EmailId) -> Result<Option<Outgoing>, AppError> {
        let row: Option<OutgoingRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT e.from_address, e.reply_to, e.recipients, COALESCE(c.subject, e.subject) AS subject,
                     e.channel, e.notification_id,
                     n.kind AS notification_kind, e.external_user_id, e.tags, c.html, c.text, c.variables, c.metadata, c.headers,
                     a.id AS adapter_id, a.name AS adapter_name, a.kind AS adapter_kind, a.endpoint, a.sealed_secret
                 FROM emails e
                 JOIN teams t ON t.id = e.team_id AND t.deleted_at IS NULL
                 JOIN email_contents c ON c.team_id = e.team_id AND c.email_id = e.id
                 LEFT JOIN notifications n ON n.team_id = e.team_id AND n.id = e.notification_id
                 LEFT JOIN adapters a ON a.team_id = e.team_id AND a.id = e.adapter_id AND a.deleted_at IS NULL
                 WHERE e.team_id = $1 AND e.id = $2",
            )
            .bind(team_id)
            .bind(email_id)
            .fetch_optional(pool)
            .await
        })?;
        let Some(row) = row else { return Ok(None) };
        let adapter = match (row.adapter_id, row.adapter_name, row.adapter_kind, row.endpoint, row.sealed_secret) {
            (Some(id), Some(name), Some(kind), Some(endpoint), Some(sealed_secret)) => {
                let kind = stored("adapters.kind", kind.parse())?;
                Some(OutgoingAdapter { id, name, kind, endpoint, sealed_secret })
            }
            _ => None,
        };
        Ok(Some(Outgoing {
            adapter,
            channel: stored("emails.channel", Channel::from_code(row.channel).ok_or("unknown code"))?,
            notification_id: row.notification_id,
            notification_kind: row.notification_kind,
            external_user_id: row.external_user_id,
            tags: row.tags.0,
            variables: row.variables.0,
            metadata: row.metadata.0,
            headers: row.headers.0,
            from_address: row.from_address,
            reply_to: row.reply_to,
            recipients: row.recipients.0,
            subject: row.subject,
            html: row.html,
            text: row.text,
            attachments: self.list_attachments(team_id, email_id).await?,
        }))
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
        write!(self, |tx| {
            let moved = sqlx::query(
                "UPDATE outbox SET run_at = CASE WHEN run_at = $4 THEN run_at ELSE $3 END
                 WHERE team_id = $1 AND email_id = $2 AND lease_id IS NULL",
            )
            .bind(team_id)
            .bind(email_id)
            .bind(micros(at))
            .bind(NEVER)
            .execute(&mut *tx)
            .await?;
            if moved.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("UPDATE emails SET scheduled_at = $3 WHERE team_id = $1 AND id = $2")
                .bind(team_id)
                .bind(email_id)
                .bind(micros(at))
                .execute(&mut *tx)
                .await?;
            record_events!(tx, self, team_id, email_id, [event], &EmailFacts::default());
            Ok(true)
        })
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
        write!(self, |tx| {
            let taken = sqlx::query("DELETE FROM outbox WHERE team_id = $1 AND email_id = $2 AND lease_id IS NULL")
                .bind(team_id)
                .bind(email_id)
                .execute(&mut *tx)
                .await?;
            if taken.rows_affected() == 0 {
                return Ok(false);
            }
            record_events!(tx, self, team_id, email_id, [event], facts);
            Ok(true)
        })
    }
}

#[derive(sqlx::FromRow)]
struct OutgoingRow {
    from_address: String,
    reply_to: Option<String>,
    recipients: Json<Vec<Recipient>>,
    subject: String,
    channel: i16,
    notification_id: Option<NotificationId>,
    notification_kind: Option<String>,
    external_user_id: Option<String>,
    tags: Json<Vec<String>>,
    html: Option<String>,
    text: Option<String>,
    variables: Json<serde_json::Value>,
    metadata: Json<serde_json::Value>,
    headers: Json<Vec<(String, String)>>,
    adapter_id: Option<AdapterId>,
    adapter_name: Option<String>,
    adapter_kind: Option<String>,
    endpoint: Option<String>,
    sealed_secret: Option<String>,
}
