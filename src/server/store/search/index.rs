//! Writing the index of search: messages go in when they are accepted, again when their contents are gone, and out before
//! they are deleted. Messages of before the index was as it is now are put in again in steps, while the program serves.

use std::collections::{BTreeMap, HashMap};

use super::grams::tokens_of;
use super::numbers::{find_numbers, forget_numbers, number_emails};
use super::texts::{SearchTexts, TextsRow, texts_query};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId};
use crate::server::store::engine::{Engine, Sql, Transaction};
use crate::server::store::{Store, stored};

/// The most messages that one step puts in.
const STEP: i64 = 100;
/// Messages that are taken out at a time.
const IDS: usize = 500;
/// How PostgreSQL's rows are made: those of version 2 are in the index of pieces. Rows of version 0 hold addresses and subjects
/// alone, with their accents.
const VERSION: i16 = 2;

const INSERT_GRAMS: &str = "INSERT INTO search_grams (rowid, recipients, subject, metadata, variables) ";
const INSERT_TEXTS: &str =
    "INSERT INTO email_search (team_id, email_id, version, recipients, subject, metadata, variables) ";

/// The first step of PostgreSQL: a team that has rows of before, and `$2` of those, the newest first. What others are changing
/// is left for the next step, so that nobody waits for another in a ring.
const FIND_TEAM: &str = "SELECT s.team_id FROM teams t
    JOIN email_search s ON s.team_id = t.id AND s.version < 2
    WHERE t.deleted_at IS NULL ORDER BY t.id LIMIT 1";
const FIND_OLD: &str = "SELECT s.email_id FROM email_search s
    JOIN emails e ON e.team_id = s.team_id AND e.id = s.email_id
    WHERE s.team_id = $1 AND s.version < 2 ORDER BY s.email_id DESC LIMIT $2
    FOR UPDATE OF s SKIP LOCKED FOR KEY SHARE OF e SKIP LOCKED";

/// Whether PostgreSQL still has rows that are found by the indexes of before.
pub(in crate::server::store) const BY_TRIGRAMS: &str = "SELECT value FROM settings WHERE name = 'search_trigrams'";
const END_TRIGRAMS: [&str; 4] = [
    "DELETE FROM settings WHERE name = 'search_trigrams'",
    "DROP INDEX IF EXISTS email_search_recipients",
    "DROP INDEX IF EXISTS email_search_subject",
    "DROP INDEX IF EXISTS email_search_contents",
];

/// SQLite's indexes of before, the oldest first: the newest messages that each still has, whosever they are, and what takes
/// messages out.
const FORMER: [(&str, &str); 2] = [
    (
        "SELECT rowid FROM email_search_before ORDER BY rowid DESC LIMIT $1",
        "DELETE FROM email_search_before WHERE rowid IN (",
    ),
    ("SELECT rowid FROM email_search ORDER BY rowid DESC LIMIT $1", "DELETE FROM email_search WHERE rowid IN ("),
];

/// Adds messages to the index that are not in it.
pub(in crate::server::store) async fn insert_search_rows(
    tx: &mut Transaction,
    team_id: TeamId,
    mut rows: Vec<(EmailId, SearchTexts)>,
) -> Result<(), AppError> {
    if tx.engine() == Engine::Postgres {
        return insert_texts(tx, team_id, &rows).await;
    }
    rows.sort_unstable_by_key(|(id, _)| *id);
    let ids: Vec<EmailId> = rows.iter().map(|(id, _)| *id).collect();
    let numbers = number_emails(tx, team_id, &ids).await?;
    insert_grams(tx, team_id, numbers.into_iter().zip(rows.into_iter().map(|(_, texts)| texts)).collect()).await
}

/// Takes messages out of the index.
pub(in crate::server::store) async fn delete_search_rows(
    tx: &mut Transaction,
    team_id: TeamId,
    ids: &[i64],
) -> Result<(), AppError> {
    for ids in ids.chunks(IDS) {
        delete_rows(tx, team_id, ids).await?;
        if tx.engine() == Engine::Sqlite {
            forget_numbers(tx, team_id, ids).await?;
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
    for ids in ids.chunks(IDS) {
        let known: HashMap<EmailId, i64> = delete_rows(tx, team_id, ids).await?.into_iter().collect();
        let rows: Vec<TextsRow> = tx.query(texts_query(tx.engine(), team_id, ids)).fetch_all().await?;
        let rows: Vec<(EmailId, SearchTexts)> = rows.into_iter().map(<(EmailId, SearchTexts)>::from).collect();
        let (known, new): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|(id, texts)| (id, known.get(&id).copied(), texts)).partition(|row| row.1.is_some());
        let known = known.into_iter().filter_map(|(_, number, texts)| Some((number?, texts))).collect();
        insert_grams(tx, team_id, known).await?;
        insert_search_rows(tx, team_id, new.into_iter().map(|(id, _, texts)| (id, texts)).collect()).await?;
    }
    Ok(())
}

/// Takes messages out of what is searched; in SQLite they keep their numbers, which this tells.
async fn delete_rows(tx: &mut Transaction, team_id: TeamId, ids: &[i64]) -> Result<Vec<(EmailId, i64)>, AppError> {
    if tx.engine() == Engine::Postgres {
        let mut sql = Sql::new(Engine::Postgres, "DELETE FROM email_search WHERE team_id = ");
        sql.push_bind(team_id).push(" AND email_id IN (").push_list(ids).push(")").keep(ids.len() == 1);
        tx.query(sql).execute().await?;
        return Ok(Vec::new());
    }
    let numbers = find_numbers(tx, team_id, ids).await?;
    let mut sql = Sql::new(Engine::Sqlite, "DELETE FROM search_grams WHERE rowid IN (");
    sql.push_list(numbers.iter().map(|(_, number)| *number)).push(")").keep(numbers.len() == 1);
    tx.query(sql).execute().await?;
    for (_, delete) in FORMER {
        let mut sql = Sql::new(Engine::Sqlite, delete);
        sql.push_list(ids).push(")").keep(ids.len() == 1);
        tx.query(sql).execute().await?;
    }
    Ok(numbers)
}

/// In the order of their numbers, or FTS5 writes out what it has gathered at each that is lower than the one before.
async fn insert_grams(
    tx: &mut Transaction,
    team_id: TeamId,
    mut rows: Vec<(i64, SearchTexts)>,
) -> Result<(), AppError> {
    rows.sort_unstable_by_key(|(number, _)| *number);
    tx.insert_rows(INSERT_GRAMS, &rows, |values, (number, texts)| {
        values.bind(*number);
        for text in [&texts.recipients(), &texts.subject, &texts.metadata, &texts.variables] {
            values.bind(tokens_of(team_id, text));
        }
    })
    .await
}

async fn insert_texts(tx: &mut Transaction, team_id: TeamId, rows: &[(EmailId, SearchTexts)]) -> Result<(), AppError> {
    tx.insert_rows(INSERT_TEXTS, rows, |values, (id, texts)| {
        values.bind(team_id).bind(*id).bind(VERSION);
        values.bind(texts.recipients()).bind(&texts.subject).bind(&texts.metadata).bind(&texts.variables);
    })
    .await
}

/// Notes that no message is in the index: the team and the id of the last one that was put in.
pub(in crate::server::store) const NOTE_ALL_MISSING: &str =
    "INSERT INTO settings (name, value) VALUES ('search_missing', '0 0') ON CONFLICT (name) DO NOTHING";

impl Store {
    /// Puts some messages into the index of a copy that was made without it, in the order of their ids; how many, or `None`
    /// when all are in.
    pub async fn index_some_missing(&self) -> Result<Option<usize>, AppError> {
        let mut tx = self.begin().await?;
        let place = format!("SELECT value FROM settings WHERE name = 'search_missing'{}", tx.engine().for_update());
        let place: Option<String> = tx.query(place).fetch_optional_scalar().await?;
        let Some(place) = place else { return Ok(None) };
        let (team, email) = stored("settings.search_missing", place.split_once(' ').ok_or("no two numbers"))?;
        let after: (i64, i64) =
            (stored("settings.search_missing", team.parse())?, stored("settings.search_missing", email.parse())?);
        let next: Vec<(TeamId, i64)> = tx
            .query("SELECT team_id, id FROM emails WHERE (team_id, id) > ($1, $2) ORDER BY team_id, id LIMIT $3")
            .bind(after.0)
            .bind(after.1)
            .bind(IDS as i64)
            .fetch_all()
            .await?;
        let Some(team) = next.first().map(|(team, _)| *team) else {
            tx.query("DELETE FROM settings WHERE name = 'search_missing'").execute().await?;
            tx.commit().await?;
            return Ok(None);
        };
        let ids: Vec<i64> = next.into_iter().take_while(|(of, _)| *of == team).map(|(_, id)| id).collect();
        index_again(&mut tx, team, &ids).await?;
        let place = format!("{} {}", team.0, ids.last().copied().unwrap_or_default());
        tx.query("UPDATE settings SET value = $1 WHERE name = 'search_missing'").bind(place).execute().await?;
        tx.commit().await?;
        Ok(Some(ids.len()))
    }

    /// Puts some messages into the index that it has as it was before, the newest first; whether there may be more. Until
    /// then they are found as they were.
    pub async fn index_some_again(&self) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let moved = match tx.engine() {
            Engine::Sqlite => index_some_former(&mut tx).await?,
            Engine::Postgres => index_some_old(&mut tx).await?,
        };
        tx.commit().await?;
        Ok(moved)
    }
}

async fn index_some_former(tx: &mut Transaction) -> Result<bool, AppError> {
    for (find, delete) in FORMER {
        let ids: Vec<i64> = tx.query(find).bind(STEP).fetch_scalars().await?;
        if !ids.is_empty() {
            index_again_of_teams(tx, &ids).await?;
            // With those that no message has any more, and those of deleted teams.
            let mut sql = Sql::new(Engine::Sqlite, delete);
            sql.push_list(&ids).push(")");
            tx.query(sql).execute().await?;
            return Ok(true);
        }
    }
    Ok(false)
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
    let by_trigrams: Option<String> = tx.query(BY_TRIGRAMS).fetch_optional_scalar().await?;
    if by_trigrams.is_none() {
        return Ok(false);
    }
    let team: Option<TeamId> = tx.query(FIND_TEAM).fetch_optional_scalar().await?;
    let Some(team) = team else {
        for statement in END_TRIGRAMS {
            tx.query(statement).execute().await?;
        }
        return Ok(false);
    };
    let ids: Vec<i64> = tx.query(FIND_OLD).bind(team).bind(STEP).fetch_scalars().await?;
    index_again(tx, team, &ids).await?;
    // None where another node is at them.
    Ok(!ids.is_empty())
}
