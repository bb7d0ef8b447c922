//! What a server function, or a page while it renders, knows of its request. [super::router()] provides it.

mod forms;

use std::fmt::Display;

use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

pub use self::forms::{
    GivenBack, awaited_email, discard_draft, find_draft, find_in_session, given_back, keep_draft, or_keep, or_point,
    sent, viewer_of, viewer_or_say,
};
use super::cookies::Cookie;
use super::csrf;
use super::drafts;
use super::refusal::status_of;
use crate::domain::api_key::NewKey;
use crate::domain::error::AppError;
use crate::domain::list_view::ListView;
use crate::domain::mount::{inside, mounted};
pub use crate::domain::notice::NoticeKind as FlashKind;
use crate::domain::notice::Undo;
use crate::domain::viewer::{RequestOrigin, Viewer};
use crate::server::App;
use crate::server::identity::{self, ClientAddress, Identity};
use crate::server::services::accounts::{self, Account, LogInStep};
use crate::server::services::adapters::TestOutcome;

/// How long a [Flash] waits for its page, in seconds.
const FLASH_SECONDS: u32 = 60;
/// The longest sentence for the next page, in bytes: a cookie holds no more.
const MAX_FLASH_BYTES: usize = 1500;
/// How long the chosen colours are remembered, in seconds: a year.
const THEME_SECONDS: u32 = 31_536_000;

/// How long the look of the list is remembered: a year.
const VIEW_SECONDS: u32 = THEME_SECONDS;

/// A sentence for the page that comes next, shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    pub kind: FlashKind,
    pub text: String,
    /// The key that was just made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<NewKey>,
    /// What takes back what was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

impl Flash {
    /// A sentence alone.
    pub fn new(kind: FlashKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), key: None, undo: None }
    }

    /// The `Set-Cookie` header that keeps it for the next page. Nobody but this server can read it: there may be a key, an
    /// invitation's link or recovery codes in it.
    pub fn cookie(&self, app: &App) -> Option<HeaderValue> {
        let text = self.text[..self.text.floor_char_boundary(MAX_FLASH_BYTES)].to_owned();
        Cookie::Flash.seal(app, &Self { text, ..self.clone() }, FLASH_SECONDS)
    }
}

/// The app of this request.
///
/// # Panics
/// Outside a request; [super::router()] provides the app to every one.
pub fn app() -> App {
    #[expect(clippy::expect_used, reason = "a page outside a request is a programming error")]
    use_context::<App>().expect("web provides App to every request")
}

/// The viewer of this request, or why there is none.
pub async fn viewer() -> Result<Viewer, AppError> {
    extension::<Identity>().map_or(Err(AppError::NoSession), |identity| identity.0)
}

/// The viewer of this request, if there is one.
pub async fn try_viewer() -> Option<Viewer> {
    viewer().await.ok()
}

/// The session of this request.
///
/// # Panics
/// Outside a request, like [app].
pub async fn session() -> Session {
    #[expect(clippy::expect_used, reason = "a page outside a request is a programming error")]
    extension::<Session>().expect("web gives every request a session")
}

/// Where this request came from.
pub fn origin() -> RequestOrigin {
    let address = extension::<ClientAddress>().unwrap_or_else(|| ClientAddress("unknown".to_owned()));
    use_context::<Parts>().map(|parts| identity::origin(&address, &parts.headers)).unwrap_or_default()
}

/// The person who is logged in, at their own account.
pub async fn account() -> Result<Account, AppError> {
    accounts::account_of(&app(), &session().await, origin()).await
}

/// The path and query of this request.
pub fn path_and_query() -> String {
    use_context::<Parts>().map_or_else(String::new, |parts| {
        parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string)
    })
}

/// The query of the page of this path that the browser comes from; `None` where it comes from elsewhere.
pub fn came_from(path: &str) -> Option<String> {
    let parts = use_context::<Parts>()?;
    let of = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let (host, referer) = (of(header::HOST)?, url::Url::parse(of(header::REFERER)?).ok()?);
    let is_own = referer.authority() == host && inside(referer.path()) == path;
    is_own.then(|| referer.query().unwrap_or_default().to_owned())
}

/// Whether the browser fetches this page ahead, before anybody asks for it.
pub fn is_prefetch() -> bool {
    use_context::<Parts>().is_some_and(|parts| csrf::is_prefetch(&parts.headers))
}

/// The chosen colours: `light`, `dark`, or `None` to follow the system.
pub fn theme() -> Option<String> {
    cookie(Cookie::Theme).filter(|theme| is_theme(theme))
}

/// Remembers the chosen colours in this browser: `light` or `dark`; anything else follows the system.
pub fn set_theme(theme: &str) {
    let (theme, seconds) = if is_theme(theme) { (theme, THEME_SECONDS) } else { ("", 0) };
    append_cookie(Cookie::Theme.header(theme, seconds, app().config.is_https()));
}

fn is_theme(text: &str) -> bool {
    matches!(text, "light" | "dark")
}

/// How the list of the log looks in this browser.
pub fn list_view() -> ListView {
    cookie(Cookie::View).map(|view| ListView::read(&view)).unwrap_or_default()
}

/// Remembers how the list of the log looks in this browser.
pub fn set_list_view(view: &ListView) {
    let seconds = if view.is_usual() { 0 } else { VIEW_SECONDS };
    append_cookie(Cookie::View.header(&view.to_string(), seconds, app().config.is_https()));
}

/// Keeps a sentence for the page that the browser is sent to.
pub fn flash(kind: FlashKind, text: impl Into<String>) {
    append_cookie(Flash::new(kind, text).cookie(&app()));
}

/// Keeps a sentence about what was just done, and the form that takes it back, for the page that the browser is sent to.
pub fn flash_undo(text: impl Into<String>, action: &str, id: impl Display) {
    let undo = Undo { action: action.to_owned(), id: id.to_string(), label: "Undo".to_owned() };
    let flash = Flash { undo: Some(undo), ..Flash::new(FlashKind::Success, text) };
    append_cookie(flash.cookie(&app()));
}

/// Keeps what became of a test message, with the server's own words, for the page that the browser is sent to.
pub fn flash_test(tested: &TestOutcome) {
    let kind = if tested.fault.is_none() { FlashKind::Success } else { FlashKind::Error };
    flash(kind, format!("{}\n{}", tested.sentence(), tested.words));
}

/// Keeps a key that was just made, with a sentence about it, for the page that the browser is sent to. The server keeps
/// no secret, so the browser carries it there.
pub fn flash_key(text: impl Into<String>, key: NewKey) {
    let flash = Flash { key: Some(key), ..Flash::new(FlashKind::Success, text) };
    append_cookie(flash.cookie(&app()));
}

/// Keeps recovery codes that were just made, with a sentence about them, for the page that the browser is sent to.
pub fn flash_recovery_codes(sentence: &str, codes: &[String]) {
    let advice =
        "Keep these recovery codes where you keep passwords: each logs you in once, and they are shown only now.";
    flash(FlashKind::Success, format!("{sentence} {advice}\n{}", codes.join("\n")));
}

/// Sends the browser on to a page of ours.
pub fn redirect(address: &str) {
    leptos_axum::redirect(&mounted(address));
}

/// Sends the browser on in a log-in: to where it wanted, or to the page that asks for a code and leads there.
pub async fn go_on(step: LogInStep, next: &str) {
    match step {
        LogInStep::Done => {
            let headers = use_context::<Parts>().map(|parts| parts.headers).unwrap_or_default();
            redirect(&drafts::way_on(&app(), &headers, &session().await, next).await);
        }
        LogInStep::AwaitsCode => {
            let query = serde_urlencoded::to_string([("next", next)]).unwrap_or_default();
            redirect(&format!("/login/code?{query}"));
        }
    }
}

/// The key kept for this page. Taking the sentence takes it away too.
pub fn new_key() -> Option<NewKey> {
    kept_flash()?.key
}

/// The sentence kept for this page. Reading it takes it away.
pub fn take_flash() -> Option<Flash> {
    cookie(Cookie::Flash)?;
    let flash = kept_flash();
    append_cookie(Cookie::Flash.header("", 0, app().config.is_https()));
    flash
}

fn kept_flash() -> Option<Flash> {
    Cookie::Flash.open(&app(), &use_context::<Parts>()?.headers)
}

/// Gives the response the status of an error, while the page tells it in words.
pub fn set_status(error: &AppError) {
    if let Some(response) = use_context::<ResponseOptions>() {
        response.set_status(status_of(error));
    }
}

fn append_cookie(cookie: Option<HeaderValue>) {
    if let Some((response, cookie)) = use_context::<ResponseOptions>().zip(cookie) {
        response.append_header(header::SET_COOKIE, cookie);
    }
}

fn cookie(cookie: Cookie) -> Option<String> {
    cookie.find(&use_context::<Parts>()?.headers, app().config.is_https()).map(str::to_owned)
}

fn extension<T: Clone + Send + Sync + 'static>() -> Option<T> {
    use_context::<Parts>()?.extensions.get::<T>().cloned()
}
