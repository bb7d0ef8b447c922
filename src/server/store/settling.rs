//! How an attempt ends in the outbox: the message leaves it, waits for its next attempt, or is handed to another adapter at
//! once. Called by [crate::server::delivery::worker].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::attempts::{INSERT_ATTEMPT, NewAttempt};
use super::engine::Transaction;
use super::events::{EmailFacts, NewEvent, record_events};
use super::{Store, micros};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId, TeamId};

/// A leased row.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The lease's own number. A later lease of the same program takes the place of an earlier one whose attempt still runs.
    pub lease_id: Arc<AtomicI64>,
    pub team_id: TeamId,
    pub adapter_id: AdapterId,
    pub email_id: EmailId,
    /// The addresses not yet settled.
    pub pending: Vec<String>,
    /// How many attempts were made before this one.
    pub attempts: i64,
    /// Whether an earlier lease ended while the message's bytes were on their way: its outcome is unknown.
    pub in_doubt: bool,
    /// The adapters that had it since its last pause.
    pub tried: Vec<AdapterId>,
    /// Whether no other adapter may have it: it may have got to this one.
    pub stays: bool,
    /// The trace that the message was accepted in.
    pub trace: Option<String>,
    /// Whether an earlier lease ended before its attempt did.
    pub was_cut_off: bool,
    /// The bytes of the message's bodies, its attachments and its mail.
    pub bytes: i64,
}

/// How an attempt ended.
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    pub events: Vec<NewEvent>,
    pub facts: EmailFacts,
    /// The addresses to try again, at `next_attempt_at`; when empty, the message leaves the outbox.
    pub pending: Vec<String>,
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The adapter that the next attempt goes by, where that is another one.
    pub onward: Option<Onward>,
    /// Whether no other adapter may have the message from now on: it may have got to this one.
    pub stays: bool,
    pub attempt: Option<NewAttempt>,
}

/// Where a message goes that its adapter did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onward {
    pub adapter_id: AdapterId,
    /// Those that had it since its last pause. Empty begins anew, and counts as an attempt.
    pub tried: Vec<AdapterId>,
}

impl Store {
    /// Records how a leased attempt ended; `false`, and nothing recorded, when the row is no longer this lease's.
    pub async fn settle(&self, lease: &Lease, settlement: &Settlement) -> Result<bool, AppError> {
        let (team_id, email_id) = (lease.team_id, lease.email_id);
        let mut tx = self.begin().await?;
        if settlement.facts.provider_message_id.is_some() {
            tx.take_turns(team_id).await?;
        }
        let next = settlement.next_attempt_at.filter(|_| !settlement.pending.is_empty());
        let settled = match next {
            Some(next) => {
                let onward = settlement.onward.as_ref();
                let tried = onward.map(|onward| &onward.tried).filter(|tried| !tried.is_empty());
                tx.query(
                    "UPDATE outbox SET pending = $4, attempts = attempts + $5, run_at = $6, lease_id = NULL,
                             in_doubt = FALSE, adapter_id = COALESCE($7, adapter_id), tried = $8, stays = $9
                         WHERE team_id = $1 AND email_id = $2 AND lease_id = $3",
                )
                .bind(team_id)
                .bind(email_id)
                .bind(lease.lease_id.load(Ordering::SeqCst))
                .bind(Json(&settlement.pending))
                .bind(i64::from(tried.is_none()))
                .bind(micros(next))
                .bind(onward.map(|onward| onward.adapter_id))
                .bind(tried.map(Json))
                .bind(settlement.stays)
                .execute()
                .await?
            }
            None => {
                tx.query("DELETE FROM outbox WHERE team_id = $1 AND email_id = $2 AND lease_id = $3")
                    .bind(team_id)
                    .bind(email_id)
                    .bind(lease.lease_id.load(Ordering::SeqCst))
                    .execute()
                    .await?
            }
        };
        if settled == 1 {
            if let Some(onward) = next.and(settlement.onward.as_ref()) {
                give_to(&mut tx, team_id, email_id, onward.adapter_id).await?;
            }
            if let Some(attempt) = &settlement.attempt {
                insert_attempt(&mut tx, team_id, email_id, attempt).await?;
            }
            record_events(&mut tx, team_id, email_id, &settlement.events, &settlement.facts).await?;
        }
        tx.commit().await?;
        Ok(settled == 1)
    }

    /// Hands a leased message to another adapter without an attempt by its own; `false` when the row is no longer this
    /// lease's, or its outcome is in doubt.
    pub async fn pass_on(&self, lease: &Lease, onward: &Onward, at: DateTime<Utc>) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let passed = tx
            .query(
                "UPDATE outbox SET adapter_id = $4, tried = $5, run_at = $6, lease_id = NULL
                 WHERE team_id = $1 AND email_id = $2 AND lease_id = $3 AND NOT in_doubt AND NOT stays",
            )
            .bind(lease.team_id)
            .bind(lease.email_id)
            .bind(lease.lease_id.load(Ordering::SeqCst))
            .bind(onward.adapter_id)
            .bind(Json(&onward.tried))
            .bind(micros(at))
            .execute()
            .await?;
        if passed == 1 {
            give_to(&mut tx, lease.team_id, lease.email_id, onward.adapter_id).await?;
        }
        tx.commit().await?;
        Ok(passed == 1)
    }

    /// Prolongs a lease and notes that the message goes to its adapter now, which knows a repetition: after a crash before
    /// [Store::settle] no other adapter may have it. `false` when the row is no longer this lease's.
    pub async fn mark_given(&self, lease: &Lease, until: DateTime<Utc>) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let marked = tx
            .query(
                "UPDATE outbox SET stays = TRUE, run_at = $4 WHERE team_id = $1 AND email_id = $2 AND lease_id = $3
                     AND EXISTS (SELECT 1 FROM teams t WHERE t.id = $1 AND t.deleted_at IS NULL)",
            )
            .bind(lease.team_id)
            .bind(lease.email_id)
            .bind(lease.lease_id.load(Ordering::SeqCst))
            .bind(micros(until))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(marked == 1)
    }
}

/// Says of a message by which adapter it goes now.
async fn give_to(
    tx: &mut Transaction,
    team_id: TeamId,
    email_id: EmailId,
    adapter_id: AdapterId,
) -> Result<(), AppError> {
    tx.query("UPDATE emails SET adapter_id = $3 WHERE team_id = $1 AND id = $2")
        .bind(team_id)
        .bind(email_id)
        .bind(adapter_id)
        .execute()
        .await?;
    Ok(())
}

async fn insert_attempt(
    tx: &mut Transaction,
    team_id: TeamId,
    email_id: EmailId,
    attempt: &NewAttempt,
) -> Result<(), AppError> {
    tx.query(INSERT_ATTEMPT)
        .bind(team_id)
        .bind(email_id)
        .bind(attempt.id)
        .bind(attempt.adapter_id)
        .bind(&attempt.tls)
        .bind(attempt.code.and_then(|code| i16::try_from(code).ok()))
        .bind(&attempt.enhanced_code)
        .bind(attempt.duration_ms)
        .bind(&attempt.exchange)
        .execute()
        .await?;
    Ok(())
}
