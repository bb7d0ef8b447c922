//! A message's HTML, for the sandboxed frame on its page: no script runs in it, and nothing is loaded from elsewhere
//! unless the reader asks for images.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use crate::domain::error::AppError;
use crate::server::App;
use crate::server::auth::Identity;
use crate::server::services::emails;

/// What stands in the place of a body that the viewer does not see.
const HIDDEN: &str = "<!doctype html><title>Message</title><p>Hidden.</p>";

/// `?images=1` lets images load from other servers.
#[derive(Deserialize)]
pub struct BodyQuery {
    #[serde(default)]
    images: u8,
}

/// `GET /logs/:id/body`. Needs `logs:view`; shows that the body is hidden to those who do not see contents.
pub async fn show(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
    Query(query): Query<BodyQuery>,
) -> Response {
    let images = if query.images == 1 { "https: http: data:" } else { "data:" };
    let policy = format!(
        "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; font-src data:; sandbox; \
         frame-ancestors 'self'"
    );
    let answer = match load(&app, identity, &id).await {
        Ok(html) => (StatusCode::OK, Html(html)),
        Err(error) => {
            let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Html(format!("<!doctype html><title>Message</title><p>{error}</p>")))
        }
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, answer).into_response()
}

async fn load(app: &App, identity: Identity, id: &str) -> Result<String, AppError> {
    let viewer = identity.0?;
    let id = id.parse().map_err(|_| AppError::not_found("Email log"))?;
    let detail = emails::find_email(app, &viewer, id).await?;
    match detail.content.html {
        Some(html) => Ok(html),
        None if !detail.sight.shows_contents() => Ok(HIDDEN.to_owned()),
        None => Err(AppError::not_found("HTML body")),
    }
}
