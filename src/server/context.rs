//! What a server function, or a page while it renders, knows of its request. [super::web] provides it.

use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use super::App;
use super::auth::{ClientAddress, Identity};
use super::cookies::Cookie;
use super::services::accounts::{self, Account, LogInStep};
use crate::domain::api_key::NewKey;
use crate::domain::error::AppError;
use crate::domain::viewer::{RequestOrigin, Viewer};

/// How long a [Flash] waits for its page, in seconds.
const FLASH_SECONDS: u32 = 60;
/// How long the chosen colours are remembered, in seconds: a year.
const THEME_SECONDS: u32 = 31_536_000;

/// A sentence for the page that comes next, shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// Good news or bad.
    pub kind: FlashKind,
    /// The sentence.
    pub text: String,
    /// The key that was just made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<NewKey>,
}

impl Flash {
    /// A sentence alone.
    pub fn new(kind: FlashKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), key: None }
    }

    /// The `Set-Cookie` header that keeps it for the next page.
    pub fn cookie(&self, is_https: bool) -> Option<HeaderValue> {
        let value = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default());
        Cookie::Flash.header(&value, FLASH_SECONDS, is_https)
    }
}

/// Good news or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlashKind {
    /// It worked.
    Success,
    /// It did not.
    Error,
}

/// The app of this request.
///
/// # Panics
/// Outside a request; [super::web] provides the app to every one.
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
    use_context::<Parts>().map(|parts| super::auth::origin(&address, &parts.headers)).unwrap_or_default()
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

/// Keeps a sentence for the page that the browser is sent to.
pub fn flash(kind: FlashKind, text: impl Into<String>) {
    append_cookie(Flash::new(kind, text).cookie(app().config.is_https()));
}

/// Keeps a key that was just made, with a sentence about it, for the page that the browser is sent to. The server keeps
/// no secret, so the browser carries it there.
pub fn flash_key(text: impl Into<String>, key: NewKey) {
    let flash = Flash { key: Some(key), ..Flash::new(FlashKind::Success, text) };
    append_cookie(flash.cookie(app().config.is_https()));
}

/// Keeps recovery codes that were just made, with a sentence about them, for the page that the browser is sent to.
pub fn flash_recovery_codes(sentence: &str, codes: &[String]) {
    let advice =
        "Keep these recovery codes where you keep passwords: each logs you in once, and they are shown only now.";
    flash(FlashKind::Success, format!("{sentence} {advice}\n{}", codes.join("\n")));
}

/// Sends the browser on in a log-in: to where it wanted, or to the page that asks for a code and leads there.
pub fn go_on(step: LogInStep, next: &str) {
    match step {
        LogInStep::Done => leptos_axum::redirect(next),
        LogInStep::AwaitsCode => {
            let query = serde_urlencoded::to_string([("next", next)]).unwrap_or_default();
            leptos_axum::redirect(&format!("/login/code?{query}"));
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
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(cookie(Cookie::Flash)?).ok()?).ok()
}

/// Gives the response the status of an error, while the page tells it in words.
pub fn set_status(error: &AppError) {
    if let (Some(response), Ok(status)) = (use_context::<ResponseOptions>(), StatusCode::from_u16(error.http_status()))
    {
        response.set_status(status);
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
