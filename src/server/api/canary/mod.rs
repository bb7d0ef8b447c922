//! Canary-shaped endpoints, the dashboard's own JSON API, over [crate::server::services]. Sources: Canary, Email Logs
//! API; for the rest Canary's public behaviour as `wire.md` of this project notes it. Mounted under `/api` by
//! [crate::server::web], which also authenticates, guards against forged requests and logs.

pub mod error;
mod extract;
mod routes;
pub mod wire;

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::error::AppError;
use crate::server::App;
use error::CanaryError;

/// Every endpoint with its description; paths are whole, `/api/logs`.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(routes::logs::routes())
        .merge(routes::send::routes())
        .merge(routes::events::routes())
        .merge(routes::auth::routes())
        .merge(routes::teams::routes())
        .merge(routes::templates::routes())
        .merge(routes::adapters::routes())
        .merge(routes::api_keys::routes())
        .merge(routes::audit::routes())
        .routes(routes!(show_document))
}

/// The OpenAPI document of [routes()].
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sendlog",
        description = "The log of every message a team sends: send, see what became of it, resend it. Answers are \
            `{\"success\":true,\"data\":…}` or `{\"success\":false,\"error\":{\"code\",\"message\",\"details\"?}}`; \
            times are ISO 8601 in UTC with milliseconds."
    ),
    modifiers(&Credentials),
    tags(
        (name = "logs", description = "What became of every message"),
        (name = "send", description = "Sending"),
        (name = "events", description = "What others report of messages"),
        (name = "auth", description = "Log-in, registration and the account's teams"),
        (name = "teams", description = "Teams, members and invitations"),
        (name = "templates", description = "Templates and their versions"),
        (name = "adapters", description = "The mail servers and addresses that messages go out by"),
        (name = "api-keys", description = "Keys for programs"),
        (name = "audit", description = "Who changed, revealed, resent or exported what"),
        (name = "meta", description = "This document"),
    )
)]
struct Document;

/// The three ways to say who asks.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let session = ApiKeyValue::with_description("session", "Of a log-in, by the dashboard or by /api/auth/login");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key")).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let header = ApiKeyValue::with_description("X-API-Key", "An API key");
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(header)));
    }
}

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
}
