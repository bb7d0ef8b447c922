//! The way to the OpenID provider and back. Both are links that the browser follows, because a form's answer must not lead
//! to another site; they write into the browser's own session alone, and the way back counts only where the way there began.

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tower_sessions::Session;

use crate::domain::error::AppError;
use crate::server::App;
use crate::server::auth::{ClientAddress, origin};
use crate::server::context::{Flash, FlashKind};
use crate::server::services::accounts::openid::{self, Callback};
use crate::server_fns::access::safe_next;

/// `?next=` is where the log-in leads.
#[derive(Deserialize)]
pub struct Wish {
    #[serde(default)]
    next: String,
}

/// `GET /login/openid`
pub async fn begin(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Query(wish): Query<Wish>,
) -> Response {
    match openid::begin(&app, &session, safe_next(&wish.next)).await {
        Ok(url) => Redirect::to(&url).into_response(),
        Err(error) => back_to_log_in(&app, &error),
    }
}

/// `GET /login/openid/callback`
pub async fn finish(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
    Query(callback): Query<Callback>,
) -> Response {
    match openid::finish(&app, &session, callback, &origin(&address, &headers)).await {
        Ok(next) => Redirect::to(safe_next(&next)).into_response(),
        Err(error) => back_to_log_in(&app, &error),
    }
}

fn back_to_log_in(app: &App, error: &AppError) -> Response {
    let mut response = Redirect::to("/login").into_response();
    let flash = Flash::new(FlashKind::Error, format!("{}.", error.to_string().trim_end_matches('.')));
    if let Some(cookie) = flash.cookie(app.config.is_https()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
