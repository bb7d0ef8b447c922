//! Addresses that providers post to. The token of an address is kept as its SHA-256, and, with the provider's secret,
//! sealed. What is refused there is counted in memory and kept a moment later, [super::noted].

use chrono::{DateTime, Utc};

use super::audit::{AuditEvent, append_event, commit_change};
use super::engine::Transaction;
use super::{Store, instant, micros, stored};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, WebhookId};
use crate::domain::provider_webhook::{ProviderWebhook, RefusalReason, Refused, WebhookProvider};

const COLUMNS: &str = "id, provider, name, has_secret, created_at, heard_at, recorded";

/// The most addresses of a team.
pub const MAX_WEBHOOKS: i64 = 100;

#[derive(sqlx::FromRow)]
struct WebhookRow {
    id: WebhookId,
    provider: String,
    name: String,
    has_secret: bool,
    created_at: i64,
    heard_at: Option<i64>,
    recorded: i64,
}

impl TryFrom<WebhookRow> for ProviderWebhook {
    type Error = AppError;

    fn try_from(row: WebhookRow) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            provider: stored("provider_webhooks.provider", row.provider.parse())?,
            name: row.name,
            has_secret: row.has_secret,
            created_at: instant(row.created_at),
            heard_at: row.heard_at.map(instant),
            recorded: row.recorded,
            refusals: Vec::new(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct RefusalRow {
    webhook_id: WebhookId,
    reason: String,
    times: i64,
    last_at: i64,
    words: String,
}

/// An address as somebody who posts to it finds it.
#[derive(Clone, Debug)]
pub struct FoundWebhook {
    pub team_id: TeamId,
    pub id: WebhookId,
    pub provider: WebhookProvider,
    pub sealed: String,
}

/// That something genuine was posted to an address.
#[derive(Clone, Debug)]
pub struct Heard {
    pub webhook: WebhookId,
    pub at: DateTime<Utc>,
    /// The hash of what an honest provider never uses twice, and until when it is remembered.
    pub nonce: Option<(String, DateTime<Utc>)>,
}

/// How often something was refused of late.
#[derive(Clone, Debug)]
pub(super) struct NotedRefusal {
    pub times: i64,
    pub last_at: DateTime<Utc>,
    pub words: String,
}

impl Store {
    /// Keeps a new address; [AppError::Conflict] where the team has as many as it may.
    pub async fn insert_webhook(
        &self,
        team_id: TeamId,
        new: &ProviderWebhook,
        token_hash: &str,
        sealed: &str,
        event: &AuditEvent,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let count: i64 =
            tx.query("SELECT COUNT(*) FROM provider_webhooks WHERE team_id = $1").bind(team_id).fetch_scalar().await?;
        if count >= MAX_WEBHOOKS {
            return Err(AppError::Conflict(format!("A team has at most {MAX_WEBHOOKS} provider webhooks")));
        }
        tx.query(
            "INSERT INTO provider_webhooks (team_id, id, provider, name, token_hash, sealed, has_secret, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(team_id)
        .bind(new.id)
        .bind(new.provider.as_str())
        .bind(&new.name)
        .bind(token_hash)
        .bind(sealed)
        .bind(new.has_secret)
        .bind(micros(new.created_at))
        .execute()
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await
    }

    /// The team's addresses, the newest first, with what was refused there.
    pub async fn list_webhooks(&self, team_id: TeamId) -> Result<Vec<ProviderWebhook>, AppError> {
        let statement = format!("SELECT {COLUMNS} FROM provider_webhooks WHERE team_id = $1 ORDER BY id DESC");
        let rows: Vec<WebhookRow> = self.read(statement).bind(team_id).fetch_all().await?;
        let mut webhooks = rows.into_iter().map(ProviderWebhook::try_from).collect::<Result<Vec<_>, _>>()?;
        let refusals: Vec<RefusalRow> = self
            .read(
                "SELECT webhook_id, reason, times, last_at, words FROM provider_webhook_refusals
                 WHERE team_id = $1 ORDER BY last_at DESC, reason",
            )
            .bind(team_id)
            .fetch_all()
            .await?;
        for RefusalRow { webhook_id, reason, times, last_at, words } in refusals {
            let reason: RefusalReason = stored("provider_webhook_refusals.reason", reason.parse())?;
            if let Some(webhook) = webhooks.iter_mut().find(|webhook| webhook.id == webhook_id) {
                webhook.refusals.push(Refused { reason, times, last_at: instant(last_at), words });
            }
        }
        Ok(webhooks)
    }

    /// What is sealed of an address of the team.
    pub async fn find_sealed_webhook(&self, team_id: TeamId, id: WebhookId) -> Result<Option<String>, AppError> {
        self.read("SELECT sealed FROM provider_webhooks WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .fetch_optional_scalar()
            .await
    }

    /// The address whose token has this hash. The hash stands for the team here.
    pub async fn find_webhook_by_token(&self, token_hash: &str) -> Result<Option<FoundWebhook>, AppError> {
        let row: Option<(TeamId, WebhookId, String, String)> = self
            .read(
                "SELECT w.team_id, w.id, w.provider, w.sealed
                 FROM provider_webhooks w JOIN teams t ON t.id = w.team_id AND t.deleted_at IS NULL
                 WHERE w.token_hash = $1",
            )
            .bind(token_hash)
            .fetch_optional()
            .await?;
        let Some((team_id, id, provider, sealed)) = row else { return Ok(None) };
        let provider = stored("provider_webhooks.provider", provider.parse())?;
        Ok(Some(FoundWebhook { team_id, id, provider, sealed }))
    }

    /// Gives an address another name and another secret; `false` where there is no such address.
    pub async fn update_webhook(
        &self,
        team_id: TeamId,
        changed: &ProviderWebhook,
        sealed: &str,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let updated = tx
            .query(
                "UPDATE provider_webhooks SET name = $3, sealed = $4, has_secret = $5 WHERE team_id = $1 AND id = $2",
            )
            .bind(team_id)
            .bind(changed.id)
            .bind(&changed.name)
            .bind(sealed)
            .bind(changed.has_secret)
            .execute()
            .await?;
        commit_change(tx, team_id, event, updated).await
    }

    /// Takes an address away; `false` where there is none.
    pub async fn delete_webhook(&self, team_id: TeamId, id: WebhookId, event: &AuditEvent) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        for of_it in [
            "DELETE FROM provider_webhook_refusals WHERE team_id = $1 AND webhook_id = $2",
            "DELETE FROM provider_webhook_nonces WHERE team_id = $1 AND webhook_id = $2",
        ] {
            tx.query(of_it).bind(team_id).bind(id).execute().await?;
        }
        let deleted = tx
            .query("DELETE FROM provider_webhooks WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .execute()
            .await?;
        commit_change(tx, team_id, event, deleted).await
    }

    /// Counts what was refused at an address; kept a moment later.
    pub fn note_refusal(
        &self,
        team_id: TeamId,
        webhook: WebhookId,
        reason: RefusalReason,
        words: &str,
        at: DateTime<Utc>,
    ) {
        self.note_one_refusal(
            (team_id, webhook, reason),
            NotedRefusal { times: 1, last_at: at, words: words.to_owned() },
        );
    }

    /// Adds what was refused of late to the counts.
    pub(super) async fn keep_refusals(
        &self,
        refusals: &[((TeamId, WebhookId, RefusalReason), NotedRefusal)],
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        for ((team_id, webhook, reason), refusal) in refusals {
            // Not of an address that is gone by now.
            let find = "SELECT id FROM provider_webhooks WHERE team_id = $1 AND id = $2";
            let found: Option<WebhookId> = tx.query(find).bind(*team_id).bind(*webhook).fetch_optional_scalar().await?;
            if found.is_none() {
                continue;
            }
            tx.query(
                "INSERT INTO provider_webhook_refusals (team_id, webhook_id, reason, times, last_at, words)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (team_id, webhook_id, reason) DO UPDATE SET
                     times = provider_webhook_refusals.times + excluded.times,
                     last_at = excluded.last_at, words = excluded.words",
            )
            .bind(*team_id)
            .bind(*webhook)
            .bind(reason.as_str())
            .bind(refusal.times)
            .bind(micros(refusal.last_at))
            .bind(&refusal.words)
            .execute()
            .await?;
        }
        tx.commit().await
    }
}

/// Whether what is posted was not posted before.
pub(super) async fn claim_nonce(tx: &mut Transaction, team_id: TeamId, heard: &Heard) -> Result<bool, AppError> {
    let Some((nonce, until)) = &heard.nonce else { return Ok(true) };
    let claimed = tx
        .query(
            "INSERT INTO provider_webhook_nonces (team_id, webhook_id, nonce_hash, expires_at)
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(team_id)
        .bind(heard.webhook)
        .bind(nonce)
        .bind(micros(*until))
        .execute()
        .await?;
    Ok(claimed == 1)
}

pub(super) async fn note_heard(
    tx: &mut Transaction,
    team_id: TeamId,
    heard: &Heard,
    recorded: i64,
) -> Result<(), AppError> {
    tx.query("UPDATE provider_webhooks SET heard_at = $3, recorded = recorded + $4 WHERE team_id = $1 AND id = $2")
        .bind(team_id)
        .bind(heard.webhook)
        .bind(micros(heard.at))
        .bind(recorded)
        .execute()
        .await?;
    Ok(())
}
