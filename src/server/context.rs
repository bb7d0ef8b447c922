//! What a server function, or a page while it renders, knows of its request. [super::web] provides it.

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use super::App;
use super::auth::{ClientAddress, Identity};
use crate::domain::api_key::NewKey;
use crate::domain::error::AppError;
use crate::domain::viewer::Viewer;

/// The cookie that carries a [Flash] over one redirect.
pub const FLASH_COOKIE: &str = "flash";
/// The cookie that holds the chosen colours: `light` or `dark`.
pub const THEME_COOKIE: &str = "theme";

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

/// The network address of the client.
pub fn client_address() -> String {
    extension::<ClientAddress>().map_or_else(|| "unknown".to_owned(), |address| address.0)
}

/// The path and query of this request.
pub fn path_and_query() -> String {
    use_context::<Parts>().map_or_else(String::new, |parts| {
        parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string)
    })
}

/// The chosen colours: `light`, `dark`, or `None` to follow the system.
pub fn theme() -> Option<String> {
    cookie(THEME_COOKIE).filter(|theme| theme == "light" || theme == "dark")
}

/// Keeps a sentence for the page that the browser is sent to.
pub fn flash(kind: FlashKind, text: impl Into<String>) {
    append_cookie(&flash_cookie(&Flash::new(kind, text)));
}

/// Keeps a key that was just made, with a sentence about it, for the page that the browser is sent to. The server keeps
/// no secret, so the browser carries it there.
pub fn flash_key(text: impl Into<String>, key: NewKey) {
    append_cookie(&flash_cookie(&Flash { key: Some(key), ..Flash::new(FlashKind::Success, text) }));
}

/// The key kept for this page. Taking the sentence takes it away too.
pub fn new_key() -> Option<NewKey> {
    kept_flash()?.key
}

/// The sentence kept for this page. Reading it takes it away.
pub fn take_flash() -> Option<Flash> {
    cookie(FLASH_COOKIE)?;
    let flash = kept_flash();
    append_cookie(&format!("{FLASH_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"));
    flash
}

fn kept_flash() -> Option<Flash> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(cookie(FLASH_COOKIE)?).ok()?).ok()
}

/// The `Set-Cookie` value that keeps a flash for the next page.
pub fn flash_cookie(flash: &Flash) -> String {
    let value = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(flash).unwrap_or_default());
    format!("{FLASH_COOKIE}={value}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax")
}

/// Gives the response the status of an error, while the page tells it in words.
pub fn set_status(error: &AppError) {
    if let (Some(response), Ok(status)) = (use_context::<ResponseOptions>(), StatusCode::from_u16(error.http_status()))
    {
        response.set_status(status);
    }
}

/// Adds a `Set-Cookie` header to the response.
pub fn append_cookie(cookie: &str) {
    append_header(header::SET_COOKIE, cookie);
}

fn append_header(name: HeaderName, value: &str) {
    if let (Some(response), Ok(value)) = (use_context::<ResponseOptions>(), HeaderValue::from_str(value)) {
        response.append_header(name, value);
    }
}

fn cookie(name: &str) -> Option<String> {
    let parts = use_context::<Parts>()?;
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    pairs.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

fn extension<T: Clone + Send + Sync + 'static>() -> Option<T> {
    use_context::<Parts>()?.extensions.get::<T>().cloned()
}
