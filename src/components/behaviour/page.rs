//! Pages and forms that a script asks the server for.

use leptos::prelude::*;
use leptos::wasm_bindgen::{JsCast, JsValue};
use leptos::web_sys::{Document, DomParser, Headers, RequestInit, Response, SupportedType, UrlSearchParams};
use wasm_bindgen_futures::JsFuture;

use super::notices::say_session_ended;

/// The page of an address, as a document of its own.
pub(super) async fn fetch_page(url: &str) -> Result<Document, JsValue> {
    let answer: Response = JsFuture::from(window().fetch_with_str(url)).await?.dyn_into()?;
    if answer.redirected() && !is_log_in(&answer) {
        return Err(JsValue::NULL);
    }
    document_of(answer).await
}

/// Sends a form, and says which kind of answer is wanted: a browser wants `text/html`, and is led to a page.
pub(super) async fn post(url: &str, body: &UrlSearchParams, accept: &str) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("Accept", accept)?;
    let request = RequestInit::new();
    request.set_method("POST");
    request.set_headers(&headers);
    request.set_body(body);
    JsFuture::from(window().fetch_with_str_and_init(url, &request)).await?.dyn_into()
}

/// The page that an answer brought. Where the session has ended, there is none, and the page that is shown says so.
pub(super) async fn document_of(answer: Response) -> Result<Document, JsValue> {
    if answer.status() == 401 {
        say_session_ended(None);
    }
    if !answer.ok() {
        return Err(JsValue::NULL);
    }
    let is_log_in = is_log_in(&answer);
    let text = JsFuture::from(answer.text()?).await?.as_string().unwrap_or_default();
    // The head is left out: its style has the nonce of another page.
    let body = text.find("<body").map_or("", |at| &text[at..]);
    let page = DomParser::new()?.parse_from_string(body, SupportedType::TextHtml)?;
    if is_log_in {
        let words = page.query_selector("main .callout p").ok().flatten().and_then(|words| words.text_content());
        say_session_ended(words.as_deref());
        return Err(JsValue::NULL);
    }
    Ok(page)
}

/// Whether an answer is the log-in page, which comes in the place of every other without a session.
fn is_log_in(answer: &Response) -> bool {
    answer.redirected() && answer.url().split('?').next().is_some_and(|url| url.ends_with("/login"))
}
