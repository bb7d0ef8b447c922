//! What the tests of all providers share.

use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::server::inbound::{Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

/// The address that the tests' provider was given.
pub const URL: &str = "https://log.finch.example/hooks/provider/token?sendlog_id=eml_0000000000013";
/// The second since 1970 at which the tests take place: 2026-03-20T09:46:40Z.
pub const NOW_S: i64 = 1_774_000_000;

/// A second since 1970.
pub fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

/// Headers of these names and values.
pub fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// The header of Basic authentication.
pub fn basic(log_in: &str) -> HeaderMap {
    headers(&[("authorization", &format!("Basic {}", STANDARD.encode(log_in)))])
}

/// A webhook that comes to [URL] at [NOW_S].
pub fn posted<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Posted<'a> {
    Posted { headers, url: URL, body, now: at(NOW_S) }
}

/// A provider's `read`.
pub type Read = fn(&Posted<'_>) -> Result<Reports, Refusal>;

/// What comes of a body.
pub fn read_body(read: Read, body: &[u8]) -> Result<Reports, Refusal> {
    read(&posted(&HeaderMap::new(), body))
}

/// The reports of a webhook that is readable.
pub fn read_all(read: Read, body: &Value) -> Reports {
    read_body(read, body.to_string().as_bytes()).unwrap()
}

/// The one report of a webhook.
pub fn read_one(read: Read, body: &Value) -> EventReport {
    only(Ok(read_all(read, body)))
}

/// The only report.
pub fn only(reports: Result<Reports, Refusal>) -> EventReport {
    one_of(reports.unwrap()).unwrap()
}

/// The one error of a webhook.
pub fn read_error(read: Read, body: &Value) -> String {
    one_of(read_all(read, body)).unwrap_err()
}

fn one_of(mut reports: Reports) -> Result<EventReport, String> {
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.remove(0)
}

/// Holds a provider to what every one must stand: an event of which a member is missing is read as one of which it is
/// null, and nothing that comes in its place, no byte that is wrong and no early end stops the program.
pub fn assert_lenient(read: Read, event: &Value, body_of: fn(Value) -> Value) {
    let odd_values = [json!(7), json!(-0.5), json!(true), json!("\u{0}<>,;|:.("), json!([[1]]), json!({"a": {"b": 1}})];
    for path in paths(event) {
        let changed = |value: Option<&Value>| read_all(read, &body_of(changed_at(event, &path, value)));
        assert_eq!(changed(None), changed(Some(&Value::Null)), "{path:?}");
        for value in &odd_values {
            let ids = changed(Some(value)).into_iter().flatten().map(|report| report.id.chars().count());
            assert!(ids.into_iter().all(|length| (1..=200).contains(&length)), "{path:?}");
        }
    }
    assert_survives(read, body_of(event.clone()).to_string().as_bytes());
}

/// Holds a provider to surviving every damage to a body.
pub fn assert_survives(read: Read, body: &[u8]) {
    for body in damaged(body) {
        let _ = read_body(read, &body);
    }
}

/// A body, damaged in every way that a reader must survive: cut at each byte, and each byte replaced.
pub fn damaged(body: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let cut = (0..body.len()).map(|end| body[..end].to_vec());
    let replaced = (0..body.len()).flat_map(move |place| {
        [0, b'"', b'[', b'{', b'9', 0xff].into_iter().map(move |byte| {
            let mut body = body.to_vec();
            body[place] = byte;
            body
        })
    });
    cut.chain(replaced)
}

/// The way to each member of an object, and of the objects in it.
fn paths(object: &Value) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        paths.push(vec![name.clone()]);
        for path in self::paths(value) {
            paths.push([vec![name.clone()], path].concat());
        }
    }
    paths
}

fn changed_at(object: &Value, path: &[String], value: Option<&Value>) -> Value {
    let mut object = object.clone();
    let (last, way) = path.split_last().unwrap();
    let members = way.iter().fold(&mut object, |object, name| &mut object[name]).as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(last.clone(), value.clone()),
        None => members.remove(last),
    };
    object
}

/// A copy of an object with other members; a null takes one away.
pub fn with(object: &Value, changes: Value) -> Value {
    let mut object = object.clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

/// A value with another one at a place in it: `with_at(sample, "/data/uid", json!(7))`.
pub fn with_at(mut sample: Value, pointer: &str, value: Value) -> Value {
    *sample.pointer_mut(pointer).unwrap() = value;
    sample
}
