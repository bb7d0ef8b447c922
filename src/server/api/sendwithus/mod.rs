//! Sendwithus-shaped log and send endpoints, over [crate::server::services]. Sources: Sendwithus, Logs API; for the rest
//! what its published clients send and read. Times are Unix seconds.

mod batch;
pub mod error;
mod logs;
mod send;
mod status;

use axum::Json;
use error::SendwithusError;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::domain::email::Email;
use crate::server::App;

/// Every endpoint with its description; paths are relative to the dialect's prefix.
pub fn routes() -> OpenApiRouter<App> {
    error::MANNERS.describe(OpenApiRouter::with_openapi(Document::openapi()).merge(commands()).merge(batch::routes()))
}

/// What can be asked in a batch too.
fn commands() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(logs::routes()).merge(send::routes())
}

type Answer<T> = Result<Json<T>, SendwithusError>;

/// What ids of messages begin with.
const LOG_PREFIX: &str = "log_";

fn version_name(email: &Email) -> Option<String> {
    email.template_version.map(name_of_version)
}

fn name_of_version(number: i64) -> String {
    format!("Version {number}")
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sendlog: Sendwithus dialect",
        description = "For applications written for Sendwithus. Times are Unix seconds. Errors are \
            `{\"success\":false,\"status\":\"ERROR\",\"exception\":…}`. Bodies are read as JSON whatever their label."
    ),
    servers((url = "./", description = "Where this document is")),
    tags(
        (name = "logs", description = "What became of every message"),
        (name = "send", description = "Sending"),
        (name = "batch", description = "Several requests in one"),
    )
)]
struct Document;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_described_with_all_its_answers() {
        let document = serde_json::to_value(routes().into_openapi()).unwrap();
        let mut ids = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                for field in ["operationId", "summary"] {
                    assert!(operation[field].is_string(), "{method} {path} has no {field}");
                }
                assert_eq!(operation["security"].as_array().map(Vec::len), Some(2), "{method} {path}");
                for status in ["200", "400", "403", "429", "500", "503"] {
                    let answer = &operation["responses"][status]["content"]["application/json"]["schema"];
                    assert!(answer.is_object(), "{method} {path} has no {status}");
                }
                ids.push(operation["operationId"].as_str().unwrap().to_owned());
            }
        }
        ids.sort();
        let expected =
            ["findLog", "listCustomerLogs", "listLogEvents", "listLogs", "resendEmail", "runBatch", "sendEmail"];
        assert_eq!(ids, expected);
        let schemes = document["components"]["securitySchemes"].as_object().unwrap();
        assert_eq!(schemes.keys().collect::<Vec<_>>(), ["basic", "swuApiKey"]);
    }
}
