//! The description of the JSON API.

use leptos::prelude::*;

use crate::domain::error::AppError;

/// The OpenAPI document that `/api/openapi.json` serves.
#[server]
pub async fn load_api_document() -> Result<serde_json::Value, AppError> {
    crate::server::context::viewer().await?.require_two_factor()?;
    Ok(crate::server::openapi_document())
}
