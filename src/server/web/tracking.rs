//! `/t/o/{token}` and `/t/c/{token}`: what tracked messages ask for when they are opened and when their links are followed.
//! Whoever reads a message waits for nothing of ours: they get the picture, or go on to the link, whether or not it could be
//! recorded. No session is read or made here.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::timeout;
use tracing::warn;

use super::auth::client_address;
use super::csrf::is_prefetch;
use super::unsubscribe::{answer, page};
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::services::tracking::{self, Caller};

/// A picture of one pixel that shows nothing. Source: GIF89a.
const PIXEL: [u8; 43] =
    *b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// How long an answer waits for the record.
const RECORDED_WITHIN: Duration = Duration::from_secs(1);

/// The routes.
pub fn routes(app: &App) -> Router {
    Router::new().route("/t/o/{token}", get(open)).route("/t/c/{token}", get(click)).with_state(app.clone())
}

async fn open(State(app): State<App>, Path(token): Path<String>, request: Request) -> Response {
    let caller = caller(&app, &request.into_parts().0);
    let recording = app.clone();
    recorded(&app, async move { tracking::record_opening(&recording, &token, &caller).await }).await;
    let headers = [
        (header::CONTENT_TYPE, "image/gif"),
        (header::CACHE_CONTROL, "no-store, no-cache, must-revalidate, private, max-age=0"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    (headers, PIXEL.as_slice()).into_response()
}

async fn click(State(app): State<App>, Path(token): Path<String>, request: Request) -> Response {
    let caller = caller(&app, &request.into_parts().0);
    let Some(click) = tracking::find_click(&app, &token) else {
        let words = "This link was cut off or changed on its way, so it is not known where it leads. Open it from the message again.";
        return answer(StatusCode::NOT_FOUND, page("This link leads nowhere", words, None));
    };
    let Ok(target) = HeaderValue::from_str(&click.target) else { return StatusCode::NOT_FOUND.into_response() };
    let recording = app.clone();
    recorded(&app, async move { tracking::record_click(&recording, &click, &caller).await }).await;
    // Where it leads does not hear of the token.
    let referrer = (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    (StatusCode::FOUND, [(header::LOCATION, target), referrer]).into_response()
}

fn caller(app: &App, parts: &Parts) -> Caller {
    let user_agent = parts.headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Caller {
        address: client_address(app, parts).0.parse().ok(),
        user_agent: user_agent.map(|text| text.chars().take(1_000).collect()),
        looks_ahead: parts.method == Method::HEAD || is_prefetch(&parts.headers),
    }
}

/// Records a visit beside the answer, which does not wait long for it. What comes while too many are recorded is not.
async fn recorded(app: &App, recording: impl Future<Output = Result<(), AppError>> + Send + 'static) {
    let Ok(room) = Arc::clone(&app.visits).try_acquire_owned() else {
        warn!("too many opens and clicks at once; one was not recorded");
        return;
    };
    let task = tokio::spawn(async move {
        let _room = room;
        if let Err(cause) = recording.await {
            warn!(%cause, "an open or a click was not recorded");
        }
    });
    // One that takes longer ends by itself.
    let _ = timeout(RECORDED_WITHIN, task).await;
}
