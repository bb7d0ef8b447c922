//! Webhooks: the addresses of a team's own programs that are told what becomes of its messages. Address and secrets are
//! sealed. What each is told is in [super::webhook_deliveries].

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::audit::{AuditEvent, append_event, commit_change};
use super::{Store, instant, micros, stored};
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::ids::{OutgoingWebhookId, TeamId};
use crate::domain::webhook::{DisabledReason, Webhook};

const COLUMNS: &str = "id, name, host, shape, kinds, is_on, created_at, succeeded_at, failing_since, disabled_at,
    disabled_reason, sealed";

/// The most webhooks of a team.
pub const MAX_OUTGOING_WEBHOOKS: i64 = 50;

#[derive(sqlx::FromRow)]
struct WebhookRow {
    id: OutgoingWebhookId,
    name: String,
    host: String,
    shape: String,
    kinds: Json<Vec<EventKind>>,
    is_on: bool,
    created_at: i64,
    succeeded_at: Option<i64>,
    failing_since: Option<i64>,
    disabled_at: Option<i64>,
    disabled_reason: Option<String>,
    sealed: String,
}

impl WebhookRow {
    fn into_webhook(self) -> Result<(Webhook, String), AppError> {
        let reason =
            self.disabled_reason.map(|reason| stored("webhooks.disabled_reason", reason.parse())).transpose()?;
        let webhook = Webhook {
            id: self.id,
            name: self.name,
            host: self.host,
            shape: stored("webhooks.shape", self.shape.parse())?,
            kinds: self.kinds.0,
            is_on: self.is_on,
            created_at: instant(self.created_at),
            succeeded_at: self.succeeded_at.map(instant),
            failing_since: self.failing_since.map(instant),
            disabled: self.disabled_at.map(instant).zip(reason),
        };
        Ok((webhook, self.sealed))
    }
}

impl Store {
    /// Keeps a new webhook; [AppError::Conflict] where the team has as many as it may.
    pub async fn insert_outgoing_webhook(
        &self,
        team_id: TeamId,
        new: &Webhook,
        sealed: &str,
        event: &AuditEvent,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let count: i64 = tx
            .query("SELECT COUNT(*) FROM webhooks WHERE team_id = $1 AND deleted_at IS NULL")
            .bind(team_id)
            .fetch_scalar()
            .await?;
        if count >= MAX_OUTGOING_WEBHOOKS {
            return Err(AppError::Conflict(format!("A team has at most {MAX_OUTGOING_WEBHOOKS} webhooks")));
        }
        tx.query(
            "INSERT INTO webhooks (team_id, id, name, host, shape, kinds, sealed, is_on, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(team_id)
        .bind(new.id)
        .bind(&new.name)
        .bind(&new.host)
        .bind(new.shape.as_str())
        .bind(Json(&new.kinds))
        .bind(sealed)
        .bind(new.is_on)
        .bind(micros(new.created_at))
        .execute()
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await
    }

    /// The team's webhooks, the newest first.
    pub async fn list_outgoing_webhooks(&self, team_id: TeamId) -> Result<Vec<Webhook>, AppError> {
        Ok(self.list_sealed_webhooks(team_id).await?.into_iter().map(|(webhook, _)| webhook).collect())
    }

    /// The same, each with what is sealed of it.
    pub async fn list_sealed_webhooks(&self, team_id: TeamId) -> Result<Vec<(Webhook, String)>, AppError> {
        let statement =
            format!("SELECT {COLUMNS} FROM webhooks WHERE team_id = $1 AND deleted_at IS NULL ORDER BY id DESC");
        let rows: Vec<WebhookRow> = self.read(statement).bind(team_id).fetch_all().await?;
        rows.into_iter().map(WebhookRow::into_webhook).collect()
    }

    /// One of them, with what is sealed of it.
    pub async fn find_outgoing_webhook(
        &self,
        team_id: TeamId,
        id: OutgoingWebhookId,
    ) -> Result<Option<(Webhook, String)>, AppError> {
        let statement = format!("SELECT {COLUMNS} FROM webhooks WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL");
        let row: Option<WebhookRow> = self.read(statement).bind(team_id).bind(id).fetch_optional().await?;
        row.map(WebhookRow::into_webhook).transpose()
    }

    /// Changes what somebody set of a webhook; `false` where there is none, or somebody else has changed what is sealed of it
    /// since it was `sealed_before`.
    pub async fn update_outgoing_webhook(
        &self,
        team_id: TeamId,
        changed: &Webhook,
        (sealed_before, sealed): (&str, &str),
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let updated = tx
            .query(
                "UPDATE webhooks SET name = $3, host = $4, shape = $5, kinds = $6, sealed = $7, is_on = $8
                 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL AND sealed = $9",
            )
            .bind(team_id)
            .bind(changed.id)
            .bind(&changed.name)
            .bind(&changed.host)
            .bind(changed.shape.as_str())
            .bind(Json(&changed.kinds))
            .bind(sealed)
            .bind(changed.is_on)
            .bind(sealed_before)
            .execute()
            .await?;
        commit_change(tx, team_id, event, updated).await
    }

    /// Switches on what somebody or Sendlog switched off; it starts without failures. `false` where there is none, or it is on.
    pub async fn enable_outgoing_webhook(
        &self,
        team_id: TeamId,
        id: OutgoingWebhookId,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let updated = tx
            .query(
                "UPDATE webhooks SET is_on = TRUE, disabled_at = NULL, disabled_reason = NULL, failing_since = NULL
                 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL AND (NOT is_on OR disabled_at IS NOT NULL)",
            )
            .bind(team_id)
            .bind(id)
            .execute()
            .await?;
        commit_change(tx, team_id, event, updated).await
    }

    /// Switches a webhook off that fails; where `failing_since` is given, only one that has taken nothing since then or before.
    /// `false` where it is off or gone, or took something.
    pub async fn disable_outgoing_webhook(
        &self,
        team_id: TeamId,
        id: OutgoingWebhookId,
        (at, reason): (DateTime<Utc>, DisabledReason),
        failing_since: Option<DateTime<Utc>>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let updated = tx
            .query(
                "UPDATE webhooks SET disabled_at = $3, disabled_reason = $4
                 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL AND disabled_at IS NULL
                     AND (CAST($5 AS BIGINT) IS NULL OR failing_since <= $5)",
            )
            .bind(team_id)
            .bind(id)
            .bind(micros(at))
            .bind(reason.as_str())
            .bind(failing_since.map(micros))
            .execute()
            .await?;
        commit_change(tx, team_id, event, updated).await
    }

    /// Removes a webhook: it is told of nothing from now on, and its deliveries go afterwards, by
    /// [Store::delete_some_deliveries]. `false` where there is none.
    pub async fn delete_outgoing_webhook(
        &self,
        team_id: TeamId,
        id: OutgoingWebhookId,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let deleted = tx
            .query("UPDATE webhooks SET deleted_at = $3, sealed = '' WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL")
            .bind(team_id)
            .bind(id)
            .bind(micros(now))
            .execute()
            .await?;
        commit_change(tx, team_id, event, deleted).await
    }
}
