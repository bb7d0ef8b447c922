//! Second factors: the sealed secret of an account's authenticator, the last step whose code was used, and what is left of
//! the recovery codes.

use chrono::{DateTime, Utc};

use super::accounts::append_to_teams_of;
use super::audit::AuditEvent;
use super::engine::Transaction;
use super::{Store, micros};
use crate::domain::error::AppError;
use crate::domain::ids::UserId;

/// The second factor of an account, set up or begun.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredFactor {
    pub sealed_secret: String,
    /// Whether it counts: a code has confirmed it.
    pub is_confirmed: bool,
    pub recovery_codes: i64,
}

/// Puts recovery codes in the place of those that are there, inside a transaction.
async fn replace_codes(tx: &mut Transaction, user_id: UserId, code_hashes: &[String]) -> Result<(), AppError> {
    tx.query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user_id).execute().await?;
    for code_hash in code_hashes {
        tx.query("INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)")
            .bind(user_id)
            .bind(code_hash)
            .execute()
            .await?;
    }
    Ok(())
}

impl Store {
    /// The account's second factor; `None` when none was begun.
    pub async fn find_two_factor(&self, user_id: UserId) -> Result<Option<StoredFactor>, AppError> {
        self.read(
            "SELECT u.totp_secret AS sealed_secret, u.totp_confirmed_at IS NOT NULL AS is_confirmed,
                     (SELECT COUNT(*) FROM recovery_codes c WHERE c.user_id = u.id) AS recovery_codes
                 FROM users u WHERE u.id = $1 AND u.totp_secret IS NOT NULL",
        )
        .bind(user_id)
        .fetch_optional()
        .await
    }

    /// Keeps a secret that a code has yet to confirm, in place of an earlier one, or takes it away; `false` when a
    /// confirmed one is there.
    pub async fn set_pending_two_factor(&self, user_id: UserId, sealed: Option<&str>) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let updated = tx
            .query("UPDATE users SET totp_secret = $2, totp_step = 0 WHERE id = $1 AND totp_confirmed_at IS NULL")
            .bind(user_id)
            .bind(sealed)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(updated == 1)
    }

    /// Makes the secret count from now on, with the recovery codes of these hashes; `false` when it is another one by now
    /// or counts already. `step` is that of the code that confirmed it.
    pub async fn confirm_two_factor(
        &self,
        user_id: UserId,
        sealed: &str,
        step: i64,
        code_hashes: &[String],
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let updated = tx
            .query(
                "UPDATE users SET totp_confirmed_at = $2, totp_step = $3
                 WHERE id = $1 AND totp_secret = $4 AND totp_confirmed_at IS NULL",
            )
            .bind(user_id)
            .bind(micros(now))
            .bind(step)
            .bind(sealed)
            .execute()
            .await?;
        if updated == 1 {
            replace_codes(&mut tx, user_id, code_hashes).await?;
            append_to_teams_of(&mut tx, user_id, event).await?;
        }
        tx.commit().await?;
        Ok(updated == 1)
    }

    /// Uses up the codes of a step and of every earlier one; `false` when they are used up already.
    pub async fn use_two_factor_step(&self, user_id: UserId, step: i64) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let updated = tx
            .query(
                "UPDATE users SET totp_step = $2
                 WHERE id = $1 AND totp_step < $2 AND totp_confirmed_at IS NOT NULL",
            )
            .bind(user_id)
            .bind(step)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(updated == 1)
    }

    /// Uses a recovery code up; `false` when there is no such code.
    pub async fn use_recovery_code(
        &self,
        user_id: UserId,
        code_hash: &str,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let used = tx
            .query("DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2")
            .bind(user_id)
            .bind(code_hash)
            .execute()
            .await?;
        if used == 1 {
            append_to_teams_of(&mut tx, user_id, event).await?;
        }
        tx.commit().await?;
        Ok(used == 1)
    }

    /// Puts recovery codes of these hashes in the place of those that are left.
    pub async fn replace_recovery_codes(
        &self,
        user_id: UserId,
        code_hashes: &[String],
        event: &AuditEvent,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        replace_codes(&mut tx, user_id, code_hashes).await?;
        append_to_teams_of(&mut tx, user_id, event).await?;
        tx.commit().await
    }

    /// Takes an account's second factor away. [AppError::Conflict] while a team of theirs demands it.
    pub async fn delete_two_factor(&self, user_id: UserId, event: &AuditEvent) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        let demanding: Option<String> = tx
            .query(
                "SELECT t.name FROM memberships m JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
                 WHERE m.user_id = $1 AND t.demands_two_factor ORDER BY t.name, t.id LIMIT 1",
            )
            .bind(user_id)
            .fetch_optional_scalar()
            .await?;
        if let Some(team) = demanding {
            return Err(AppError::Conflict(format!("The team {team} demands two-factor authentication")));
        }
        tx.query("UPDATE users SET totp_secret = NULL, totp_confirmed_at = NULL, totp_step = 0 WHERE id = $1")
            .bind(user_id)
            .execute()
            .await?;
        tx.query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user_id).execute().await?;
        append_to_teams_of(&mut tx, user_id, event).await?;
        tx.commit().await
    }
}
