//! Forms that are sent after their session ended. While somebody is logged in, the pages leave a sealed cookie that says
//! who, and grants nothing. What comes in a form without a session is kept for that person, and waits in that browser for
//! them to log in. Called by [mod@super::router], [super::context] and the ways to log in.

use axum::http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use tracing::error;
use url::Url;

use super::cookies::Cookie;
use crate::domain::address::{HOME, safe_next};
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::UserId;
use crate::server::App;
use crate::server::secrets::random_token;
use crate::server::services::accounts;
use crate::server::services::drafts::{self, KeptDraft, LASTS, Writer};
use crate::server::store::sessions::SESSION_DAYS;

/// How old the cookie gets before a page leaves a new one, in seconds: a day.
const RENEWED_AFTER_SECONDS: i64 = 86_400;

/// How long the cookie lasts, in seconds: it outlives the session of whoever has it.
const LASTS_SECONDS: i64 = SESSION_DAYS * 86_400 + RENEWED_AFTER_SECONDS + LASTS.num_seconds();

/// Who was logged in last in a browser.
#[derive(Debug, Serialize, Deserialize)]
struct LastPerson {
    user: UserId,
    /// A token of the browser, the same for whoever is logged in there.
    browser: String,
    /// In seconds since 1970.
    issued_at: i64,
}

/// The cookie that tells who is logged in in this browser; `None` where it has one that says so.
pub fn remember(app: &App, headers: &HeaderMap, user: UserId) -> Option<HeaderValue> {
    let (now, last) = (app.clock.now().timestamp(), last_person(app, headers));
    if last.as_ref().is_some_and(|last| last.user == user && now - last.issued_at < RENEWED_AFTER_SECONDS) {
        return None;
    }
    let browser = last.map_or_else(random_token, |last| last.browser);
    let person = LastPerson { user, browser, issued_at: now };
    Cookie::Person.seal(app, &person, u32::try_from(LASTS_SECONDS).unwrap_or(u32::MAX))
}

/// Whether a request without a session comes from a browser whose person is known.
pub fn is_known(app: &App, headers: &HeaderMap) -> bool {
    last_person(app, headers).is_some()
}

/// Keeps what was typed into a form for whoever was logged in last in its browser; whether it is kept.
pub async fn keep(app: &App, headers: &HeaderMap, draft: &Draft) -> bool {
    let Some(LastPerson { user, browser, .. }) = last_person(app, headers) else { return false };
    let kept = KeptDraft { page: page_of_form(headers), draft: draft.clone() };
    match drafts::keep(app, &Writer { user, browser }, &kept).await {
        Ok(is_kept) => is_kept,
        Err(AppError::RateLimited { .. }) => false,
        Err(cause) => {
            error!(%cause, "a draft was not kept");
            false
        }
    }
}

/// What the person of this session typed into a form before they had to log in.
pub async fn find(app: &App, headers: &HeaderMap, session: &Session, form: &str) -> Option<Draft> {
    let writer = writer_of(app, headers, session).await?;
    drafts::find_draft(app, &writer, form).await.ok()?
}

/// Puts what was typed into a form since in the place of what waits for it, where something does.
pub async fn renew(app: &App, headers: &HeaderMap, session: &Session, draft: &Draft) {
    if let Some(writer) = writer_of(app, headers, session).await {
        match drafts::renew(app, &writer, draft).await {
            Ok(()) | Err(AppError::RateLimited { .. }) => {}
            Err(cause) => error!(%cause, "a draft was not renewed"),
        }
    }
}

/// Deletes what waits for a form.
pub async fn delete(app: &App, headers: &HeaderMap, session: &Session, form: &str) -> Result<(), AppError> {
    match writer_of(app, headers, session).await {
        Some(writer) => drafts::delete(app, &writer, form).await,
        None => Ok(()),
    }
}

/// Where a log-in that is done leads: to the page of the draft that waits, unless another page than [HOME] is asked for.
pub async fn way_on(app: &App, headers: &HeaderMap, session: &Session, next: &str) -> String {
    let page = match writer_of(app, headers, session).await {
        Some(writer) => drafts::find_page(app, &writer).await.ok().flatten(),
        None => None,
    };
    match page {
        Some(page) if next == HOME => page,
        _ => next.to_owned(),
    }
}

/// The page that a form was sent from, path and query. It is this site's: what other sites send was refused before.
fn page_of_form(headers: &HeaderMap) -> Option<String> {
    let referer = Url::parse(headers.get(header::REFERER)?.to_str().ok()?).ok()?;
    let query = referer.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(safe_next(&format!("{}{query}", referer.path())).to_owned())
}

/// The person of a session, in this browser.
async fn writer_of(app: &App, headers: &HeaderMap, session: &Session) -> Option<Writer> {
    let LastPerson { browser, .. } = last_person(app, headers)?;
    let (user, _) = accounts::session_user(session).await.ok()?;
    Some(Writer { user, browser })
}

fn last_person(app: &App, headers: &HeaderMap) -> Option<LastPerson> {
    Cookie::Person.open(app, headers)
}
