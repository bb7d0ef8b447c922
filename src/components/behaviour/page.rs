//! Pages and forms that a script asks the server for.

use leptos::prelude::*;
use leptos::wasm_bindgen::{JsCast, JsValue};
use leptos::web_sys::{Document, DomParser, Headers, RequestInit, Response, SupportedType, UrlSearchParams};
use wasm_bindgen_futures::JsFuture;

/// The page of an address, as a document of its own.
pub(super) async fn fetch_page(url: &str) -> Result<Document, JsValue> {
    let answer: Response = JsFuture::from(window().fetch_with_str(url)).await?.dyn_into()?;
    if answer.redirected() {
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

/// The page that an answer brought.
pub(super) async fn document_of(answer: Response) -> Result<Document, JsValue> {
    if !answer.ok() {
        return Err(JsValue::NULL);
    }
    let text = JsFuture::from(answer.text()?).await?.as_string().unwrap_or_default();
    // The head is left out: its style has the nonce of another page.
    let body = text.find("<body").map_or("", |at| &text[at..]);
    DomParser::new()?.parse_from_string(body, SupportedType::TextHtml)
}
