//! JetEmail-shaped endpoints, over [crate::server::services]: the log of outbound mail, one message of it, and sending.
//! Sources: JetEmail, Get outbound email logs (OpenAPI document), Get outbound email logs by UID, Send an email, Send
//! multiple emails in a batch, Scheduled Email, Idempotency Keys.

mod email;
mod entry;
pub mod error;
mod logs;
mod parameters;
mod status;

use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::server::App;

/// Every endpoint with its description; paths are relative to the dialect's prefix.
pub fn routes() -> OpenApiRouter<App> {
    let routes = OpenApiRouter::with_openapi(Document::openapi()).merge(logs::routes()).merge(email::routes());
    error::MANNERS.describe(routes)
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sendlog, as JetEmail speaks",
        description = "The log of outbound mail and sending, for programs written for JetEmail. Errors are \
            `{\"success\":false,\"error\",\"message\"}`."
    ),
    servers((url = ".", description = "Beside this document")),
    tags((name = "Outbound", description = "What became of every message"), (name = "Email", description = "Sending"))
)]
struct Document;
