//! Search in `To` addresses and subjects, in any case of letters. Texts of three characters and more are found by their
//! trigrams: in SQLite through FTS5, newest first from the index; in PostgreSQL through pg_trgm, in windows of time
//! that grow until the page is full, so that a common text never gathers the whole log. Shorter texts have no trigram
//! and are looked for in the newest [SCAN_LIMIT] messages.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite};

use super::Store;
use super::criteria::{contains, push_criteria, push_whole_addresses};
use super::dialect::Engine;
use super::emails::{SearchTexts, push_slice, push_statuses};
use super::engine::Readers;
use super::stats::IdRange;
use crate::domain::error::AppError;
use crate::domain::filter::EmailFilter;
use crate::domain::ids::{SEQUENCE_BITS, TeamId};
use crate::domain::page::{Total, Window};

/// Counting the matches stops here.
pub const COUNT_LIMIT: i64 = 10_000;

/// How many messages are read, at most, for a text without a trigram.
const SCAN_LIMIT: usize = 100_000;
const SCAN_STEP: i64 = 2_000;

/// The shortest text that the index finds, in characters.
pub(super) const TRIGRAM: usize = 3;
const DAY: i64 = 86_400_000 << SEQUENCE_BITS;

/// A page of matches and how many there are in all.
pub(super) struct Matches {
    pub ids: Vec<i64>,
    pub total: Total,
}

impl Store {
    /// The ids of the messages that match `filter.search` and the rest of the filter.
    pub(super) async fn search_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        text: &str,
        window: Window,
    ) -> Result<Matches, AppError> {
        let ids = IdRange::from(filter.range);
        // No text holds U+0000; both engines refuse to look for it.
        if ids.low >= ids.high || filter.criteria.nothing || text.contains('\0') {
            return Ok(Matches { ids: Vec::new(), total: Total::Exact(0) });
        }
        let text = &text.to_lowercase();
        if text.chars().count() < TRIGRAM {
            return self.scan_ids(team_id, filter, text, ids, window).await;
        }
        match &self.db.read {
            Readers::Sqlite(read) => {
                let mut reading = read.begin().await?;
                let found = search_sqlite(reading.connection(), team_id, filter, text, ids, window).await;
                reading.end(found)
            }
            Readers::Postgres(pool) => {
                let last = window.offset.saturating_add(window.limit);
                let wanted = last.min(COUNT_LIMIT + window.limit).max(COUNT_LIMIT + 1);
                let mut reading = pool.begin().await?;
                let connection = reading.connection();
                let found = search_postgres(connection, team_id, filter, text, ids, window.oldest_first, wanted).await;
                Ok(page_of(reading.end(found)?, window, true))
            }
        }
    }

    /// The ids of the newest messages of a range that match `filter.search` and the rest of the filter.
    pub(super) async fn search_ids_in(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        text: &str,
        ids: IdRange,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        if ids.low >= ids.high || filter.criteria.nothing || text.contains('\0') {
            return Ok(Vec::new());
        }
        let (text, window) = (&text.to_lowercase(), Window { offset: 0, limit, oldest_first: false });
        if text.chars().count() < TRIGRAM {
            return Ok(self.scan_ids(team_id, filter, text, ids, window).await?.ids);
        }
        match &self.db.read {
            Readers::Sqlite(read) => {
                let mut query = search_sqlite_query(team_id, filter, text, ids, window);
                let mut reading = read.begin().await?;
                let found = query.build_query_scalar().fetch_all(reading.connection()).await;
                Ok(reading.end(found)?)
            }
            Readers::Postgres(pool) => {
                let mut reading = pool.begin().await?;
                let found = search_postgres(reading.connection(), team_id, filter, text, ids, false, limit).await;
                reading.end(found)
            }
        }
    }

    async fn scan_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        needle: &str,
        mut ids: IdRange,
        window: Window,
    ) -> Result<Matches, AppError> {
        let (mut found, mut read) = (Vec::new(), 0);
        loop {
            let rows = self.list_search_texts(team_id, filter, ids, window.oldest_first, SCAN_STEP).await?;
            let Some(last) = rows.last() else { return Ok(page_of(found, window, true)) };
            if window.oldest_first {
                ids.low = last.id.saturating_add(1);
            } else {
                ids.high = last.id;
            }
            read += rows.len();
            let is_meant = |row: &SearchTexts| {
                row.subject.contains(needle)
                    || match filter.criteria.keeps_addresses {
                        true => row.recipients.lines().any(|address| address == needle),
                        false => row.recipients.contains(needle),
                    }
            };
            found.extend(rows.into_iter().filter(is_meant).map(|row| row.id));
            if read >= SCAN_LIMIT || found.len() as i64 > COUNT_LIMIT {
                return Ok(page_of(found, window, false));
            }
        }
    }

    /// The statement that takes the first `$2` messages of a team (`$1`) out of the index, before they are deleted.
    /// PostgreSQL's index follows by itself.
    pub(super) fn delete_search_statement(&self) -> Option<&'static str> {
        match self.engine() {
            Engine::Sqlite => Some(
                "DELETE FROM email_search WHERE rowid IN (SELECT id FROM emails WHERE team_id = $1 ORDER BY id LIMIT $2)",
            ),
            Engine::Postgres => None,
        }
    }

    /// The statement that takes a message (`$2`) out of the index before it is deleted as a part of `$3`; `$1` team.
    /// PostgreSQL's index follows by itself.
    pub(super) fn delete_searched_statement(&self) -> Option<&'static str> {
        match self.engine() {
            Engine::Sqlite => Some("DELETE FROM email_search WHERE 0 <> $1 AND rowid = $2 AND rowid <> $3"),
            Engine::Postgres => None,
        }
    }
}

async fn search_sqlite(
    read: &mut SqliteConnection,
    team_id: TeamId,
    filter: &EmailFilter,
    text: &str,
    ids: IdRange,
    window: Window,
) -> Result<Matches, AppError> {
    let mut counted = matching("SELECT COUNT(*) FROM (SELECT 1", team_id, filter, text, ids);
    counted.push(" LIMIT ").push_bind(COUNT_LIMIT + 1).push(")");
    let count: i64 = counted.build_query_scalar().fetch_one(&mut *read).await?;
    let total = if count > COUNT_LIMIT { Total::AtLeast(COUNT_LIMIT) } else { Total::Exact(count) };
    if window.offset >= count {
        return Ok(Matches { ids: Vec::new(), total });
    }
    let mut page = search_sqlite_query(team_id, filter, text, ids, window);
    Ok(Matches { ids: page.build_query_scalar().fetch_all(&mut *read).await?, total })
}

async fn search_postgres(
    read: &mut PgConnection,
    team_id: TeamId,
    filter: &EmailFilter,
    text: &str,
    ids: IdRange,
    oldest_first: bool,
    limit: i64,
) -> Result<Vec<i64>, AppError> {
    let ends = "SELECT MIN(id), MAX(id) FROM emails WHERE team_id = $1 AND id >= $2 AND id < $3";
    let (oldest, newest): (Option<i64>, Option<i64>) =
        sqlx::query_as(ends).bind(team_id).bind(ids.low).bind(ids.high).fetch_one(&mut *read).await?;
    let (Some(mut low), Some(newest)) = (oldest, newest) else { return Ok(Vec::new()) };
    let pattern = contains(text);
    let (mut high, mut window) = (newest.saturating_add(1), DAY);
    let mut found: Vec<i64> = Vec::new();
    while low < high && (found.len() as i64) < limit {
        let piece = if oldest_first {
            IdRange { low, high: low.saturating_add(window).min(high) }
        } else {
            IdRange { low: high.saturating_sub(window).max(low), high }
        };
        let mut query =
            QueryBuilder::new("WITH matches AS MATERIALIZED (SELECT email_id FROM email_search WHERE team_id = ");
        query.push_bind(team_id).push(" AND email_id >= ").push_bind(piece.low);
        query.push(" AND email_id < ").push_bind(piece.high);
        query.push(" AND (recipients LIKE ").push_bind(&pattern);
        query.push(" OR subject LIKE ").push_bind(&pattern);
        query.push(")) SELECT e.id FROM matches m JOIN emails e ON e.team_id = ").push_bind(team_id);
        query.push(" AND e.id = m.email_id WHERE TRUE");
        push_statuses!(query, filter.statuses);
        push_slice!(query, filter.slice());
        push_criteria!(query, Engine::Postgres, &filter.criteria);
        if filter.criteria.keeps_addresses {
            push_whole_addresses!(query, Engine::Postgres, text);
        }
        query.push(if oldest_first { " ORDER BY e.id LIMIT " } else { " ORDER BY e.id DESC LIMIT " });
        query.push_bind(limit - found.len() as i64);
        found.extend(query.build_query_scalar::<i64>().fetch_all(&mut *read).await?);
        (low, high) = if oldest_first { (piece.high, high) } else { (low, piece.low) };
        window = window.saturating_mul(8);
    }
    Ok(found)
}

/// SQLite's query for some of the matches.
pub(super) fn search_sqlite_query(
    team_id: TeamId,
    filter: &EmailFilter,
    text: &str,
    ids: IdRange,
    window: Window,
) -> QueryBuilder<Sqlite> {
    let mut query = matching("SELECT e.id", team_id, filter, text, ids);
    query.push(if window.oldest_first { " ORDER BY s.rowid LIMIT " } else { " ORDER BY s.rowid DESC LIMIT " });
    query.push_bind(window.limit).push(" OFFSET ").push_bind(window.offset);
    query
}

/// `selected` from the messages that match, in SQLite.
fn matching(selected: &str, team_id: TeamId, filter: &EmailFilter, text: &str, ids: IdRange) -> QueryBuilder<Sqlite> {
    // CROSS JOIN keeps the index of trigrams the outer loop, which gives the newest match first. The `+` hides from the
    // planner that the range of row ids is one of message ids too: it would walk that range for every match.
    let mut query = QueryBuilder::new(selected);
    query.push(" FROM email_search s CROSS JOIN emails e WHERE s.email_search MATCH ");
    query.push_bind(format!("\"{}\"", text.replace('"', "\"\"")));
    query.push(" AND s.rowid >= ").push_bind(ids.low).push(" AND s.rowid < ").push_bind(ids.high);
    query.push(" AND e.team_id = ").push_bind(team_id).push(" AND e.id = +s.rowid");
    push_statuses!(query, filter.statuses);
    push_slice!(query, filter.slice());
    push_criteria!(query, Engine::Sqlite, &filter.criteria);
    if filter.criteria.keeps_addresses {
        push_whole_addresses!(query, Engine::Sqlite, text);
    }
    query
}

fn page_of(found: Vec<i64>, window: Window, complete: bool) -> Matches {
    let count = found.len() as i64;
    let total =
        if complete && count <= COUNT_LIMIT { Total::Exact(count) } else { Total::AtLeast(count.min(COUNT_LIMIT)) };
    let skip = usize::try_from(window.offset).unwrap_or(usize::MAX);
    let ids = found.into_iter().skip(skip).take(usize::try_from(window.limit).unwrap_or_default()).collect();
    Matches { ids, total }
}
