//! Headers that tell the browser to be careful, on every answer. Sources: Content Security Policy Level 3; OWASP Secure
//! Headers Project. The browser tests hold the answers to the rules of the HTTP Observatory.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use leptos::nonce::use_nonce;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

/// For what is no page: it loads nothing, runs nothing and stands in no frame.
const DEFAULT_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What no page of ours asks the browser for. Copying to the clipboard is allowed where nothing is said.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
    magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

/// Two years, as the browsers' lists ask. Other hosts under this one are not ours to speak for.
const TRANSPORT_SECURITY: &str = "max-age=63072000";

/// Layer: sets the headers where a handler has not set its own. Its state says whether people come by https.
pub async fn set_headers(State(is_https): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let is_busy = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    if is_busy {
        headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("5"));
    }
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, DEFAULT_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    set(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if is_https {
        set(header::STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY);
    }
    response
}

/// Gives the page that is being rendered its policy, with the nonce that its scripts and styles carry.
pub fn set_page_policy() {
    let Some((nonce, response)) = use_nonce().zip(use_context::<ResponseOptions>()) else { return };
    if let Ok(policy) = HeaderValue::from_str(&page_policy(&nonce)) {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// Scripts run when they carry the nonce or are loaded by one that does; the islands are WebAssembly. Everything else
/// comes from this address, and neither styles nor scripts are written into attributes.
fn page_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; \
         style-src 'self' 'nonce-{nonce}'; img-src 'self'; font-src 'self'; connect-src 'self'; frame-src 'self'; \
         manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}
