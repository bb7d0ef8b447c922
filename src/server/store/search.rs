//! Search in addresses, names, subjects, metadata and variables, folded as [super::folding] has it. Each word must be in one of
//! them. Words of three characters and more are found by their trigrams: in SQLite through FTS5, newest first from the index, in
//! [letters] of the team;
//! in PostgreSQL through pg_trgm, in windows of time that grow until the page is full, so that a common text never gathers the
//! whole log. Shorter words have no trigram and are looked for in the newest [SCAN_LIMIT] messages, or in the newest
//! [CANDIDATES] that longer words find.

pub(super) mod common;
pub(super) mod index;
pub(super) mod letters;
pub(super) mod look;
pub(super) mod texts;

use std::collections::HashMap;

use sqlx::types::Json;

use self::look::Look;
use self::texts::{SearchTexts, TextsRow, texts_query};
use super::Store;
use super::criteria::{TRIGRAM, push_criteria, push_scope, push_statuses};
use super::engine::{Engine, Reading, Sql};
use super::folding::searchable;
use super::range::IdRange;
use crate::domain::email::{EmailSummary, Recipient};
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter};
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::page::{COUNT_LIMIT, OffsetRequest, Total};
use crate::domain::words::words_of;

/// How many messages are read, at most, for words without a trigram alone.
const SCAN_LIMIT: usize = 100_000;
/// How many are, with their contents, that longer words find.
const CANDIDATES: usize = 10_000;
const SCAN_STEP: i64 = 2_000;
/// How many messages' texts one statement reads.
const TEXTS: usize = 500;

/// A page of matches and how many there are in all.
pub(super) struct Matches {
    pub ids: Vec<i64>,
    pub total: Total,
    /// Where more than [COUNT_LIMIT] were counted: from the oldest of them to the newest.
    counted: Option<IdRange>,
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

/// Whether each word of a search is in the subject or in a recipient's name or address. Where one is not, and search found the
/// message, the word is in its metadata or variables: there is nothing else that search looks through.
pub fn is_in_sight(text: &str, email: &EmailSummary) -> bool {
    let SearchTexts { addresses, names, subject, .. } = SearchTexts::new(&email.recipients, &email.subject);
    let texts = [addresses, names, subject];
    Word::all_of(text).iter().all(|word| texts.iter().any(|text| text.contains(word.folded.as_str())))
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
            return Ok(Matches { ids: Vec::new(), total: Total::Exact(0), counted: None });
        }
        let (long, short): (Vec<Word>, Vec<Word>) = Word::all_of(text).into_iter().partition(Word::has_trigram);
        if long.is_empty() || !short.is_empty() {
            return self.scan_ids(team_id, filter, (&long, &short), ids, window).await;
        }
        let mut reading = self.begin_reading().await?;
        let look = Look::begin(&mut reading, team_id, filter, &long, ids).await?;
        let is_common = self.common.has(team_id, filter, ids);
        let matches = if reading.engine() == Engine::Sqlite && look.older.is_empty() {
            look.page_of_sqlite(&mut reading, ids, window, is_common).await?
        } else {
            look.page_of_found(&mut reading, ids, window, is_common).await?
        };
        if let Some(ids) = matches.counted {
            self.common.keep(team_id, filter, ids);
        }
        Ok(matches)
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
    push_conditions(&mut sql, team_id, filter);
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

/// Adds what the filter asks for beside its text and its range.
fn push_conditions(sql: &mut Sql, team_id: TeamId, filter: &EmailFilter) {
    push_statuses(sql, filter.statuses);
    push_scope(sql, filter.scope());
    push_criteria(sql, team_id, &filter.criteria);
}

fn page_of(found: Vec<i64>, window: OffsetRequest, complete: bool) -> Matches {
    let count = found.len() as i64;
    let total =
        if complete && count <= COUNT_LIMIT { Total::Exact(count) } else { Total::AtLeast(count.min(COUNT_LIMIT)) };
    let skip = usize::try_from(window.offset).unwrap_or(usize::MAX);
    let ids = found.into_iter().skip(skip).take(usize::try_from(window.limit).unwrap_or_default()).collect();
    Matches { ids, total, counted: None }
}
