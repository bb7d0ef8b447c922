//! Writes down every API request of a known team: what was asked, what was answered, how long it took.

use std::time::Instant;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::error;

use super::MAX_BODY_BYTES;
use super::body::{self, ANONYMOUS_BODY_BYTES, HeldBody};
use crate::domain::api_request::{ApiRequest, LoggedBody, is_answered_read};
use crate::domain::error::AppError;
use crate::domain::ids::ApiRequestId;
use crate::server::App;
use crate::server::api::Api;
use crate::server::identity::{Identity, KeyInUse};
use crate::server::services::api_requests::{Expected, RequestLog, logged_answer, logged_endpoint, logged_request};

/// The status of a request whose client left before it was answered. Source: nginx.
const CLIENT_LEFT: i64 = 499;

/// Bodies longer than this are redacted on a thread of their own.
const SMALL_BODY_BYTES: usize = 64 * 1024;

/// Layer of the APIs: gives the request an [ApiRequestId] and records it with its answer. Paths of a dialect are written
/// with its prefix, at whatever address it was asked.
pub async fn record(State((app, dialect)): State<(App, Api)>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (id, at): (ApiRequestId, _) = (app.clock.mint(), app.clock.now());
    request.extensions_mut().insert(id);
    let key = request.extensions().get::<KeyInUse>().map(|key| key.0.viewer.clone());
    let viewer = key.or_else(|| request.extensions().get::<Identity>()?.0.clone().ok());
    let (parts, body) = request.into_parts();
    let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let path = format!("{}{}", dialect.prefix(), parts.uri.path());
    let mut under_way = viewer.as_ref().map(|viewer| UnderWay {
        log: app.request_log.clone(),
        _expected: app.request_log.expect(),
        started,
        body: Bytes::new(),
        row: Some(ApiRequest {
            id,
            team_id: viewer.team,
            api_key_id: viewer.api_key_id(),
            user_id: viewer.user_id(),
            method: parts.method.to_string(),
            endpoint: logged_endpoint(&path, parts.uri.query()),
            response_status: CLIENT_LEFT,
            user_agent: user_agent.map(|text| text.chars().take(500).collect()),
            duration_ms: 0,
            at,
            request_body: LoggedBody::default(),
            response_body: LoggedBody::default(),
        }),
    });
    let limit = body_limit(&parts, viewer.is_some());
    let mut is_unread = limit.is_none() && !body::is_absent(&body);
    let read = match limit {
        Some(limit) => body::read(&app.bodies, &parts, body, limit).await,
        None => Ok(HeldBody::default()),
    };
    // Held until the request is written down: its bytes are.
    let (held, mut response) = match read {
        Ok(held) => {
            if let Some(under_way) = &mut under_way {
                under_way.body = held.bytes.clone();
            }
            let request = Request::from_parts(parts, Body::from(held.bytes.clone()));
            let answered = body::in_time(next.run(request)).await;
            (held, answered.unwrap_or_else(|error| dialect.refuse(error)))
        }
        Err(error) => {
            is_unread = true;
            (HeldBody::default(), dialect.refuse(error))
        }
    };
    if is_unread {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let Some(mut under_way) = under_way else { return response };
    let Some(row) = &mut under_way.row else { return response };
    row.response_status = i64::from(response.status().as_u16());
    let (method, endpoint, status) = (row.method.clone(), row.endpoint.clone(), row.response_status);
    // Of a successful read nothing is kept, so its answer goes on as it comes.
    let response = if is_answered_read(&method, &endpoint, status) {
        response
    } else {
        let (parts, body) = response.into_parts();
        let bytes = match to_bytes(body, usize::MAX).await {
            Ok(bytes) => bytes,
            Err(cause) => {
                error!(%cause, "an answer ended early");
                return dialect.refuse(AppError::Internal);
            }
        };
        row.response_body = redacted(bytes.clone(), move |body| logged_answer(&method, &endpoint, status, body)).await;
        Response::from_parts(parts, Body::from(bytes))
    };
    let endpoint = row.endpoint.clone();
    row.request_body = redacted(held.bytes.clone(), move |body| logged_request(&endpoint, body)).await;
    under_way.body = Bytes::new();
    drop(under_way);
    response
}

/// A request that is being answered. It is written down when this is dropped: when it was answered, or when its client
/// left before.
struct UnderWay {
    log: RequestLog,
    /// Dropped after the row was given away.
    _expected: Expected,
    started: Instant,
    /// What was asked, while the row does not hold it.
    body: Bytes,
    row: Option<ApiRequest>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(mut row) = self.row.take() else { return };
        row.duration_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        if row.request_body.text.is_none() && self.body.len() <= SMALL_BODY_BYTES {
            row.request_body = logged_request(&row.endpoint, &self.body);
        }
        self.log.record(row);
    }
}

/// How much of a body is read: all that is allowed for somebody known, a form where people log in, nothing for anybody
/// else. A handler that gets no body then has refused its caller before it would look at one.
fn body_limit(parts: &Parts, is_known: bool) -> Option<usize> {
    let identity = parts.extensions.get::<Identity>().map(|identity| &identity.0);
    match identity {
        _ if is_known => Some(MAX_BODY_BYTES),
        // Somebody without a team makes one or joins one.
        Some(Err(AppError::NoTeam | AppError::LacksTwoFactor)) => Some(ANONYMOUS_BODY_BYTES),
        _ => parts.uri.path().starts_with("/api/auth/").then_some(ANONYMOUS_BODY_BYTES),
    }
}

async fn redacted(body: Bytes, keep: impl FnOnce(&[u8]) -> LoggedBody + Send + 'static) -> LoggedBody {
    if body.len() <= SMALL_BODY_BYTES {
        return keep(&body);
    }
    tokio::task::spawn_blocking(move || keep(&body)).await.unwrap_or_default()
}
