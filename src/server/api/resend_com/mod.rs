//! Resend-shaped endpoints, over [crate::server::services]: the log of API requests over every dialect, and sending.
//! Sources: Resend, Logs; for `/emails` Resend's API reference and what npm `resend`, PyPI `resend` and `resend-rs` send
//! and expect.

pub mod error;
mod routes;
pub mod wire;

use axum::extract::Request;
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::server::App;
use error::ResendError;

/// Every endpoint with its description; paths are relative to the dialect's prefix.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(routes::logs::routes())
        .merge(routes::emails::routes())
        .layer(middleware::from_fn(require_user_agent))
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
    modifiers(&Credentials),
    tags(
        (name = "logs", description = "The log of API requests, over every dialect"),
        (name = "emails", description = "Sending, and what became of it"),
    )
)]
struct Document;

/// The way to say who asks.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key")).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
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
                for status in ["200", "401", "403", "413", "422", "429", "500", "503"] {
                    assert!(operation["responses"][status].is_object(), "{method} {path} has no {status}");
                }
                ids.push(operation["operationId"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(ids.len(), 8, "{ids:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 8, "an operationId occurs twice");
        assert_eq!(document["servers"][0]["url"], "./");
    }
}
