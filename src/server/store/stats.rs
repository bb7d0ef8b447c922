//! Counts of messages by status. Whole hours come from the rollups, the pieces of an hour at either end of a range from
//! an index, so the sum is exact for every range.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::Store;
use super::criteria::push_scope;
use super::engine::{Engine, Sql};
use super::range::IdRange;
use super::range::{HourCut, hour_of, lowest_id_of_hour, spans};
use super::rollups::rollup_key;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::filter::{EmailFilter, RollupScope, TimeRange};
use crate::domain::ids::{EmailId, TeamId, TemplateId};
use crate::domain::page::COUNT_LIMIT;
use crate::domain::stats::StatusCounts;

const COUNT_COLUMNS: &str = "queued, sent, delivered, opened, clicked, bounced, failed, spam";

const SUM_COLUMNS: &str = "CAST(COALESCE(SUM(queued), 0) AS BIGINT), CAST(COALESCE(SUM(sent), 0) AS BIGINT),
    CAST(COALESCE(SUM(delivered), 0) AS BIGINT), CAST(COALESCE(SUM(opened), 0) AS BIGINT),
    CAST(COALESCE(SUM(clicked), 0) AS BIGINT), CAST(COALESCE(SUM(bounced), 0) AS BIGINT),
    CAST(COALESCE(SUM(failed), 0) AS BIGINT), CAST(COALESCE(SUM(spam), 0) AS BIGINT)";

/// How many ranges one statement counts.
const RANGES: usize = 64;
/// How many messages' statuses one statement reads.
const IDS: usize = 2_000;

/// The eight counts, in the order of [EmailStatus::ALL].
type CountsRow = (i64, i64, i64, i64, i64, i64, i64, i64);

/// The place of a bar, and its counts.
type BarRow = (i64, i64, i64, i64, i64, i64, i64, i64, i64);

fn counts_of((queued, sent, delivered, opened, clicked, bounced, failed, spam): CountsRow) -> StatusCounts {
    StatusCounts([queued, sent, delivered, opened, clicked, bounced, failed, spam])
}

impl Store {
    /// How many messages of the range have which status; in a scope of the log.
    pub async fn count_by_status(
        &self,
        team_id: TeamId,
        scope: impl Into<RollupScope>,
        range: TimeRange,
    ) -> Result<StatusCounts, AppError> {
        let scope = scope.into();
        let cut = HourCut::from(IdRange::from(range));
        let mut counts = self.sum_hours(team_id, scope, cut.low_hour, cut.high_hour).await?;
        for piece in [cut.head, cut.tail].into_iter().flatten() {
            counts += self.count_ids(team_id, scope, piece).await?;
        }
        Ok(counts)
    }

    /// Whether anybody ever reported what became of a message of the team once it had been sent.
    pub async fn has_reports(&self, team_id: TeamId) -> Result<bool, AppError> {
        let reported = EmailStatus::REPORTED.map(|status| status.code().to_string()).join(", ");
        let statement = format!("SELECT 1 FROM emails WHERE team_id = $1 AND status IN ({reported}) LIMIT 1");
        let found: Option<(i32,)> = self.read(statement).bind(team_id).fetch_optional().await?;
        Ok(found.is_some())
    }

    /// The same as [Self::count_by_status], hour by hour, oldest first, without the hours in which nothing was accepted. Each is given with the
    /// hour's first instant, also where the range holds a piece of the hour only.
    pub async fn list_hour_counts(
        &self,
        team_id: TeamId,
        scope: impl Into<RollupScope>,
        range: TimeRange,
    ) -> Result<Vec<(DateTime<Utc>, StatusCounts)>, AppError> {
        let scope = scope.into();
        let cut = HourCut::from(IdRange::from(range));
        let mut hours = Vec::new();
        if let Some(head) = cut.head {
            hours.push((hour_of(EmailId(head.low)), self.count_ids(team_id, scope, head).await?));
        }
        let statement = self.engine().as_one_array(&list_hours_statement());
        let rollups: Option<Json<Vec<[i64; 1 + EmailStatus::ALL.len()]>>> = self
            .read(statement)
            .bind(team_id)
            .bind(rollup_key(scope))
            .bind(cut.low_hour)
            .bind(cut.high_hour)
            .fetch_scalar()
            .await?;
        let mut rollups = rollups.map(|rows| rows.0).unwrap_or_default();
        rollups.sort_unstable();
        hours.extend(rollups.into_iter().map(|[hour, counts @ ..]| (hour, StatusCounts(counts))));
        if let Some(tail) = cut.tail {
            hours.push((hour_of(EmailId(tail.low)), self.count_ids(team_id, scope, tail).await?));
        }
        let with_time = |(hour, counts): (i64, _)| (EmailId(lowest_id_of_hour(hour)).created_at(), counts);
        Ok(hours.into_iter().filter(|(_, counts)| *counts != StatusCounts::default()).map(with_time).collect())
    }

    /// The same as [Self::count_by_status] in bars, which begin and end at whole hours; each is given with its first instant. The
    /// first and the last are as long as the range.
    pub async fn list_bar_counts(
        &self,
        team_id: TeamId,
        scope: RollupScope,
        range: TimeRange,
        edges: &[DateTime<Utc>],
    ) -> Result<Vec<(DateTime<Utc>, StatusCounts)>, AppError> {
        let cut = HourCut::from(IdRange::from(range));
        let hour_at = |edge: usize| match edge {
            0 => cut.low_hour,
            _ if edge + 1 == edges.len() => cut.high_hour,
            _ => edges[edge].timestamp().div_euclid(3600).clamp(cut.low_hour, cut.high_hour),
        };
        let bars = edges.len().saturating_sub(1);
        let hours: Vec<(i64, i64)> = (0..bars).map(|bar| (hour_at(bar), hour_at(bar + 1))).collect();
        let mut counts: Vec<(DateTime<Utc>, StatusCounts)> =
            edges.iter().take(bars).map(|edge| (*edge, StatusCounts::default())).collect();
        if hours.iter().any(|(low, high)| low < high) {
            let query = sum_bars_query(self.engine(), team_id, scope, &hours);
            let rows: Vec<BarRow> = self.read(query).fetch_all().await?;
            for (bar, queued, sent, delivered, opened, clicked, bounced, failed, spam) in rows {
                if let Some((_, counts)) = usize::try_from(bar).ok().and_then(|bar| counts.get_mut(bar)) {
                    *counts += counts_of((queued, sent, delivered, opened, clicked, bounced, failed, spam));
                }
            }
        }
        for piece in [cut.head, cut.tail].into_iter().flatten() {
            counts.push((EmailId(piece.low).created_at(), self.count_ids(team_id, scope, piece).await?));
        }
        Ok(counts)
    }

    /// The same for each of several ranges that are shorter than an hour.
    pub async fn count_in_ranges(
        &self,
        team_id: TeamId,
        scope: RollupScope,
        ranges: &[TimeRange],
    ) -> Result<Vec<StatusCounts>, AppError> {
        let mut counts = vec![StatusCounts::default(); ranges.len()];
        let ids: Vec<IdRange> = ranges.iter().copied().map(IdRange::from).collect();
        for (chunk, first) in ids.chunks(RANGES).zip((0..).step_by(RANGES)) {
            let rows: Vec<(i64, i64, i64)> =
                self.read(count_ranges_query(self.engine(), team_id, scope, chunk)).fetch_all().await?;
            for (place, code, count) in rows {
                let status = i16::try_from(code).ok().and_then(EmailStatus::from_code);
                let place = usize::try_from(place).ok().and_then(|place| counts.get_mut(first + place));
                if let (Some(status), Some(counts)) = (status, place) {
                    counts.add(status, count);
                }
            }
        }
        Ok(counts)
    }

    /// The statuses of the newest messages that match, newest first, no more than [COUNT_LIMIT], and where it stopped
    /// where there are more.
    pub async fn list_statuses(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
    ) -> Result<(Vec<(EmailId, EmailStatus)>, Option<DateTime<Utc>>), AppError> {
        let (mut ids, mut counted_from) = self.list_ids(team_id, filter, COUNT_LIMIT + 1).await?;
        if ids.len() as i64 > COUNT_LIMIT {
            ids.truncate(COUNT_LIMIT as usize);
            counted_from = ids.last().map(|id| EmailId(*id).created_at());
        }
        let mut statuses = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS) {
            let rows: Vec<(EmailId, i16)> =
                self.read(list_statuses_query(self.engine(), team_id, chunk)).fetch_all().await?;
            statuses.extend(rows.into_iter().filter_map(|(id, code)| Some((id, EmailStatus::from_code(code)?))));
        }
        Ok((statuses, counted_from))
    }

    async fn sum_hours(
        &self,
        team_id: TeamId,
        scope: RollupScope,
        low_hour: i64,
        high_hour: i64,
    ) -> Result<StatusCounts, AppError> {
        if low_hour >= high_hour {
            return Ok(StatusCounts::default());
        }
        self.read(sum_hours_query(self.engine(), team_id, scope, low_hour, high_hour)).fetch_one().await.map(counts_of)
    }

    /// Counts the messages of an id range from the index of statuses.
    pub(super) async fn count_ids(
        &self,
        team_id: TeamId,
        scope: RollupScope,
        ids: IdRange,
    ) -> Result<StatusCounts, AppError> {
        let rows: Vec<(i64, i64)> = self.read(count_ids_query(self.engine(), team_id, scope, ids)).fetch_all().await?;
        let mut counts = StatusCounts::default();
        for (code, count) in rows {
            if let Some(status) = i16::try_from(code).ok().and_then(EmailStatus::from_code) {
                counts.add(status, count);
            }
        }
        Ok(counts)
    }

    /// The rollups counted anew from the messages, and the kept ones, where the two differ. Empty when all is well.
    pub async fn list_wrong_rollups(&self, team_id: TeamId) -> Result<Vec<(TemplateId, i64)>, AppError> {
        self.read(
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
                     UNION ALL
                     SELECT 0, -1 - (id >> 20) / 86400000, status, -1 FROM emails WHERE team_id = $1
                     UNION ALL
                     SELECT -1 - channel, -1 - (id >> 20) / 86400000, status, -1 FROM emails WHERE team_id = $1
                     UNION ALL
                     SELECT template_id, -1 - (id >> 20) / 86400000, status, -1 FROM emails
                     WHERE team_id = $1 AND template_id IS NOT NULL
                 ) AS difference
                 GROUP BY template_id, hour, status HAVING SUM(n) <> 0 ORDER BY template_id, hour",
        )
        .bind(team_id)
        .fetch_all()
        .await
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

/// The query that adds up the counts of whole hours, `high_hour` not among them.
pub(super) fn sum_hours_query(
    engine: Engine,
    team_id: TeamId,
    scope: RollupScope,
    low_hour: i64,
    high_hour: i64,
) -> Sql {
    let mut sql = Sql::new(engine, format!("SELECT {SUM_COLUMNS} FROM ("));
    push_spans(&mut sql, COUNT_COLUMNS, team_id, scope, spans(low_hour, high_hour));
    sql.push(") AS spans");
    sql
}

/// The query that adds up the counts of whole hours in bars: the place of a bar, and counts, some rows a bar. Each row is one walk
/// along the rollups; grouped, they would all be sorted first.
pub(super) fn sum_bars_query(engine: Engine, team_id: TeamId, scope: RollupScope, bars: &[(i64, i64)]) -> Sql {
    let spans = (0..).zip(bars).flat_map(|(bar, (low, high))| spans(*low, *high).map(|(low, high)| (bar, low, high)));
    let mut sql = Sql::new(engine, "");
    for (place, (bar, low, high)) in spans.filter(|(_, low, high)| low < high).enumerate() {
        let bar: i64 = bar;
        sql.push(if place == 0 { "" } else { " UNION ALL " });
        sql.push(format!("SELECT CAST({bar} AS BIGINT), {SUM_COLUMNS} FROM email_rollups WHERE team_id = "));
        sql.push_bind(team_id).push(" AND template_id = ").push_bind(rollup_key(scope));
        sql.push(" AND hour >= ").push_bind(low).push(" AND hour < ").push_bind(high);
    }
    sql
}

/// Adds the query for columns of the rollup rows of a scope whose `hour` is in one of the ranges.
pub(super) fn push_spans(sql: &mut Sql, columns: &str, team_id: TeamId, scope: RollupScope, spans: [(i64, i64); 3]) {
    for (place, (low, high)) in spans.into_iter().enumerate() {
        sql.push(if place == 0 { "" } else { " UNION ALL " });
        sql.push(format!("SELECT {columns} FROM email_rollups WHERE team_id = ")).push_bind(team_id);
        sql.push(" AND template_id = ").push_bind(rollup_key(scope));
        sql.push(" AND hour >= ").push_bind(low).push(" AND hour < ").push_bind(high);
    }
}

/// The query for the statuses of messages, newest first.
pub(super) fn list_statuses_query(engine: Engine, team_id: TeamId, ids: &[i64]) -> Sql {
    let mut sql = Sql::new(engine, "SELECT e.id, e.status FROM emails e WHERE e.team_id = ");
    sql.push_bind(team_id).push(" AND e.id IN (").push_list(ids).push(") ORDER BY e.id DESC");
    sql
}

/// The query that counts several id ranges: the place of a range, a status, and how many.
pub(super) fn count_ranges_query(engine: Engine, team_id: TeamId, scope: RollupScope, ranges: &[IdRange]) -> Sql {
    let mut sql = Sql::new(engine, "");
    let codes = EmailStatus::ALL.map(|status| status.code().to_string()).join(", ");
    for (place, ids) in ranges.iter().enumerate() {
        sql.push(if place == 0 { "" } else { " UNION ALL " });
        sql.push(format!("SELECT CAST({place} AS BIGINT), CAST(e.status AS BIGINT), COUNT(*) FROM emails e"));
        sql.push(" WHERE e.team_id = ").push_bind(team_id);
        push_scope(&mut sql, scope);
        // Named one by one, the statuses are walks of the index that count_ids_query uses.
        sql.push(format!(" AND e.status IN ({codes})"));
        sql.push(" AND e.id >= ").push_bind(ids.low).push(" AND e.id < ").push_bind(ids.high);
        sql.push(" GROUP BY e.status");
    }
    sql
}

/// The query that counts an id range: one index walk a status.
pub(super) fn count_ids_query(engine: Engine, team_id: TeamId, scope: RollupScope, ids: IdRange) -> Sql {
    let mut sql = Sql::new(engine, "");
    for (index, status) in EmailStatus::ALL.into_iter().enumerate() {
        sql.push(if index == 0 { "" } else { " UNION ALL " });
        sql.push(format!("SELECT CAST({code} AS BIGINT), COUNT(*) FROM emails e", code = status.code()));
        sql.push(" WHERE e.team_id = ").push_bind(team_id);
        push_scope(&mut sql, scope);
        sql.push(format!(" AND e.status = {}", status.code()));
        sql.push(" AND e.id >= ").push_bind(ids.low).push(" AND e.id < ").push_bind(ids.high);
    }
    sql
}
