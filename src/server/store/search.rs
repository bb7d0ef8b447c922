//! Search in `To` addresses and subjects, in any case of letters. Texts of three characters and more are found by their
//! trigrams: in SQLite through FTS5, newest first from the index; in PostgreSQL through pg_trgm, in windows of time
//! that grow until the page is full, so that a common text never gathers the whole log. Shorter texts have no trigram
//! and are looked for in the newest [SCAN_LIMIT] messages.

use sqlx::types::Json;

use super::Store;
use super::criteria::{
    TRIGRAM, contains, push_criteria, push_scope, push_statuses, push_whole_addresses, searched_for,
};
use super::engine::{Engine, Reading, Sql};
use super::range::IdRange;
use super::recipients::searched_recipients;
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::filter::EmailFilter;
use crate::domain::ids::{SEQUENCE_BITS, TeamId};
use crate::domain::mailbox::folded;
use crate::domain::page::{COUNT_LIMIT, OffsetRequest, Total};

/// How many messages are read, at most, for a text without a trigram.
const SCAN_LIMIT: usize = 100_000;
const SCAN_STEP: i64 = 2_000;

const DAY: i64 = 86_400_000 << SEQUENCE_BITS;

/// A page of matches and how many there are in all.
pub(super) struct Matches {
    pub ids: Vec<i64>,
    pub total: Total,
}

/// What search looks through of one message, in lower case.
struct SearchTexts {
    id: i64,
    /// The `To` addresses, a line each.
    recipients: String,
    subject: String,
}

impl Store {
    /// The ids of the messages that match `filter.search` and the rest of the filter.
    pub(super) async fn search_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        text: &str,
        window: OffsetRequest,
    ) -> Result<Matches, AppError> {
        let ids = IdRange::from(filter.range);
        // No text holds U+0000; both engines refuse to look for it.
        if ids.low >= ids.high || filter.criteria.nothing || text.contains('\0') {
            return Ok(Matches { ids: Vec::new(), total: Total::Exact(0) });
        }
        let needle = &folded(text);
        if needle.chars().count() < TRIGRAM {
            return self.scan_ids(team_id, filter, needle, ids, window).await;
        }
        let mut reading = self.begin_reading().await?;
        match reading.engine() {
            Engine::Sqlite => search_sqlite(&mut reading, team_id, filter, needle, ids, window).await,
            Engine::Postgres => {
                let last = window.offset.saturating_add(window.limit);
                let wanted = last.min(COUNT_LIMIT + window.limit).max(COUNT_LIMIT + 1);
                let oldest_first = window.oldest_first;
                let found = search_postgres(&mut reading, team_id, filter, text, ids, oldest_first, wanted).await;
                Ok(page_of(found?, window, true))
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
        let (needle, window) = (&folded(text), OffsetRequest { offset: 0, limit, oldest_first: false });
        if needle.chars().count() < TRIGRAM {
            return Ok(self.scan_ids(team_id, filter, needle, ids, window).await?.ids);
        }
        match self.engine() {
            Engine::Sqlite => {
                self.read(search_sqlite_query(team_id, filter, needle, ids, window)).fetch_scalars().await
            }
            Engine::Postgres => {
                let mut reading = self.begin_reading().await?;
                search_postgres(&mut reading, team_id, filter, text, ids, false, limit).await
            }
        }
    }

    async fn scan_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        needle: &str,
        mut ids: IdRange,
        window: OffsetRequest,
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

    /// The searched texts, in lower case, of the newest messages in an id range, or of the oldest.
    async fn list_search_texts(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<SearchTexts>, AppError> {
        let mut sql = Sql::new(self.engine(), "SELECT e.id, e.recipients, e.subject FROM emails e WHERE e.team_id = ");
        sql.push_bind(team_id).push(" AND e.id >= ").push_bind(ids.low).push(" AND e.id < ").push_bind(ids.high);
        push_conditions(&mut sql, filter);
        sql.push(if oldest_first { " ORDER BY e.id LIMIT " } else { " ORDER BY e.id DESC LIMIT " }).push_bind(limit);
        let rows: Vec<(i64, Json<Vec<Recipient>>, String)> = self.read(sql).fetch_all().await?;
        let texts = |(id, recipients, subject): (i64, Json<Vec<Recipient>>, String)| SearchTexts {
            id,
            recipients: searched_recipients(&recipients),
            subject: folded(&subject),
        };
        Ok(rows.into_iter().map(texts).collect())
    }
}

async fn search_sqlite(
    reading: &mut Reading,
    team_id: TeamId,
    filter: &EmailFilter,
    text: &str,
    ids: IdRange,
    window: OffsetRequest,
) -> Result<Matches, AppError> {
    let mut counted = matching("SELECT COUNT(*) FROM (SELECT 1", team_id, filter, text, ids);
    counted.push(" LIMIT ").push_bind(COUNT_LIMIT + 1).push(")");
    let count: i64 = reading.read(counted).fetch_scalar().await?;
    let total = if count > COUNT_LIMIT { Total::AtLeast(COUNT_LIMIT) } else { Total::Exact(count) };
    if window.offset >= count {
        return Ok(Matches { ids: Vec::new(), total });
    }
    let page = search_sqlite_query(team_id, filter, text, ids, window);
    Ok(Matches { ids: reading.read(page).fetch_scalars().await?, total })
}

async fn search_postgres(
    reading: &mut Reading,
    team_id: TeamId,
    filter: &EmailFilter,
    text: &str,
    ids: IdRange,
    oldest_first: bool,
    limit: i64,
) -> Result<Vec<i64>, AppError> {
    let ends = "SELECT MIN(id), MAX(id) FROM emails WHERE team_id = $1 AND id >= $2 AND id < $3";
    let (oldest, newest): (Option<i64>, Option<i64>) =
        reading.read(ends).bind(team_id).bind(ids.low).bind(ids.high).fetch_one().await?;
    let (Some(mut low), Some(newest)) = (oldest, newest) else { return Ok(Vec::new()) };
    let patterns: Vec<String> = searched_for(text).iter().map(|text| contains(text)).collect();
    let (mut high, mut span) = (newest.saturating_add(1), DAY);
    let mut found: Vec<i64> = Vec::new();
    while low < high && (found.len() as i64) < limit {
        let piece = if oldest_first {
            IdRange { low, high: low.saturating_add(span).min(high) }
        } else {
            IdRange { low: high.saturating_sub(span).max(low), high }
        };
        let mut sql = Sql::new(
            Engine::Postgres,
            "WITH matches AS MATERIALIZED (SELECT email_id FROM email_search WHERE team_id = ",
        );
        sql.push_bind(team_id).push(" AND email_id >= ").push_bind(piece.low);
        sql.push(" AND email_id < ").push_bind(piece.high);
        let mut before = " AND (recipients LIKE ";
        for pattern in &patterns {
            sql.push(before).push_bind(pattern).push(" OR subject LIKE ").push_bind(pattern);
            before = " OR recipients LIKE ";
        }
        sql.push(")) SELECT e.id FROM matches m JOIN emails e ON e.team_id = ").push_bind(team_id);
        sql.push(" AND e.id = m.email_id WHERE TRUE");
        push_conditions(&mut sql, filter);
        if filter.criteria.keeps_addresses {
            push_whole_addresses(&mut sql, text);
        }
        sql.push(if oldest_first { " ORDER BY e.id LIMIT " } else { " ORDER BY e.id DESC LIMIT " });
        sql.push_bind(limit - found.len() as i64);
        found.extend(reading.read(sql).fetch_scalars::<i64>().await?);
        (low, high) = if oldest_first { (piece.high, high) } else { (low, piece.low) };
        span = span.saturating_mul(8);
    }
    Ok(found)
}

/// SQLite's query for some of the matches.
pub(super) fn search_sqlite_query(
    team_id: TeamId,
    filter: &EmailFilter,
    text: &str,
    ids: IdRange,
    window: OffsetRequest,
) -> Sql {
    let mut sql = matching("SELECT e.id", team_id, filter, text, ids);
    sql.push(if window.oldest_first { " ORDER BY s.rowid LIMIT " } else { " ORDER BY s.rowid DESC LIMIT " });
    sql.push_bind(window.limit).push(" OFFSET ").push_bind(window.offset);
    sql
}

/// `selected` from the messages that match, in SQLite.
fn matching(selected: &'static str, team_id: TeamId, filter: &EmailFilter, text: &str, ids: IdRange) -> Sql {
    // CROSS JOIN keeps the index of trigrams the outer loop, which gives the newest match first. The `+` hides from the
    // planner that the range of row ids is one of message ids too: it would walk that range for every match.
    let mut sql = Sql::new(Engine::Sqlite, selected);
    sql.push(" FROM email_search s CROSS JOIN emails e WHERE s.email_search MATCH ");
    sql.push_bind(format!("\"{}\"", text.replace('"', "\"\"")));
    sql.push(" AND s.rowid >= ").push_bind(ids.low).push(" AND s.rowid < ").push_bind(ids.high);
    sql.push(" AND e.team_id = ").push_bind(team_id).push(" AND e.id = +s.rowid");
    push_conditions(&mut sql, filter);
    if filter.criteria.keeps_addresses {
        push_whole_addresses(&mut sql, text);
    }
    sql
}

/// Adds what the filter asks for beside its text and its range.
fn push_conditions(sql: &mut Sql, filter: &EmailFilter) {
    push_statuses(sql, filter.statuses);
    push_scope(sql, filter.scope());
    push_criteria(sql, &filter.criteria);
}

fn page_of(found: Vec<i64>, window: OffsetRequest, complete: bool) -> Matches {
    let count = found.len() as i64;
    let total =
        if complete && count <= COUNT_LIMIT { Total::Exact(count) } else { Total::AtLeast(count.min(COUNT_LIMIT)) };
    let skip = usize::try_from(window.offset).unwrap_or(usize::MAX);
    let ids = found.into_iter().skip(skip).take(usize::try_from(window.limit).unwrap_or_default()).collect();
    Matches { ids, total }
}
