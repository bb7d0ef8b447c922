//! How adapters write requests. Sources: RFC 6750 (bearer tokens), RFC 7617 (Basic), RFC 3986 (addresses).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::OutRequest;

/// RFC 3986, section 2.3: what needs no escape in a path's segment.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A provider's address with a path of its documents.
pub fn url(base: &str, path: &str) -> Result<String, String> {
    let is_web = |base: url::Url| matches!(base.scheme(), "http" | "https") && base.query().is_none();
    if !url::Url::parse(base).is_ok_and(is_web) {
        return Err("The adapter's address is not a web address".to_owned());
    }
    Ok(format!("{}{path}", base.trim_end_matches('/')))
}

/// A text as one segment of a path.
pub fn segment(text: &str) -> Result<String, String> {
    if text.is_empty() || text == "." || text == ".." {
        return Err("A setting of the adapter cannot stand in its address".to_owned());
    }
    Ok(utf8_percent_encode(text, UNRESERVED).to_string())
}

/// A POST of a JSON object.
pub fn json_request(
    url: String,
    log_in: (HeaderName, HeaderValue),
    body: &impl Serialize,
) -> Result<OutRequest, String> {
    let body = serde_json::to_vec(body).map_err(|cause| format!("The message cannot be written: {cause}"))?;
    Ok(post(url, log_in, HeaderValue::from_static("application/json"), body))
}

/// A POST of a form.
pub fn form_request(url: String, log_in: (HeaderName, HeaderValue), fields: &[(&str, &str)]) -> OutRequest {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    post(url, log_in, HeaderValue::from_static("application/x-www-form-urlencoded"), body.into_bytes())
}

/// A POST with its log-in and its content.
pub fn post(url: String, log_in: (HeaderName, HeaderValue), content_type: HeaderValue, body: Vec<u8>) -> OutRequest {
    let mut headers = HeaderMap::new();
    headers.insert(log_in.0, log_in.1);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    OutRequest { method: Method::POST, url, headers, body }
}

/// `Authorization: Bearer …`
pub fn bearer(token: &str) -> Result<(HeaderName, HeaderValue), String> {
    Ok((AUTHORIZATION, secret_value(&format!("Bearer {token}"))?))
}

/// `Authorization: Basic …`
pub fn basic(user: &str, password: &str) -> Result<(HeaderName, HeaderValue), String> {
    Ok((AUTHORIZATION, secret_value(&format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))?))
}

/// A header's value that nobody is shown.
pub fn secret_value(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "The key holds a letter that no header can hold")?;
    value.set_sensitive(true);
    Ok(value)
}

/// The standard Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
