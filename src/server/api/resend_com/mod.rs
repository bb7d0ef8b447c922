//! Resend-shaped endpoints, over [crate::server::services]: the log of API requests over every dialect, sending, the
//! addresses that are not written to, and webhooks. Sources: Resend, Logs; for the rest Resend's API reference and what npm
//! `resend`, PyPI `resend` and `resend-rs` send and expect.
//!
//! The order of the fields is the specification's. Times are UTC, written `2026-03-30 13:43:54.622865+00`, always with six
//! digits.

mod attachment;
mod emails;
pub mod error;
mod logs;
mod send;
mod suppressions;
mod time;
mod webhooks;

use std::str::FromStr;

use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Json, middleware};
use chrono::{DateTime, Utc};
use error::ResendError;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::domain::error::AppError;
use crate::domain::page::{Cursor, CursorPage};
use crate::server::App;
use crate::server::api::extract::{QueryParameters, RawQuery};
use crate::server::api::strict::{self, holds_nul};

/// Every endpoint with its description; paths are relative to the dialect's prefix.
pub fn routes() -> OpenApiRouter<App> {
    let routes = OpenApiRouter::with_openapi(Document::openapi())
        .merge(logs::routes())
        .merge(emails::routes())
        .merge(send::routes())
        .merge(suppressions::routes())
        .merge(webhooks::routes());
    error::MANNERS.describe(routes).layer(middleware::from_fn(require_user_agent))
}

/// Layer: refuses clients that do not say what they are, before anything else.
async fn require_user_agent(request: Request, next: Next) -> Response {
    let agent = request.headers().get(header::USER_AGENT);
    if agent.is_none_or(|agent| agent.is_empty()) {
        return ResendError::no_user_agent().into_response();
    }
    next.run(request).await
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sendlog in the shape of Resend",
        description = "The log of API requests, and sending. Every request needs a `User-Agent`. Errors are \
            `{\"statusCode\",\"message\",\"name\"}`; ids are UUIDs; times are UTC, written \
            `2026-03-30 13:43:54.622865+00`. Every answer tells the key's limit in `ratelimit-limit`, \
            `ratelimit-remaining` and `ratelimit-reset`."
    ),
    servers((url = "./")),
    tags(
        (name = "logs", description = "The log of API requests, over every dialect"),
        (name = "emails", description = "Sending, and what became of it"),
        (name = "suppressions", description = "Addresses that are not written to any more"),
        (name = "webhooks", description = "Addresses that are told what becomes of messages"),
    )
)]
struct Document;

/// What a handler gives.
type Answer<T> = Result<Json<T>, ResendError>;

const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;

/// The parameters of a list.
struct PagingQuery(RawQuery);

impl QueryParameters for PagingQuery {
    const NAMES: &'static [&'static str] = &["limit", "after", "before"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        Ok(Self(query))
    }
}

/// Where a page begins, in which direction it goes on, and how many items it has at most.
fn read_paging<Id: FromStr>(query: &RawQuery) -> Result<(Cursor<Id>, i64), ResendError> {
    let limit = query.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    let id = |name: &str, text: &str| {
        let wrong = || ResendError::invalid_parameter(format!("The `{name}` parameter must be the id of an item"));
        text.parse::<Id>().map_err(|_| wrong())
    };
    let cursor = match (query.text("after"), query.text("before")) {
        (Some(_), Some(_)) => {
            return Err(ResendError::invalid("`after` and `before` cannot be used together: use one of them"));
        }
        (Some(after), None) => Cursor::After(id("after", after)?),
        (None, Some(before)) => Cursor::Before(id("before", before)?),
        (None, None) => Cursor::Newest,
    };
    Ok((cursor, limit))
}

/// An instant, written `2026-03-30 13:43:54.622865+00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(
    value_type = String,
    pattern = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{6}\+00$",
    example = "2026-03-30 13:43:54.622865+00"
)]
pub struct Timestamp(pub DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%Y-%m-%d %H:%M:%S%.6f+00"))
    }
}

/// The word for a list.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListObject {
    /// `list`
    List,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// Always `list`.
    pub object: ListObject,
    /// Whether there are more in the direction that was asked for.
    pub has_more: bool,
    /// The items, newest first.
    pub data: Vec<T>,
}

impl<T> List<T> {
    /// A page in its envelope.
    pub fn of<Item>(listed: CursorPage<Item>, row: impl Fn(Item) -> T) -> Self {
        let data = listed.items.into_iter().map(row).collect();
        Self { object: ListObject::List, has_more: listed.has_more, data }
    }
}

/// Reads a body, whatever its label says. What is no JSON is told apart from JSON that is no message.
pub fn read_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ResendError> {
    if holds_nul(bytes) {
        return Err(ResendError::invalid("Texts must not contain the character U+0000"));
    }
    strict::from_slice(bytes).map_err(|wrong| match wrong.is_json {
        true => ResendError::invalid(wrong.words),
        false => ResendError::malformed(wrong.words),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_an_id_a_tag_a_summary_and_every_refusal() {
        let document = serde_json::to_value(routes().into_openapi()).unwrap();
        let mut ids = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                for field in ["operationId", "summary"] {
                    assert!(operation[field].is_string(), "{method} {path} has no {field}");
                }
                assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
                assert!(operation["security"][0]["bearer"].is_array(), "{method} {path}");
                let success = if operation["operationId"] == "createWebhook" { "201" } else { "200" };
                for status in [success, "401", "403", "413", "422", "429", "500", "503"] {
                    assert!(operation["responses"][status].is_object(), "{method} {path} has no {status}");
                }
                ids.push(operation["operationId"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(ids.len(), 19, "{ids:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 19, "an operationId occurs twice");
        assert_eq!(document["servers"][0]["url"], "./");
    }

    #[test]
    fn times_always_have_six_digits() {
        for (at, shown) in [
            ("2026-03-30T13:43:54Z", "\"2026-03-30 13:43:54.000000+00\""),
            ("2026-03-30T13:43:54.6Z", "\"2026-03-30 13:43:54.600000+00\""),
        ] {
            assert_eq!(serde_json::to_string(&Timestamp(at.parse().unwrap())).unwrap(), shown);
        }
    }
}
