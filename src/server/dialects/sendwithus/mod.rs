//! Sendwithus-shaped log and send endpoints, over [crate::server::services]. Source: Sendwithus, Logs API.

pub mod error;

use utoipa_axum::router::OpenApiRouter;

use crate::server::App;

/// Every endpoint with its description; paths are relative to the dialect's prefix.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
}
