//! Counts of messages by status. Whole hours come from the rollups, the pieces of an hour at either end of a range from
//! an index, so the sum is exact for every range.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;
use sqlx::{QueryBuilder, Row};

use super::emails::push_slice;
use super::events::rollup_key;
use super::{Store, read};
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::filter::{Slice, TimeRange};
use crate::domain::ids::{EmailId, TeamId, TemplateId, lowest_id_at};
use crate::domain::stats::StatusCounts;

const COUNT_COLUMNS: &str = "queued, sent, delivered, opened, clicked, bounced, failed, spam";

const SUM_COLUMNS: &str = "CAST(COALESCE(SUM(queued), 0) AS BIGINT), CAST(COALESCE(SUM(sent), 0) AS BIGINT),
    CAST(COALESCE(SUM(delivered), 0) AS BIGINT), CAST(COALESCE(SUM(opened), 0) AS BIGINT),
    CAST(COALESCE(SUM(clicked), 0) AS BIGINT), CAST(COALESCE(SUM(bounced), 0) AS BIGINT),
    CAST(COALESCE(SUM(failed), 0) AS BIGINT), CAST(COALESCE(SUM(spam), 0) AS BIGINT)";

/// The ids of a range: `low` is in it, `high` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdRange {
    pub low: i64,
    pub high: i64,
}

impl From<TimeRange> for IdRange {
    fn from(range: TimeRange) -> Self {
        Self { low: range.from.map_or(0, first_id_from), high: range.to.map_or(i64::MAX, first_id_from) }
    }
}

/// The lowest id whose time is `time` or later. Ids tell milliseconds, so a finer `time` is rounded up.
fn first_id_from(time: DateTime<Utc>) -> i64 {
    let whole = lowest_id_at(time);
    let is_whole = EmailId(whole).created_at() >= time;
    let next = || time.checked_add_signed(TimeDelta::milliseconds(1)).map_or(i64::MAX, lowest_id_at);
    if is_whole { whole } else { next() }
}

/// A range cut at the hours: `[low, high)` in hours since 1970, with a piece of an hour before and one after it. A range
/// within one hour is all `head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HourCut {
    pub head: Option<IdRange>,
    pub low_hour: i64,
    pub high_hour: i64,
    pub tail: Option<IdRange>,
}

pub(super) fn lowest_id_of_hour(hour: i64) -> i64 {
    DateTime::from_timestamp(hour.saturating_mul(3600), 0).map_or(i64::MAX, lowest_id_at)
}

fn hour_of_raw(id: i64) -> i64 {
    super::events::hour_of(EmailId(id))
}

impl From<IdRange> for HourCut {
    fn from(ids: IdRange) -> Self {
        if ids.low >= ids.high {
            return Self { head: None, low_hour: 0, high_hour: 0, tail: None };
        }
        let starts_whole = lowest_id_of_hour(hour_of_raw(ids.low)) == ids.low;
        let low_hour = hour_of_raw(ids.low) + i64::from(!starts_whole);
        let high_hour = if ids.high == i64::MAX { i64::MAX } else { hour_of_raw(ids.high) };
        if low_hour > high_hour {
            return Self { head: Some(ids), low_hour, high_hour: low_hour, tail: None };
        }
        let head = (!starts_whole).then(|| IdRange { low: ids.low, high: lowest_id_of_hour(low_hour) });
        let tail_low = if high_hour == i64::MAX { i64::MAX } else { lowest_id_of_hour(high_hour) };
        let tail = (tail_low < ids.high).then_some(IdRange { low: tail_low, high: ids.high });
        Self { head, low_hour, high_hour, tail }
    }
}

impl Store {
    /// How many messages of the range have which status; in a slice of the log.
    pub async fn count_by_status(
        &self,
        team_id: TeamId,
        slice: impl Into<Slice>,
        range: TimeRange,
    ) -> Result<StatusCounts, AppError> {
        let slice = slice.into();
        let cut = HourCut::from(IdRange::from(range));
        let mut counts = self.sum_hours(team_id, slice, cut.low_hour, cut.high_hour).await?;
        for piece in [cut.head, cut.tail].into_iter().flatten() {
            counts += self.count_ids(team_id, slice, piece).await?;
        }
        Ok(counts)
    }

    /// The same, hour by hour, oldest first, without the hours in which nothing was accepted. Each is given with the
    /// hour's first instant, also where the range holds a piece of the hour only.
    pub async fn list_hour_counts(
        &self,
        team_id: TeamId,
        slice: impl Into<Slice>,
        range: TimeRange,
    ) -> Result<Vec<(DateTime<Utc>, StatusCounts)>, AppError> {
        let slice = slice.into();
        let cut = HourCut::from(IdRange::from(range));
        let mut hours = Vec::new();
        if let Some(head) = cut.head {
            hours.push((hour_of_raw(head.low), self.count_ids(team_id, slice, head).await?));
        }
        let statement = self.as_one_array(&list_hours_statement());
        let rollups: Option<Json<Vec<[i64; 1 + EmailStatus::ALL.len()]>>> = read!(self, |pool| {
            sqlx::query_scalar(sqlx::AssertSqlSafe(&*statement))
                .bind(team_id)
                .bind(rollup_key(slice))
                .bind(cut.low_hour)
                .bind(cut.high_hour)
                .fetch_one(pool)
                .await
        })?;
        let mut rollups = rollups.map(|rows| rows.0).unwrap_or_default();
        rollups.sort_unstable();
        hours.extend(rollups.into_iter().map(|[hour, counts @ ..]| (hour, StatusCounts(counts))));
        if let Some(tail) = cut.tail {
            hours.push((hour_of_raw(tail.low), self.count_ids(team_id, slice, tail).await?));
        }
        let with_time = |(hour, counts): (i64, _)| (EmailId(lowest_id_of_hour(hour)).created_at(), counts);
        Ok(hours.into_iter().filter(|(_, counts)| *counts != StatusCounts::default()).map(with_time).collect())
    }

    async fn sum_hours(
        &self,
        team_id: TeamId,
        slice: Slice,
        low_hour: i64,
        high_hour: i64,
    ) -> Result<StatusCounts, AppError> {
        if low_hour >= high_hour {
            return Ok(StatusCounts::default());
        }
        let statement = sum_hours_statement();
        Ok(read!(self, |pool| {
            let row = sqlx::query(sqlx::AssertSqlSafe(&*statement))
                .bind(team_id)
                .bind(rollup_key(slice))
                .bind(low_hour)
                .bind(high_hour)
                .fetch_one(pool)
                .await?;
            Ok::<_, sqlx::Error>(counts_from!(row, 0))
        })?)
    }

    /// Counts the messages of an id range from the index of statuses.
    pub(super) async fn count_ids(
        &self,
        team_id: TeamId,
        slice: Slice,
        ids: IdRange,
    ) -> Result<StatusCounts, AppError> {
        let rows: Vec<(i64, i64)> =
            read!(self, |pool| count_ids_query(team_id, slice, ids).build_query_as().fetch_all(pool).await)?;
        let mut counts = StatusCounts::default();
        for (code, count) in rows {
            if let Some(status) = i16::try_from(code).ok().and_then(EmailStatus::from_code) {
                counts.add(status, count);
            }
        }
        Ok(counts)
    }

    /// The hour rollups counted anew from the messages, and the kept ones, where the two differ. Empty when all is well.
    pub async fn list_wrong_rollups(&self, team_id: TeamId) -> Result<Vec<(TemplateId, i64)>, AppError> {
        Ok(read!(self, |pool| {
            sqlx::query_as(
                "SELECT template_id, hour FROM (
                     SELECT template_id, hour, 0 AS status, queued AS n FROM email_rollups WHERE team_id = $1
                     UNION ALL
                     SELECT template_id, hour, 1, sent FROM email_rollups WHERE team_id = $1
                     UNION ALL
                     SELECT template_id, hour, 2, delivered FROM email_rollups WHERE team_id = $1
                     UNION ALL
                     SELECT template_id, hour, 3, opened FROM email_rollups WHERE team_id = $1
                     UNION ALL
                     SELECT template_id, hour, 4, clicked FROM email_rollups WHERE team_id = $1
                     UNION ALL
                     SELECT template_id, hour, 5, bounced FROM email_rollups WHERE team_id = $1
                     UNION ALL
                     SELECT template_id, hour, 6, failed FROM email_rollups WHERE team_id = $1
                     UNION ALL
                     SELECT template_id, hour, 7, spam FROM email_rollups WHERE team_id = $1
                     UNION ALL
                     SELECT 0, (id >> 20) / 3600000, status, -1 FROM emails WHERE team_id = $1
                     UNION ALL
                     SELECT -1 - channel, (id >> 20) / 3600000, status, -1 FROM emails WHERE team_id = $1
                     UNION ALL
                     SELECT template_id, (id >> 20) / 3600000, status, -1 FROM emails
                     WHERE team_id = $1 AND template_id IS NOT NULL
                 ) AS difference
                 GROUP BY template_id, hour, status HAVING SUM(n) <> 0 ORDER BY template_id, hour",
            )
            .bind(team_id)
            .fetch_all(pool)
            .await
        })?)
    }
}

/// The statement that lists the counts of whole hours, each hour's as one JSON array: `$1` team, `$2` template, `$3` first
/// hour, `$4` hour after the last.
pub(super) fn list_hours_statement() -> String {
    format!(
        "SELECT json_array(hour, {COUNT_COLUMNS}) AS item FROM email_rollups
         WHERE team_id = $1 AND template_id = $2 AND hour >= $3 AND hour < $4"
    )
}

/// The statement that adds up the counts of whole hours: `$1` team, `$2` template, `$3` first hour, `$4` hour after the
/// last.
pub(super) fn sum_hours_statement() -> String {
    format!(
        "SELECT {SUM_COLUMNS} FROM email_rollups
         WHERE team_id = $1 AND template_id = $2 AND hour >= $3 AND hour < $4"
    )
}

/// Reads the eight counts of a row, beginning with column `$first`.
macro_rules! counts_from {
    ($row:expr, $first:expr) => {{
        let mut counts = StatusCounts::default();
        for (index, count) in counts.0.iter_mut().enumerate() {
            *count = $row.try_get($first + index)?;
        }
        counts
    }};
}
use counts_from;

/// The query that counts an id range: one index walk a status.
pub(super) fn count_ids_query<Engine: sqlx::Database>(
    team_id: TeamId,
    slice: Slice,
    ids: IdRange,
) -> QueryBuilder<Engine>
where
    i64: sqlx::Type<Engine> + sqlx::Encode<'static, Engine>,
{
    let mut query = QueryBuilder::new("");
    for (index, status) in EmailStatus::ALL.into_iter().enumerate() {
        query.push(if index == 0 { "" } else { " UNION ALL " });
        query.push(format!("SELECT CAST({code} AS BIGINT), COUNT(*) FROM emails e", code = status.code()));
        query.push(" WHERE e.team_id = ").push_bind(team_id.0);
        push_slice!(query, slice);
        query.push(format!(" AND e.status = {}", status.code()));
        query.push(" AND e.id >= ").push_bind(ids.low).push(" AND e.id < ").push_bind(ids.high);
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hour: i64) -> i64 {
        lowest_id_of_hour(hour)
    }

    #[test]
    fn a_range_of_whole_hours_has_no_pieces() {
        let cut = HourCut::from(IdRange { low: hour(10), high: hour(12) });
        assert_eq!(cut, HourCut { head: None, low_hour: 10, high_hour: 12, tail: None });
    }

    #[test]
    fn pieces_and_hours_cover_the_range_once() {
        let (low, high) = (hour(10) + 5, hour(12) + 7);
        let cut = HourCut::from(IdRange { low, high });
        assert_eq!(cut.head, Some(IdRange { low, high: hour(11) }));
        assert_eq!((cut.low_hour, cut.high_hour), (11, 12));
        assert_eq!(cut.tail, Some(IdRange { low: hour(12), high }));
    }

    #[test]
    fn a_range_within_one_hour_is_counted_whole() {
        let ids = IdRange { low: hour(10) + 5, high: hour(10) + 9 };
        assert_eq!(HourCut::from(ids), HourCut { head: Some(ids), low_hour: 11, high_hour: 11, tail: None });
    }

    #[test]
    fn open_ends_need_no_pieces() {
        let cut = HourCut::from(IdRange::from(TimeRange::default()));
        assert_eq!(cut, HourCut { head: None, low_hour: 0, high_hour: i64::MAX, tail: None });
    }

    #[test]
    fn an_inverted_range_is_empty() {
        let cut = HourCut::from(IdRange { low: hour(12), high: hour(10) });
        assert_eq!((cut.head, cut.tail, cut.low_hour), (None, None, cut.high_hour));
    }
}
