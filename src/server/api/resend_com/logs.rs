//! The log of API requests: list and read. There is nothing to write: every other method is answered 405.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, List, PagingQuery, Timestamp, read_paging};
use crate::domain::api_request::{ApiRequest, ApiRequestFilter, ApiRequestSummary, LoggedBody};
use crate::domain::ids::ApiRequestId;
use crate::domain::page::{CursorPage, PartialPage};
use crate::server::App;
use crate::server::api::Api;
use crate::server::api::extract::{Caller, PathId};
use crate::server::services::api_requests;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_logs)).routes(routes!(find_log))
}

/// Lists the team's API requests, newest first. Needs `requests:view`.
#[utoipa::path(
    get, path = "/logs", tag = "logs", summary = "List logs",
    params(
        ("limit" = Option<i64>, Query, description = "How many, by default 20", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "The id of the last log of the page before this one"),
        ("before" = Option<String>, Query,
            description = "The id of the first log of the page after this one; not together with `after`"),
    ),
    responses((status = 200, description = "One page of the log", body = List<LogRow>)),
)]
async fn list_logs(
    State(app): State<App>,
    Caller(viewer, PagingQuery(query)): Caller<PagingQuery>,
) -> Answer<List<LogRow>> {
    let (cursor, limit) = read_paging(&query)?;
    let filter = ApiRequestFilter::default();
    let PartialPage { items, next } = api_requests::list_api_requests(&app, &viewer, &filter, cursor, limit).await?;
    Ok(Json(List::of(CursorPage { items, has_more: next.is_some() }, LogRow::from)))
}

/// Shows one API request with its bodies. Needs `requests:view`.
#[utoipa::path(
    get, path = "/logs/{log_id}", operation_id = "retrieveLog", tag = "logs", summary = "Retrieve a log",
    responses((status = 200, description = "The request and what was answered", body = Log)),
)]
async fn find_log(State(app): State<App>, Caller(viewer, ()): Caller, PathId(id): PathId<ApiRequestId>) -> Answer<Log> {
    Ok(Json(api_requests::find_api_request(&app, &viewer, id).await?.request.into()))
}

/// An API request in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogRow {
    /// Its id.
    #[schema(example = "37e4414c-5e25-4dbc-a071-43552a4bd53b", format = "uuid")]
    pub id: String,
    /// When it arrived.
    pub created_at: Timestamp,
    /// The path that was asked, without parameters; that of another API than this one begins with its prefix.
    #[schema(example = "/emails")]
    pub endpoint: String,
    /// HTTP method.
    #[schema(example = "POST")]
    pub method: String,
    /// HTTP status of the answer.
    #[schema(example = 200, minimum = 100, maximum = 599)]
    pub response_status: i64,
    /// What the client calls itself.
    #[schema(required, example = "resend-node:6.0.3")]
    pub user_agent: Option<String>,
}

impl From<ApiRequestSummary> for LogRow {
    fn from(request: ApiRequestSummary) -> Self {
        Self {
            id: request.id.to_uuid(),
            created_at: Timestamp(request.at),
            endpoint: shown_endpoint(&request.endpoint),
            method: request.method,
            response_status: request.response_status,
            user_agent: request.user_agent,
        }
    }
}

/// The word for a log.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogObject {
    /// `log`
    Log,
}

/// An API request with its bodies.
#[derive(Debug, Serialize, ToSchema)]
pub struct Log {
    /// Always `log`.
    pub object: LogObject,
    /// Its id.
    #[schema(example = "37e4414c-5e25-4dbc-a071-43552a4bd53b", format = "uuid")]
    pub id: String,
    /// When it arrived.
    pub created_at: Timestamp,
    /// The path that was asked, without parameters; that of another API than this one begins with its prefix.
    #[schema(example = "/emails")]
    pub endpoint: String,
    /// HTTP method.
    #[schema(example = "POST")]
    pub method: String,
    /// HTTP status of the answer.
    #[schema(example = 200, minimum = 100, maximum = 599)]
    pub response_status: i64,
    /// What the client calls itself.
    #[schema(required, example = "resend-node:6.0.3")]
    pub user_agent: Option<String>,
    /// What was sent, secrets and the contents of attachments replaced. A text where it was no JSON, or where it was too
    /// long and its end is missing.
    #[schema(value_type = serde_json::Value, required)]
    pub request_body: KeptBody,
    /// What was answered, in the same way; null for a successful read, whose answer is not kept.
    #[schema(value_type = serde_json::Value, required)]
    pub response_body: KeptBody,
}

impl From<ApiRequest> for Log {
    fn from(request: ApiRequest) -> Self {
        Self {
            object: LogObject::Log,
            id: request.id.to_uuid(),
            created_at: Timestamp(request.at),
            endpoint: shown_endpoint(&request.endpoint),
            method: request.method,
            response_status: request.response_status,
            user_agent: request.user_agent,
            request_body: request.request_body.into(),
            response_body: request.response_body.into(),
        }
    }
}

/// A path as Resend's log shows it: without parameters, and without the prefix that our Resend is under.
fn shown_endpoint(endpoint: &str) -> String {
    let path = endpoint.split('?').next().unwrap_or_default();
    match path.strip_prefix(Api::Resend.prefix()) {
        Some("") => "/".to_owned(),
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        Some(_) | None => path.to_owned(),
    }
}

/// A body as it was kept: its JSON, or its text where it is none, or null.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct KeptBody(Option<Box<RawValue>>);

impl From<LoggedBody> for KeptBody {
    fn from(body: LoggedBody) -> Self {
        let Some(text) = body.text else { return Self(None) };
        let json = if body.truncated { None } else { RawValue::from_string(text.clone()).ok() };
        Self(json.or_else(|| to_raw_value(&text).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ApiRequestId, TeamId};

    /// The id of the specification's sample is no id of ours: it is put in afterwards.
    const SAMPLE_ID: &str = "37e4414c-5e25-4dbc-a071-43552a4bd53b";

    const LIST_SAMPLE: &str = include_str!("../../tests/fixtures/resend_com_logs.json");
    const LOG_SAMPLE: &str = include_str!("../../tests/fixtures/resend_com_log.json");

    fn request() -> ApiRequest {
        let body = |text: &str| LoggedBody { text: Some(text.to_owned()), truncated: false };
        ApiRequest {
            id: ApiRequestId(1),
            team_id: TeamId(1),
            api_key_id: None,
            user_id: None,
            method: "POST".to_owned(),
            endpoint: "/resend/emails".to_owned(),
            response_status: 200,
            user_agent: Some("resend-node:6.0.3".to_owned()),
            duration_ms: 7,
            at: "2026-03-30T13:43:54.622865Z".parse().unwrap(),
            request_body: body(
                r#"{"from":"Acme <onboarding@resend.dev>","to":["delivered@resend.dev"],"subject":"Hello World"}"#,
            ),
            response_body: body(r#"{"id":"4ef9a417-02e9-4d39-ad75-9611e0fcc33c"}"#),
        }
    }

    fn summary(request: ApiRequest) -> ApiRequestSummary {
        ApiRequestSummary {
            id: request.id,
            api_key_id: request.api_key_id,
            api_key_name: None,
            method: request.method,
            endpoint: request.endpoint,
            response_status: request.response_status,
            user_agent: request.user_agent,
            duration_ms: request.duration_ms,
            at: request.at,
        }
    }

    /// A sample without its line breaks and indents.
    fn compact(sample: &str) -> String {
        let mut text = String::new();
        let mut is_quoted = false;
        for letter in sample.chars() {
            is_quoted ^= letter == '"';
            if is_quoted || !letter.is_whitespace() {
                text.push(letter);
            }
        }
        text
    }

    #[test]
    fn the_list_is_the_specifications_sample() {
        let listed = CursorPage { items: vec![summary(request())], has_more: true };
        let row = |item| LogRow { id: SAMPLE_ID.to_owned(), ..LogRow::from(item) };
        assert_eq!(serde_json::to_string(&List::of(listed, row)).unwrap(), compact(LIST_SAMPLE));
    }

    #[test]
    fn the_log_is_the_specifications_sample() {
        let log = Log { id: SAMPLE_ID.to_owned(), ..Log::from(request()) };
        assert_eq!(serde_json::to_string(&log).unwrap(), compact(LOG_SAMPLE));
    }

    #[test]
    fn a_path_is_shown_without_our_prefix_and_without_parameters() {
        for (endpoint, shown) in [
            ("/resend/emails", "/emails"),
            ("/resend/logs?limit=20&after=x", "/logs"),
            ("/resend", "/"),
            ("/resending/emails", "/resending/emails"),
            ("/jetemail/email?x=/resend", "/jetemail/email"),
            ("/api/logs/eml_1/resend", "/api/logs/eml_1/resend"),
        ] {
            assert_eq!(shown_endpoint(endpoint), shown);
        }
    }

    #[test]
    fn a_body_is_json_or_text_or_null() {
        let shown = |text: Option<&str>, truncated| {
            let body = LoggedBody { text: text.map(str::to_owned), truncated };
            serde_json::to_string(&KeptBody::from(body)).unwrap()
        };
        assert_eq!(shown(None, false), "null");
        assert_eq!(shown(Some(r#"{"b":1,"a":[2]}"#), false), r#"{"b":1,"a":[2]}"#);
        assert_eq!(shown(Some("[redacted]"), false), r#""[redacted]""#);
        assert_eq!(shown(Some(r#"{"b":1,"#), true), r#""{\"b\":1,""#);
        assert_eq!(shown(Some("12"), true), r#""12""#);
    }
}
