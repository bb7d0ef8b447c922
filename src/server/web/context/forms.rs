//! What was typed into the forms of a request: kept when they are refused or their session has ended, and given back.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::request::Parts;
use leptos::prelude::use_context;
use tower_sessions::Session;
use tracing::error;

use super::{FlashKind, app, append_cookie, flash, session, try_viewer, viewer};
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::web::cookies::Cookie;
use crate::server::web::drafts;

/// How long what was typed waits for its page, in seconds.
const DRAFT_SECONDS: u32 = 600;
/// Where the session keeps a long draft.
const DRAFT_KEY: &str = "draft";
/// The longest draft that a cookie holds, in bytes.
const COOKIE_DRAFT_BYTES: usize = 1500;
/// The longest draft that is kept at all, in bytes: a template that was read whole.
const MAX_DRAFT_BYTES: usize = 4 * 1024 * 1024;

/// What is said of a form without a session that is not kept.
const NOT_KEPT: &str = "Your session ended, and what you typed was not saved. Log in and type it again.";
/// What is said of one that is.
const KEPT: &str = "Your session ended. Log in, and the form comes back as you left it.";

/// Where a page that is being made notes the form that it has given back what was typed into, before a log-in.
#[derive(Clone, Debug, Default)]
pub struct GivenBack(Arc<Mutex<Option<String>>>);

/// Keeps what was typed into a form that was refused, for its page: sealed in the browser, or, where that is too long, in
/// the session of somebody who is logged in, sealed there too. What is longer still is not kept. What waits for the form since
/// before a log-in is renewed.
pub async fn keep_draft(draft: &Draft) {
    let (app, plain) = (app(), serde_json::to_vec(draft).unwrap_or_default());
    let fits = plain.len() <= COOKIE_DRAFT_BYTES && !draft.is_read_again();
    if !fits {
        let is_person = try_viewer().await.is_some_and(|viewer| viewer.user_id().is_some());
        if plain.len() > MAX_DRAFT_BYTES || !is_person {
            return;
        }
        if session().await.insert(DRAFT_KEY, app.secret_key.seal(&plain, DRAFT_KEY)).await.is_err() {
            return;
        }
    }
    append_cookie(Cookie::Draft.seal(&app, &fits.then_some(draft), DRAFT_SECONDS));
    if let Some(parts) = use_context::<Parts>() {
        drafts::renew(&app, &parts.headers, &session().await, team().await, draft).await;
    }
}

/// A result; where it is a refusal, what was typed is kept for the form's page, with the field that is to blame. Where it
/// is that the session has ended, it is kept for whoever was logged in, until they are again.
pub async fn or_keep<T>(draft: &Draft, result: Result<T, AppError>) -> Result<T, AppError> {
    match &result {
        Ok(_) => {}
        Err(AppError::NoSession | AppError::InvalidSession) => keep_for_log_in(draft).await,
        Err(error) => keep_draft(&draft.clone().refused(error)).await,
    }
    result
}

/// The same for a form that says what is wrong beside its fields: the sentence over the page then only names the field, by what
/// the page calls it. Where there is no such name, it says what is wrong.
pub async fn or_point<T>(
    draft: &Draft,
    result: Result<T, AppError>,
    label_of: impl Fn(&str) -> Option<&'static str>,
) -> Result<T, AppError> {
    or_keep(draft, result).await.map_err(|error| {
        match error.field().and_then(|field| Some((field, label_of(field)?))) {
            Some((field, label)) => {
                AppError::invalid_field(field, format!("Nothing was saved or sent yet: look at the field “{label}”."))
            }
            None => error,
        }
    })
}

async fn keep_for_log_in(draft: &Draft) {
    let Some(parts) = use_context::<Parts>() else { return };
    match drafts::keep(&app(), &parts, draft).await {
        true => flash(FlashKind::Warning, KEPT),
        false => flash(FlashKind::Error, NOT_KEPT),
    }
}

/// The viewer of a form, or why there is none; what was typed is kept like a refusal's.
pub async fn viewer_of(draft: &Draft) -> Result<Viewer, AppError> {
    or_keep(draft, viewer().await).await
}

/// The viewer of a form whose fields are not kept: where the session has ended, the log-in page says so in these words.
pub async fn viewer_or_say(words: &str) -> Result<Viewer, AppError> {
    let viewer = viewer().await;
    if matches!(viewer, Err(AppError::NoSession | AppError::InvalidSession)) {
        flash(FlashKind::Error, words);
    }
    viewer
}

/// What was typed into this form: once if its page follows a refusal, and until it is [sent] if it follows a log-in that had
/// to come first. The page's layout says of the latter, by [given_back].
pub async fn find_draft(form: &str) -> Option<Draft> {
    let refused = take_refused(form).await;
    let waiting = drafts::find(&app(), &use_context::<Parts>()?.headers, &session().await, team().await, form).await;
    if let Some((waiting, given)) = waiting.as_ref().zip(use_context::<GivenBack>()) {
        given.0.lock().unwrap_or_else(PoisonError::into_inner).replace(waiting.form().to_owned());
    }
    refused.or(waiting)
}

/// The form that the page which is being made has given back what was typed into, before a log-in.
pub fn given_back() -> Option<String> {
    use_context::<GivenBack>()?.0.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Forgets what waited for a form since before a log-in.
pub async fn discard_draft(form: &str) -> Result<(), AppError> {
    let Some(parts) = use_context::<Parts>() else { return Ok(()) };
    drafts::delete(&app(), &parts.headers, &session().await, team().await, form).await
}

/// Forgets what waited for a form that was sent with success, and what the session has of one.
pub async fn sent(draft: &Draft) {
    let session = session().await;
    if matches!(session.get_value(DRAFT_KEY).await, Ok(Some(_))) {
        let _ = session.remove_value(DRAFT_KEY).await;
    }
    if let Err(cause) = discard_draft(draft.form()).await {
        error!(%cause, "a draft was not deleted");
    }
}

/// What was typed into a form that was refused. Nothing is written by looking: the browser forgets that there is a draft.
async fn take_refused(form: &str) -> Option<Draft> {
    let kept: Option<Draft> = Cookie::Draft.open(&app(), &use_context::<Parts>()?.headers)?;
    let draft = match kept {
        Some(draft) => draft,
        None => find_in_session(&app(), &session().await).await?,
    };
    if draft.form() != form {
        return None;
    }
    append_cookie(Cookie::Draft.header("", 0, app().config.is_https()));
    Some(draft)
}

/// What the session has of a form that was refused, or that is read again.
pub async fn find_in_session(app: &App, session: &Session) -> Option<Draft> {
    let sealed: String = session.get(DRAFT_KEY).await.ok()??;
    serde_json::from_slice(&app.secret_key.try_open(&sealed, DRAFT_KEY)?).ok()?
}

/// The team that the request is about, where it is about one.
async fn team() -> Option<TeamId> {
    try_viewer().await.map(|viewer| viewer.team)
}

/// The address of whoever left a form in this browser that waits for their log-in.
pub async fn awaited_email() -> Option<String> {
    drafts::find_email(&app(), &use_context::<Parts>()?.headers).await
}
