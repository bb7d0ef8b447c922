//! PostgreSQL's queries for the messages that have all words. Its index gathers all messages that may have them, in no order;
//! each is then looked through.

use sqlx::types::Json;

use super::{Look, MARKED_BEFORE, Step};
use crate::domain::error::AppError;
use crate::domain::filter::Criteria;
use crate::domain::ids::SEQUENCE_BITS;
use crate::server::store::engine::{Engine, Reading, Sql};
use crate::server::store::like::contains;
use crate::server::store::range::IdRange;
use crate::server::store::search::Word;
use crate::server::store::search::grams::query_of;
use crate::server::store::search::subjects::searched_for;

/// The first window of time of the indexes of before, in ids.
const DAY: i64 = 86_400_000 << SEQUENCE_BITS;

/// As the index has it.
const GRAMS: &str = "version = 2 AND search_grams(team_id, recipients, subject, metadata, variables) @@ CAST(";

impl Look<'_> {
    /// Reads the newest messages of a range, or the oldest, and looks for the words in each.
    pub(super) async fn read_postgres(
        &self,
        reading: &mut Reading,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Step, AppError> {
        let query = self.read_query(ids, oldest_first, limit);
        let (read, oldest, newest, found): (i64, Option<i64>, Option<i64>, Json<Vec<i64>>) =
            reading.read(query).fetch_one().await?;
        Ok(Step { found: found.0, last: if oldest_first { newest } else { oldest }, read })
    }

    /// How many were read, from where to where, and those that match.
    pub(in crate::server::store) fn read_query(&self, ids: IdRange, oldest_first: bool, limit: i64) -> Sql {
        let order = if oldest_first { "" } else { " DESC" };
        let mut sql = Sql::new(
            Engine::Postgres,
            "WITH texts AS MATERIALIZED (
                 SELECT team_id, email_id, recipients, subject, metadata, variables FROM email_search WHERE team_id = ",
        );
        sql.push_bind(self.team_id).push(" AND email_id >= ").push_bind(ids.low);
        sql.push(" AND email_id < ").push_bind(ids.high);
        sql.push(format!(" ORDER BY email_id{order} LIMIT ")).push_bind(limit);
        sql.push("), matches AS (SELECT email_id");
        self.push_is_shown(&mut sql, false);
        sql.push(" FROM texts WHERE TRUE");
        self.push_words(&mut sql, false);
        sql.push(
            ") SELECT (SELECT COUNT(*) FROM texts), (SELECT MIN(email_id) FROM texts), (SELECT MAX(email_id) FROM texts),
             (SELECT COALESCE(json_agg(x.id), '[]') FROM (SELECT m.email_id AS id FROM matches m",
        );
        self.push_emails(&mut sql);
        sql.push(format!(" ORDER BY m.email_id{order}) x)"));
        sql
    }

    /// Some of the matches, by the index of pieces.
    pub(in crate::server::store) fn grams_query(&self, ids: IdRange, oldest_first: bool, limit: i64) -> Sql {
        self.matches_query(false, oldest_first, limit, |sql| self.push_grams(sql, ids))
    }

    /// The same by the indexes of before.
    fn trigrams_query(&self, ids: IdRange, oldest_first: bool, limit: i64) -> Sql {
        self.matches_query(true, oldest_first, limit, |sql| {
            sql.push(" FROM email_search WHERE team_id = ").push_bind(self.team_id);
            sql.push(" AND email_id >= ").push_bind(ids.low).push(" AND email_id < ").push_bind(ids.high);
            self.push_words(sql, true);
        })
    }

    /// The newest of the rows that `from` selects, or the oldest, as far as they match in all.
    fn matches_query(&self, before: bool, oldest_first: bool, limit: i64, from: impl FnOnce(&mut Sql)) -> Sql {
        let mut sql = Sql::new(Engine::Postgres, "WITH matches AS MATERIALIZED (SELECT email_id");
        self.push_is_shown(&mut sql, before);
        from(&mut sql);
        sql.push(") SELECT m.email_id FROM matches m");
        self.push_emails(&mut sql);
        sql.push(if oldest_first { " ORDER BY m.email_id LIMIT " } else { " ORDER BY m.email_id DESC LIMIT " });
        sql.push_bind(limit);
        sql
    }

    /// How many there are, the oldest and the newest of those that were counted: in no order, the first that come.
    pub(in crate::server::store) fn count_postgres(&self, ids: IdRange, limit: i64) -> Sql {
        let mut sql = Sql::new(
            Engine::Postgres,
            "SELECT COUNT(*), MIN(id), MAX(id) FROM (
                 SELECT m.email_id AS id FROM (SELECT team_id, email_id",
        );
        self.push_is_shown(&mut sql, false);
        self.push_grams(&mut sql, ids);
        sql.push(") m");
        self.push_emails(&mut sql);
        sql.push(" LIMIT ").push_bind(limit).push(") counted");
        sql
    }

    fn push_grams(&self, sql: &mut Sql, ids: IdRange) {
        sql.push(" FROM email_search WHERE ").push(GRAMS);
        sql.push_bind(query_of(self.team_id, self.words.iter().map(|word| word.folded.as_str())));
        // The sums hide from the planner that the primary key knows these: it would gather all of the team's messages too.
        sql.push(" AS TSQUERY) AND team_id + 0 = ").push_bind(self.team_id);
        sql.push(" AND email_id + 0 >= ").push_bind(ids.low).push(" AND email_id + 0 < ").push_bind(ids.high);
        self.push_words(sql, false);
    }

    fn push_words(&self, sql: &mut Sql, before: bool) {
        self.words.iter().for_each(|word| push_word(sql, word, Some(&self.filter.criteria), before));
    }

    fn push_is_shown(&self, sql: &mut Sql, before: bool) {
        if self.looks_for_late_marks() {
            sql.push(", (TRUE");
            self.words.iter().for_each(|word| push_word(sql, word, None, before));
            sql.push(") AS is_shown");
        }
    }

    /// Adds what the index does not tell of the matches `m`.
    fn push_emails(&self, sql: &mut Sql) {
        if !self.asks_for_more() {
            return;
        }
        sql.push(" JOIN emails e ON e.team_id = ").push_bind(self.team_id).push(" AND e.id = m.email_id WHERE TRUE");
        if self.looks_for_late_marks() {
            sql.push(format!(" AND (m.is_shown OR {MARKED_BEFORE})"));
        }
        self.push_rest(sql);
    }

    /// Some of the matches by the indexes of before, which know no teams: in windows of time that grow until there are enough.
    pub(super) async fn find_by_trigrams(
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
            let sql = self.trigrams_query(piece, oldest_first, limit - found.len() as i64);
            found.extend(reading.read(sql).fetch_scalars::<i64>().await?);
            (low, high) = if oldest_first { (piece.high, high) } else { (low, piece.low) };
            span = span.saturating_mul(8);
        }
        Ok(found)
    }
}

/// Adds that a row has a word; in its contents, too, as far as criteria allow. Rows of before have it in other forms.
fn push_word(sql: &mut Sql, word: &Word, in_contents: Option<&Criteria>, before: bool) {
    let forms = if before { searched_for(&word.typed) } else { vec![word.folded.clone()] };
    let mut next = " AND (recipients LIKE ";
    for text in forms {
        let pattern = contains(&text);
        sql.push(next).push_bind(&pattern).push(" OR subject LIKE ").push_bind(&pattern);
        next = " OR recipients LIKE ";
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
