//! What people sent after their sessions had ended, sealed: one draft a person, the newest. Called by
//! [crate::server::services::drafts]; expired ones go in steps, as [super::deletion] has it.

use chrono::{DateTime, Utc};

use super::{Store, micros};
use crate::domain::error::AppError;
use crate::domain::ids::UserId;

/// A draft as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDraft {
    /// Hash of the token of the browser that it was typed in.
    pub browser_hash: String,
    pub sealed: String,
    pub expires_at: DateTime<Utc>,
}

impl Store {
    /// Keeps a draft in the place of the person's last one; `false` for an account that is gone or in no team.
    pub async fn keep_draft(&self, user_id: UserId, draft: &StoredDraft) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let kept = tx
            .query(
                "INSERT INTO drafts (user_id, browser_hash, sealed, expires_at)
                 SELECT u.id, $2, $3, $4 FROM users u WHERE u.id = $1 AND EXISTS (
                     SELECT 1 FROM memberships m JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
                     WHERE m.user_id = u.id)
                 ON CONFLICT (user_id) DO UPDATE SET
                     browser_hash = excluded.browser_hash, sealed = excluded.sealed, expires_at = excluded.expires_at",
            )
            .bind(user_id)
            .bind(&draft.browser_hash)
            .bind(&draft.sealed)
            .bind(micros(draft.expires_at))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(kept == 1)
    }

    /// What is sealed of the draft that a person typed in this browser, while it lasts.
    pub async fn find_draft(
        &self,
        user_id: UserId,
        browser_hash: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, AppError> {
        self.read("SELECT sealed FROM drafts WHERE user_id = $1 AND browser_hash = $2 AND expires_at > $3")
            .bind(user_id)
            .bind(browser_hash)
            .bind(micros(now))
            .fetch_optional_scalar()
            .await
    }

    /// Deletes a draft as it was found; `false` when it is gone, or another one is there by now.
    pub async fn delete_draft(&self, user_id: UserId, sealed: &str) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let deleted = tx
            .query("DELETE FROM drafts WHERE user_id = $1 AND sealed = $2")
            .bind(user_id)
            .bind(sealed)
            .execute()
            .await?;
        tx.commit().await?;
        Ok(deleted == 1)
    }
}
