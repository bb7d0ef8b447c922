//! The turn of one message of a resend job: the job's row, then the message's, in the transaction that accepts the copy or
//! notes why there is none.

use chrono::{DateTime, Utc};

use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, ResendJobId, TeamId};
use crate::domain::resend_job::ResendItemState;
use crate::server::store::engine::Transaction;
use crate::server::store::micros;

/// The turn of one message of a leased job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResendTurn {
    pub job_id: ResendJobId,
    pub email_id: EmailId,
    pub lease_id: i64,
    /// The lease goes on until then.
    pub until: DateTime<Utc>,
}

/// Marks the message whose turn it is as sent again by `copy`, inside the transaction that accepts that. An error, after
/// which nothing is kept, when the lease is lost or the message had its turn.
pub(in crate::server::store) async fn take_turn(
    tx: &mut Transaction,
    team_id: TeamId,
    turn: &ResendTurn,
    copy: EmailId,
) -> Result<(), AppError> {
    if settle_item(tx, team_id, turn, ResendItemState::Resent, Some(copy), None).await? {
        return Ok(());
    }
    Err(AppError::Conflict("The resend was paused, stopped or taken over".to_owned()))
}

/// Gives the message whose turn it is its end; `false`, when the caller has to keep nothing, where the lease is lost or the
/// message had its turn.
pub(super) async fn settle_item(
    tx: &mut Transaction,
    team_id: TeamId,
    turn: &ResendTurn,
    state: ResendItemState,
    copy: Option<EmailId>,
    words: Option<&str>,
) -> Result<bool, AppError> {
    // Locked until the end of the transaction: who pauses or stops the job waits for it.
    let held = tx
        .query(
            "UPDATE resend_jobs SET run_at = $4, waiting = waiting - 1,
                 resent = resent + CASE WHEN $5 = 'resent' THEN 1 ELSE 0 END,
                 refused = refused + CASE WHEN $5 = 'refused' THEN 1 ELSE 0 END
             WHERE team_id = $1 AND id = $2 AND lease_id = $3 AND state = 'running'",
        )
        .bind(team_id)
        .bind(turn.job_id)
        .bind(turn.lease_id)
        .bind(micros(turn.until))
        .bind(state.as_str())
        .execute()
        .await?;
    if held == 0 {
        return Ok(false);
    }
    let settled = tx
        .query(
            "UPDATE resend_items SET state = $4, copy_id = $5, words = $6
             WHERE team_id = $1 AND job_id = $2 AND email_id = $3 AND state = 'waiting'",
        )
        .bind(team_id)
        .bind(turn.job_id)
        .bind(turn.email_id)
        .bind(state.as_str())
        .bind(copy)
        .bind(words)
        .execute()
        .await?;
    Ok(settled == 1)
}
