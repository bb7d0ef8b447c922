//! The log of API requests. Rows arrive in batches from [crate::server::services::api_requests].

use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::criteria::escaped;
use super::stats::IdRange;
use super::{Store, instant, micros, read, write};
use crate::domain::api_request::{ApiRequest, ApiRequestFilter, ApiRequestSummary, LoggedBody};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, ApiRequestId, TeamId, UserId};
use crate::domain::page::{Cursor, Stretch};

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
        write!(self, |tx| {
            for request in requests {
                let inserted = sqlx::query(
                    "INSERT INTO api_requests
                     (team_id, id, api_key_id, user_id, method, endpoint, response_status, user_agent, duration_ms, at)
                     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
                     WHERE EXISTS (SELECT 1 FROM teams WHERE id = $1 AND deleted_at IS NULL)",
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
                .execute(&mut *tx)
                .await?;
                if inserted.rows_affected() == 0 {
                    continue;
                }
                if request.request_body.text.is_none() && request.response_body.text.is_none() {
                    continue;
                }
                sqlx::query(
                    "INSERT INTO api_request_bodies (team_id, api_request_id, request_body, response_body)
                     VALUES ($1, $2, $3, $4)",
                )
                .bind(request.team_id)
                .bind(request.id)
                .bind(Json(&request.request_body))
                .bind(Json(&request.response_body))
                .execute(&mut *tx)
                .await?;
            }
            Ok(())
        })
    }

    /// The requests at a place of the log, newest first, without their bodies.
    pub async fn list_api_requests(
        &self,
        team_id: TeamId,
        filter: &ApiRequestFilter,
        cursor: Cursor<ApiRequestId>,
        limit: i64,
    ) -> Result<Stretch<ApiRequestSummary>, AppError> {
        let mut rows: Vec<SummaryRow> = read!(self, |pool| {
            list_query(team_id, filter, cursor, limit.saturating_add(1)).build_query_as().fetch_all(pool).await
        })?;
        let has_more = rows.len() as i64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or_default());
        if matches!(cursor, Cursor::Before(_)) {
            rows.reverse();
        }
        Ok(Stretch { items: rows.into_iter().map(ApiRequestSummary::from).collect(), has_more })
    }

    /// The request with this id, with its bodies, and the name of its key.
    pub async fn find_api_request(
        &self,
        team_id: TeamId,
        id: ApiRequestId,
    ) -> Result<Option<(ApiRequest, Option<String>)>, AppError> {
        let row: Option<ApiRequestRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT r.team_id, r.id, r.api_key_id, k.name AS api_key_name, r.user_id, r.method, r.endpoint,
                     r.response_status, r.user_agent, r.duration_ms, r.at, b.request_body, b.response_body
                 FROM api_requests r
                 LEFT JOIN api_request_bodies b ON b.team_id = r.team_id AND b.api_request_id = r.id
                 LEFT JOIN api_keys k ON k.team_id = r.team_id AND k.id = r.api_key_id
                 WHERE r.team_id = $1 AND r.id = $2",
            )
            .bind(team_id)
            .bind(id)
            .fetch_optional(pool)
            .await
        })?;
        Ok(row.map(|mut row| {
            let api_key_name = row.api_key_name.take();
            (ApiRequest::from(row), api_key_name)
        }))
    }
}

/// The query for a stretch of the log: one walk of the table.
pub(super) fn list_query<'a, Engine: sqlx::Database>(
    team_id: TeamId,
    filter: &'a ApiRequestFilter,
    cursor: Cursor<ApiRequestId>,
    limit: i64,
) -> QueryBuilder<'a, Engine>
where
    i64: sqlx::Type<Engine> + sqlx::Encode<'a, Engine>,
    String: sqlx::Type<Engine> + sqlx::Encode<'a, Engine>,
    &'a str: sqlx::Type<Engine> + sqlx::Encode<'a, Engine>,
{
    let mut ids = IdRange::from(filter.range);
    match cursor {
        Cursor::Newest => {}
        Cursor::After(id) => ids.high = ids.high.min(id.0),
        Cursor::Before(id) => ids.low = ids.low.max(id.0.saturating_add(1)),
    }
    let mut query = QueryBuilder::new(
        "SELECT r.id, r.api_key_id, k.name AS api_key_name, r.method, r.endpoint, r.response_status, r.user_agent,
             r.duration_ms, r.at
         FROM api_requests r
         LEFT JOIN api_keys k ON k.team_id = r.team_id AND k.id = r.api_key_id
         WHERE r.team_id = ",
    );
    query.push_bind(team_id.0).push(" AND r.id >= ").push_bind(ids.low).push(" AND r.id < ").push_bind(ids.high);
    if let Some(method) = &filter.method {
        query.push(" AND r.method = ").push_bind(method.as_str());
    }
    if let Some(class) = filter.status_class {
        query.push(" AND r.response_status >= ").push_bind(class.saturating_mul(100));
        query.push(" AND r.response_status < ").push_bind(class.saturating_add(1).saturating_mul(100));
    }
    if let Some(key) = filter.api_key_id {
        query.push(" AND r.api_key_id = ").push_bind(key.0);
    }
    for (column, part) in [("endpoint", &filter.endpoint), ("user_agent", &filter.user_agent)] {
        if let Some(part) = part {
            query.push(format!(" AND LOWER(r.{column}) LIKE "));
            query.push_bind(format!("%{}%", escaped(&part.to_lowercase()))).push(" ESCAPE '\\'");
        }
    }
    if filter.keeps_addresses && filter.endpoint.is_some() {
        // Addresses, numbers, and both escaped once or twice.
        query.push(" AND r.endpoint NOT LIKE '%@%' AND r.endpoint NOT LIKE '%+%'");
        query.push(
            " AND LOWER(r.endpoint) NOT LIKE '%!%40%' ESCAPE '!' AND LOWER(r.endpoint) NOT LIKE '%!%2%' ESCAPE '!'",
        );
    }
    query.push(if matches!(cursor, Cursor::Before(_)) {
        " ORDER BY r.id LIMIT "
    } else {
        " ORDER BY r.id DESC LIMIT "
    });
    query.push_bind(limit);
    query
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
