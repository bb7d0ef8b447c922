//! Asking the APIs of other systems for what they know, with an address that a person typed. Called by
//! [crate::server::services::history_imports].

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use super::http::{HttpSender, HttpSettings, retry_after};
use crate::server::outbound::Outbound;

/// How long an answer may take, from connecting to its end.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How much of an answer is read, in bytes.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// How much of a refusal is told, in characters.
const SHOWN_CHARS: usize = 300;

/// The longest pause that an answer can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// Asks APIs and keeps connections for the next requests.
pub struct ApiCaller(HttpSender);

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Called {
    Answered(Value),
    /// It is to be asked later: it is busy, is not there or failed. The words say why.
    Later {
        words: String,
        /// For how long it asks to be left alone.
        pause: Option<Duration>,
    },
    /// There is nothing at the address; in its words.
    Missing(String),
    /// It will answer the same again; in its words.
    Refused(String),
}

impl ApiCaller {
    /// A caller without connections, which goes where `outbound` lets it.
    pub fn new(outbound: Outbound) -> Self {
        let settings =
            HttpSettings { timeout: TIMEOUT, answer_bytes: ANSWER_BYTES, outbound, ..HttpSettings::default() };
        Self(HttpSender::new(settings))
    }

    /// Makes a request that changes nothing there.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        mut headers: HeaderMap,
        body: Option<&Value>,
        now: DateTime<Utc>,
    ) -> Called {
        let Ok(url) = url::Url::parse(url) else { return Called::Refused("The address cannot be read".to_owned()) };
        let Some(host) = url.host_str().map(str::to_owned) else {
            return Called::Refused("The address names no host".to_owned());
        };
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let body = body.map(Value::to_string);
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let make =
            |client: &reqwest::Client| client.request(method, url).headers(headers).body(body.unwrap_or_default());
        let answer = match self.0.exchange(&host, make).await {
            Ok(answer) => answer,
            Err(none) => return Called::Later { words: none.reason, pause: None },
        };
        let status = answer.status.as_u16();
        if answer.status.is_success() {
            return match serde_json::from_slice(&answer.body) {
                Ok(value) => Called::Answered(value),
                Err(_) if answer.body.len() >= ANSWER_BYTES => {
                    Called::Refused(format!("{host} answered with more than {} MiB", ANSWER_BYTES / (1024 * 1024)))
                }
                Err(_) => Called::Refused(format!("{host} answered {status} with something else than JSON")),
            };
        }
        let words = format!("{host} answered {status}{}", said(&answer.body));
        match status {
            408 | 425 | 429 | 500..=599 => {
                let pause = retry_after(&answer.headers).or_else(|| reset_after(&answer.headers, now));
                Called::Later { words, pause: pause.map(|pause| pause.min(LONGEST_PAUSE)) }
            }
            404 | 410 => Called::Missing(words),
            _ => Called::Refused(words),
        }
    }
}

/// How long until the moment that `X-RateLimit-Reset` names: Unix seconds, or seconds from now on.
fn reset_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let reset: u64 = headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
    let now = u64::try_from(now.timestamp()).unwrap_or_default();
    Some(Duration::from_secs(if reset > now { reset - now } else { reset.min(3_600) }))
}

/// Where APIs put the sentence that says why they refuse.
const SENTENCES: [&str; 6] = ["/message", "/Message", "/error/message", "/errors/0/message", "/error", "/exception"];

/// The beginning of what a refusal says, on one line.
fn said(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let sentence = SENTENCES.iter().find_map(|pointer| json.pointer(pointer)?.as_str());
    let text = sentence.map_or_else(|| String::from_utf8_lossy(body), Cow::Borrowed);
    let line: Vec<&str> = text.split_whitespace().collect();
    let line: String = line.join(" ").chars().filter(|letter| !letter.is_control()).take(SHOWN_CHARS).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_sentence_where_it_has_one_and_shortened() {
        for body in [
            r#"{"success":false,"message":"Invalid key","error":"Invalid"}"#,
            r#"{"ErrorCode":10,"Message":"Invalid key"}"#,
            r#"{"success":false,"error":{"code":"X","message":"Invalid key"}}"#,
            r#"{"errors":[{"field":null,"message":"Invalid\n key"}]}"#,
            r#"{"error":"Invalid key"}"#,
            r#"{"success":false,"status":"ERROR","exception":"Invalid key"}"#,
            "Invalid \r\n key",
        ] {
            assert_eq!(said(body.as_bytes()), ": Invalid key", "{body}");
        }
        assert_eq!(said(b""), "");
        assert_eq!(said(b"[1, 2]"), ": [1, 2]");
        assert_eq!(said("x".repeat(10_000).as_bytes()).len(), SHOWN_CHARS + 2);
        assert!(!said(&[0xff, 0x00, b'a']).contains('\0'));
    }

    #[test]
    fn a_reset_is_a_moment_or_a_number_of_seconds() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let after = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            let headers = HeaderMap::from_iter([(http::HeaderName::from_static("x-ratelimit-reset"), value)]);
            reset_after(&headers, now).map(|pause| pause.as_secs())
        };
        assert_eq!(after("1700000040"), Some(40));
        assert_eq!(after("40"), Some(40));
        assert_eq!(after("1600000000"), Some(3_600), "a moment that has passed is no pause of years");
        assert_eq!((after("soon"), after("-3")), (None, None));
    }
}
