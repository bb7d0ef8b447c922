//! Words that are looked for by the index: the queries of each engine, and pages of what they find.

use super::index::PLAIN;
use super::letters::in_letters_of;
use super::{Matches, Word, page_of, push_conditions};
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter};
use crate::domain::ids::{SEQUENCE_BITS, TeamId};
use crate::domain::page::{COUNT_LIMIT, OffsetRequest, Total};
use crate::server::store::criteria::{push_whole_addresses, quoted, searched_before, searched_for};
use crate::server::store::engine::{Engine, Reading, Sql};
use crate::server::store::like::contains;
use crate::server::store::range::IdRange;

/// The first window of time of PostgreSQL, in ids.
const DAY: i64 = 86_400_000 << SEQUENCE_BITS;

/// What is looked for by the index: words with trigrams, and what the filter asks beside them.
#[derive(Clone, Copy)]
pub(in crate::server::store) struct Look<'a> {
    pub team_id: TeamId,
    pub filter: &'a EmailFilter,
    pub words: &'a [Word],
    /// Whether a template marks variables since messages of it were put into the index with these.
    pub marked_late: bool,
    /// The indexes of before, of SQLite, that still have messages of the range.
    pub older: &'static [Index],
}

/// What SQLite has of a message: in an index, in some form.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::store) enum Index {
    /// In the team's letters.
    Now,
    /// In plain letters.
    Plain,
    /// With accents, and without contents.
    Before,
}

impl Index {
    const fn table(self) -> &'static str {
        match self {
            Self::Now | Self::Plain => "email_search",
            Self::Before => "email_search_before",
        }
    }
}

impl<'a> Look<'a> {
    pub(super) async fn begin(
        reading: &mut Reading,
        team_id: TeamId,
        filter: &'a EmailFilter,
        words: &'a [Word],
        ids: IdRange,
    ) -> Result<Self, AppError> {
        let late = "(SELECT id FROM templates WHERE team_id = $1 AND marked_from > $2 LIMIT 1)";
        let (before, plain) = match reading.engine() {
            Engine::Sqlite => (
                "(SELECT rowid FROM email_search_before ORDER BY rowid DESC LIMIT 1)",
                format!("CAST(({PLAIN}) AS INTEGER)"),
            ),
            Engine::Postgres => ("CAST(NULL AS BIGINT)", "CAST(NULL AS BIGINT)".to_owned()),
        };
        let newest = Sql::new(reading.engine(), format!("SELECT {late}, {before}, {plain}"));
        let (late, before, plain): (Option<i64>, Option<i64>, Option<i64>) =
            reading.read(newest).bind(team_id).bind(ids.low).fetch_one().await?;
        let older: &[Index] = match (before.is_some_and(|id| id >= ids.low), plain.is_some_and(|id| id > ids.low)) {
            (true, true) => &[Index::Before, Index::Plain],
            (true, false) => &[Index::Before],
            (false, true) => &[Index::Plain],
            (false, false) => &[],
        };
        Ok(Self { team_id, filter, words, marked_late: late.is_some(), older })
    }

    /// The ids of the newest matches in a range, or of the oldest.
    pub(super) async fn find(
        &self,
        reading: &mut Reading,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        if reading.engine() == Engine::Postgres {
            return self.find_in_postgres(reading, ids, oldest_first, limit).await;
        }
        let window = OffsetRequest { offset: 0, limit, oldest_first };
        let mut found: Vec<i64> = Vec::new();
        for index in self.older {
            // First: what moves meanwhile is found twice rather than not at all.
            found.extend(reading.read(self.page_query(*index, ids, window)).fetch_scalars::<i64>().await?);
        }
        found.extend(reading.read(self.page_query(Index::Now, ids, window)).fetch_scalars::<i64>().await?);
        if !self.older.is_empty() {
            found.sort_unstable();
            found.dedup();
            if !oldest_first {
                found.reverse();
            }
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok(found)
    }

    /// A page, and the total after it: a page that is not full tells it, and what is common is not counted again.
    pub(super) async fn page_of_sqlite(
        &self,
        reading: &mut Reading,
        ids: IdRange,
        window: OffsetRequest,
        is_common: bool,
    ) -> Result<Matches, AppError> {
        let found: Vec<i64> = if window.offset > COUNT_LIMIT {
            Vec::new()
        } else {
            reading.read(self.page_query(Index::Now, ids, window)).fetch_scalars().await?
        };
        let end = window.offset.saturating_add(found.len() as i64);
        let is_last = (found.len() as i64) < window.limit && (!found.is_empty() || window.offset == 0);
        if is_common || is_last && end <= COUNT_LIMIT {
            let total = if is_common { Total::AtLeast(COUNT_LIMIT) } else { Total::Exact(end) };
            return Ok(Matches { ids: found, total, counted: None });
        }
        let mut count = self.matching("SELECT COUNT(*), MIN(id), MAX(id) FROM (SELECT e.id AS id", Index::Now, ids);
        count.push(" ORDER BY s.rowid DESC LIMIT ").push_bind(COUNT_LIMIT + 1).push(")");
        let (count, oldest, newest): (i64, Option<i64>, Option<i64>) = reading.read(count).fetch_one().await?;
        let (Some(low), Some(newest), true) = (oldest, newest, count > COUNT_LIMIT) else {
            return Ok(Matches { ids: found, total: Total::Exact(count), counted: None });
        };
        let counted = Some(IdRange { low, high: newest.saturating_add(1) });
        Ok(Matches { ids: found, total: Total::AtLeast(COUNT_LIMIT), counted })
    }

    /// A page of as many matches as are counted.
    pub(super) async fn page_of_found(
        &self,
        reading: &mut Reading,
        ids: IdRange,
        window: OffsetRequest,
        is_common: bool,
    ) -> Result<Matches, AppError> {
        let last = window.offset.saturating_add(window.limit).min(COUNT_LIMIT + window.limit);
        let wanted = if is_common { last } else { last.max(COUNT_LIMIT + 1) };
        let found = self.find(reading, ids, window.oldest_first, wanted).await?;
        let mut counted = None;
        if let (Some(one), Some(other), true) = (found.first(), found.last(), found.len() as i64 > COUNT_LIMIT) {
            counted = Some(IdRange { low: *one.min(other), high: one.max(other).saturating_add(1) });
        }
        let matches = page_of(found, window, true);
        let total = if is_common { Total::AtLeast(COUNT_LIMIT) } else { matches.total };
        Ok(Matches { total, counted, ..matches })
    }

    async fn find_in_postgres(
        &self,
        reading: &mut Reading,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        let ends = "SELECT MIN(id), MAX(id) FROM emails WHERE team_id = $1 AND id >= $2 AND id < $3";
        let (oldest, newest): (Option<i64>, Option<i64>) =
            reading.read(ends).bind(self.team_id).bind(ids.low).bind(ids.high).fetch_one().await?;
        let (Some(mut low), Some(newest)) = (oldest, newest) else { return Ok(Vec::new()) };
        let (mut high, mut span) = (newest.saturating_add(1), DAY);
        let mut found: Vec<i64> = Vec::new();
        while low < high && (found.len() as i64) < limit {
            let piece = if oldest_first {
                IdRange { low, high: low.saturating_add(span).min(high) }
            } else {
                IdRange { low: high.saturating_sub(span).max(low), high }
            };
            let sql = self.postgres_query(piece, oldest_first, limit - found.len() as i64);
            found.extend(reading.read(sql).fetch_scalars::<i64>().await?);
            (low, high) = if oldest_first { (piece.high, high) } else { (low, piece.low) };
            span = span.saturating_mul(8);
        }
        Ok(found)
    }

    /// SQLite's query for some of the matches.
    pub(in crate::server::store) fn page_query(&self, index: Index, ids: IdRange, window: OffsetRequest) -> Sql {
        let mut sql = self.matching("SELECT e.id", index, ids);
        sql.push(if window.oldest_first { " ORDER BY s.rowid LIMIT " } else { " ORDER BY s.rowid DESC LIMIT " });
        sql.push_bind(window.limit).push(" OFFSET ").push_bind(window.offset);
        sql
    }

    /// `selected` from the messages that match, in SQLite.
    fn matching(&self, selected: &'static str, index: Index, ids: IdRange) -> Sql {
        // CROSS JOIN keeps the index of trigrams the outer loop, which gives the newest match first. The `+` hides from the
        // planner that the range of row ids is one of message ids too: it would walk that range for every match.
        let (mut sql, table) = (Sql::new(Engine::Sqlite, selected), index.table());
        sql.push(format!(" FROM {table} s CROSS JOIN emails e WHERE s.{table} MATCH "));
        sql.push_bind(match index {
            Index::Now | Index::Plain => self.match_now(index),
            Index::Before => self.match_before(),
        });
        sql.push(" AND s.rowid >= ").push_bind(ids.low).push(" AND s.rowid < ").push_bind(ids.high);
        sql.push(" AND e.team_id = ").push_bind(self.team_id).push(" AND e.id = +s.rowid");
        if let (Index::Now | Index::Plain, true) = (index, self.looks_for_late_marks()) {
            sql.push(format!(
                " AND ({MARKED_BEFORE} OR EXISTS (SELECT 1 FROM email_search n WHERE n.email_search MATCH "
            ));
            sql.push_bind(self.match_shown(index)).push(" AND n.rowid = e.id))");
        }
        self.push_rest(&mut sql);
        sql
    }

    /// PostgreSQL's query for some of the matches.
    pub(in crate::server::store) fn postgres_query(&self, ids: IdRange, oldest_first: bool, limit: i64) -> Sql {
        let mut sql = Sql::new(Engine::Postgres, "WITH matches AS MATERIALIZED (SELECT email_id");
        if self.looks_for_late_marks() {
            sql.push(", (TRUE");
            self.words.iter().for_each(|word| push_word(&mut sql, word, None));
            sql.push(") AS is_shown");
        }
        sql.push(" FROM email_search WHERE team_id = ").push_bind(self.team_id);
        sql.push(" AND email_id >= ").push_bind(ids.low).push(" AND email_id < ").push_bind(ids.high);
        self.words.iter().for_each(|word| push_word(&mut sql, word, Some(&self.filter.criteria)));
        sql.push(") SELECT e.id FROM matches m JOIN emails e ON e.team_id = ").push_bind(self.team_id);
        sql.push(" AND e.id = m.email_id WHERE TRUE");
        if self.looks_for_late_marks() {
            sql.push(format!(" AND (m.is_shown OR {MARKED_BEFORE})"));
        }
        self.push_rest(&mut sql);
        sql.push(if oldest_first { " ORDER BY e.id LIMIT " } else { " ORDER BY e.id DESC LIMIT " }).push_bind(limit);
        sql
    }

    fn looks_for_late_marks(&self) -> bool {
        self.marked_late && !self.filter.criteria.keeps_addresses
    }

    fn push_rest(&self, sql: &mut Sql) {
        push_conditions(sql, self.team_id, self.filter);
        if self.filter.criteria.keeps_addresses {
            self.words.iter().for_each(|word| push_whole_addresses(sql, self.team_id, &word.typed));
        }
    }

    /// What SQLite's index is asked for. Without a column, a word is looked for in all.
    fn match_now(&self, index: Index) -> String {
        let criteria = &self.filter.criteria;
        let phrase = |folded: &str| self.phrase(index, folded);
        let asked = |word: &Word| {
            let text = phrase(&word.folded);
            match (criteria.keeps_addresses, criteria.sees_contents) {
                (true, _) => format!("{SHOWN} : {text}"),
                (false, true) => text,
                (false, false) => format!("({SHOWN} : {text} OR metadata : {})", phrase(&word.as_line())),
            }
        };
        self.words.iter().map(asked).collect::<Vec<_>>().join(" AND ")
    }

    /// The same in what everybody sees.
    fn match_shown(&self, index: Index) -> String {
        let asked = |word: &Word| format!("{SHOWN} : {}", self.phrase(index, &word.folded));
        self.words.iter().map(asked).collect::<Vec<_>>().join(" AND ")
    }

    /// A folded text as a phrase of the index.
    fn phrase(&self, index: Index, folded: &str) -> String {
        match index {
            Index::Now => quoted(&in_letters_of(self.team_id, folded)),
            Index::Plain | Index::Before => quoted(folded),
        }
    }

    fn match_before(&self) -> String {
        let asked = |word: &Word| format!("({})", searched_before(&word.typed).map(|text| quoted(&text)).join(" OR "));
        self.words.iter().map(asked).collect::<Vec<_>>().join(" AND ")
    }
}

/// The columns of SQLite's index that hold what a list shows.
const SHOWN: &str = "{recipients subject}";

/// That the index has none of the variables of a message that its template marks now.
const MARKED_BEFORE: &str = "NOT EXISTS (
    SELECT 1 FROM template_versions y JOIN templates z ON z.team_id = y.team_id AND z.id = y.template_id
    WHERE y.team_id = e.team_id AND y.id = e.template_version_id AND z.marked_from > e.id)";

/// Adds that a row of PostgreSQL's index has a word; in its contents, too, as far as criteria allow.
fn push_word(sql: &mut Sql, word: &Word, in_contents: Option<&Criteria>) {
    let mut before = " AND (recipients LIKE ";
    for text in searched_for(&word.typed) {
        let pattern = contains(&text);
        sql.push(before).push_bind(&pattern).push(" OR subject LIKE ").push_bind(&pattern);
        before = " OR recipients LIKE ";
    }
    match in_contents {
        Some(criteria) if criteria.sees_contents => {
            let pattern = contains(&word.folded);
            sql.push(" OR metadata LIKE ").push_bind(&pattern).push(" OR variables LIKE ").push_bind(&pattern);
        }
        Some(criteria) if !criteria.keeps_addresses => {
            sql.push(" OR metadata LIKE ").push_bind(contains(&word.as_line()));
        }
        Some(_) | None => {}
    }
    sql.push(")");
}
