//! Forms that are sent after their session ended. While somebody is logged in, the pages leave a sealed cookie that says
//! who, and grants nothing. What comes in a form without a session is kept for that person, and waits in that browser for
//! them to log in. Called by [mod@super::router], [super::context] and the ways to log in.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use tracing::error;
use url::{Url, form_urlencoded};

use super::cookies::Cookie;
use crate::domain::address::{HOME, safe_next};
use crate::domain::draft::{Draft, TEAM_FIELD};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
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
    /// The team that they were in.
    #[serde(default)]
    team: Option<TeamId>,
    /// In seconds since 1970.
    issued_at: i64,
}

/// The cookie that tells who is logged in in this browser, and in which team; `None` where it has one that says so.
pub fn remember(app: &App, headers: &HeaderMap, user: UserId, team: TeamId) -> Option<HeaderValue> {
    let (now, last) = (app.clock.now().timestamp(), last_person(app, headers));
    let says_so = |last: &LastPerson| last.user == user && last.team == Some(team);
    if last.as_ref().is_some_and(|last| says_so(last) && now - last.issued_at < RENEWED_AFTER_SECONDS) {
        return None;
    }
    let browser = last.map_or_else(random_token, |last| last.browser);
    let person = LastPerson { user, browser, team: Some(team), issued_at: now };
    Cookie::Person.seal(app, &person, u32::try_from(LASTS_SECONDS).unwrap_or(u32::MAX))
}

/// Whether a request without a session comes from a browser whose person is known.
pub fn is_known(app: &App, headers: &HeaderMap) -> bool {
    last_person(app, headers).is_some()
}

/// The team of the page that a form was sent from, as the form says it. It grants nothing: a draft comes back there only to
/// who is in that team.
#[derive(Clone, Copy, Debug)]
pub struct FormTeam(TeamId);

impl FormTeam {
    /// What the fields of a form say.
    pub fn of(body: &[u8]) -> Option<Self> {
        let (_, team) = form_urlencoded::parse(body).find(|(name, _)| name == TEAM_FIELD)?;
        team.parse().ok().map(Self)
    }
}

/// Keeps what was typed into the form of a request for whoever was logged in last in its browser, in the team that the form
/// names, or else the one that the browser was in last; whether it is kept.
pub async fn keep(app: &App, parts: &Parts, draft: &Draft) -> bool {
    let Some(mut writer) = last_writer(app, &parts.headers) else { return false };
    if let Some(FormTeam(team)) = parts.extensions.get::<FormTeam>() {
        writer.team = Some(*team);
    }
    let kept = KeptDraft::from_page(&writer, page_of_form(&parts.headers), draft.clone());
    match drafts::keep(app, &writer, &kept).await {
        Ok(is_kept) => is_kept,
        Err(AppError::RateLimited { .. }) => false,
        Err(cause) => {
            error!(%cause, "a draft was not kept");
            false
        }
    }
}

/// The email address of whoever was logged in last in this browser, where a draft waits for them here.
pub async fn find_email(app: &App, headers: &HeaderMap) -> Option<String> {
    drafts::find_email(app, &last_writer(app, headers)?).await.ok()?
}

/// What the person of this session typed into a form of this team before they had to log in.
pub async fn find(
    app: &App,
    headers: &HeaderMap,
    session: &Session,
    team: Option<TeamId>,
    form: &str,
) -> Option<Draft> {
    let writer = writer_of(app, headers, session, team).await?;
    drafts::find_draft(app, &writer, form).await.ok()?
}

/// Puts what was typed into a form since in the place of what waits for it, where something does.
pub async fn renew(app: &App, headers: &HeaderMap, session: &Session, team: Option<TeamId>, draft: &Draft) {
    if let Some(writer) = writer_of(app, headers, session, team).await {
        match drafts::renew(app, &writer, draft).await {
            Ok(()) | Err(AppError::RateLimited { .. }) => {}
            Err(cause) => error!(%cause, "a draft was not renewed"),
        }
    }
}

/// Deletes what waits for a form.
pub async fn delete(
    app: &App,
    headers: &HeaderMap,
    session: &Session,
    team: Option<TeamId>,
    form: &str,
) -> Result<(), AppError> {
    match writer_of(app, headers, session, team).await {
        Some(writer) => drafts::delete(app, &writer, form).await,
        None => Ok(()),
    }
}

/// Where a log-in that is done leads: to the page of the draft that waits, in its team, unless another page than [HOME] is
/// asked for.
pub async fn way_on(app: &App, headers: &HeaderMap, session: &Session, next: &str) -> String {
    let Some(writer) = writer_of(app, headers, session, None).await else { return next.to_owned() };
    let waiting = drafts::find_waiting(app, &writer).await.ok().flatten();
    let Some(KeptDraft { page: Some(page), team, .. }) = waiting else { return next.to_owned() };
    if next != HOME && next != page {
        return next.to_owned();
    }
    match team {
        // Whoever is not in that team any more begins in another.
        Some(team) if accounts::switch_team(app, session, writer.user, team).await.is_err() => next.to_owned(),
        Some(_) | None => page,
    }
}

/// The page that a form was sent from, path and query. It is this site's: what other sites send was refused before.
fn page_of_form(headers: &HeaderMap) -> Option<String> {
    let referer = Url::parse(headers.get(header::REFERER)?.to_str().ok()?).ok()?;
    let query = referer.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(safe_next(&format!("{}{query}", referer.path())).to_owned())
}

/// The person of a session, in this browser.
async fn writer_of(app: &App, headers: &HeaderMap, session: &Session, team: Option<TeamId>) -> Option<Writer> {
    let LastPerson { browser, .. } = last_person(app, headers)?;
    let (user, _) = accounts::session_user(session).await.ok()?;
    Some(Writer { user, browser, team })
}

/// Whoever was logged in last in this browser.
fn last_writer(app: &App, headers: &HeaderMap) -> Option<Writer> {
    let LastPerson { user, browser, team, .. } = last_person(app, headers)?;
    Some(Writer { user, browser, team })
}

fn last_person(app: &App, headers: &HeaderMap) -> Option<LastPerson> {
    Cookie::Person.open(app, headers)
}
