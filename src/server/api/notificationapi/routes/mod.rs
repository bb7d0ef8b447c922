//! The handlers, a file a noun: extract, call the use case, put the answer into the wire's shape.

pub mod logs;
pub mod schedule;
pub mod sender;

use std::collections::HashMap;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::NotificationapiError;
use crate::domain::error::AppError;
use crate::domain::notification::EntryId;
use crate::domain::viewer::Viewer;
use crate::server::api::request::{Caller, PathText, RawQuery};

/// What a handler gives.
type Answer<T> = Result<Json<T>, NotificationapiError>;

/// Who asks, and for which notification where the path names one. The path's `clientId` must be the key that asks; there
/// are no parameters in the query string.
struct Client {
    viewer: Viewer,
    path: HashMap<String, String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = NotificationapiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, NotificationapiError> {
        let viewer = Caller::<NotificationapiError>::from_request_parts(parts, state).await?.0;
        let path = PathText::<HashMap<String, String>, NotificationapiError>::from_request_parts(parts, state).await?.0;
        let own_id = viewer.api_key_id().map(|id| id.to_string());
        if own_id.is_none() || path.get("clientId") != own_id.as_ref() {
            let message = "The clientId of the path is not the one of the credentials";
            return Err(AppError::Forbidden(message.to_owned()).into());
        }
        RawQuery::parse(parts.uri.query().unwrap_or_default(), &[])?;
        Ok(Self { viewer, path })
    }
}

impl Client {
    /// The notification that the path names, or the message.
    fn entry_id(&self) -> Result<EntryId, AppError> {
        let id = self.path.get("trackingId").and_then(|text| text.parse().ok());
        id.ok_or_else(|| AppError::not_found("Notification"))
    }
}
