//! SQLite's queries for the messages that have all words. FTS5 walks along the pieces of a word from the newest message on, by
//! its number.

use std::collections::HashMap;

use sqlx::types::Json;

use super::{COUNT, Look, MARKED_BEFORE, Place, SHOWN, Step};
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId};
use crate::server::store::engine::{Engine, Reading, Sql};
use crate::server::store::range::IdRange;
use crate::server::store::search::grams::phrase_of;
use crate::server::store::search::letters::in_letters_of;
use crate::server::store::search::numbers::LATE;
use crate::server::store::search::subjects::{TRIGRAM, quoted, searched_before};
use crate::server::store::search::texts::{SearchTexts, TextsRow, texts_query};
use crate::server::store::search::{Word, push_conditions};

/// How many messages' texts one statement reads.
const TEXTS: usize = 500;
/// How many messages an index of before gives at a time, where short words are then looked for in each.
const SOME: i64 = 500;
/// Of so few messages the index gathers those of any beginning of a piece in a moment.
const FEW: i64 = if cfg!(test) { 500 } else { 20_000 };

/// Where SQLite has the messages of a range.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::store) struct Numbers {
    /// The numbers of the oldest and the newest message that have one in order.
    pub ends: Option<(i64, i64)>,
    /// Whether the team has late messages, whose numbers are in no order.
    pub has_late: bool,
    /// Whether the team has fewer than [FEW] messages.
    pub few: bool,
    /// The indexes of before that still have messages of the range.
    pub former: &'static [Index],
}

/// What SQLite has of a message: in an index, in some form.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::store) enum Index {
    /// By its pieces.
    Now,
    /// The same of a late message.
    Late,
    /// By trigrams, in plain letters or in those of the team.
    Trigrams,
    /// With accents, and without contents.
    Before,
}

type Found = (Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

impl Numbers {
    /// Where the messages of a range are, and whether there is what `late` selects.
    pub(super) async fn find(
        reading: &mut Reading,
        late: &str,
        team_id: TeamId,
        words: &[Word],
        ids: IdRange,
    ) -> Result<(bool, Place), AppError> {
        let statement = format!(
            "SELECT {late},
             (SELECT number FROM search_numbers WHERE team_id = $1 AND email_id >= $2 ORDER BY email_id LIMIT 1),
             (SELECT number FROM search_numbers WHERE team_id = $1 AND email_id < $3 ORDER BY email_id DESC LIMIT 1),
             (SELECT number FROM search_late WHERE team_id = $1 LIMIT 1),
             (SELECT rowid FROM email_search ORDER BY rowid DESC LIMIT 1),
             (SELECT rowid FROM email_search_before ORDER BY rowid DESC LIMIT 1)"
        );
        let (marked_late, first, last, late, trigrams, before): Found =
            reading.read(statement).bind(team_id).bind(ids.low).bind(ids.high).fetch_one().await?;
        let has = |newest: Option<i64>| newest.is_some_and(|id| id >= ids.low);
        let former: &[Index] = match (has(before), has(trigrams)) {
            (true, true) => &[Index::Before, Index::Trigrams],
            (true, false) => &[Index::Before],
            (false, true) => &[Index::Trigrams],
            (false, false) => &[],
        };
        let ends = first.zip(last).filter(|(first, last)| first <= last);
        let few = words.iter().all(|word| word.folded.len() > 2)
            || reading.read(COUNT).bind(team_id).fetch_scalar::<i64>().await? < FEW;
        Ok((marked_late.is_some(), Place::Sqlite(Self { ends, has_late: late.is_some(), few, former })))
    }

    /// Whether one walk of the index finds all there is.
    pub(super) fn are_all(&self) -> bool {
        !self.has_late && self.former.is_empty()
    }
}

impl Look<'_> {
    /// The newest matches, or the oldest, of all indexes.
    pub(super) async fn find_sqlite(
        &self,
        reading: &mut Reading,
        numbers: Numbers,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        let mut found: Vec<i64> = Vec::new();
        // Those of before first: what moves meanwhile is found twice rather than not at all.
        for index in numbers.former {
            found.append(&mut self.find_former(reading, *index, ids, oldest_first, limit).await?);
        }
        if numbers.has_late {
            let late = self.page_query(Index::Late, numbers, ids, oldest_first, limit);
            found.append(&mut reading.read(late).fetch_scalars::<i64>().await?);
        }
        let now = self.page_query(Index::Now, numbers, ids, oldest_first, limit);
        found.append(&mut reading.read(now).fetch_scalars::<i64>().await?);
        if !numbers.are_all() {
            found.sort_unstable();
            found.dedup();
            if !oldest_first {
                found.reverse();
            }
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok(found)
    }

    /// The same of an index of before, which does not know short words: they are looked for in what the others find.
    async fn find_former(
        &self,
        reading: &mut Reading,
        index: Index,
        mut ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        let no_numbers = Numbers { ends: None, has_late: false, few: true, former: &[] };
        let short: Vec<&Word> = self.words.iter().filter(|word| !has_trigram(word)).collect();
        if short.is_empty() {
            return reading.read(self.page_query(index, no_numbers, ids, oldest_first, limit)).fetch_scalars().await;
        }
        let mut found = Vec::new();
        loop {
            let query = self.page_query(index, no_numbers, ids, oldest_first, SOME);
            let some: Vec<i64> = reading.read(query).fetch_scalars().await?;
            let texts = self.list_texts(reading, &some).await?;
            let has_all = |texts: &SearchTexts| short.iter().all(|word| word.is_in(texts, &self.filter.criteria));
            found.extend(some.iter().copied().filter(|id| texts.get(&EmailId(*id)).is_some_and(has_all)));
            let Some(last) = some.last().filter(|_| some.len() as i64 == SOME && (found.len() as i64) < limit) else {
                return Ok(found);
            };
            (ids.low, ids.high) = if oldest_first { (last.saturating_add(1), ids.high) } else { (ids.low, *last) };
        }
    }

    /// Reads the newest messages of a range, or the oldest, and looks for the words in each.
    pub(super) async fn read_sqlite(
        &self,
        reading: &mut Reading,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Step, AppError> {
        let mut sql = Sql::new(Engine::Sqlite, "SELECT e.id, e.recipients, e.subject FROM emails e WHERE e.team_id = ");
        sql.push_bind(self.team_id).push(" AND e.id >= ").push_bind(ids.low).push(" AND e.id < ").push_bind(ids.high);
        push_conditions(&mut sql, self.team_id, self.filter);
        sql.push(if oldest_first { " ORDER BY e.id LIMIT " } else { " ORDER BY e.id DESC LIMIT " }).push_bind(limit);
        let rows: Vec<(EmailId, Json<Vec<Recipient>>, String)> = reading.read(sql).fetch_all().await?;
        let criteria = &self.filter.criteria;
        let has_all = |texts: &SearchTexts| self.words.iter().all(|word| word.is_in(texts, criteria));
        let shown = |(id, recipients, subject): &(EmailId, Json<Vec<Recipient>>, String)| {
            (id.0, has_all(&SearchTexts::new(recipients, subject)))
        };
        let mut read: Vec<(i64, bool)> = rows.iter().map(shown).collect();
        // What is not in sight may be in contents.
        if !criteria.keeps_addresses {
            let others: Vec<i64> = read.iter().filter(|(_, is_match)| !is_match).map(|(id, _)| *id).collect();
            let texts = self.list_texts(reading, &others).await?;
            for (id, is_match) in &mut read {
                *is_match |= texts.get(&EmailId(*id)).is_some_and(has_all);
            }
        }
        Ok(Step {
            last: read.last().map(|(id, _)| *id),
            read: read.len() as i64,
            found: read.into_iter().filter(|(_, is_match)| *is_match).map(|(id, _)| id).collect(),
        })
    }

    /// All that is searched of these messages.
    async fn list_texts(&self, reading: &mut Reading, ids: &[i64]) -> Result<HashMap<EmailId, SearchTexts>, AppError> {
        let mut texts = HashMap::with_capacity(ids.len());
        for some in ids.chunks(TEXTS) {
            let query = texts_query(Engine::Sqlite, self.team_id, some);
            let rows: Vec<TextsRow> = reading.read(query).fetch_all().await?;
            texts.extend(rows.into_iter().map(<(EmailId, SearchTexts)>::from));
        }
        Ok(texts)
    }

    /// The query for some of the matches.
    pub(in crate::server::store) fn page_query(
        &self,
        index: Index,
        numbers: Numbers,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Sql {
        let (id, row) = match index {
            Index::Now => ("m.email_id", "s.rowid"),
            Index::Late => ("m.email_id", "m.email_id"),
            Index::Trigrams | Index::Before => ("e.id", "s.rowid"),
        };
        let mut sql = Sql::new(Engine::Sqlite, format!("SELECT {id}"));
        self.push_matching(&mut sql, index, numbers, ids, true);
        let order = if oldest_first { "" } else { " DESC" };
        sql.push(format!(" ORDER BY {row}{order} LIMIT ")).push_bind(limit);
        sql
    }

    /// The query for how many there are whose numbers are in order, the oldest and the newest.
    pub(in crate::server::store) fn count_query(&self, numbers: Numbers, ids: IdRange, limit: i64) -> Sql {
        let mut sql = Sql::new(
            Engine::Sqlite,
            "SELECT count, (SELECT email_id FROM search_ids WHERE number = low),
                    (SELECT email_id FROM search_ids WHERE number = high)
             FROM (SELECT COUNT(*) AS count, MIN(number) AS low, MAX(number) AS high FROM (SELECT s.rowid AS number",
        );
        self.push_matching(&mut sql, Index::Now, numbers, ids, ids != self.ids);
        sql.push(" ORDER BY s.rowid DESC LIMIT ").push_bind(limit).push("))");
        sql
    }

    /// The same of late messages.
    pub(super) fn count_late_query(&self, numbers: Numbers, ids: IdRange, limit: i64) -> Sql {
        let start = "SELECT COUNT(*), MIN(id), MAX(id) FROM (SELECT m.email_id AS id";
        let mut sql = Sql::new(Engine::Sqlite, start);
        self.push_matching(&mut sql, Index::Late, numbers, ids, true);
        sql.push(" LIMIT ").push_bind(limit).push(")");
        sql
    }

    /// Adds from where the messages come that match. Their ids are looked up where these are wanted.
    fn push_matching(&self, sql: &mut Sql, index: Index, numbers: Numbers, ids: IdRange, with_ids: bool) {
        // CROSS JOIN keeps the index of words the outer loop, which gives the newest match first. The `+` hides from the
        // planner that a range of row ids is one of message ids too: it would walk that range for every match.
        let asks_for_more = self.asks_for_more();
        match index {
            Index::Now | Index::Late => {
                sql.push(" FROM search_grams s");
                sql.push(if with_ids || asks_for_more { " CROSS JOIN search_ids m" } else { "" });
                sql.push(if asks_for_more { " CROSS JOIN emails e" } else { "" });
                sql.push(" WHERE s.search_grams MATCH ").push_bind(self.match_now(numbers.few));
                let (first, last) = match index {
                    Index::Now => numbers.ends.unwrap_or((1, 0)),
                    _ => (LATE, i64::MAX),
                };
                sql.push(" AND s.rowid >= ").push_bind(first).push(" AND s.rowid <= ").push_bind(last);
                if with_ids || asks_for_more {
                    sql.push(" AND m.number = s.rowid");
                }
                if matches!(index, Index::Late) || ids != self.ids {
                    sql.push(" AND m.email_id >= ").push_bind(ids.low).push(" AND m.email_id < ").push_bind(ids.high);
                }
                if asks_for_more {
                    sql.push(" AND e.team_id = ").push_bind(self.team_id).push(" AND e.id = m.email_id");
                }
                if self.looks_for_late_marks() {
                    sql.push(format!(
                        " AND ({MARKED_BEFORE} OR EXISTS (SELECT 1 FROM search_grams n WHERE n.search_grams MATCH "
                    ));
                    sql.push_bind(self.match_shown(|word| phrase_of(self.team_id, &word.folded, numbers.few)));
                    sql.push(" AND n.rowid = m.number))");
                }
            }
            Index::Trigrams | Index::Before => {
                let table = if matches!(index, Index::Trigrams) { "email_search" } else { "email_search_before" };
                sql.push(format!(" FROM {table} s CROSS JOIN emails e WHERE "));
                let asked = match index {
                    Index::Trigrams => self.match_trigrams(),
                    _ => self.match_before(),
                };
                if !asked.is_empty() {
                    sql.push(format!("s.{table} MATCH ")).push_bind(asked).push(" AND ");
                }
                sql.push("s.rowid >= ").push_bind(ids.low).push(" AND s.rowid < ").push_bind(ids.high);
                sql.push(" AND e.team_id = ").push_bind(self.team_id).push(" AND e.id = +s.rowid");
                let shown = self.match_shown_trigrams();
                if matches!(index, Index::Trigrams) && self.looks_for_late_marks() && !shown.is_empty() {
                    sql.push(format!(
                        " AND ({MARKED_BEFORE} OR EXISTS (SELECT 1 FROM email_search n WHERE n.email_search MATCH "
                    ));
                    sql.push_bind(shown).push(" AND n.rowid = e.id))");
                }
            }
        }
        self.push_rest(sql);
    }

    /// What the index is asked for. Without a column, a word is looked for in all.
    fn match_now(&self, few: bool) -> String {
        self.match_all(|folded| phrase_of(self.team_id, folded, few), self.words.iter())
    }

    fn match_trigrams(&self) -> String {
        self.match_all(|folded| self.trigrams(folded), self.words.iter().filter(|word| has_trigram(word)))
    }

    fn match_all<'w>(&self, phrase: impl Fn(&str) -> String, words: impl Iterator<Item = &'w Word>) -> String {
        let criteria = &self.filter.criteria;
        let asked = |word: &Word| {
            let text = phrase(&word.folded);
            match (criteria.keeps_addresses, criteria.sees_contents) {
                (true, _) => format!("{SHOWN} : {text}"),
                (false, true) => text,
                (false, false) => format!("({SHOWN} : {text} OR metadata : {})", phrase(&word.as_line())),
            }
        };
        words.map(asked).collect::<Vec<_>>().join(" AND ")
    }

    /// What it is asked for in what everybody sees.
    fn match_shown(&self, phrase: impl Fn(&Word) -> String) -> String {
        self.words.iter().map(|word| format!("{SHOWN} : {}", phrase(word))).collect::<Vec<_>>().join(" AND ")
    }

    fn match_shown_trigrams(&self) -> String {
        let words = self.words.iter().filter(|word| has_trigram(word));
        words.map(|word| format!("{SHOWN} : {}", self.trigrams(&word.folded))).collect::<Vec<_>>().join(" AND ")
    }

    /// A folded text in the letters of the team, or in plain ones.
    fn trigrams(&self, folded: &str) -> String {
        format!("({} OR {})", quoted(&in_letters_of(self.team_id, folded)), quoted(folded))
    }

    fn match_before(&self) -> String {
        let asked = |word: &Word| format!("({})", searched_before(&word.typed).map(|text| quoted(&text)).join(" OR "));
        self.words.iter().filter(|word| has_trigram(word)).map(asked).collect::<Vec<_>>().join(" AND ")
    }
}

/// Whether an index of before knows a word.
fn has_trigram(word: &Word) -> bool {
    word.folded.chars().count() >= TRIGRAM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_index_of_before_and_nothing_late_is_one_walk() {
        let all = Numbers { ends: None, has_late: false, few: true, former: &[] };
        assert!(all.are_all());
        assert!(!Numbers { has_late: true, ..all }.are_all());
        assert!(!Numbers { former: &[Index::Before], ..all }.are_all());
    }
}
