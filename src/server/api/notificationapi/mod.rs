//! NotificationAPI-shaped endpoints, over [crate::server::services]: sending a notification over several channels, moving
//! and taking back one that waits, and the log. Sources: NotificationAPI, Logs; for requests and answers its published
//! server SDKs. Mounted by [crate::server::web]; paths are relative to the dialect's prefix.

pub mod error;
mod routes;
pub mod wire;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::server::App;

/// Every endpoint with its description; paths are relative to the dialect's prefix.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(routes::sender::routes())
        .merge(routes::schedule::routes())
        .merge(routes::logs::routes())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sendlog, for NotificationAPI's clients",
        description = "Send notifications by email, SMS, call, push and in-app, and read what became of them. \
            `clientId` is an API key's id, `clientSecret` the key itself. Errors are `{\"messages\":[\"…\"]}`."
    ),
    servers((url = "./")),
    modifiers(&Credentials),
    tags(
        (name = "sender", description = "Sending and taking back"),
        (name = "schedule", description = "Notifications that wait for their time"),
        (name = "logs", description = "What became of every notification"),
    )
)]
struct Document;

/// How a program says who it is.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let basic = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("An API key's id as the user name, the key as the password"))
            .build();
        components.add_security_scheme("basic", SecurityScheme::Http(basic));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_has_an_id_a_tag_a_summary_and_credentials() {
        let document = serde_json::to_value(super::routes().into_openapi()).unwrap();
        assert_eq!(document["servers"][0]["url"], "./");
        for (path, operations) in document["paths"].as_object().unwrap() {
            assert!(path.starts_with("/{clientId}/"), "{path}");
            for (method, operation) in operations.as_object().unwrap() {
                for field in ["operationId", "summary"] {
                    assert!(operation[field].is_string(), "{method} {path} has no {field}");
                }
                assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
                assert_eq!(operation["security"][0]["basic"], serde_json::json!([]), "{method} {path}");
            }
        }
    }
}
