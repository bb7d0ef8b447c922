//! Canary-shaped endpoints, the dashboard's own JSON API, over [crate::server::services]. Sources: Canary, Email Logs
//! API; for the rest Canary's public behaviour as `wire.md` of this project notes it. Mounted under `/api` by
//! [crate::server::web], which also authenticates, guards against forged requests and logs.
//! The order of the fields is the specification's; times are ISO 8601 in UTC with milliseconds.

mod adapters;
mod api_keys;
mod audit;
mod auth;
mod body;
mod bounces;
mod deliveries;
pub mod error;
mod events;
mod invites;
mod logs;
mod members;
mod resends;
mod send;
mod suppressions;
mod teams;
mod templates;
mod webhooks;

use std::sync::LazyLock;

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use error::CanaryError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::error::AppError;
use crate::domain::mount::mount_path;
use crate::server::App;

/// Every endpoint with its description; paths are whole, `/api/logs`.
pub fn routes() -> OpenApiRouter<App> {
    let routes = OpenApiRouter::with_openapi(Document::openapi())
        .merge(logs::routes())
        .merge(resends::routes())
        .merge(send::routes())
        .merge(events::routes())
        .merge(bounces::routes())
        .merge(auth::routes())
        .merge(teams::routes())
        .merge(members::routes())
        .merge(invites::routes())
        .merge(templates::routes())
        .merge(adapters::routes())
        .merge(suppressions::routes())
        .merge(webhooks::routes())
        .merge(deliveries::routes())
        .merge(api_keys::routes())
        .merge(audit::routes());
    error::MANNERS.describe(routes).routes(routes!(show_document))
}

/// The OpenAPI document of [routes()].
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = routes().into_openapi();
    // Without any, the root of the document's own host is meant.
    if !mount_path().is_empty() {
        document.servers = Some(vec![utoipa::openapi::Server::new(mount_path())]);
    }
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sendlog",
        description = "The log of every message a team sends: send, see what became of it, resend it. Answers are \
            `{\"success\":true,\"data\":…}` or `{\"success\":false,\"error\":{\"code\",\"message\",\"details\"?}}`; \
            times are ISO 8601 in UTC with milliseconds."
    ),
    tags(
        (name = "logs", description = "What became of every message"),
        (name = "resends", description = "Sending many messages again"),
        (name = "send", description = "Sending"),
        (name = "events", description = "What others report of messages"),
        (name = "auth", description = "Log-in, registration and the account's teams"),
        (name = "teams", description = "Teams, members and invitations"),
        (name = "templates", description = "Templates and their versions"),
        (name = "adapters", description = "The mail servers and addresses that messages go out by"),
        (name = "suppressions", description = "Addresses that are not written to any more"),
        (name = "webhooks", description = "Addresses of your own that are told what becomes of messages"),
        (name = "api-keys", description = "Keys for programs"),
        (name = "audit", description = "Who changed, revealed, resent or exported what"),
        (name = "meta", description = "This document"),
    )
)]
struct Document;

/// Shows this document. Needs no log-in.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "showOpenApiDocument", tag = "meta",
    summary = "Show the OpenAPI document",
    responses((status = 200, description = "The document", body = Object)),
)]
async fn show_document() -> Response {
    static TEXT: LazyLock<Option<String>> = LazyLock::new(|| openapi().to_json().ok());
    match &*TEXT {
        Some(text) => ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response(),
        None => CanaryError::from(AppError::Internal).into_response(),
    }
}

/// The envelope of every answer that is no error.
#[derive(Debug, Serialize, ToSchema)]
pub struct Success<T> {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// The answer itself.
    pub data: T,
}

/// Puts an answer into its envelope.
pub fn success<T>(data: T) -> Json<Success<T>> {
    Json(Success { success: true, data })
}

/// An instant, written `2024-01-20T10:30:00.000Z`.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2024-01-20T10:30:00.000Z")]
pub struct Timestamp(pub DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

/// A thing is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted<Id> {
    /// Its id.
    pub id: Id,
}

/// Nothing to tell.
#[derive(Debug, Serialize, ToSchema)]
pub struct Nothing {}

/// What a handler gives.
pub type Answer<T> = Result<Json<Success<T>>, CanaryError>;

/// Tells null, which is given, from nothing given.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_an_id_a_tag_and_a_summary() {
        let document = serde_json::to_value(openapi()).unwrap();
        let mut ids = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            assert!(path.starts_with("/api/"), "{path}");
            for (method, operation) in operations.as_object().unwrap() {
                for field in ["operationId", "summary"] {
                    assert!(operation[field].is_string(), "{method} {path} has no {field}");
                }
                assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
                ids.push(operation["operationId"].as_str().unwrap().to_owned());
            }
        }
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "an operationId occurs twice");
    }

    #[test]
    fn times_have_milliseconds_and_z() {
        let time = DateTime::from_timestamp_micros(1_705_746_600_123_999).unwrap();
        assert_eq!(serde_json::to_value(Timestamp(time)).unwrap(), "2024-01-20T10:30:00.123Z");
        let whole = DateTime::from_timestamp(1_705_746_600, 0).unwrap();
        assert_eq!(serde_json::to_value(Timestamp(whole)).unwrap(), "2024-01-20T10:30:00.000Z");
    }
}
