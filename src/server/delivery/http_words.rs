//! A request and its answer as they are kept of an attempt: without log-ins, and without the message's own bodies and files,
//! which are kept elsewhere. Called by [super::http] and [super::providers].

use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::transcript::SECRET;
use crate::domain::exchange::{Step, bytes};

/// A longer body of a request is not looked into, in bytes.
const LONGEST: usize = 1024 * 1024;

/// A longer text within a request is a body or a file, in bytes.
const LONG_TEXT: usize = 200;

/// A shorter body is not looked for in an answer, in bytes: it would be found in other words.
const LEAST_REPEATED: usize = 8;

/// How much of an answer to a message that went out is kept, in characters.
const SHORT_ANSWER: usize = 200;

/// What of the headers of such an answer is kept.
const TELLING: [&str; 5] = ["content-type", "x-message-id", "x-request-id", "request-id", "x-amzn-requestid"];

/// The request, without its content.
pub fn request_head(method: &str, url: &str, headers: &HeaderMap) -> String {
    let address = match url::Url::parse(url) {
        Ok(mut parsed) => {
            let has_query = parsed.query().is_some();
            parsed.set_query(None);
            let mark = if has_query { "?(secret)" } else { "" };
            format!("{parsed}{mark}")
        }
        Err(_) => url.split('?').next().unwrap_or_default().to_owned(),
    };
    let mut text = format!("{method} {address}");
    for (name, value) in headers {
        push_header(&mut text, name, value);
    }
    text
}

/// The request with its content, in which the message's own `bodies` are left out.
pub fn request_step(head: String, headers: &HeaderMap, body: &[u8], bodies: &[&str]) -> Step {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Step { is_ours: true, text: format!("{head}\n\n{}", shown_body(content_type, body, bodies)) }
}

/// The answer, of a message that went out in short.
pub fn answer_step(status: StatusCode, headers: &HeaderMap, body: &[u8], bodies: &[&str], is_short: bool) -> Step {
    let mut text = format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    for (name, value) in headers {
        if !is_short || TELLING.contains(&name.as_str()) {
            push_header(&mut text, name, value);
        }
    }
    let body = String::from_utf8_lossy(body);
    let body = bodies.iter().filter(|own| own.len() >= LEAST_REPEATED).fold(body.into_owned(), |body, own| {
        let escaped = Value::from(*own).to_string();
        body.replace(escaped.trim_matches('"'), &note(own)).replace(own, &note(own))
    });
    let body = cleaned(&body);
    let shown: String =
        if is_short { body.trim().chars().take(SHORT_ANSWER).collect() } else { body.trim().to_owned() };
    if !shown.is_empty() {
        text.push_str("\n\n");
        text.push_str(&shown);
    }
    Step { is_ours: false, text }
}

fn push_header(text: &mut String, name: &HeaderName, value: &HeaderValue) {
    const SECRET_NAMES: [&str; 7] = ["auth", "token", "secret", "signature", "cookie", "api-key", "password"];
    let is_secret = value.is_sensitive() || SECRET_NAMES.iter().any(|part| name.as_str().contains(part));
    let value = String::from_utf8_lossy(value.as_bytes());
    let shown = if is_secret { SECRET.to_owned() } else { cleaned(&value).replace('\n', " ") };
    text.push_str(&format!("\n{name}: {shown}"));
}

fn note(body: &str) -> String {
    format!("… {} of the body", bytes(body.len()))
}

fn shown_body(content_type: &str, body: &[u8], bodies: &[&str]) -> String {
    let length = || format!("({} of {content_type})", bytes(body.len()));
    if body.len() > LONGEST {
        return length();
    }
    if content_type.contains("json") {
        return match serde_json::from_slice::<Value>(body) {
            Ok(json) => serde_json::to_string_pretty(&shortened(json, bodies)).unwrap_or_else(|_| length()),
            Err(_) => length(),
        };
    }
    if content_type.contains("form-urlencoded") {
        let fields = form_urlencoded::parse(body).map(|(name, value)| {
            let value = shown_text(&value, bodies).unwrap_or_else(|| value.into_owned());
            format!("{}={}", cleaned(&name), cleaned(&value).replace('\n', " "))
        });
        return fields.collect::<Vec<_>>().join("\n");
    }
    length()
}

/// JSON without the texts that are the message's own.
fn shortened(json: Value, bodies: &[&str]) -> Value {
    match json {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, shortened(value, bodies))).collect(),
        Value::Array(items) => items.into_iter().map(|item| shortened(item, bodies)).collect(),
        Value::String(text) => Value::String(shown_text(&text, bodies).unwrap_or(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => json,
    }
}

/// What stands for a text that is a body, a part of one or a file.
fn shown_text(text: &str, bodies: &[&str]) -> Option<String> {
    let is_body = |own: &&str| !own.is_empty() && (text.trim() == own.trim() || text.contains(own));
    (text.len() > LONG_TEXT || bodies.iter().any(is_body)).then(|| note(text))
}

fn cleaned(text: &str) -> String {
    text.chars().filter(|letter| *letter == '\n' || *letter == '\t' || !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use serde_json::json;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn log_ins_signatures_and_queries_are_not_kept() {
        let mut all =
            headers(&[("x-postmark-server-token", "hush"), ("idempotency-key", "eml_1"), ("api-key", "hush")]);
        let mut value: HeaderValue = "AWS4-HMAC-SHA256 Credential=AKID/x, Signature=hush".parse().unwrap();
        value.set_sensitive(true);
        all.insert(AUTHORIZATION, value);
        let head = request_head("POST", "https://api.example/send?key=hush", &all);
        assert!(!head.contains("hush") && !head.contains("AKID"), "{head}");
        assert!(
            head.starts_with("POST https://api.example/send?(secret)\n") && head.contains("idempotency-key: eml_1")
        );
    }

    #[test]
    fn the_messages_own_bodies_and_files_are_left_out() {
        let body = json!({"subject": "Hi", "content": [{"value": "Dear Ada"}], "file": "x".repeat(48_312)});
        let kind = headers(&[("content-type", "application/json")]);
        let step = request_step("POST x".into(), &kind, body.to_string().as_bytes(), &["Dear Ada"]);
        assert!(
            step.text.contains("\"subject\": \"Hi\"") && step.text.contains("… 48,312 bytes of the body"),
            "{}",
            step.text
        );
        assert!(step.text.contains("… 8 bytes of the body") && !step.text.contains("Dear"));
        let kind = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        let step = request_step("POST x".into(), &kind, b"To=%2B49170&Body=Dear+Ada", &["Dear Ada"]);
        assert_eq!(step.text, "POST x\n\nTo=+49170\nBody=… 8 bytes of the body");
    }

    #[test]
    fn an_answer_to_what_went_out_is_kept_in_short() {
        let all = headers(&[("set-cookie", "hush"), ("x-message-id", "sg-1"), ("server", "nginx")]);
        let short = answer_step(StatusCode::ACCEPTED, &all, &[b'x'; 5000], &[], true);
        assert!(short.text.starts_with("HTTP 202 Accepted\nx-message-id: sg-1\n\nxxx") && short.text.len() < 300);
        let whole = answer_step(StatusCode::BAD_REQUEST, &all, b"{\"error\": \"no\"}", &[], false);
        assert!(whole.text.contains("set-cookie: (secret)") && whole.text.ends_with("\n\n{\"error\": \"no\"}"));
    }
}
