//! Calls server functions, for islands and for plain forms alike. A plain form's error becomes a sentence on the page
//! that the form was on, in place of leptos's parameters in its address.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use leptos::prelude::provide_context;
use leptos::server_fn::error::ServerFnUrlError;
use url::Url;

use super::body::{self, ANONYMOUS_BODY_BYTES};
use super::file_form;
use super::refusal::words_for;
use crate::domain::error::AppError;
use crate::domain::history_import::MAX_FILE_BYTES;
use crate::server::App;
use crate::server::api::Api;
use crate::server::identity::Identity;
use crate::server::web::context::{Flash, FlashKind};
use crate::server::web::cookies::Cookie;
use crate::server::web::drafts::{self, FormTeam};

/// The largest body of a function that takes a template, in bytes.
const TEMPLATE_BODY_BYTES: usize = 4 * 1024 * 1024;
/// The largest list of addresses that are to be suppressed, in bytes: every byte of it can be three in the form.
const IMPORT_BODY_BYTES: usize = 12 * 1024 * 1024;
/// The largest file of a history, in bytes, with the rest of its form.
const FILE_BODY_BYTES: usize = MAX_FILE_BYTES + 64 * 1024;
/// The largest body of any other function, in bytes: the form with most fields is the grid of roles.
const FORM_BODY_BYTES: usize = 128 * 1024;
/// The largest template in a form whose session has ended, in bytes: what is kept of it is smaller, and every byte of it can
/// be three in the form.
const LATE_TEMPLATE_BYTES: usize = 1024 * 1024;

/// `/fn/…`
pub async fn call(State(app): State<App>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let held = match body::read(&app.bodies, &parts, body, body_limit(&app, &parts)).await {
        Ok(held) => held,
        Err(error) => {
            let mut response = Api::Sendlog.refuse(error);
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
    };
    let bytes = match file_form::flattened(&mut parts, held.bytes.clone()).await {
        Ok(bytes) => bytes,
        Err(error) => return Api::Sendlog.refuse(error),
    };
    if has_nul(&bytes) {
        return Api::Sendlog.refuse(AppError::invalid("Text must not hold the character U+0000"));
    }
    if leptos::server_fn::axum::get_server_fn_service(parts.uri.path(), parts.method.clone()).is_none() {
        return Api::Sendlog.refuse(AppError::not_found("Function"));
    }
    let identity = parts.extensions.get::<Identity>().cloned();
    let has_session = identity.as_ref().is_some_and(|identity| identity.0.is_ok());
    if !has_session && let Some(team) = FormTeam::of(&bytes) {
        parts.extensions.insert(team);
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    let given = app.clone();
    let provide = move || provide_context(given.clone());
    match body::in_time(leptos_axum::handle_server_fns_with_context(provide, request)).await {
        Ok(response) => plain_address(flash_form_error(response.into_response(), &app, identity.as_ref()).await),
        Err(error) => Api::Sendlog.refuse(error),
    }
}

/// How much is read: by who asks, then by what for.
fn body_limit(app: &App, parts: &Parts) -> usize {
    let is_template = matches!(
        parts.uri.path(),
        "/fn/create_template" | "/fn/update_template" | "/fn/test_template" | "/fn/preview_template"
    );
    let has_session = parts.extensions.get::<Identity>().is_some_and(|identity| identity.0.is_ok());
    match (has_session, is_template) {
        (true, false) if parts.uri.path() == "/fn/add_suppressions" => IMPORT_BODY_BYTES,
        (true, false) if parts.uri.path() == "/fn/import_file" => FILE_BODY_BYTES,
        (true, true) => TEMPLATE_BODY_BYTES,
        (true, false) => FORM_BODY_BYTES,
        (false, _) if !drafts::is_known(app, &parts.headers) => ANONYMOUS_BODY_BYTES,
        (false, true) => LATE_TEMPLATE_BYTES,
        (false, false) => FORM_BODY_BYTES,
    }
}

/// Takes the `?` off the end of the page's address that leptos leaves there after a form.
fn plain_address(mut response: Response) -> Response {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let plain = location.and_then(|location| HeaderValue::from_str(location.strip_suffix('?')?).ok());
    if let Some(plain) = plain {
        response.headers_mut().insert(header::LOCATION, plain);
    }
    response
}

/// Whether a form or a JSON body holds U+0000, which PostgreSQL does not keep.
fn has_nul(body: &[u8]) -> bool {
    [&b"%00"[..], b"\\u0000", b"\0"].iter().any(|nul| body.windows(nul.len()).any(|part| part == *nul))
}

async fn flash_form_error(mut response: Response, app: &App, identity: Option<&Identity>) -> Response {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let Some((page, error)) = location.and_then(form_error) else { return response };
    let words = match error {
        AppError::NoSession | AppError::InvalidSession => {
            "Your session ended, and this was not done. Log in and do it again.".to_owned()
        }
        error => words_for(app, identity, &error).await,
    };
    let flash = Flash::new(FlashKind::Error, words);
    let (Ok(page), Some(cookie)) = (HeaderValue::from_str(&page), flash.cookie(app)) else { return response };
    response.headers_mut().insert(header::LOCATION, page);
    if !has_words(&response, app) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    *response.status_mut() = StatusCode::SEE_OTHER;
    response
}

/// Whether the function left a sentence for the next page.
fn has_words(response: &Response, app: &App) -> bool {
    let name = Cookie::Flash.name(app.config.is_https());
    let mut set = response.headers().get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    set.any(|cookie| cookie.split_once('=').is_some_and(|(set, _)| set == name))
}

/// The page and the error that leptos put into a redirect's address.
fn form_error(location: &str) -> Option<(String, AppError)> {
    let url = Url::parse(location).ok()?;
    let (_, encoded) = url.query_pairs().find(|(name, _)| name == "__err")?;
    let error = ServerFnUrlError::<AppError>::decode_err(&encoded);
    let mut page = location.to_owned();
    ServerFnUrlError::<AppError>::strip_error_info(&mut page);
    let page = Url::parse(&page).ok()?;
    let query = page.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default();
    Some((format!("{}{query}", page.path()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_error_leaves_the_address() {
        let error = AppError::invalid("Only failed or bounced emails can be resent");
        let url = ServerFnUrlError::new("resend_email", error.clone());
        let url = url.to_url("http://127.0.0.1:3000/logs?status=sent&page=2").unwrap();
        assert_eq!(form_error(url.as_str()), Some(("/logs?status=sent&page=2".to_owned(), error)));
        assert_eq!(form_error("http://127.0.0.1:3000/logs?page=2"), None);
        assert_eq!(form_error("/logs"), None);
    }
}
