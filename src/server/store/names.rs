//! Names that only one thing of a team has at a time. Called by [super::adapters] and [super::templates].

use super::engine::Transaction;
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;

/// What has such a name. What is deleted keeps its own, and takes it from nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Adapter,
    Template,
}

/// Refuses a name that another thing of the kind has than the one with this id, inside a transaction that has taken turns.
pub(super) async fn keep_name_free(
    tx: &mut Transaction,
    team_id: TeamId,
    (kind, id): (Named, i64),
    name: &str,
) -> Result<(), AppError> {
    let (sql, noun) = match kind {
        Named::Adapter => (
            "SELECT id FROM adapters WHERE team_id = $1 AND name = $2 AND id <> $3 AND deleted_at IS NULL",
            "An adapter",
        ),
        Named::Template => (
            "SELECT id FROM templates WHERE team_id = $1 AND name = $2 AND id <> $3 AND deleted_at IS NULL",
            "A template",
        ),
    };
    let namesake: Option<i64> = tx.query(sql).bind(team_id).bind(name).bind(id).fetch_optional_scalar().await?;
    match namesake {
        Some(_) => Err(AppError::AlreadyExists(format!("{noun} named “{name}” exists already"))),
        None => Ok(()),
    }
}
