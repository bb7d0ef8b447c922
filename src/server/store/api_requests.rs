//! The log of API requests. Rows arrive in batches from [crate::server::services::api_requests].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::criteria::{RECIPIENT_KEY, push_key_list};
use super::engine::{Engine, Sql};
use super::like::escaped;
use super::range::IdRange;
use super::{Store, instant, micros};
use crate::domain::api_key::COUNTED_REQUESTS;
use crate::domain::api_request::{ApiRequest, ApiRequestFilter, ApiRequestSummary, COUNTED, LoggedBody, RequestCounts};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, ApiRequestId, TeamId, UserId, lowest_id_at};
use crate::domain::page::{Cursor, PartialPage};

/// How many requests are looked at for a filter that no index knows, one stretch after the other as long as too little was
/// found.
pub(super) const STRETCHES: [i64; 3] = [1_000, 9_000, 40_000];

/// Of how many of a recipient's messages, the newest of them, the requests are found.
const MESSAGES_OF_RECIPIENT: i64 = 5_000;

#[derive(sqlx::FromRow)]
struct ApiRequestRow {
    team_id: TeamId,
    id: ApiRequestId,
    api_key_id: Option<ApiKeyId>,
    api_key_name: Option<String>,
    user_id: Option<UserId>,
    method: String,
    endpoint: String,
    response_status: i64,
    user_agent: Option<String>,
    duration_ms: i64,
    at: i64,
    request_body: Option<Json<LoggedBody>>,
    response_body: Option<Json<LoggedBody>>,
}

impl Store {
    /// Keeps the requests, in one transaction. One without bodies, as of every successful read, is one row.
    pub async fn insert_api_requests(&self, requests: &[ApiRequest]) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        let mut teams: HashMap<TeamId, bool> = HashMap::new();
        for request in requests {
            let is_there = match teams.get(&request.team_id) {
                Some(is_there) => *is_there,
                None => {
                    let find = "SELECT id FROM teams WHERE id = $1 AND deleted_at IS NULL";
                    let found: Option<TeamId> = tx.query(find).bind(request.team_id).fetch_optional_scalar().await?;
                    *teams.entry(request.team_id).or_insert(found.is_some())
                }
            };
            if !is_there {
                continue;
            }
            tx.query(
                "INSERT INTO api_requests
                     (team_id, id, api_key_id, user_id, method, endpoint, response_status, user_agent, duration_ms, at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(request.team_id)
            .bind(request.id)
            .bind(request.api_key_id)
            .bind(request.user_id)
            .bind(&request.method)
            .bind(&request.endpoint)
            .bind(request.response_status)
            .bind(&request.user_agent)
            .bind(request.duration_ms)
            .bind(micros(request.at))
            .execute()
            .await?;
            if request.request_body.text.is_none() && request.response_body.text.is_none() {
                continue;
            }
            tx.query(
                "INSERT INTO api_request_bodies (team_id, api_request_id, request_body, response_body)
                     VALUES ($1, $2, $3, $4)",
            )
            .bind(request.team_id)
            .bind(request.id)
            .bind(Json(&request.request_body))
            .bind(Json(&request.response_body))
            .execute()
            .await?;
        }
        tx.commit().await
    }

    /// The requests at a place of the log, newest first, without their bodies. For what no index knows, no more is looked at
    /// than [STRETCHES] say.
    pub async fn list_api_requests(
        &self,
        team_id: TeamId,
        filter: &ApiRequestFilter,
        cursor: Cursor<ApiRequestId>,
        limit: i64,
    ) -> Result<PartialPage<ApiRequestSummary, ApiRequestId>, AppError> {
        let (mut walk, mut rows) = (Walk::new(filter, cursor), Vec::<SummaryRow>::new());
        let mut next = None;
        for most in STRETCHES {
            let end: Option<i64> = if looks_for_some(filter) {
                let statement = end_query(self.engine(), team_id, filter.api_key_id, walk, most);
                self.read(statement).fetch_optional_scalar().await?
            } else {
                None
            };
            let wanted = limit.saturating_add(1) - rows.len() as i64;
            let statement = list_query(self.engine(), team_id, filter, walk.up_to(end), wanted);
            let found: Vec<SummaryRow> = self.read(statement).fetch_all().await?;
            rows.extend(found);
            if rows.len() as i64 > limit {
                rows.truncate(usize::try_from(limit).unwrap_or_default());
                next = rows.last().map(|row| row.id);
                break;
            }
            next = end.map(ApiRequestId);
            match end {
                Some(end) => walk = walk.behind(end),
                None => break,
            }
        }
        if walk.oldest_first {
            rows.reverse();
        }
        Ok(PartialPage { items: rows.into_iter().map(ApiRequestSummary::from).collect(), next })
    }

    /// How many requests pass the filter, by the class of their status, among the newest [COUNTED] that an index leads to.
    pub async fn count_api_requests(
        &self,
        team_id: TeamId,
        filter: &ApiRequestFilter,
    ) -> Result<RequestCounts, AppError> {
        let walk = Walk::new(filter, Cursor::Newest);
        let end: Option<i64> = if filter.recipient.is_none() {
            let statement = end_query(self.engine(), team_id, filter.api_key_id, walk, COUNTED);
            self.read(statement).fetch_optional_scalar().await?
        } else {
            None
        };
        let walk = walk.up_to(end);
        let statement = count_query(self.engine(), team_id, filter, walk);
        let rows: Vec<(i64, i64)> = self.read(statement).fetch_all().await?;
        let mut counts = RequestCounts { goes_on: end.is_some(), ..RequestCounts::default() };
        for (class, count) in rows {
            if let Some(place) = usize::try_from(class - 2).ok().and_then(|place| counts.of_class.get_mut(place)) {
                *place = count;
            }
        }
        Ok(counts)
    }

    /// How many requests each of the team's keys that is not revoked made since then: at most [COUNTED_REQUESTS] are
    /// counted.
    pub async fn count_requests_of_keys(
        &self,
        team_id: TeamId,
        since: DateTime<Utc>,
    ) -> Result<Vec<(ApiKeyId, i64)>, AppError> {
        self.read(count_of_keys_statement(self.engine()))
            .bind(team_id)
            .bind(lowest_id_at(since))
            .bind(COUNTED_REQUESTS)
            .fetch_all()
            .await
    }

    /// The request with this id, with its bodies, and the name of its key.
    pub async fn find_api_request(
        &self,
        team_id: TeamId,
        id: ApiRequestId,
    ) -> Result<Option<(ApiRequest, Option<String>)>, AppError> {
        let row: Option<ApiRequestRow> = self
            .read(
                "SELECT r.team_id, r.id, r.api_key_id, k.name AS api_key_name, r.user_id, r.method, r.endpoint,
                     r.response_status, r.user_agent, r.duration_ms, r.at, b.request_body, b.response_body
                 FROM api_requests r
                 LEFT JOIN api_request_bodies b ON b.team_id = r.team_id AND b.api_request_id = r.id
                 LEFT JOIN api_keys k ON k.team_id = r.team_id AND k.id = r.api_key_id
                 WHERE r.team_id = $1 AND r.id = $2",
            )
            .bind(team_id)
            .bind(id)
            .fetch_optional()
            .await?;
        Ok(row.map(|mut row| {
            let api_key_name = row.api_key_name.take();
            (ApiRequest::from(row), api_key_name)
        }))
    }
}

/// Counts the requests of each key of a team (`$1`) from an id (`$2`) on, at most `$3`.
pub(super) fn count_of_keys_statement(engine: Engine) -> String {
    let by_index = engine.by_index("api_requests_by_key");
    format!(
        "SELECT k.id, (SELECT COUNT(*) FROM (
             SELECT r.id FROM api_requests r{by_index}
             WHERE r.team_id = $1 AND r.api_key_id = k.id AND r.id >= $2 LIMIT $3) counted)
         FROM api_keys k WHERE k.team_id = $1 AND k.revoked_at IS NULL ORDER BY k.id"
    )
}

/// Which part of the log is walked, and from which end.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    ids: IdRange,
    oldest_first: bool,
}

impl Walk {
    pub(super) fn new(filter: &ApiRequestFilter, cursor: Cursor<ApiRequestId>) -> Self {
        let mut ids = IdRange::from(filter.range);
        match cursor {
            Cursor::Newest => {}
            Cursor::After(id) => ids.high = ids.high.min(id.0),
            Cursor::Before(id) => ids.low = ids.low.max(id.0.saturating_add(1)),
        }
        Self { ids, oldest_first: matches!(cursor, Cursor::Before(_)) }
    }

    /// The same, ended with the request `end` where there is one.
    fn up_to(self, end: Option<i64>) -> Self {
        let ids = match end {
            None => self.ids,
            Some(end) if self.oldest_first => IdRange { high: end.saturating_add(1), ..self.ids },
            Some(end) => IdRange { low: end, ..self.ids },
        };
        Self { ids, ..self }
    }

    /// What is left behind the request `end`.
    fn behind(self, end: i64) -> Self {
        let ids = if self.oldest_first {
            IdRange { low: end.saturating_add(1), ..self.ids }
        } else {
            IdRange { high: end, ..self.ids }
        };
        Self { ids, ..self }
    }

    const fn order(self) -> &'static str {
        if self.oldest_first { " ORDER BY r.id LIMIT " } else { " ORDER BY r.id DESC LIMIT " }
    }
}

/// Whether each request must be looked at: there are indexes for the key and for recipients alone.
fn looks_for_some(filter: &ApiRequestFilter) -> bool {
    let narrows = filter.method.is_some()
        || filter.status_class.is_some()
        || filter.endpoint.is_some()
        || filter.user_agent.is_some()
        || filter.error.is_some();
    narrows && filter.recipient.is_none()
}

/// The query for the last of so many requests, of this key where one is given.
pub(super) fn end_query(engine: Engine, team_id: TeamId, key: Option<ApiKeyId>, walk: Walk, most: i64) -> Sql {
    let mut sql = Sql::new(engine, "SELECT r.id FROM api_requests r WHERE r.team_id = ");
    sql.push_bind(team_id).push(" AND r.id >= ").push_bind(walk.ids.low);
    sql.push(" AND r.id < ").push_bind(walk.ids.high);
    if let Some(key) = key {
        sql.push(" AND r.api_key_id = ").push_bind(key);
    }
    sql.push(walk.order()).push("1 OFFSET ").push_bind(most - 1);
    sql
}

/// The query for a part of the log: one walk of the table, or of a key's index.
pub(super) fn list_query(engine: Engine, team_id: TeamId, filter: &ApiRequestFilter, walk: Walk, limit: i64) -> Sql {
    let by_index = index_of(engine, filter);
    let mut sql = Sql::new(
        engine,
        format!(
            "SELECT r.id, r.api_key_id, k.name AS api_key_name, r.method, r.endpoint, r.response_status, r.user_agent,
             r.duration_ms, r.at
         FROM api_requests r{by_index}
         LEFT JOIN api_keys k ON k.team_id = r.team_id AND k.id = r.api_key_id
         WHERE r.team_id = "
        ),
    );
    push_filter(&mut sql, team_id, filter, walk);
    sql.push(walk.order()).push_bind(limit);
    sql
}

/// The query for how many of a part of the log have each class of status.
pub(super) fn count_query(engine: Engine, team_id: TeamId, filter: &ApiRequestFilter, walk: Walk) -> Sql {
    let by_index = index_of(engine, filter);
    let head = format!("SELECT r.response_status / 100, COUNT(*) FROM api_requests r{by_index} WHERE r.team_id = ");
    let mut sql = Sql::new(engine, head);
    push_filter(&mut sql, team_id, filter, walk);
    sql.push(" GROUP BY r.response_status / 100");
    sql
}

/// The index of keys, where that leads to what is asked for.
fn index_of(engine: Engine, filter: &ApiRequestFilter) -> String {
    let by_key = filter.api_key_id.is_some() && filter.recipient.is_none();
    if by_key { engine.by_index("api_requests_by_key") } else { String::new() }
}

/// Adds the team and what else there is to a filter.
fn push_filter(sql: &mut Sql, team_id: TeamId, filter: &ApiRequestFilter, walk: Walk) {
    let (engine, ids) = (sql.engine(), walk.ids);
    sql.push_bind(team_id).push(" AND r.id >= ").push_bind(ids.low).push(" AND r.id < ").push_bind(ids.high);
    if let Some(method) = &filter.method {
        sql.push(" AND r.method = ").push_bind(method.as_str());
    }
    if let Some(class) = filter.status_class {
        sql.push(" AND r.response_status >= ").push_bind(class.saturating_mul(100));
        sql.push(" AND r.response_status < ").push_bind(class.saturating_add(1).saturating_mul(100));
    }
    if let Some(key) = filter.api_key_id {
        sql.push(" AND r.api_key_id = ").push_bind(key);
    }
    let endpoint = if filter.keeps_words { engine.before("r.endpoint", "?") } else { "r.endpoint".to_owned() };
    for (column, part) in [(endpoint.as_str(), &filter.endpoint), ("r.user_agent", &filter.user_agent)] {
        if let Some(part) = part {
            sql.push(format!(" AND LOWER({column}) LIKE "));
            sql.push_bind(format!("%{}%", escaped(&part.to_lowercase()))).push(" ESCAPE '\\'");
        }
    }
    if filter.keeps_addresses && filter.endpoint.is_some() {
        // Addresses, numbers, and both escaped once or twice.
        sql.push(" AND r.endpoint NOT LIKE '%@%' AND r.endpoint NOT LIKE '%+%'");
        sql.push(
            " AND LOWER(r.endpoint) NOT LIKE '%!%40%' ESCAPE '!' AND LOWER(r.endpoint) NOT LIKE '%!%2%' ESCAPE '!'",
        );
    }
    if let Some(address) = &filter.recipient {
        push_recipient(sql, team_id, address);
    }
    if let Some(part) = &filter.error {
        push_error(sql, part, &filter.hidden_names);
    }
}

/// Adds that the request made a message for an address; the messages are found by their keys, the newest of them.
fn push_recipient(sql: &mut Sql, team_id: TeamId, address: &str) {
    let (open, close) = sql.engine().id_list();
    sql.push(format!(" AND r.id {open}SELECT e.api_request_id FROM emails e WHERE e.team_id = ")).push_bind(team_id);
    sql.push(format!(" AND e.api_request_id IS NOT NULL AND e.id {open}SELECT x.email_id FROM email_keys x"));
    sql.push(" WHERE x.team_id = ").push_bind(team_id).push(format!(" AND x.kind = {RECIPIENT_KEY} AND x.key IN "));
    push_key_list(sql, [address]);
    sql.push(" ORDER BY x.email_id DESC LIMIT ").push_bind(MESSAGES_OF_RECIPIENT).push(close).push(close);
}

/// Adds that the request did not succeed, and that a body of it has this part and none of these names.
fn push_error(sql: &mut Sql, part: &str, hidden_names: &[String]) {
    let pattern = format!("%{}%", escaped(&part.to_lowercase()));
    sql.push(
        " AND r.response_status >= 400 AND EXISTS (SELECT 1 FROM api_request_bodies b
            WHERE b.team_id = r.team_id AND b.api_request_id = r.id AND (",
    );
    for (before, body) in [("", "response_body"), (" OR ", "request_body")] {
        sql.push(format!("{before}LOWER(b.{body} ->> 'text') LIKE ")).push_bind(pattern.clone()).push(" ESCAPE '\\'");
    }
    sql.push(")");
    for name in hidden_names {
        for body in ["response_body", "request_body"] {
            sql.push(format!(" AND COALESCE(b.{body} ->> 'text', '') NOT LIKE "));
            sql.push_bind(format!("%{}%", escaped(name))).push(" ESCAPE '\\'");
        }
    }
    sql.push(")");
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    id: ApiRequestId,
    api_key_id: Option<ApiKeyId>,
    api_key_name: Option<String>,
    method: String,
    endpoint: String,
    response_status: i64,
    user_agent: Option<String>,
    duration_ms: i64,
    at: i64,
}

impl From<SummaryRow> for ApiRequestSummary {
    fn from(row: SummaryRow) -> Self {
        Self {
            id: row.id,
            api_key_id: row.api_key_id,
            api_key_name: row.api_key_name,
            method: row.method,
            endpoint: row.endpoint,
            response_status: row.response_status,
            user_agent: row.user_agent,
            duration_ms: row.duration_ms,
            at: instant(row.at),
        }
    }
}

impl From<ApiRequestRow> for ApiRequest {
    fn from(row: ApiRequestRow) -> Self {
        Self {
            id: row.id,
            team_id: row.team_id,
            api_key_id: row.api_key_id,
            user_id: row.user_id,
            method: row.method,
            endpoint: row.endpoint,
            response_status: row.response_status,
            user_agent: row.user_agent,
            duration_ms: row.duration_ms,
            at: instant(row.at),
            request_body: row.request_body.unwrap_or_default().0,
            response_body: row.response_body.unwrap_or_default().0,
        }
    }
}
