//! The log of API requests. Rows arrive in batches from [crate::server::services::api_requests].

use sqlx::types::Json;

use super::{Store, instant, micros, read, write};
use crate::domain::api_request::{ApiRequest, LoggedBody};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, ApiRequestId, TeamId, UserId};

#[derive(sqlx::FromRow)]
struct ApiRequestRow {
    team_id: TeamId,
    id: ApiRequestId,
    api_key_id: Option<ApiKeyId>,
    user_id: Option<UserId>,
    method: String,
    endpoint: String,
    response_status: i64,
    user_agent: Option<String>,
    duration_ms: i64,
    at: i64,
    request_body: Json<LoggedBody>,
    response_body: Json<LoggedBody>,
}

impl Store {
    /// Keeps the requests, in one transaction.
    pub async fn insert_api_requests(&self, requests: &[ApiRequest]) -> Result<(), AppError> {
        write!(self, |tx| {
            for request in requests {
                sqlx::query(
                    "INSERT INTO api_requests
                     (team_id, id, api_key_id, user_id, method, endpoint, response_status, user_agent, duration_ms, at,
                      request_body, response_body)
                     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
                     WHERE EXISTS (SELECT 1 FROM teams WHERE id = $1)",
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
                .bind(Json(&request.request_body))
                .bind(Json(&request.response_body))
                .execute(&mut *tx)
                .await?;
            }
            Ok(())
        })
    }

    /// The newest requests of a team, at most `limit`.
    pub async fn list_api_requests(&self, team_id: TeamId, limit: i64) -> Result<Vec<ApiRequest>, AppError> {
        let rows: Vec<ApiRequestRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT team_id, id, api_key_id, user_id, method, endpoint, response_status, user_agent, duration_ms, at,
                     request_body, response_body
                 FROM api_requests WHERE team_id = $1 ORDER BY id DESC LIMIT $2",
            )
            .bind(team_id)
            .bind(limit)
            .fetch_all(pool)
            .await
        })?;
        Ok(rows.into_iter().map(ApiRequest::from).collect())
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
            request_body: row.request_body.0,
            response_body: row.response_body.0,
        }
    }
}
