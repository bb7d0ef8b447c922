//! NotificationAPI-shaped endpoints, over [crate::server::services]: sending a notification over several channels, moving
//! and taking back one that waits, and the log. Sources: NotificationAPI, Logs; for requests and answers its published
//! server SDKs. Mounted by [crate::server::web]; paths are relative to the dialect's prefix.

mod content;
pub mod error;
mod logs;
mod schedule;
mod sender;
mod words;

use std::collections::HashMap;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use chrono::{DateTime, Utc};
use error::NotificationapiError;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::domain::error::AppError;
use crate::domain::notification::{EntryId, NotificationChannel};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::api::Api;
use crate::server::api::extract::{PathText, identity, read_query};
use crate::server::services::notifications::SentNotification;

/// Every endpoint with its description; paths are relative to the dialect's prefix.
pub fn routes() -> OpenApiRouter<App> {
    let routes = OpenApiRouter::with_openapi(Document::openapi())
        .merge(sender::routes())
        .merge(schedule::routes())
        .merge(logs::routes());
    error::MANNERS.describe(routes)
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sendlog, for NotificationAPI's clients",
        description = "Send notifications by email, SMS, call, push and in-app, and read what became of them. \
            `clientId` is an API key's id, `clientSecret` the key itself. Errors are `{\"messages\":[\"…\"]}`."
    ),
    servers((url = "./")),
    tags(
        (name = "sender", description = "Sending and taking back"),
        (name = "schedule", description = "Notifications that wait for their time"),
        (name = "logs", description = "What became of every notification"),
    )
)]
struct Document;

/// What a handler gives.
type Answer<T> = Result<Json<T>, NotificationapiError>;

/// Who asks, and for which notification where the path names one. The path's `clientId` must be the key that asks; there
/// are no parameters in the query string.
struct Client {
    viewer: Viewer,
    path: HashMap<String, String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let refuse = |error: AppError| Api::Notificationapi.refuse(error);
        let viewer = identity(parts).map_err(refuse)?;
        let PathText(path) = PathText::<HashMap<String, String>>::from_request_parts(parts, state).await?;
        let own_id = viewer.api_key_id().map(|id| id.to_string());
        if own_id.is_none() || path.get("clientId") != own_id.as_ref() {
            let message = "The clientId of the path is not the one of the credentials";
            return Err(refuse(AppError::Forbidden(message.to_owned())));
        }
        read_query::<()>(parts).map_err(refuse)?;
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

/// A channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ChannelName {
    /// Email.
    #[serde(rename = "EMAIL")]
    Email,
    /// Within the application.
    #[serde(rename = "INAPP_WEB", alias = "INAPP")]
    InApp,
    /// Text message.
    #[serde(rename = "SMS")]
    Sms,
    /// Telephone call.
    #[serde(rename = "CALL")]
    Call,
    /// A device's notification.
    #[serde(rename = "PUSH")]
    Push,
    /// A browser's notification.
    #[serde(rename = "WEB_PUSH")]
    WebPush,
}

impl From<ChannelName> for NotificationChannel {
    fn from(name: ChannelName) -> Self {
        match name {
            ChannelName::Email => Self::Email,
            ChannelName::InApp => Self::InApp,
            ChannelName::Sms => Self::Sms,
            ChannelName::Call => Self::Call,
            ChannelName::Push => Self::Push,
            ChannelName::WebPush => Self::WebPush,
        }
    }
}

impl From<NotificationChannel> for ChannelName {
    fn from(channel: NotificationChannel) -> Self {
        match channel {
            NotificationChannel::Email => Self::Email,
            NotificationChannel::Sms => Self::Sms,
            NotificationChannel::Call => Self::Call,
            NotificationChannel::Push => Self::Push,
            NotificationChannel::WebPush => Self::WebPush,
            NotificationChannel::InApp => Self::InApp,
        }
    }
}

/// A notification has been accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// The notification.
    #[schema(format = "uuid", example = "018d2f5c-1f00-7000-8000-0123456789ab")]
    pub tracking_id: String,
    /// What was ignored and why, a sentence each.
    pub messages: Vec<String>,
}

impl Sent {
    /// The answer where nothing was ignored.
    pub fn without_messages(id: EntryId) -> Self {
        let tracking_id = match id {
            EntryId::Notification(id) => id.to_uuid(),
            EntryId::Message(id) => id.to_uuid(),
        };
        Self { tracking_id, messages: Vec::new() }
    }
}

impl From<SentNotification> for Sent {
    fn from(sent: SentNotification) -> Self {
        Self { tracking_id: sent.id.to_uuid(), messages: sent.warnings }
    }
}

fn instant(field: &str, text: &str) -> Result<DateTime<Utc>, AppError> {
    DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc)).map_err(|_| {
        let message = format!("{field} must be an ISO 8601 date and time, like 2024-02-20T14:38:03.509Z");
        AppError::invalid_field(field, message)
    })
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
