//! Search in addresses, names, subjects, metadata and variables, folded as [super::folding] has it. Each word must be in one of
//! them. Words of three characters and more are found by their trigrams: in SQLite through FTS5, newest first from the index;
//! in PostgreSQL through pg_trgm, in windows of time that grow until the page is full, so that a common text never gathers the
//! whole log. Shorter words have no trigram and are looked for in the newest [SCAN_LIMIT] messages, or in the newest
//! [CANDIDATES] that longer words find.

pub(super) mod index;
pub(super) mod texts;

use std::collections::HashMap;

use sqlx::types::Json;

use self::texts::{SearchTexts, TextsRow, texts_query};
use super::Store;
use super::criteria::{
    TRIGRAM, push_criteria, push_scope, push_statuses, push_whole_addresses, quoted, searched_before, searched_for,
};
use super::engine::{Engine, Reading, Sql};
use super::folding::searchable;
use super::like::contains;
use super::range::IdRange;
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter};
use crate::domain::ids::{EmailId, SEQUENCE_BITS, TeamId};
use crate::domain::page::{COUNT_LIMIT, OffsetRequest, Total};
use crate::domain::words::words_of;

/// How many messages are read, at most, for words without a trigram alone.
const SCAN_LIMIT: usize = 100_000;
/// How many are, with their contents, that longer words find.
const CANDIDATES: usize = 10_000;
const SCAN_STEP: i64 = 2_000;
/// How many messages' texts one statement reads.
const TEXTS: usize = 500;

const DAY: i64 = 86_400_000 << SEQUENCE_BITS;

/// A page of matches and how many there are in all.
pub(super) struct Matches {
    pub ids: Vec<i64>,
    pub total: Total,
}

/// A word or a phrase that is looked for.
#[derive(Clone, Debug)]
pub(super) struct Word {
    typed: String,
    folded: String,
}

impl Word {
    /// The words of a text; those of which nothing is left, a lone accent, ask for nothing.
    pub(super) fn all_of(text: &str) -> Vec<Self> {
        let word = |typed: &str| Self { typed: typed.to_owned(), folded: searchable(typed) };
        words_of(text).into_iter().map(word).filter(|word| !word.folded.is_empty()).collect()
    }

    fn has_trigram(&self) -> bool {
        self.folded.chars().count() >= TRIGRAM
    }

    /// As a whole value stands in metadata and variables.
    fn as_line(&self) -> String {
        format!("\n{}\n", self.folded)
    }

    /// Whether it is in what the viewer sees of a message. Values that they do not see are found whole, addresses where
    /// those are masked too.
    fn is_in(&self, texts: &SearchTexts, criteria: &Criteria) -> bool {
        let word = self.folded.as_str();
        if texts.subject.contains(word) {
            return true;
        }
        if criteria.keeps_addresses {
            return texts.addresses.lines().any(|address| address == word);
        }
        let of_contents = match criteria.sees_contents {
            true => texts.metadata.contains(word) || texts.variables.contains(word),
            false => texts.metadata.contains(&self.as_line()),
        };
        of_contents || texts.addresses.contains(word) || texts.names.contains(word)
    }
}

/// What is looked for by the index: words with trigrams, and what the filter asks beside them.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub team_id: TeamId,
    pub filter: &'a EmailFilter,
    pub words: &'a [Word],
    /// Whether a template marks variables since messages of it were put into the index with these.
    pub marked_late: bool,
    /// Whether SQLite's index of before still has messages of the range.
    pub is_moving: bool,
}

/// An index of SQLite's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Index {
    Now,
    Before,
}

impl Index {
    const fn table(self) -> &'static str {
        match self {
            Self::Now => "email_search",
            Self::Before => "email_search_before",
        }
    }
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
        let (long, short): (Vec<Word>, Vec<Word>) = Word::all_of(text).into_iter().partition(Word::has_trigram);
        if long.is_empty() || !short.is_empty() {
            return self.scan_ids(team_id, filter, (&long, &short), ids, window).await;
        }
        let mut reading = self.begin_reading().await?;
        let look = Look::begin(&mut reading, team_id, filter, &long, ids).await?;
        if reading.engine() == Engine::Sqlite && !look.is_moving {
            return look.page_of_sqlite(&mut reading, ids, window).await;
        }
        let last = window.offset.saturating_add(window.limit);
        let wanted = last.min(COUNT_LIMIT + window.limit).max(COUNT_LIMIT + 1);
        Ok(page_of(look.find(&mut reading, ids, window.oldest_first, wanted).await?, window, true))
    }

    /// The ids of the newest messages of a range that match `filter.search` and the rest of the filter, or of the oldest.
    pub(super) async fn search_ids_in(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        text: &str,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        if ids.low >= ids.high || filter.criteria.nothing || text.contains('\0') {
            return Ok(Vec::new());
        }
        let (long, short): (Vec<Word>, Vec<Word>) = Word::all_of(text).into_iter().partition(Word::has_trigram);
        if long.is_empty() || !short.is_empty() {
            let window = OffsetRequest { offset: 0, limit, oldest_first };
            return Ok(self.scan_ids(team_id, filter, (&long, &short), ids, window).await?.ids);
        }
        let mut reading = self.begin_reading().await?;
        Look::begin(&mut reading, team_id, filter, &long, ids).await?.find(&mut reading, ids, oldest_first, limit).await
    }

    /// Looks for short words in messages one by one: in those that the long ones find or, without these, in all.
    async fn scan_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        (long, short): (&[Word], &[Word]),
        mut ids: IdRange,
        window: OffsetRequest,
    ) -> Result<Matches, AppError> {
        let mut reading = self.begin_reading().await?;
        let look = Look::begin(&mut reading, team_id, filter, long, ids).await?;
        let most = if long.is_empty() { SCAN_LIMIT } else { CANDIDATES };
        let (mut found, mut read) = (Vec::new(), 0);
        loop {
            let rows = if long.is_empty() {
                list_shown_texts(&mut reading, team_id, filter, ids, window.oldest_first).await?
            } else {
                let candidates = look.find(&mut reading, ids, window.oldest_first, SCAN_STEP).await?;
                list_texts(&mut reading, team_id, &candidates).await?
            };
            let Some((last, _)) = rows.last() else { return Ok(page_of(found, window, true)) };
            if window.oldest_first {
                ids.low = last.0.saturating_add(1);
            } else {
                ids.high = last.0;
            }
            read += rows.len();
            let has_all = |texts: &SearchTexts| short.iter().all(|word| word.is_in(texts, &filter.criteria));
            found.extend(rows.into_iter().filter(|(_, texts)| has_all(texts)).map(|(id, _)| id.0));
            if read >= most || found.len() as i64 > COUNT_LIMIT {
                return Ok(page_of(found, window, false));
            }
        }
    }
}

/// What a list shows, folded, of the newest messages in an id range, or of the oldest.
async fn list_shown_texts(
    reading: &mut Reading,
    team_id: TeamId,
    filter: &EmailFilter,
    ids: IdRange,
    oldest_first: bool,
) -> Result<Vec<(EmailId, SearchTexts)>, AppError> {
    let mut sql = Sql::new(reading.engine(), "SELECT e.id, e.recipients, e.subject FROM emails e WHERE e.team_id = ");
    sql.push_bind(team_id).push(" AND e.id >= ").push_bind(ids.low).push(" AND e.id < ").push_bind(ids.high);
    push_conditions(&mut sql, filter);
    sql.push(if oldest_first { " ORDER BY e.id LIMIT " } else { " ORDER BY e.id DESC LIMIT " }).push_bind(SCAN_STEP);
    let rows: Vec<(EmailId, Json<Vec<Recipient>>, String)> = reading.read(sql).fetch_all().await?;
    Ok(rows.into_iter().map(|(id, recipients, subject)| (id, SearchTexts::new(&recipients, &subject))).collect())
}

/// All that is searched of these messages, in the order of the ids.
async fn list_texts(
    reading: &mut Reading,
    team_id: TeamId,
    ids: &[i64],
) -> Result<Vec<(EmailId, SearchTexts)>, AppError> {
    let mut texts: HashMap<EmailId, SearchTexts> = HashMap::new();
    for some in ids.chunks(TEXTS) {
        let rows: Vec<TextsRow> = reading.read(texts_query(reading.engine(), team_id, some)).fetch_all().await?;
        texts.extend(rows.into_iter().map(<(EmailId, SearchTexts)>::from));
    }
    Ok(ids.iter().filter_map(|id| texts.remove_entry(&EmailId(*id))).collect())
}

impl<'a> Look<'a> {
    async fn begin(
        reading: &mut Reading,
        team_id: TeamId,
        filter: &'a EmailFilter,
        words: &'a [Word],
        ids: IdRange,
    ) -> Result<Self, AppError> {
        let late = "SELECT id FROM templates WHERE team_id = $1 AND marked_from > $2 LIMIT 1";
        let late: Option<i64> = reading.read(late).bind(team_id).bind(ids.low).fetch_optional_scalar().await?;
        let before: Option<i64> = match reading.engine() {
            Engine::Sqlite => {
                let newest = "SELECT rowid FROM email_search_before ORDER BY rowid DESC LIMIT 1";
                reading.read(newest).fetch_optional_scalar().await?
            }
            Engine::Postgres => None,
        };
        let is_moving = before.is_some_and(|newest| newest >= ids.low);
        Ok(Self { team_id, filter, words, marked_late: late.is_some(), is_moving })
    }

    /// The ids of the newest matches in a range, or of the oldest.
    async fn find(
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
        if self.is_moving {
            // First: what moves meanwhile is found twice rather than not at all.
            found = reading.read(self.page_query(Index::Before, ids, window)).fetch_scalars().await?;
        }
        found.extend(reading.read(self.page_query(Index::Now, ids, window)).fetch_scalars::<i64>().await?);
        if self.is_moving {
            found.sort_unstable();
            found.dedup();
            if !oldest_first {
                found.reverse();
            }
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok(found)
    }

    async fn page_of_sqlite(
        &self,
        reading: &mut Reading,
        ids: IdRange,
        window: OffsetRequest,
    ) -> Result<Matches, AppError> {
        let mut counted = self.matching("SELECT COUNT(*) FROM (SELECT 1", Index::Now, ids);
        counted.push(" LIMIT ").push_bind(COUNT_LIMIT + 1).push(")");
        let count: i64 = reading.read(counted).fetch_scalar().await?;
        let total = if count > COUNT_LIMIT { Total::AtLeast(COUNT_LIMIT) } else { Total::Exact(count) };
        if window.offset >= count {
            return Ok(Matches { ids: Vec::new(), total });
        }
        let page = self.page_query(Index::Now, ids, window);
        Ok(Matches { ids: reading.read(page).fetch_scalars().await?, total })
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
    pub(super) fn page_query(&self, index: Index, ids: IdRange, window: OffsetRequest) -> Sql {
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
            Index::Now => self.match_now(),
            Index::Before => self.match_before(),
        });
        sql.push(" AND s.rowid >= ").push_bind(ids.low).push(" AND s.rowid < ").push_bind(ids.high);
        sql.push(" AND e.team_id = ").push_bind(self.team_id).push(" AND e.id = +s.rowid");
        if let (Index::Now, true) = (index, self.looks_for_late_marks()) {
            sql.push(format!(
                " AND ({MARKED_BEFORE} OR EXISTS (SELECT 1 FROM email_search n WHERE n.email_search MATCH "
            ));
            sql.push_bind(self.match_shown()).push(" AND n.rowid = e.id))");
        }
        self.push_rest(&mut sql);
        sql
    }

    /// PostgreSQL's query for some of the matches.
    pub(super) fn postgres_query(&self, ids: IdRange, oldest_first: bool, limit: i64) -> Sql {
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
        push_conditions(sql, self.filter);
        if self.filter.criteria.keeps_addresses {
            self.words.iter().for_each(|word| push_whole_addresses(sql, &word.typed));
        }
    }

    /// What SQLite's index is asked for. Without a column, a word is looked for in all.
    fn match_now(&self) -> String {
        let criteria = &self.filter.criteria;
        let asked = |word: &Word| {
            let text = quoted(&word.folded);
            match (criteria.keeps_addresses, criteria.sees_contents) {
                (true, _) => format!("{SHOWN} : {text}"),
                (false, true) => text,
                (false, false) => format!("({SHOWN} : {text} OR metadata : {})", quoted(&word.as_line())),
            }
        };
        self.words.iter().map(asked).collect::<Vec<_>>().join(" AND ")
    }

    /// The same in what everybody sees.
    fn match_shown(&self) -> String {
        let asked = |word: &Word| format!("{SHOWN} : {}", quoted(&word.folded));
        self.words.iter().map(asked).collect::<Vec<_>>().join(" AND ")
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
