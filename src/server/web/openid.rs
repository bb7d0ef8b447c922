//! The way to the OpenID provider and back. Both are links that the browser follows, because a form's answer must not lead
//! to another site. The way there writes nothing here: what must be known on the way back, the browser carries in a sealed
//! cookie. The way back counts only in the browser where the way there began.

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tower_sessions::Session;

use crate::domain::error::AppError;
use crate::domain::mount::mounted;
use crate::server::App;
use crate::server::identity::{ClientAddress, origin};
use crate::server::services::accounts::openid::{self, Callback};
use crate::server::web::context::{Flash, FlashKind};
use crate::server::web::cookies::Cookie;
use crate::server::web::drafts;
use crate::server_fns::access::safe_next;

/// `?next=` is where the log-in leads.
#[derive(Deserialize)]
pub struct Wish {
    #[serde(default)]
    next: String,
}

/// `GET /login/openid`
pub async fn begin(State(app): State<App>, Query(wish): Query<Wish>) -> Response {
    match openid::begin(&app, safe_next(&wish.next)).await {
        Ok((url, under_way)) => {
            let cookie = Cookie::OpenId.seal(&app, &under_way, openid::LASTS_SECONDS);
            with_cookie(Redirect::to(&url).into_response(), cookie)
        }
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
    let under_way = Cookie::OpenId.open(&app, &headers);
    let response = match openid::finish(&app, &session, under_way, callback, &origin(&address, &headers)).await {
        Ok(next) => {
            let way = drafts::way_on(&app, &headers, &session, safe_next(&next)).await;
            Redirect::to(&mounted(way)).into_response()
        }
        Err(error) => back_to_log_in(&app, &error),
    };
    with_cookie(response, Cookie::OpenId.header("", 0, app.config.is_https()))
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn back_to_log_in(app: &App, error: &AppError) -> Response {
    let mut response = Redirect::to(&mounted("/login")).into_response();
    let flash = Flash::new(FlashKind::Error, format!("{}.", error.to_string().trim_end_matches('.')));
    if let Some(cookie) = flash.cookie(app) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
