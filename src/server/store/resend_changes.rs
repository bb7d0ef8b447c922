//! What copies have otherwise than the messages that they send again. Kept in the transaction that accepts the copy; read by the
//! pages of both.

use sqlx::types::Json;

use super::Store;
use super::engine::{Engine, Sql, Transaction};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId, TeamId};
use crate::domain::resend_change::CopyChange;

#[derive(sqlx::FromRow)]
struct ChangeRow {
    email_id: EmailId,
    is_to_other: bool,
    variables: Json<Vec<String>>,
    is_current: bool,
    adapter_id: Option<AdapterId>,
    adapter_name: Option<String>,
}

/// Keeps what a copy has otherwise.
pub(super) async fn insert_change(
    tx: &mut Transaction,
    team_id: TeamId,
    copy: EmailId,
    change: &CopyChange,
) -> Result<(), AppError> {
    tx.query(
        "INSERT INTO resend_changes (team_id, email_id, is_to_other, variables, is_current, adapter_id)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(team_id)
    .bind(copy)
    .bind(change.is_to_other)
    .bind(Json(&change.variables))
    .bind(change.is_current)
    .bind(change.adapter_id)
    .execute()
    .await
    .map(drop)
}

/// The query for what these copies have otherwise.
pub(super) fn changes_query(engine: Engine, team_id: TeamId, copies: &[EmailId]) -> Sql {
    let mut sql = Sql::new(
        engine,
        "SELECT c.email_id, c.is_to_other, c.variables, c.is_current, c.adapter_id, a.name AS adapter_name
         FROM resend_changes c
         LEFT JOIN adapters a ON a.team_id = c.team_id AND a.id = c.adapter_id
         WHERE c.team_id = ",
    );
    sql.push_bind(team_id).push(" AND c.email_id IN (").push_list(copies).push(") ORDER BY c.email_id");
    sql
}

impl Store {
    /// What these copies have otherwise than the messages that they send again, in the order of their ids; those that have
    /// nothing otherwise are left out.
    pub async fn list_resend_changes(
        &self,
        team_id: TeamId,
        copies: &[EmailId],
    ) -> Result<Vec<(EmailId, CopyChange)>, AppError> {
        if copies.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<ChangeRow> = self.read(changes_query(self.engine(), team_id, copies)).fetch_all().await?;
        let change = |row: ChangeRow| {
            let change = CopyChange {
                is_to_other: row.is_to_other,
                variables: row.variables.0,
                is_current: row.is_current,
                adapter_id: row.adapter_id,
                adapter_name: row.adapter_name,
            };
            (row.email_id, change)
        };
        Ok(rows.into_iter().map(change).collect())
    }
}
