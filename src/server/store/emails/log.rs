//! Pages of the log. Its ids come from an index, and the rows by these. A page far from the first is found
//! through the rollups, so that no more than one hour is walked over.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailStatus, EmailSummary};
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter, RollupScope, StatusSet, TimeRange};
use crate::domain::ids::{ApiRequestId, EmailId, TeamId};
use crate::domain::page::{COUNT_LIMIT, Cursor, CursorPage, OffsetPage, OffsetRequest, Page, PageRequest, Total};
use crate::server::store::Store;
use crate::server::store::criteria::{
    Whole, keys_of, looked_at_most, named_whole, providers_names, push_criteria, push_keys, push_scope, push_statuses,
};
use crate::server::store::engine::{Engine, Sql};
use crate::server::store::range::{HourCut, IdRange, first_hour, lowest_id_of_hour, spans};
use crate::server::store::stats::push_spans;

/// Rows are skipped one by one up to here; further on, the rollups tell in which hour a page begins.
const DIRECT_OFFSET: i64 = 500;

/// As many statuses, at most, are walked side by side for the end of what may be looked at.
const MOST_WALKS: usize = 3;

impl Store {
    /// One page of the log, newest first, and how long the whole list is. Counting the matches of a search stops at
    /// [COUNT_LIMIT].
    pub async fn list_emails(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        request: PageRequest,
    ) -> Result<Page<EmailSummary>, AppError> {
        let window = OffsetRequest { offset: request.offset(), limit: request.page_size, oldest_first: false };
        let bounded = self.bounded(team_id, filter).await?;
        let (filter, looked_from) = bounded.as_ref().map_or((filter, None), |(filter, from)| (filter, Some(*from)));
        if filter.search.is_none() && filter.criteria == Criteria::default() && window.offset <= DIRECT_OFFSET {
            let counts = self.count_by_status(team_id, filter.scope(), filter.range);
            let place = Place { ids: IdRange::from(filter.range), offset: window.offset, total: 0 };
            let (counts, items) = tokio::try_join!(counts, self.list_rows_at(team_id, filter, &place, window.limit))?;
            let total = Total::Exact(counts.in_set(filter.statuses));
            return Ok(Page { items, total, request, looked_from });
        }
        if filter.search.is_none() && filter.criteria == Criteria::default() {
            let place = self.find_place(team_id, filter, window.offset).await?;
            let items = self.list_rows_at(team_id, filter, &place, window.limit).await?;
            return Ok(Page { items, total: Total::Exact(place.total), request, looked_from });
        }
        let (ids, total) = self.find_window_ids(team_id, filter, window).await?;
        let items = self.list_emails_by_id(team_id, &ids).await?;
        Ok(Page { items, total, request, looked_from })
    }

    /// Some messages of the log, whole, and how long the whole list is; counted as [Store::list_emails] does. A list by
    /// criteria counts to [COUNT_LIMIT] too.
    pub async fn list_whole_emails(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        window: OffsetRequest,
    ) -> Result<OffsetPage<Email>, AppError> {
        let bounded = self.bounded(team_id, filter).await?;
        let (filter, looked_from) = bounded.as_ref().map_or((filter, None), |(filter, from)| (filter, Some(*from)));
        let (ids, total) = self.find_window_ids(team_id, filter, window).await?;
        Ok(OffsetPage { items: self.find_emails(team_id, &ids).await?, total, looked_from })
    }

    /// The filter with a range that holds no more messages than may be looked at for it, and where that begins; `None`
    /// where the filter may stay as it is. Of one status, or a few, as many may be looked at.
    pub(in crate::server::store) async fn bounded(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
    ) -> Result<Option<(EmailFilter, DateTime<Utc>)>, AppError> {
        let is_looked_at = filter.search.is_none() || !filter.criteria.conditions.is_empty();
        let most = looked_at_most(filter).filter(|_| is_looked_at && !filter.criteria.nothing);
        let Some(most) = most else { return Ok(None) };
        let ids = IdRange::from(filter.range);
        let is_few = filter.statuses.iter().count() <= MOST_WALKS;
        let statuses = if is_few { filter.statuses } else { StatusSet::default() };
        let end = list_ids_query(self.engine(), team_id, statuses, RollupScope::All, ids, 1, most - 1);
        let oldest: Option<EmailId> = self.read(end).fetch_optional_scalar().await?;
        let Some(from) = oldest.map(|id| id.created_at()) else { return Ok(None) };
        let range = TimeRange { from: Some(from), ..filter.range };
        Ok(Some((EmailFilter { range, ..filter.clone() }, from)))
    }

    /// The messages at a place of the log, whole, newest first. The filter's search text is not looked at.
    pub async fn list_emails_at(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        cursor: Cursor<EmailId>,
        limit: i64,
    ) -> Result<CursorPage<Email>, AppError> {
        let mut ids = IdRange::from(filter.range);
        let oldest_first = match cursor {
            Cursor::Newest => false,
            Cursor::After(id) => {
                ids.high = ids.high.min(id.0);
                false
            }
            Cursor::Before(id) => {
                ids.low = ids.low.max(id.0.saturating_add(1));
                true
            }
        };
        let mut found = self.walk_ids(team_id, filter, ids, oldest_first, limit.saturating_add(1), 0).await?;
        let has_more = found.len() as i64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or_default());
        if oldest_first {
            found.reverse();
        }
        Ok(CursorPage { items: self.find_emails(team_id, &found).await?, has_more })
    }

    /// The messages of the log that are older than `before`, whole, newest first; from the newest one when `None`. Without
    /// an offset and without counting, so that each page of a long list costs the same.
    pub async fn list_older_emails(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        before: Option<EmailId>,
        limit: i64,
    ) -> Result<Vec<Email>, AppError> {
        let bounded = self.bounded(team_id, filter).await?;
        let filter = bounded.as_ref().map_or(filter, |(filter, _)| filter);
        let mut ids = IdRange::from(filter.range);
        ids.high = before.map_or(ids.high, |before| ids.high.min(before.0));
        let found = self.ids_from(team_id, filter, ids, false, limit).await?;
        self.find_emails(team_id, &found).await
    }

    /// The newest messages of the log, newest first.
    pub async fn list_newest(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        limit: i64,
    ) -> Result<Vec<EmailSummary>, AppError> {
        let (ids, _) = self.list_ids(team_id, filter, limit).await?;
        self.list_emails_by_id(team_id, &ids).await
    }

    /// The ids of the newest messages of the log, newest first, and how far back was looked where not all could be.
    pub(in crate::server::store) async fn list_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        limit: i64,
    ) -> Result<(Vec<i64>, Option<DateTime<Utc>>), AppError> {
        let bounded = self.bounded(team_id, filter).await?;
        let (filter, looked_from) = bounded.as_ref().map_or((filter, None), |(filter, from)| (filter, Some(*from)));
        let ids = self.ids_from(team_id, filter, IdRange::from(filter.range), false, limit).await?;
        Ok((ids, looked_from))
    }

    /// The messages of the log beside one, which need not be in it: the next newer and the next older one.
    pub async fn find_neighbours(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        id: EmailId,
    ) -> Result<(Option<EmailId>, Option<EmailId>), AppError> {
        let bounded = self.bounded(team_id, filter).await?;
        let filter = bounded.as_ref().map_or(filter, |(filter, _)| filter);
        let ids = IdRange::from(filter.range);
        let newer = IdRange { low: ids.low.max(id.0.saturating_add(1)), ..ids };
        let older = IdRange { high: ids.high.min(id.0), ..ids };
        let newer = self.ids_from(team_id, filter, newer, true, 1).await?;
        let older = self.ids_from(team_id, filter, older, false, 1).await?;
        Ok((newer.first().copied().map(EmailId), older.first().copied().map(EmailId)))
    }

    async fn ids_from(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        match &filter.search {
            Some(text) => self.search_ids_in(team_id, filter, text, ids, oldest_first, limit).await,
            None => self.walk_ids(team_id, filter, ids, oldest_first, limit, 0).await,
        }
    }

    /// The messages that a request made, oldest first.
    pub async fn list_emails_of_request(
        &self,
        team_id: TeamId,
        request: ApiRequestId,
    ) -> Result<Vec<EmailSummary>, AppError> {
        let ids: Vec<i64> = self
            .read("SELECT id FROM emails WHERE team_id = $1 AND api_request_id = $2 ORDER BY id LIMIT 200")
            .bind(team_id)
            .bind(request)
            .fetch_scalars()
            .await?;
        let mut emails = self.list_emails_by_id(team_id, &ids).await?;
        emails.reverse();
        Ok(emails)
    }

    pub(in crate::server::store) async fn walk_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<i64>, AppError> {
        if filter.criteria.nothing || ids.low >= ids.high {
            return Ok(Vec::new());
        }
        let (engine, window) = (self.engine(), OffsetRequest { offset, limit, oldest_first });
        let mut sql = Sql::new(engine, "");
        push_walk(&mut sql, team_id, filter, ids, window);
        self.read(sql).fetch_scalars().await
    }

    /// How many messages a filter lets through, and how many of these arrived. Of more than [COUNT_LIMIT] the newest are
    /// counted. The filter's search text is not looked at.
    pub async fn count_arrived(&self, team_id: TeamId, filter: &EmailFilter) -> Result<(Total, Total), AppError> {
        let ids = IdRange::from(filter.range);
        if filter.criteria.nothing || ids.low >= ids.high {
            return Ok((Total::Exact(0), Total::Exact(0)));
        }
        let query = count_arrived_query(self.engine(), team_id, filter, ids);
        let (count, arrived): (i64, i64) = self.read(query).fetch_one().await?;
        Ok(match count > COUNT_LIMIT {
            true => (Total::AtLeast(COUNT_LIMIT), Total::AtLeast(arrived.min(COUNT_LIMIT))),
            false => (Total::Exact(count), Total::Exact(arrived)),
        })
    }

    pub(in crate::server::store) async fn find_window_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        window: OffsetRequest,
    ) -> Result<(Vec<i64>, Total), AppError> {
        let OffsetRequest { offset, limit, oldest_first } = window;
        if let Some(text) = &filter.search {
            let matches = self.search_ids(team_id, filter, text, window).await?;
            return Ok((matches.ids, matches.total));
        }
        let ids = IdRange::from(filter.range);
        if filter.criteria != Criteria::default() {
            let (total, _) = self.count_arrived(team_id, filter).await?;
            let found = self.walk_ids(team_id, filter, ids, oldest_first, limit, offset).await?;
            return Ok((found, total));
        }
        if oldest_first {
            let counts = self.count_by_status(team_id, filter.scope(), filter.range).await?;
            let found = self.walk_ids(team_id, filter, ids, oldest_first, limit, offset).await?;
            return Ok((found, Total::Exact(counts.in_set(filter.statuses))));
        }
        let Place { ids, offset, total } = self.find_place(team_id, filter, offset).await?;
        if ids.low >= ids.high {
            return Ok((Vec::new(), Total::Exact(total)));
        }
        let page = list_ids_query(self.engine(), team_id, filter.statuses, filter.scope(), ids, limit, offset);
        let found: Vec<i64> = self.read(page).fetch_scalars().await?;
        Ok((found, Total::Exact(total)))
    }

    /// Where the message at an offset of the list is. Beyond [DIRECT_OFFSET] the rollups tell in which hour.
    async fn find_place(&self, team_id: TeamId, filter: &EmailFilter, offset: i64) -> Result<Place, AppError> {
        let (ids, scope, statuses) = (IdRange::from(filter.range), filter.scope(), filter.statuses);
        if offset <= DIRECT_OFFSET {
            let total = self.count_by_status(team_id, scope, filter.range).await?.in_set(statuses);
            return Ok(Place { ids, offset, total });
        }
        let cut = HourCut::from(ids);
        let piece = async |piece: Option<IdRange>| match piece {
            Some(piece) => Ok::<_, AppError>(self.count_ids(team_id, scope, piece).await?.in_set(statuses)),
            None => Ok(0),
        };
        let whole = self.list_spans(team_id, filter, spans(cut.low_hour, cut.high_hour));
        let (newest, whole, oldest) = tokio::try_join!(piece(cut.tail), whole, piece(cut.head))?;
        let total = newest + whole.iter().map(|(_, here)| here).sum::<i64>() + oldest;
        if offset < newest {
            return Ok(Place { ids, offset, total });
        }
        let (mut newer, mut whole) = (newest, whole.into_iter());
        while let Some((hour, here)) = whole.next() {
            if offset >= newer + here {
                newer += here;
                continue;
            }
            let (first, length) = first_hour(hour);
            if length > 1 {
                let of_day = self.list_spans(team_id, filter, [(first, first + length), (0, 0), (0, 0)]).await?;
                whole = of_day.into_iter();
                continue;
            }
            let high = lowest_id_of_hour(first.saturating_add(1)).min(ids.high);
            return Ok(Place { ids: IdRange { high, ..ids }, offset: offset - newer, total });
        }
        // Beyond every whole hour: in the oldest piece, or past the end.
        let high = cut.head.filter(|_| offset < total).map_or(ids.low, |head| head.high);
        Ok(Place { ids: IdRange { high, ..ids }, offset: offset - newer, total })
    }

    /// How many messages of the filter's statuses the rollup rows of its scope count, those of the newest hours first.
    async fn list_spans(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        spans: [(i64, i64); 3],
    ) -> Result<Vec<(i64, i64)>, AppError> {
        let query = list_spans_query(self.engine(), team_id, filter.statuses, filter.scope(), spans);
        let rows: Option<Json<Vec<(i64, i64)>>> = self.read(query).fetch_scalar().await?;
        let mut rows = rows.map(|rows| rows.0).unwrap_or_default();
        rows.sort_unstable_by_key(|(hour, _)| std::cmp::Reverse(first_hour(*hour)));
        Ok(rows)
    }
}

/// The messages that are counted one by one: one more than are told.
const COUNTED: OffsetRequest = OffsetRequest { offset: 0, limit: COUNT_LIMIT.saturating_add(1), oldest_first: false };

/// The query for how many messages a walk finds, and how many of them arrived.
pub(in crate::server::store) fn count_arrived_query(
    engine: Engine,
    team_id: TeamId,
    filter: &EmailFilter,
    ids: IdRange,
) -> Sql {
    let arrived: Vec<String> = StatusSet::ARRIVED.iter().map(|status| status.code().to_string()).collect();
    let counts = format!("COUNT(*), COUNT(CASE WHEN status IN ({}) THEN 1 END)", arrived.join(", "));
    let mut sql = Sql::new(engine, format!("SELECT {counts} FROM ("));
    push_walk_for(&mut sql, "e.id AS id, e.status AS status", team_id, filter, ids, COUNTED);
    sql.push(") AS found");
    sql
}

/// Where a page of the list begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The ids that are left of the list's, from there on; none past its end.
    pub ids: IdRange,
    /// How many of them are newer.
    pub offset: i64,
    /// How long the whole list is.
    pub total: i64,
}

/// The query that tells how many messages of some statuses each of the rollup rows counts, all in one value.
pub(in crate::server::store) fn list_spans_query(
    engine: Engine,
    team_id: TeamId,
    statuses: StatusSet,
    scope: RollupScope,
    spans: [(i64, i64); 3],
) -> Sql {
    let counted: Vec<&str> = statuses.or_all().iter().map(EmailStatus::as_str).collect();
    let mut sql = Sql::new(engine, format!("SELECT {} FROM (", engine.array_of_rows(&["hour", "here"])));
    push_spans(&mut sql, &format!("hour, {} AS here", counted.join(" + ")), team_id, scope, spans);
    sql.push(") AS spans");
    sql
}

/// Adds the query for the ids of messages that a walk finds, looking at each message on the way. Each status, where the
/// filter names some, is one walk of the index that holds its messages in order; several walks are merged.
pub(in crate::server::store) fn push_walk(
    sql: &mut Sql,
    team_id: TeamId,
    filter: &EmailFilter,
    ids: IdRange,
    window: OffsetRequest,
) {
    push_walk_for(sql, "e.id AS id", team_id, filter, ids, window);
}

/// Adds a walk that gives these columns, the `id` among them, of each message.
fn push_walk_for(
    sql: &mut Sql,
    columns: &str,
    team_id: TeamId,
    filter: &EmailFilter,
    ids: IdRange,
    window: OffsetRequest,
) {
    let engine = sql.engine();
    let order = if window.oldest_first { " ORDER BY id" } else { " ORDER BY id DESC" };
    let by_notification = filter.criteria.notification_id.is_some();
    let is_people = |whole: &Whole<'_>| matches!(whole, Whole::People(_));
    let by_person =
        filter.criteria.external_user_id.is_some() || named_whole(&filter.criteria).any(|whole| is_people(&whole));
    let by_key = keys_of(&filter.criteria).next().is_some()
        || providers_names(&filter.criteria).is_some()
        || named_whole(&filter.criteria).any(|whole| !is_people(&whole));
    let statuses: Vec<Option<EmailStatus>> = match filter.statuses {
        statuses if by_notification || by_person || by_key || statuses.is_empty() => vec![None],
        statuses => statuses.iter().map(Some).collect(),
    };
    let walks = statuses.len();
    if walks > 1 {
        sql.push("SELECT * FROM (");
    }
    for (index, status) in statuses.into_iter().enumerate() {
        if walks > 1 {
            sql.push(if index == 0 { "SELECT * FROM (" } else { ") AS walk UNION ALL SELECT * FROM (" });
        }
        let by_index = match (status, filter.scope()) {
            (_, _) if by_notification => engine.by_index("emails_by_notification"),
            (_, _) if by_person => engine.by_index("emails_by_external_user"),
            (Some(_), RollupScope::All | RollupScope::Channel(Channel::Email)) => engine.by_index("emails_by_status"),
            (_, _) => String::new(),
        };
        sql.push(format!("SELECT {columns} FROM emails e{by_index} WHERE e.team_id = ")).push_bind(team_id);
        match status {
            Some(status) => {
                sql.push(format!(" AND e.status = {}", status.code()));
            }
            None => push_statuses(sql, filter.statuses),
        }
        // Hidden from the planner of SQLite, which would rather walk the range than look up the ids that a key names.
        let hidden = if by_key { "+" } else { "" };
        sql.push(format!(" AND {hidden}e.id >= ")).push_bind(ids.low);
        sql.push(format!(" AND {hidden}e.id < ")).push_bind(ids.high);
        push_scope(sql, filter.scope());
        push_keys(sql, team_id, &filter.criteria, ids);
        push_criteria(sql, team_id, &filter.criteria);
        let (length, skip) = match walks {
            1 => (window.limit, window.offset),
            _ => (window.offset.saturating_add(window.limit), 0),
        };
        sql.push(order).push(" LIMIT ").push_bind(length).push(" OFFSET ").push_bind(skip);
    }
    if walks > 1 {
        sql.push(") AS walk) AS walks").push(order).push(" LIMIT ").push_bind(window.limit);
        sql.push(" OFFSET ").push_bind(window.offset);
    }
}

/// The query for the ids of a page. Each status is one walk of an index that holds the ids in order; several walks are
/// merged.
pub(in crate::server::store) fn list_ids_query(
    engine: Engine,
    team_id: TeamId,
    statuses: StatusSet,
    scope: RollupScope,
    ids: IdRange,
    limit: i64,
    offset: i64,
) -> Sql {
    let mut sql = Sql::new(engine, "");
    push_ids(&mut sql, team_id, statuses, scope, ids, limit, offset);
    sql
}

/// Adds the query for the ids of a page.
pub(super) fn push_ids(
    sql: &mut Sql,
    team_id: TeamId,
    statuses: StatusSet,
    scope: RollupScope,
    ids: IdRange,
    limit: i64,
    offset: i64,
) {
    let push_walk = |sql: &mut Sql, status: Option<EmailStatus>, length: i64, skip: i64| {
        sql.push("SELECT e.id FROM emails e WHERE e.team_id = ").push_bind(team_id);
        push_scope(sql, scope);
        if let Some(status) = status {
            sql.push(format!(" AND e.status = {}", status.code()));
        }
        sql.push(" AND e.id >= ").push_bind(ids.low).push(" AND e.id < ").push_bind(ids.high);
        sql.push(" ORDER BY e.id DESC LIMIT ").push_bind(length).push(" OFFSET ").push_bind(skip);
    };
    let walks: Vec<Option<EmailStatus>> = match (statuses.is_empty(), scope) {
        (true, RollupScope::All | RollupScope::Nothing | RollupScope::Channel(Channel::Email)) => vec![None],
        (_, _) => statuses.or_all().iter().map(Some).collect(),
    };
    if let [only] = walks[..] {
        return push_walk(sql, only, limit, offset);
    }
    for (index, status) in walks.into_iter().enumerate() {
        sql.push(if index == 0 { "SELECT id FROM (" } else { ") AS walk UNION ALL SELECT id FROM (" });
        push_walk(sql, status, offset.saturating_add(limit), 0);
    }
    sql.push(") AS walk ORDER BY id DESC LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(offset);
}
