//! Accepting messages: themselves, their bodies, events, rollups, search rows and outbox rows, in one transaction.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use tracing::instrument;

use super::messages::{FamilyRow, find_family_statement, lock_family_statement};
use crate::domain::api_request::KeptAnswer;
use crate::domain::email::NewEmail;
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::notification::{Notification, NotificationChannel};
use crate::domain::resend::{Relative, ResendClaim};
use crate::domain::resend_change::CopyChange;
use crate::server::store::audit::{AuditEvent, append_event};
use crate::server::store::bulk::{Folded, insert_folded, rollups_of, tell_of_new};
use crate::server::store::engine::Transaction;
use crate::server::store::events::EmailFacts;
use crate::server::store::outbox::Waiting;
use crate::server::store::resend_changes::insert_change;
use crate::server::store::resends::turn::{ResendTurn, take_turn};
use crate::server::store::{Store, micros};
use crate::server::telemetry::{metrics, traces};

/// What is kept in the same transaction as the messages of a request.
#[derive(Clone, Debug, Default)]
pub struct Acceptance {
    /// The notification that the messages are parts of.
    pub notification: Option<Notification>,
    /// What makes a repeated request find the messages of the first.
    pub idempotency: Option<NewIdempotencyKey>,
    pub audit: Option<AuditEvent>,
    /// The right to send a message again, where that is what is accepted.
    pub claim: Option<ResendClaim>,
    /// The message of a resend job that the one accepted is the copy of.
    pub resend_item: Option<ResendTurn>,
    /// What the copy that is accepted has otherwise than the message that it sends again.
    pub change: Option<CopyChange>,
}

/// An idempotency key with the request it came with.
#[derive(Clone, Debug)]
pub struct NewIdempotencyKey {
    pub endpoint: String,
    pub key_hash: String,
    /// The hash of the whole request.
    pub request_hash: String,
    pub answer: KeptAnswer,
    pub expires_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

/// The request that came with an idempotency key first.
#[derive(sqlx::FromRow)]
pub(in crate::server::store) struct FirstRequest {
    request_hash: String,
    answer_status: Option<i64>,
    answer_body: Option<String>,
}

impl FirstRequest {
    /// What a request with the same key is answered.
    pub(in crate::server::store) fn answer_to(self, request_hash: &str) -> Result<KeptAnswer, AppError> {
        if self.request_hash != request_hash {
            return Err(AppError::IdempotencyMismatch);
        }
        match (self.answer_status.and_then(|status| u16::try_from(status).ok()), self.answer_body) {
            (Some(status), Some(body)) => Ok(KeptAnswer { status, body }),
            (_, _) => {
                let message = "A request with this idempotency key was accepted by an earlier version of the server";
                Err(AppError::Conflict(message.to_owned()))
            }
        }
    }
}

impl Store {
    /// Accepts a message: itself, its bodies, its events, the rollups, the search index and its outbox row, all in one
    /// transaction. Once this returns, the message is not lost.
    pub async fn insert_email(&self, team_id: TeamId, new: &NewEmail) -> Result<(), AppError> {
        self.insert_emails(team_id, std::slice::from_ref(new), &Acceptance::default()).await.map(drop)
    }

    /// Accepts the messages of one request, all or none, as [Store::insert_email] does. `Some`, with what the
    /// first request was answered, and nothing accepted, when the idempotency key is known;
    /// [AppError::IdempotencyMismatch] when it came with another request. A [ResendClaim] is checked while nobody else can
    /// resend a message of the same family.
    #[instrument(level = "debug", name = "accept", skip_all, fields(team.id = %team_id, messages = emails.len()))]
    pub async fn insert_emails(
        &self,
        team_id: TeamId,
        emails: &[NewEmail],
        with: &Acceptance,
    ) -> Result<Option<KeptAnswer>, AppError> {
        let waiting: Vec<Waiting> = emails.iter().map(first_attempt).collect();
        let facts = EmailFacts::default();
        let bodies = self.pack_bodies(team_id, &emails.iter().collect::<Vec<_>>()).await?;
        let folded = emails.iter().zip(&bodies).zip(&waiting);
        let folded: Vec<Folded> =
            folded.map(|((new, body), waiting)| Folded::new(new, body.as_ref(), &facts, Some(waiting))).collect();
        let ids: Vec<EmailId> = emails.iter().map(|new| new.id).collect();
        let mut tx = self.begin().await?;
        if let Some(key) = &with.idempotency
            && let Some(first) = claim_key(&mut tx, team_id, key, &ids).await?
        {
            return first.answer_to(&key.request_hash).map(Some);
        }
        if let (Some(turn), [copy]) = (&with.resend_item, emails) {
            take_turn(&mut tx, team_id, turn, copy.id).await?;
        }
        if let Some(claim) = &with.claim {
            check_claim(&mut tx, team_id, claim).await?;
        }
        if let Some(notification) = &with.notification {
            insert_notification(&mut tx, team_id, notification).await?;
        }
        insert_folded(&mut tx, team_id, &folded).await?;
        if let (Some(change), [copy]) = (&with.change, emails) {
            insert_change(&mut tx, team_id, copy.id, change).await?;
        }
        tell_of_new(&mut tx, team_id, &folded).await?;
        if let Some(event) = &with.audit {
            append_event(&mut tx, team_id, event).await?;
        }
        rollups_of(&folded).apply(&mut tx, team_id).await?;
        tx.commit().await?;
        metrics::count_accepted(1, emails.len());
        Ok(None)
    }

    /// What the request was answered that this idempotency key came with first; [AppError::IdempotencyMismatch] when that
    /// was another request. `None` for a key that is not remembered.
    pub async fn find_first_answer(
        &self,
        team_id: TeamId,
        endpoint: &str,
        key_hash: &str,
        request_hash: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<KeptAnswer>, AppError> {
        let first: Option<FirstRequest> = self
            .read(
                "SELECT request_hash, answer_status, answer_body FROM idempotency_keys
                 WHERE team_id = $1 AND endpoint = $2 AND key_hash = $3 AND expires_at > $4",
            )
            .bind(team_id)
            .bind(endpoint)
            .bind(key_hash)
            .bind(micros(now))
            .fetch_optional()
            .await?;
        first.map(|first| first.answer_to(request_hash)).transpose()
    }
}

/// Keeps an idempotency key; the request that came with it first, where there was one.
pub(in crate::server::store) async fn claim_key(
    tx: &mut Transaction,
    team_id: TeamId,
    key: &NewIdempotencyKey,
    ids: &[EmailId],
) -> Result<Option<FirstRequest>, AppError> {
    tx.query(
        "DELETE FROM idempotency_keys
         WHERE team_id = $1 AND endpoint = $2 AND key_hash = $3 AND expires_at <= $4",
    )
    .bind(team_id)
    .bind(&key.endpoint)
    .bind(&key.key_hash)
    .bind(micros(key.now))
    .execute()
    .await?;
    let inserted = tx
        .query(
            "INSERT INTO idempotency_keys (
                 team_id, endpoint, key_hash, request_hash, email_ids, expires_at, answer_status, answer_body
             )
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(team_id)
        .bind(&key.endpoint)
        .bind(&key.key_hash)
        .bind(&key.request_hash)
        .bind(Json(ids))
        .bind(micros(key.expires_at))
        .bind(i64::from(key.answer.status))
        .bind(&key.answer.body)
        .execute()
        .await?;
    if inserted == 1 {
        return Ok(None);
    }
    tx.query(
        "SELECT request_hash, answer_status, answer_body FROM idempotency_keys
         WHERE team_id = $1 AND endpoint = $2 AND key_hash = $3",
    )
    .bind(team_id)
    .bind(&key.endpoint)
    .bind(&key.key_hash)
    .fetch_one()
    .await
    .map(Some)
}

/// Checks the right to send a message again, of whose family nobody else sends one again until the transaction ends.
async fn check_claim(tx: &mut Transaction, team_id: TeamId, claim: &ResendClaim) -> Result<(), AppError> {
    tx.query(lock_family_statement()).bind(team_id).bind(claim.of).execute().await?;
    let rows: Vec<FamilyRow> = tx.query(find_family_statement()).bind(team_id).bind(claim.of).fetch_all().await?;
    let family: Vec<Relative> = rows.into_iter().map(Relative::try_from).collect::<Result<_, _>>()?;
    claim.check(&family)
}

async fn insert_notification(tx: &mut Transaction, team_id: TeamId, new: &Notification) -> Result<(), AppError> {
    tx.query(
        "INSERT INTO notifications (team_id, id, kind, external_user_id, api_request_id, warnings, ignored_ways)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(team_id)
    .bind(new.id)
    .bind(&new.kind)
    .bind(&new.external_user_id)
    .bind(new.api_request_id)
    .bind(Json(&new.warnings))
    .bind(NotificationChannel::bits(&new.ignored_channels))
    .execute()
    .await?;
    Ok(())
}

/// When a new message is to be sent: at once, or as scheduled, or when its team has an adapter for it.
pub(super) fn first_attempt(new: &NewEmail) -> Waiting {
    Waiting {
        pending: new.recipients.iter().map(|recipient| recipient.address.clone()).collect(),
        attempts: 0,
        next_attempt_at: new.adapter_id.map(|_| new.scheduled_at.unwrap_or_else(|| new.id.created_at())),
        trace: traces::current(),
    }
}
