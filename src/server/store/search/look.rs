//! Looking for the messages that have all words of a search. The index finds them, in each engine by its own queries. Where it
//! cannot give the newest without gathering all, the newest messages are read first: of a word that many of them have, they
//! fill the page.

mod postgres;
pub(in crate::server::store) mod sqlite;

use self::sqlite::Numbers;
use super::index::BY_TRIGRAMS;
use super::{Matches, Word, has_conditions, push_conditions};
use crate::domain::error::AppError;
use crate::domain::filter::EmailFilter;
use crate::domain::ids::TeamId;
use crate::domain::page::{COUNT_LIMIT, OffsetRequest, Total};
use crate::server::store::criteria::push_whole_addresses;
use crate::server::store::engine::{Engine, Reading, Sql};
use crate::server::store::range::IdRange;

/// How many messages are read at first, and how many at most at a time.
const FEW: i64 = 500;
const MANY: i64 = 10_000;
/// So many are read for a page that one in [SELDOM] of them is on.
const PATIENCE: i64 = 5_000;
const SELDOM: i64 = 100;

/// What is looked for: words, and what the filter asks beside them.
#[derive(Clone, Copy)]
pub(in crate::server::store) struct Look<'a> {
    pub team_id: TeamId,
    pub filter: &'a EmailFilter,
    pub words: &'a [Word],
    pub ids: IdRange,
    /// Whether a template marks variables since messages of it were put into the index with these.
    pub marked_late: bool,
    pub place: Place,
}

/// Where the index has the messages of the range.
#[derive(Clone, Copy, Debug)]
pub(in crate::server::store) enum Place {
    Sqlite(Numbers),
    Postgres {
        /// Some are found by the indexes of before alone.
        by_trigrams: bool,
        /// How many the team has.
        count: i64,
    },
}

/// What was found so far by reading messages.
struct Walk {
    found: Vec<i64>,
    /// What is yet to be read.
    rest: IdRange,
    read: i64,
    is_over: bool,
}

/// How many messages a team (`$1`) has, by the rollups of its days.
const COUNT: &str =
    "SELECT CAST(COALESCE(SUM(queued + sent + delivered + opened + clicked + bounced + failed + spam), 0) AS BIGINT)
    FROM email_rollups WHERE team_id = $1 AND template_id = 0 AND hour < 0";

/// Some messages that were read.
struct Step {
    found: Vec<i64>,
    /// The last one that was read.
    last: Option<i64>,
    read: i64,
}

/// How many matches there are, at most as many as were asked for, and the oldest and the newest of them.
struct Counted((i64, Option<i64>, Option<i64>));

impl<'a> Look<'a> {
    pub(super) async fn begin(
        reading: &mut Reading,
        team_id: TeamId,
        filter: &'a EmailFilter,
        words: &'a [Word],
        ids: IdRange,
    ) -> Result<Self, AppError> {
        let late = "(SELECT id FROM templates WHERE team_id = $1 AND marked_from > $2 LIMIT 1)";
        let (marked_late, place) = if reading.engine() == Engine::Sqlite {
            Numbers::find(reading, late, team_id, words, ids).await?
        } else {
            let statement = format!("SELECT {late}, ({BY_TRIGRAMS}), ({COUNT})");
            let (late, by_trigrams, count): (Option<i64>, Option<String>, i64) =
                reading.read(statement).bind(team_id).bind(ids.low).fetch_one().await?;
            (late.is_some(), Place::Postgres { by_trigrams: by_trigrams.is_some(), count })
        };
        Ok(Self { team_id, filter, words, ids, marked_late, place })
    }

    /// The ids of the newest matches in a range, or of the oldest.
    pub(super) async fn find(
        &self,
        reading: &mut Reading,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        let mut walk = Walk::over(ids);
        self.read(reading, &mut walk, oldest_first, limit, PATIENCE).await?;
        if !walk.is_over && walk.count() < limit {
            let rest = limit - walk.count();
            walk.found.append(&mut self.find_indexed(reading, walk.rest, oldest_first, rest).await?);
        }
        walk.found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(walk.found)
    }

    /// A page and the total: a page that is not full tells it, and what is common is not counted again. And where more than
    /// [COUNT_LIMIT] were counted, from where to where these are.
    pub(super) async fn page(
        &self,
        reading: &mut Reading,
        window: OffsetRequest,
        is_common: bool,
    ) -> Result<(Matches, Option<IdRange>), AppError> {
        let OffsetRequest { offset, limit, oldest_first } = window;
        let wanted = offset.saturating_add(limit).min(COUNT_LIMIT.saturating_add(limit));
        let mut walk = Walk::over(self.ids);
        self.read(reading, &mut walk, oldest_first, wanted, PATIENCE).await?;
        let mut indexed = Vec::new();
        if !walk.is_over && walk.count() < wanted {
            let rest = wanted - walk.count();
            indexed = self.find_indexed(reading, walk.rest, oldest_first, rest).await?;
            walk.is_over = (indexed.len() as i64) < rest;
        } else if !is_common {
            self.read(reading, &mut walk, oldest_first, COUNT_LIMIT + 1, 0).await?;
        }
        let seen = || walk.found.iter().chain(&indexed).copied();
        let (count, ends) = if is_common || walk.is_over || walk.count() > COUNT_LIMIT {
            (seen().count() as i64, None)
        } else {
            self.count_indexed(reading, walk.rest, COUNT_LIMIT + 1 - walk.count()).await?.after(walk.count())
        };
        let is_more = is_common || count > COUNT_LIMIT;
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        let ids = seen().skip(skipped).take(usize::try_from(limit).unwrap_or_default()).collect();
        let total = if is_more { Total::AtLeast(COUNT_LIMIT) } else { Total::Exact(count) };
        let all = || seen().chain(ends.into_iter().flat_map(|(oldest, newest)| [oldest, newest]));
        let counted = match (all().min(), all().max()) {
            (Some(low), Some(newest)) if is_more && !is_common => Some(IdRange { low, high: newest.saturating_add(1) }),
            (_, _) => None,
        };
        Ok((Matches { ids, total }, counted))
    }

    /// Reads messages as long as enough of them match; none where the index gives the newest by itself.
    async fn read(
        &self,
        reading: &mut Reading,
        walk: &mut Walk,
        oldest_first: bool,
        wanted: i64,
        patience: i64,
    ) -> Result<(), AppError> {
        let Some(one_in) = self.reads_if_one_in() else { return Ok(()) };
        while !walk.is_over && walk.count() < wanted && walk.is_worth_it(one_in, patience) {
            let limit = walk.next(wanted);
            let step = match self.place {
                Place::Sqlite(_) => self.read_sqlite(reading, walk.rest, oldest_first, limit).await?,
                Place::Postgres { .. } => self.read_postgres(reading, walk.rest, oldest_first, limit).await?,
            };
            walk.add(step, oldest_first, limit);
        }
        Ok(())
    }

    /// Of how many messages one matches, at least, so that reading them beats the index; `None` where nothing does. SQLite
    /// gathers lists for words of one letter alone, PostgreSQL for all.
    fn reads_if_one_in(&self) -> Option<i64> {
        match self.place {
            Place::Sqlite(numbers) => {
                (!numbers.few && self.words.iter().any(|word| word.folded.len() == 1)).then_some(2)
            }
            // To gather a match costs a third of what it costs to read a message, and 10,000 matches are read in as many
            // messages as they are rare.
            Place::Postgres { by_trigrams, count } => {
                (!by_trigrams).then(|| (count / (3 * COUNT_LIMIT)).isqrt().max(1))
            }
        }
    }

    /// The ids of the newest matches in a range, or of the oldest, by the index.
    async fn find_indexed(
        &self,
        reading: &mut Reading,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        match self.place {
            Place::Sqlite(numbers) => self.find_sqlite(reading, numbers, ids, oldest_first, limit).await,
            Place::Postgres { by_trigrams: true, .. } => self.find_by_trigrams(reading, ids, oldest_first, limit).await,
            Place::Postgres { by_trigrams: false, .. } => {
                reading.read(self.grams_query(ids, oldest_first, limit)).fetch_scalars().await
            }
        }
    }

    /// Counts the matches in a range, at most so many.
    async fn count_indexed(&self, reading: &mut Reading, ids: IdRange, limit: i64) -> Result<Counted, AppError> {
        match self.place {
            Place::Sqlite(numbers) if numbers.former.is_empty() => {
                let counted = Counted(reading.read(self.count_query(numbers, ids, limit)).fetch_one().await?);
                if !numbers.has_late {
                    return Ok(counted);
                }
                let late = Counted(reading.read(self.count_late_query(numbers, ids, limit)).fetch_one().await?);
                Ok(counted.and(late))
            }
            Place::Postgres { by_trigrams: false, .. } => {
                Ok(Counted(reading.read(self.count_postgres(ids, limit)).fetch_one().await?))
            }
            Place::Sqlite(_) | Place::Postgres { by_trigrams: true, .. } => {
                let found = self.find_indexed(reading, ids, false, limit).await?;
                Ok(Counted((found.len() as i64, found.last().copied(), found.first().copied())))
            }
        }
    }

    fn looks_for_late_marks(&self) -> bool {
        self.marked_late && !self.filter.criteria.keeps_addresses
    }

    /// Whether the index alone does not tell that a message matches.
    fn asks_for_more(&self) -> bool {
        has_conditions(self.filter) || self.filter.criteria.keeps_addresses || self.marked_late
    }

    fn push_rest(&self, sql: &mut Sql) {
        push_conditions(sql, self.team_id, self.filter);
        if self.filter.criteria.keeps_addresses {
            self.words.iter().for_each(|word| push_whole_addresses(sql, self.team_id, &word.typed));
        }
    }
}

impl Walk {
    fn over(ids: IdRange) -> Self {
        Self { found: Vec::new(), rest: ids, read: 0, is_over: ids.low >= ids.high }
    }

    fn count(&self) -> i64 {
        self.found.len() as i64
    }

    /// Whether one of so many messages matched; at first one of [SELDOM] is enough.
    fn is_worth_it(&self, one_in: i64, patience: i64) -> bool {
        self.count() * one_in >= self.read || self.read < patience && self.count() * SELDOM >= self.read
    }

    /// How many messages to read, for so many matches.
    fn next(&self, wanted: i64) -> i64 {
        let missing = wanted.saturating_sub(self.count());
        (missing.saturating_mul(self.read) / self.count().max(1)).clamp(FEW, MANY)
    }

    fn add(&mut self, step: Step, oldest_first: bool, asked: i64) {
        self.found.extend(step.found);
        self.read += step.read;
        match step.last {
            Some(last) if oldest_first => self.rest.low = last.saturating_add(1),
            Some(last) => self.rest.high = last,
            None => {}
        }
        self.is_over = step.read < asked;
    }
}

impl Counted {
    fn and(self, other: Self) -> Self {
        let ((count, oldest, newest), (more, other_oldest, other_newest)) = (self.0, other.0);
        let all = |one: Option<i64>, two: Option<i64>| one.into_iter().chain(two);
        Self((count + more, all(oldest, other_oldest).min(), all(newest, other_newest).max()))
    }

    /// The same with so many more.
    fn after(self, before: i64) -> (i64, Option<(i64, i64)>) {
        let (count, oldest, newest) = self.0;
        (before + count, oldest.zip(newest))
    }
}

/// The columns of the index that hold what a list shows.
const SHOWN: &str = "{recipients subject}";

/// That the index has none of the variables of a message that its template marks now.
const MARKED_BEFORE: &str = "NOT EXISTS (
    SELECT 1 FROM template_versions y JOIN templates z ON z.team_id = y.team_id AND z.id = y.template_id
    WHERE y.team_id = e.team_id AND y.id = e.template_version_id AND z.marked_from > e.id)";
