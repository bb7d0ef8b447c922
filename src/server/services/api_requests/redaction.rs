//! What of a request and its answer is written down: no secrets, no contents of attachments, no more than is shown.

use serde_json::{Map, Value};

use crate::domain::api_request::{BODY_CAP_BYTES, LoggedBody, REDACTED, is_answered_read};
use crate::server::services::api_keys;

/// Names, without `-` and `_`, whose values never reach the log: a part of the name is enough.
const SECRET_NAMES: [&str; 10] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "smtpurl",
    "inviteurl",
];

/// Names, without `-` and `_`, of fields that hold attachments. Sources: Sendwithus (`file`, `files`, `inline`); all
/// others say `attachments`.
const ATTACHMENT_NAMES: [&str; 5] = ["attachment", "attachments", "file", "files", "inline"];

/// The longest content of an attachment that is kept, in characters of base64.
const KEPT_CONTENT_CHARS: usize = 256;

/// The part of a path after which a secret follows.
const SECRET_FOLLOWS: &str = "/accept-invite/";

/// A body as it is kept: secrets and the contents of attachments in JSON replaced, at most [BODY_CAP_BYTES] long,
/// nothing where it is not text.
pub fn logged_body(body: &[u8]) -> LoggedBody {
    kept_body(body, false)
}

/// The body of a request as it is kept: like [logged_body], and without the address of a webhook, which lets in by itself.
pub fn logged_request(endpoint: &str, body: &[u8]) -> LoggedBody {
    kept_body(body, is_about_webhooks(endpoint))
}

fn is_about_webhooks(endpoint: &str) -> bool {
    endpoint.split('?').next().unwrap_or_default().split('/').any(|part| part == "webhooks")
}

fn kept_body(body: &[u8], hides_addresses: bool) -> LoggedBody {
    if body.is_empty() {
        return LoggedBody::default();
    }
    let Ok(text) = std::str::from_utf8(body) else { return LoggedBody::default() };
    let mut text = match serde_json::from_str::<Value>(text) {
        Ok(mut json) => {
            redact_nameless(&mut json);
            redact(&mut json, false);
            if hides_addresses {
                hide_addresses(&mut json);
            }
            json.to_string()
        }
        // A body that is no JSON cannot be searched for secrets by name.
        Err(_) => REDACTED.to_owned(),
    };
    let truncated = text.len() > BODY_CAP_BYTES;
    if truncated {
        let end = (0..=BODY_CAP_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    LoggedBody { text: Some(text), truncated }
}

/// The body of an answer as it is kept: like [logged_body], and nothing of what a successful read gave.
pub fn logged_answer(method: &str, endpoint: &str, status: i64, body: &[u8]) -> LoggedBody {
    if is_answered_read(method, endpoint, status) { LoggedBody::default() } else { logged_request(endpoint, body) }
}

/// A path and query as it is kept: secrets of the path and values of secret-named parameters replaced.
pub fn logged_endpoint(path: &str, query: Option<&str>) -> String {
    let path = match path.split_once(SECRET_FOLLOWS) {
        Some((before, _)) => format!("{before}{SECRET_FOLLOWS}{REDACTED}"),
        None => path.to_owned(),
    };
    let Some(query) = query.filter(|query| !query.is_empty()) else { return path };
    let parameter = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if is_secret(name) || is_secret_text(value) => format!("{name}={REDACTED}"),
        _ => pair.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&"))
}

/// Replaces the values that stand under no name, as in `["ada@example.com", "a password"]`: no API takes them, and nothing
/// tells the secrets among them.
fn redact_nameless(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact_nameless),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => *value = Value::String(REDACTED.to_owned()),
        Value::Object(_) | Value::Null => {}
    }
}

/// Replaces the addresses of webhooks.
fn hide_addresses(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "url" || name == "endpoint" => *text = REDACTED.to_owned(),
                    field => hide_addresses(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_addresses),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn redact(value: &mut Value, in_attachment: bool) {
    match value {
        Value::Object(fields) => {
            let names_secret = holds_secret_name(fields);
            for (name, field) in fields {
                let is_value_of_secret = names_secret && name == "value";
                if (is_secret(name) || is_value_of_secret) && !field.is_null() {
                    *field = Value::String(REDACTED.to_owned());
                } else if in_attachment
                    && (name == "content" || name == "data")
                    && let Some(marker) = marker_of_content(field)
                {
                    *field = Value::String(marker);
                } else {
                    redact(field, in_attachment || holds_attachments(name));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, in_attachment)),
        Value::String(text) => {
            if is_secret_text(text) {
                *text = REDACTED.to_owned();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether the fields are a pair like `{"name": "api_key", "value": "…"}`.
fn holds_secret_name(fields: &Map<String, Value>) -> bool {
    ["name", "key"].iter().any(|name| fields.get(*name).and_then(Value::as_str).is_some_and(is_secret))
}

/// What stands for the content of an attachment that is too long to be kept: base64, a list of bytes, or Node's
/// `{"type": "Buffer", "data": […]}`.
fn marker_of_content(content: &Value) -> Option<String> {
    match content {
        Value::String(text) if text.len() > KEPT_CONTENT_CHARS => {
            Some(format!("[{} characters of content left out]", text.chars().count()))
        }
        Value::Array(items) if items.len() > KEPT_CONTENT_CHARS => {
            Some(format!("[{} bytes of content left out]", items.len()))
        }
        Value::Object(fields) => fields.get("data").filter(|data| data.is_array()).and_then(marker_of_content),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

fn holds_attachments(name: &str) -> bool {
    ATTACHMENT_NAMES.contains(&plain(name).as_str())
}

/// Whether a text shows by itself that it is a secret: a key, the value of a header that carries one, or an adapter's
/// address with a log-in or a key in it.
fn is_secret_text(text: &str) -> bool {
    text.starts_with(api_keys::SECRET_PREFIX) || is_credential(text) || is_secret_address(text)
}

fn is_credential(text: &str) -> bool {
    let (scheme, rest) = text.split_once(' ').unwrap_or_default();
    let is_scheme = ["basic", "bearer"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    is_scheme && rest.len() >= 16 && !rest.contains(char::is_whitespace)
}

fn is_secret_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.trim_start().split_once("://") else { return false };
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "smtp" | "smtps" => rest.contains('@'),
        "http" | "https" => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let query = rest.split_once('?').map_or("", |(_, query)| query);
            let is_key = |pair: &str| is_secret(pair.split('=').next().unwrap_or_default());
            authority.contains('@') || query.split('&').any(is_key)
        }
        _ => false,
    }
}

fn is_secret(name: &str) -> bool {
    let plain = plain(name);
    SECRET_NAMES.iter().any(|secret| plain.contains(secret))
}

/// A name without `-` and `_`, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_reach_the_log() {
        let body = br#"{"email":"a@b.c","password":"p","nested":[{"api_key":"k","key":"sl_abc","x-auth-token":"t"}]}"#;
        let logged = logged_body(body).text.unwrap();
        let expected = r#"{"email":"a@b.c","password":"[redacted]","nested":[{"api_key":"[redacted]","key":"[redacted]","x-auth-token":"[redacted]"}]}"#;
        assert_eq!(serde_json::from_str::<Value>(&logged).unwrap(), serde_json::from_str::<Value>(expected).unwrap());
        assert_eq!(logged_body(b"password=p").text.as_deref(), Some(REDACTED));
        assert_eq!(logged_endpoint("/api/logs", Some("page=2&token=t")), "/api/logs?page=2&token=[redacted]");
        assert_eq!(logged_endpoint("/api/teams/accept-invite/t", None), "/api/teams/accept-invite/[redacted]");
        let adapter = logged_body(br#"{"url":"smtp://ada:p@mail.example","from":"Ada <a@b.example>"}"#).text.unwrap();
        assert_eq!(adapter, r#"{"from":"Ada <a@b.example>","url":"[redacted]"}"#);
        for (url, is_kept) in [
            ("https://token@hooks.example/m", false),
            ("HTTPS://ada:p@hooks.example", false),
            ("https://hooks.example/m?a=1&access_token=p", false),
            ("https://hooks.example/@ada?page=2", true),
        ] {
            let logged = logged_body(format!(r#"{{"url":"{url}"}}"#).as_bytes()).text.unwrap();
            assert_eq!(logged.contains(url), is_kept, "{url}");
        }
    }

    #[test]
    fn the_address_of_a_webhook_never_reaches_the_log() {
        let body =
            br#"{"url":"https://hooks.example/T0/B1","endpoint":"https://hooks.example/T0","data":{"url":"x","n":1}}"#;
        let hidden = r#"{"data":{"n":1,"url":"[redacted]"},"endpoint":"[redacted]","url":"[redacted]"}"#;
        for endpoint in ["/api/webhooks", "/resend/webhooks/a?b=c", "/webhooks"] {
            assert_eq!(logged_request(endpoint, body).text.as_deref(), Some(hidden), "{endpoint}");
            assert_eq!(logged_answer("POST", endpoint, 201, body).text.as_deref(), Some(hidden), "{endpoint}");
        }
        assert!(logged_request("/api/adapters", body).text.unwrap().contains("/T0/B1"));
    }

    #[test]
    fn values_that_stand_under_no_name_never_reach_the_log() {
        for (body, kept) in [
            (r#"["ada@example.com","a password"]"#, r#"["[redacted]","[redacted]"]"#),
            (r#"[["a password",5],null]"#, r#"[["[redacted]","[redacted]"],null]"#),
            (r#""a password""#, r#""[redacted]""#),
            (r#"[{"to":["ada@example.com"]}]"#, r#"[{"to":["ada@example.com"]}]"#),
        ] {
            assert_eq!(logged_body(body.as_bytes()).text.unwrap(), kept);
        }
    }

    #[test]
    fn secrets_in_the_requests_of_resends_clients_never_reach_the_log() {
        let body = br#"{"headers":{"Authorization":"Basic c2VjcmV0","X-Relay":"Bearer 0123456789abcdef","X-Id":"7"},
            "tags":[{"name":"api_key","value":"k"},{"name":"plan","value":"pro"}],
            "template":{"id":"t","variables":{"RESET_TOKEN":"r","NAME":"Ada"}}}"#;
        let logged: Value = serde_json::from_str(&logged_body(body).text.unwrap()).unwrap();
        let expected = serde_json::json!({
            "headers": {"Authorization": REDACTED, "X-Relay": REDACTED, "X-Id": "7"},
            "tags": [{"name": "api_key", "value": REDACTED}, {"name": "plan", "value": "pro"}],
            "template": {"id": "t", "variables": {"RESET_TOKEN": REDACTED, "NAME": "Ada"}},
        });
        assert_eq!(logged, expected);
        let subject = br#"{"subject":"Bearer of good news"}"#;
        assert_eq!(logged_body(subject).text.unwrap().as_bytes(), subject);
    }

    #[test]
    fn long_contents_of_attachments_are_left_out() {
        let (text, bytes) = ("A".repeat(300), vec![7; 300]);
        let body = serde_json::json!({
            "content": text,
            "attachments": [
                {"filename": "a", "content": text},
                {"filename": "b", "data": bytes},
                {"filename": "c", "content": {"type": "Buffer", "data": bytes}},
                {"filename": "d", "content": "c2hvcnQ="},
            ],
            "options": {"email": {"attachments": [{"name": "e", "content": text}]}},
            "files": [{"id": "f", "data": text}],
        });
        let logged = logged_body(body.to_string().as_bytes());
        let (characters, numbers) = ("[300 characters of content left out]", "[300 bytes of content left out]");
        let expected = serde_json::json!({
            "content": text,
            "attachments": [
                {"filename": "a", "content": characters},
                {"filename": "b", "data": numbers},
                {"filename": "c", "content": numbers},
                {"filename": "d", "content": "c2hvcnQ="},
            ],
            "options": {"email": {"attachments": [{"name": "e", "content": characters}]}},
            "files": [{"id": "f", "data": characters}],
        });
        assert_eq!(serde_json::from_str::<Value>(&logged.text.unwrap()).unwrap(), expected);
        assert!(!logged.truncated);
    }

    #[test]
    fn nothing_is_kept_of_what_a_successful_read_gave() {
        let query = "/notificationapi/key_1/logs/query";
        for (method, endpoint, status, is_kept) in [
            ("GET", "/api/logs?page=2", 200, false),
            ("HEAD", "/api/logs", 200, false),
            ("POST", query, 200, false),
            ("POST", query, 400, true),
            ("GET", "/api/logs/x", 404, true),
            ("POST", "/api/v1/send?x=/logs/query", 200, true),
        ] {
            let logged = logged_answer(method, endpoint, status, b"{}");
            assert_eq!(logged.text.is_some(), is_kept, "{method} {endpoint} {status}");
        }
    }

    #[test]
    fn a_long_body_is_cut_and_marked() {
        let body = serde_json::to_vec(&serde_json::json!({"text": "ü".repeat(BODY_CAP_BYTES)})).unwrap();
        let logged = logged_body(&body);
        assert!(logged.truncated);
        assert!(logged.text.unwrap().len() <= BODY_CAP_BYTES);
    }

    #[test]
    fn a_body_that_is_no_text_is_left_out() {
        assert_eq!(logged_body(&[0xff, 0xfe]), LoggedBody::default());
    }
}
