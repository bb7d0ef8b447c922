//! What webhooks are told: a row an event and webhook, written in the transaction of the event ([tell_webhooks]), leased by
//! the worker of [crate::server::services::webhooks], and kept as a log. A lease that runs out is found again, so that what a
//! crash cut off is told once more.

mod log;

use std::collections::BTreeSet;
use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::engine::{Sql, Transaction};
use super::{Store, instant, micros, stored};
use crate::domain::channel::Channel;
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventKind};
use crate::domain::ids::{EmailId, EventId, OutgoingWebhookId, TeamId};
use crate::domain::webhook::shape::{AboutMessage, Post, post_about};
use crate::domain::webhook::{DeliveryState, WebhookShape};

#[cfg(test)]
pub(super) use log::{FIND_BY_EMAIL, list_statement};

/// Messages in one statement.
const MESSAGES: usize = 500;

/// How exactly it is kept when a webhook last took something: not every post writes that down.
const SUCCESS_GRAIN: TimeDelta = TimeDelta::seconds(10);

const INSERT: &str = "INSERT INTO webhook_deliveries (team_id, webhook_id, id, email_id, kind, body, state, run_at) ";

/// The webhooks of a team that are told of events.
pub(super) const LIST_LISTENING: &str = "SELECT id, shape, kinds FROM webhooks
    WHERE team_id = $1 AND is_on AND disabled_at IS NULL AND deleted_at IS NULL ORDER BY id";

const FIND_MESSAGES: &str =
    "SELECT e.id, e.channel, e.recipients, e.from_address, e.subject, e.tags, e.provider_message_id, c.metadata
     FROM emails e LEFT JOIN email_contents c ON c.team_id = e.team_id AND c.email_id = e.id WHERE e.team_id = ";

/// The webhooks over all teams that have something to be told at `$1`, with what posts to them need.
pub(super) const LIST_DUE: &str = "SELECT w.team_id, w.id, w.shape, w.sealed, w.failing_since
     FROM webhooks w JOIN teams t ON t.id = w.team_id AND t.deleted_at IS NULL
     WHERE w.is_on AND w.disabled_at IS NULL AND w.deleted_at IS NULL AND EXISTS (
         SELECT 1 FROM webhook_deliveries d WHERE d.team_id = w.team_id AND d.webhook_id = w.id AND d.run_at <= $1)
     ORDER BY w.team_id, w.id";

/// The first `$4` deliveries of a webhook (`$2`) that are due at `$3`.
pub(super) const FIND_DUE: &str = "SELECT id, body, tries FROM webhook_deliveries
     WHERE team_id = $1 AND webhook_id = $2 AND run_at <= $3 ORDER BY run_at, id LIMIT $4 ";

#[derive(sqlx::FromRow)]
struct MessageRow {
    id: EmailId,
    channel: i16,
    recipients: Json<Vec<Recipient>>,
    from_address: String,
    subject: String,
    tags: Json<Vec<String>>,
    provider_message_id: Option<String>,
    metadata: Option<Json<serde_json::Value>>,
}

impl From<MessageRow> for AboutMessage {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id,
            channel: Channel::from_code(row.channel).unwrap_or_default(),
            recipients: row.recipients.0,
            from_address: row.from_address,
            subject: row.subject,
            tags: row.tags.0,
            metadata: row.metadata.map(|metadata| metadata.0).unwrap_or_default(),
            provider_message_id: row.provider_message_id,
        }
    }
}

/// A webhook that has something to be told.
#[derive(Clone, Debug)]
pub struct DueWebhook {
    pub team_id: TeamId,
    pub id: OutgoingWebhookId,
    pub shape: WebhookShape,
    pub sealed: String,
    pub failing_since: Option<DateTime<Utc>>,
}

/// A leased delivery.
#[derive(Clone, Debug)]
pub struct DeliveryLease {
    pub team_id: TeamId,
    pub webhook_id: OutgoingWebhookId,
    pub id: EventId,
    pub lease_id: i64,
    pub body: String,
    /// How many tries were made before this one.
    pub tries: i64,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TryOutcome {
    pub state: DeliveryState,
    pub at: DateTime<Utc>,
    /// For one that waits.
    pub next_try_at: Option<DateTime<Utc>>,
    pub duration_ms: i64,
    pub status: Option<u16>,
    /// The beginning of the answer, or why there was none.
    pub answer: String,
}

/// Writes down what the team's webhooks are to be told of these events, each with its message's id. A team without webhooks
/// pays one look into an index for it.
pub(super) async fn tell_webhooks(
    tx: &mut Transaction,
    team_id: TeamId,
    events: &[(EmailId, &EmailEvent)],
) -> Result<(), AppError> {
    if events.is_empty() {
        return Ok(());
    }
    let listening: Vec<(OutgoingWebhookId, String, Json<Vec<EventKind>>)> =
        tx.query(LIST_LISTENING).bind(team_id).fetch_all().await?;
    if listening.is_empty() {
        return Ok(());
    }
    let ids: BTreeSet<EmailId> = events.iter().map(|(id, _)| *id).collect();
    let messages = find_messages(tx, team_id, &ids.into_iter().collect::<Vec<_>>()).await?;
    let mut rows = Vec::new();
    for (webhook_id, shape, kinds) in listening {
        let shape: WebhookShape = stored("webhooks.shape", shape.parse())?;
        let wanted = events.iter().filter(|(_, event)| kinds.0.is_empty() || kinds.0.contains(&event.kind));
        for (email_id, event) in wanted {
            let Some(message) = messages.get(email_id) else { continue };
            if let Some(post) = post_about(shape, message, event) {
                rows.push((webhook_id, event.id, Some(*email_id), post));
            }
        }
    }
    insert_rows(tx, team_id, &rows).await
}

async fn insert_rows(
    tx: &mut Transaction,
    team_id: TeamId,
    rows: &[(OutgoingWebhookId, EventId, Option<EmailId>, Post)],
) -> Result<(), AppError> {
    tx.insert_rows(INSERT, rows, |values, (webhook_id, id, email_id, post)| {
        values.bind(team_id).bind(*webhook_id).bind(*id).bind(*email_id).bind(&post.kind);
        values.bind(post.body.to_string()).bind(DeliveryState::Waiting.as_str()).bind(micros(id.created_at()));
    })
    .await
}

async fn find_messages(
    tx: &mut Transaction,
    team_id: TeamId,
    ids: &[EmailId],
) -> Result<HashMap<EmailId, AboutMessage>, AppError> {
    let mut messages = HashMap::new();
    for ids in ids.chunks(MESSAGES) {
        let mut sql = Sql::new(tx.engine(), FIND_MESSAGES);
        sql.push_bind(team_id).push(" AND e.id IN (").push_list(ids.iter().copied()).push(")").keep(ids.len() == 1);
        let rows: Vec<MessageRow> = tx.query(sql).fetch_all().await?;
        messages.extend(rows.into_iter().map(|row| (row.id, AboutMessage::from(row))));
    }
    Ok(messages)
}

impl Store {
    /// Writes down a test that a webhook is to be told, due at once; `false` where there is no such webhook.
    pub async fn insert_test_delivery(
        &self,
        team_id: TeamId,
        webhook_id: OutgoingWebhookId,
        id: EventId,
        post: &Post,
        event: &super::audit::AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let found: Option<OutgoingWebhookId> = tx
            .query("SELECT id FROM webhooks WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL")
            .bind(team_id)
            .bind(webhook_id)
            .fetch_optional_scalar()
            .await?;
        if found.is_none() {
            return Ok(false);
        }
        insert_rows(&mut tx, team_id, &[(webhook_id, id, None, post.clone())]).await?;
        super::audit::append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The webhooks of all teams that have something to be told at `now`.
    pub async fn list_due_webhooks(&self, now: DateTime<Utc>) -> Result<Vec<DueWebhook>, AppError> {
        type Row = (TeamId, OutgoingWebhookId, String, String, Option<i64>);
        let rows: Vec<Row> = self.read(LIST_DUE).bind(micros(now)).fetch_all().await?;
        let due = |(team_id, id, shape, sealed, failing_since): Row| {
            let shape = stored("webhooks.shape", shape.parse())?;
            Ok(DueWebhook { team_id, id, shape, sealed, failing_since: failing_since.map(instant) })
        };
        rows.into_iter().map(due).collect()
    }

    /// Leases up to so many of each webhook's deliveries that are due at `now`, until `until`.
    pub async fn lease_deliveries(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        lease_id: i64,
        shares: &[(TeamId, OutgoingWebhookId, usize)],
    ) -> Result<Vec<DeliveryLease>, AppError> {
        if shares.is_empty() {
            return Ok(Vec::new());
        }
        let find_due = format!("{FIND_DUE}{}", self.engine().skip_locked());
        let (mut tx, mut leases) = (self.begin().await?, Vec::new());
        for (team_id, webhook_id, count) in shares.iter().copied() {
            let rows: Vec<(EventId, String, i64)> = tx
                .query(find_due.clone())
                .bind(team_id)
                .bind(webhook_id)
                .bind(micros(now))
                .bind(count as i64)
                .fetch_all()
                .await?;
            for (id, body, tries) in rows {
                tx.query(
                    "UPDATE webhook_deliveries SET lease_id = $4, run_at = $5
                     WHERE team_id = $1 AND webhook_id = $2 AND id = $3",
                )
                .bind(team_id)
                .bind(webhook_id)
                .bind(id)
                .bind(lease_id)
                .bind(micros(until))
                .execute()
                .await?;
                leases.push(DeliveryLease { team_id, webhook_id, id, lease_id, body, tries });
            }
        }
        tx.commit().await?;
        Ok(leases)
    }

    /// Records how a leased try ended, and what it says of the webhook; `false`, and nothing recorded, where the delivery is no
    /// longer this lease's.
    pub async fn settle_delivery(&self, lease: &DeliveryLease, outcome: &TryOutcome) -> Result<bool, AppError> {
        let has_failed = match outcome.state {
            DeliveryState::Delivered => false,
            DeliveryState::Waiting | DeliveryState::Failed => true,
        };
        let mut tx = self.begin().await?;
        let settled = tx
            .query(
                "UPDATE webhook_deliveries SET state = $5, run_at = $6, lease_id = NULL, tries = tries + 1,
                     has_failed = $7, tried_at = $8, duration_ms = $9, status = $10, answer = $11
                 WHERE team_id = $1 AND webhook_id = $2 AND id = $3 AND lease_id = $4",
            )
            .bind(lease.team_id)
            .bind(lease.webhook_id)
            .bind(lease.id)
            .bind(lease.lease_id)
            .bind(outcome.state.as_str())
            .bind(outcome.next_try_at.map(micros))
            .bind(has_failed)
            .bind(micros(outcome.at))
            .bind(outcome.duration_ms)
            .bind(outcome.status.map(i64::from))
            .bind(&outcome.answer)
            .execute()
            .await?;
        if settled == 0 {
            return Ok(false);
        }
        if has_failed {
            tx.query(
                "UPDATE webhooks SET failing_since = $3
                 WHERE team_id = $1 AND id = $2 AND failing_since IS NULL",
            )
            .bind(lease.team_id)
            .bind(lease.webhook_id)
            .bind(micros(outcome.at))
            .execute()
            .await?;
        } else {
            tx.query(
                "UPDATE webhooks SET succeeded_at = $3, failing_since = NULL WHERE team_id = $1 AND id = $2
                     AND (failing_since IS NOT NULL OR succeeded_at IS NULL OR succeeded_at < $4)",
            )
            .bind(lease.team_id)
            .bind(lease.webhook_id)
            .bind(micros(outcome.at))
            .bind(micros(outcome.at - SUCCESS_GRAIN))
            .execute()
            .await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
