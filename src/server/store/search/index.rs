//! Writing the index of search: messages go in when they are accepted, again when their contents are gone, and out before
//! they are deleted. Messages of before the index was as it is now are put in again in steps, while the program serves.

use std::collections::BTreeMap;

use super::letters::in_letters_of;
use super::texts::{SearchTexts, TextsRow, texts_query};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId};
use crate::server::store::Store;
use crate::server::store::engine::{Engine, Sql, Transaction};

/// The most messages that one step puts in.
const STEP: i64 = 100;
/// Messages that are taken out at a time.
const IDS: usize = 500;
/// How a row was made. Rows of version 0 hold addresses and subjects alone, with their accents.
const VERSION: i16 = 1;

/// The first step of PostgreSQL: a team that has rows of before, and `$2` of those, the newest first. What others are changing
/// is left for the next step, so that nobody waits for another in a ring.
const FIND_TEAM: &str = "SELECT t.id FROM teams t
    WHERE t.deleted_at IS NULL AND EXISTS (SELECT 1 FROM email_search s WHERE s.team_id = t.id AND s.version = 0)
    ORDER BY t.id LIMIT 1";
const FIND_OLD: &str = "SELECT s.email_id FROM email_search s
    JOIN emails e ON e.team_id = s.team_id AND e.id = s.email_id
    WHERE s.team_id = $1 AND s.version = 0 ORDER BY s.email_id DESC LIMIT $2
    FOR UPDATE OF s SKIP LOCKED FOR KEY SHARE OF e SKIP LOCKED";

/// The newest messages that SQLite's index of before still has, whosever they are.
const FIND_BEFORE: &str = "SELECT rowid FROM email_search_before ORDER BY rowid DESC LIMIT $1";

/// The id from which SQLite's index has messages in their team's letters, while it has some that are not.
pub(in crate::server::store) const PLAIN: &str = "SELECT value FROM settings WHERE name = 'search_letters_from'";
/// The newest of those that are not, whosever they are.
const FIND_PLAIN: &str = "SELECT rowid FROM email_search WHERE rowid < $1 ORDER BY rowid DESC LIMIT $2";

/// Adds messages to the index.
pub(in crate::server::store) async fn insert_search_rows(
    tx: &mut Transaction,
    team_id: TeamId,
    rows: &[(EmailId, SearchTexts)],
) -> Result<(), AppError> {
    let engine = tx.engine();
    tx.insert_rows(engine.insert_search_rows(), rows, |values, (id, texts)| {
        values.bind(*id);
        for text in [&texts.recipients(), &texts.subject, &texts.metadata, &texts.variables] {
            match engine {
                Engine::Sqlite => values.bind(in_letters_of(team_id, text)),
                Engine::Postgres => values.bind(text),
            };
        }
        if engine == Engine::Postgres {
            values.bind(team_id).bind(VERSION);
        }
    })
    .await
}

/// Takes messages out of the index.
pub(in crate::server::store) async fn delete_search_rows(
    tx: &mut Transaction,
    team_id: TeamId,
    ids: &[i64],
) -> Result<(), AppError> {
    for ids in ids.chunks(IDS) {
        let (tables, column) = tx.engine().delete_search_rows();
        for delete in tables {
            let mut sql = Sql::new(tx.engine(), *delete);
            sql.push_bind(team_id).push(format!(" AND {column} IN (")).push_list(ids).push(")");
            sql.keep(ids.len() == 1);
            tx.query(sql).execute().await?;
        }
    }
    Ok(())
}

/// Puts messages into the index as they are now.
pub(in crate::server::store) async fn index_again(
    tx: &mut Transaction,
    team_id: TeamId,
    ids: &[i64],
) -> Result<(), AppError> {
    delete_search_rows(tx, team_id, ids).await?;
    for ids in ids.chunks(IDS) {
        let rows: Vec<TextsRow> = tx.query(texts_query(tx.engine(), team_id, ids)).fetch_all().await?;
        let rows: Vec<(EmailId, SearchTexts)> = rows.into_iter().map(<(EmailId, SearchTexts)>::from).collect();
        insert_search_rows(tx, team_id, &rows).await?;
    }
    Ok(())
}

impl Store {
    /// Puts some messages into the index that it has as it was before, the newest first; whether there may be more. Until
    /// then they are found by their addresses and subjects.
    pub async fn index_some_again(&self) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let moved = match tx.engine() {
            Engine::Sqlite => index_some_before(&mut tx).await? || index_some_plain(&mut tx).await?,
            Engine::Postgres => index_some_old(&mut tx).await?,
        };
        tx.commit().await?;
        Ok(moved)
    }
}

async fn index_some_before(tx: &mut Transaction) -> Result<bool, AppError> {
    let ids: Vec<i64> = tx.query(FIND_BEFORE).bind(STEP).fetch_scalars().await?;
    if ids.is_empty() {
        return Ok(false);
    }
    index_again_of_teams(tx, &ids).await?;
    // With those that no message has any more, and those of deleted teams.
    let mut delete = Sql::new(Engine::Sqlite, "DELETE FROM email_search_before WHERE rowid IN (");
    delete.push_list(&ids).push(")");
    tx.query(delete).execute().await?;
    Ok(true)
}

async fn index_some_plain(tx: &mut Transaction) -> Result<bool, AppError> {
    let from: Option<String> = tx.query(PLAIN).fetch_optional_scalar().await?;
    let Some(from) = from.and_then(|id| id.parse::<i64>().ok()) else { return Ok(false) };
    let ids: Vec<i64> = tx.query(FIND_PLAIN).bind(from).bind(STEP).fetch_scalars().await?;
    index_again_of_teams(tx, &ids).await?;
    let Some(last) = ids.last() else {
        tx.query("DELETE FROM settings WHERE name = 'search_letters_from'").execute().await?;
        return Ok(false);
    };
    let update = "UPDATE settings SET value = $1 WHERE name = 'search_letters_from'";
    tx.query(update).bind(last.to_string()).execute().await?;
    Ok(true)
}

/// Puts messages into SQLite's index again, whosever they are; not those of deleted teams.
async fn index_again_of_teams(tx: &mut Transaction, ids: &[i64]) -> Result<(), AppError> {
    let mut find = Sql::new(
        Engine::Sqlite,
        "SELECT e.team_id, e.id FROM teams t CROSS JOIN emails e
         WHERE t.deleted_at IS NULL AND e.team_id = t.id AND e.id IN (",
    );
    find.push_list(ids).push(")");
    let mut of_teams: BTreeMap<TeamId, Vec<i64>> = BTreeMap::new();
    let found: Vec<(TeamId, i64)> = tx.query(find).fetch_all().await?;
    for (team, id) in found {
        of_teams.entry(team).or_default().push(id);
    }
    for (team, ids) in of_teams {
        index_again(tx, team, &ids).await?;
    }
    Ok(())
}

async fn index_some_old(tx: &mut Transaction) -> Result<bool, AppError> {
    let team: Option<TeamId> = tx.query(FIND_TEAM).fetch_optional_scalar().await?;
    let Some(team) = team else { return Ok(false) };
    let ids: Vec<i64> = tx.query(FIND_OLD).bind(team).bind(STEP).fetch_scalars().await?;
    index_again(tx, team, &ids).await?;
    // None where another node is at them.
    Ok(!ids.is_empty())
}
