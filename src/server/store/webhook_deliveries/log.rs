//! The log of what webhooks were told: reading it, sending some of it again, and deleting what is kept no longer.

use chrono::{DateTime, Utc};

use super::super::audit::{AuditEvent, append_event};
use super::super::deletion::WEBHOOK_DELIVERIES;
use super::super::{Store, holds, instant, micros, stored};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, EventId, OutgoingWebhookId, TeamId, lowest_id_at};
use crate::domain::webhook::{DeliveryFilter, DeliveryState, MAX_REPLAYED, Replay, ToldWebhook, WebhookDelivery};

const COLUMNS: &str = "d.id, d.webhook_id, d.email_id, d.kind, d.state, d.tries, d.run_at, d.has_failed, d.tried_at,
    d.duration_ms, d.status";

/// The most deliveries that the page of a message lists.
const MOST_OF_EMAIL: i64 = 100;

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    id: EventId,
    webhook_id: OutgoingWebhookId,
    email_id: Option<EmailId>,
    kind: String,
    state: String,
    tries: i64,
    run_at: Option<i64>,
    has_failed: bool,
    tried_at: Option<i64>,
    duration_ms: Option<i64>,
    status: Option<i64>,
}

impl TryFrom<DeliveryRow> for WebhookDelivery {
    type Error = AppError;

    fn try_from(row: DeliveryRow) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            webhook_id: row.webhook_id,
            email_id: row.email_id,
            kind: row.kind,
            state: stored("webhook_deliveries.state", row.state.parse())?,
            tries: row.tries,
            next_try_at: row.run_at.map(instant),
            has_failed: row.has_failed,
            tried_at: row.tried_at.map(instant),
            duration_ms: row.duration_ms,
            status: row.status,
        })
    }
}

#[derive(sqlx::FromRow)]
struct DetailRow {
    #[sqlx(flatten)]
    delivery: DeliveryRow,
    body: String,
    answer: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ToldRow {
    webhook: String,
    #[sqlx(flatten)]
    delivery: DeliveryRow,
}

const fn condition(filter: DeliveryFilter) -> &'static str {
    match filter {
        DeliveryFilter::All => "",
        DeliveryFilter::Failed => " AND d.has_failed",
    }
}

/// The statement that lists at most `$4` deliveries of a webhook (`$2`) with ids below `$3`.
pub(in crate::server::store) fn list_statement(filter: DeliveryFilter) -> String {
    format!(
        "SELECT {COLUMNS} FROM webhook_deliveries d WHERE d.team_id = $1 AND d.webhook_id = $2 AND d.id < $3{}
         ORDER BY d.id DESC LIMIT $4",
        condition(filter)
    )
}

/// What webhooks were told of a message (`$2`).
pub(in crate::server::store) const FIND_BY_EMAIL: &str =
    "SELECT w.name AS webhook, d.id, d.webhook_id, d.email_id, d.kind, d.state, d.tries, d.run_at, d.has_failed,
         d.tried_at, d.duration_ms, d.status
     FROM webhook_deliveries d
     JOIN webhooks w ON w.team_id = d.team_id AND w.id = d.webhook_id AND w.deleted_at IS NULL
     WHERE d.team_id = $1 AND d.email_id = $2 ORDER BY d.id, d.webhook_id LIMIT $3";

impl Store {
    /// Deliveries of a webhook, the newest first: those with ids below `before` where that is given, at most `limit`.
    pub async fn list_deliveries(
        &self,
        team_id: TeamId,
        webhook_id: OutgoingWebhookId,
        filter: DeliveryFilter,
        before: Option<EventId>,
        limit: i64,
    ) -> Result<Vec<WebhookDelivery>, AppError> {
        let rows: Vec<DeliveryRow> = self
            .read(list_statement(filter))
            .bind(team_id)
            .bind(webhook_id)
            .bind(before.map_or(i64::MAX, |before| before.0))
            .bind(limit)
            .fetch_all()
            .await?;
        rows.into_iter().map(WebhookDelivery::try_from).collect()
    }

    /// One of them, with what was posted and answered.
    pub async fn find_delivery(
        &self,
        team_id: TeamId,
        webhook_id: OutgoingWebhookId,
        id: EventId,
    ) -> Result<Option<(WebhookDelivery, String, Option<String>)>, AppError> {
        let statement = format!(
            "SELECT {COLUMNS}, d.body, d.answer FROM webhook_deliveries d
             WHERE d.team_id = $1 AND d.webhook_id = $2 AND d.id = $3"
        );
        let row: Option<DetailRow> =
            self.read(statement).bind(team_id).bind(webhook_id).bind(id).fetch_optional().await?;
        row.map(|row| Ok((row.delivery.try_into()?, row.body, row.answer))).transpose()
    }

    /// What webhooks that are still there were told of a message, the oldest first.
    pub async fn list_told_webhooks(&self, team_id: TeamId, email_id: EmailId) -> Result<Vec<ToldWebhook>, AppError> {
        let rows: Vec<ToldRow> =
            self.read(FIND_BY_EMAIL).bind(team_id).bind(email_id).bind(MOST_OF_EMAIL).fetch_all().await?;
        let told = |row: ToldRow| Ok(ToldWebhook { webhook: row.webhook, delivery: row.delivery.try_into()? });
        rows.into_iter().map(told).collect()
    }

    /// Makes deliveries due again at `now`, as if they had never been tried; how many. Those that are under way are left.
    /// [AppError::Conflict], and nothing done, where they are more than [MAX_REPLAYED].
    pub async fn replay_deliveries(
        &self,
        team_id: TeamId,
        webhook_id: OutgoingWebhookId,
        replay: Replay,
        now: DateTime<Utc>,
        line: impl FnOnce(u64) -> AuditEvent + Send,
    ) -> Result<u64, AppError> {
        let (from, to, condition) = match replay {
            Replay::One(EventId(id)) => (id, id.saturating_add(1), ""),
            Replay::Range { from, to, filter } => (lowest_id_at(from), lowest_id_at(to), condition(filter)),
        };
        let mut tx = self.begin().await?;
        let update = format!(
            "UPDATE webhook_deliveries AS d SET state = $5, run_at = $6, tries = 0
             WHERE d.team_id = $1 AND d.webhook_id = $2 AND d.id IN (
                 SELECT d.id FROM webhook_deliveries d
                 JOIN webhooks w ON w.team_id = d.team_id AND w.id = d.webhook_id AND w.deleted_at IS NULL
                 WHERE d.team_id = $1 AND d.webhook_id = $2 AND d.id >= $3 AND d.id < $4 AND d.lease_id IS NULL{condition}
                 ORDER BY d.id LIMIT $7)"
        );
        let replayed = tx
            .query(update)
            .bind(team_id)
            .bind(webhook_id)
            .bind(from)
            .bind(to)
            .bind(DeliveryState::Waiting.as_str())
            .bind(micros(now))
            .bind(MAX_REPLAYED + 1)
            .execute()
            .await?;
        if replayed == 0 {
            return Ok(0);
        }
        if replayed > MAX_REPLAYED as u64 {
            let words = format!("More than {MAX_REPLAYED} deliveries are in this range: choose a shorter one");
            return Err(AppError::Conflict(words));
        }
        append_event(&mut tx, team_id, &line(replayed)).await?;
        tx.commit().await?;
        Ok(replayed)
    }

    /// The webhooks of all teams, with whether they are removed: for what is kept no longer of their deliveries.
    pub async fn list_webhooks_to_clean(&self) -> Result<Vec<(TeamId, OutgoingWebhookId, bool)>, AppError> {
        let statement = "SELECT team_id, id, deleted_at IS NOT NULL FROM webhooks ORDER BY team_id, id";
        self.read(statement).fetch_all().await
    }

    /// Deletes some of a webhook's deliveries with ids below `below`, and a removed webhook that has none left; whether there may
    /// be more.
    pub async fn delete_some_deliveries(
        &self,
        team_id: TeamId,
        webhook_id: OutgoingWebhookId,
        below: i64,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let spares = holds::lock(&mut tx, team_id).await?.spares("webhook_deliveries");
        let condition = format!("x.team_id = $1 AND x.webhook_id = $3 AND x.id < $4 {spares}");
        let statement = WEBHOOK_DELIVERIES.delete_statement(self.engine(), &condition);
        let deleted = tx
            .query(statement)
            .bind(team_id)
            .bind(super::super::deletion::TEXTS)
            .bind(webhook_id)
            .bind(below)
            .execute()
            .await?;
        if deleted == 0 {
            tx.query(
                "DELETE FROM webhooks WHERE team_id = $1 AND id = $2 AND deleted_at IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM webhook_deliveries d WHERE d.team_id = $1 AND d.webhook_id = $2)",
            )
            .bind(team_id)
            .bind(webhook_id)
            .execute()
            .await?;
        }
        tx.commit().await?;
        Ok(deleted > 0)
    }
}
