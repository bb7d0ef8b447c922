//! Mailgun's events: each is what a webhook posts, with the same id, so that what came by webhook is known.
//! Sources: Mailgun, "Events" (`GET /v3/{domain_name}/events`), "Event Structure", "Events: Time Range", "Event Polling", "Event
//! Types"; the items of its newer "Logs" have the same members, with `@timestamp` for the time.
//!
//! A page names the next one, until a page is empty. Mailgun keeps events for some days only, by the account's plan. How
//! the file of its Logs page names its columns is not documented: the members' own names are read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDateTime, Utc};
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Account, Ask, Cursor, PLAIN, Page, Source};
use crate::server::inbound::Reports;
use crate::server::inbound::mailgun::Event;
use crate::server::inbound::reading::{self, Text};
use crate::server::services::events::EventReport;

/// How Mailgun is asked and read.
pub(super) const SOURCE: Source = Source { list, page, detail: None, records_at: &["items"], reports };

/// The most events of a page.
const LIMIT: usize = 300;

fn list(account: &Account<'_>, cursor: &Cursor) -> Result<Ask, String> {
    let url = match &cursor.page {
        Some(next) => {
            let path = next.strip_prefix(account.base).filter(|path| path.starts_with('/'));
            path.ok_or("Mailgun names a next page that is not at the address of its API")?;
            next.clone()
        }
        None if account.name.is_empty() => {
            return Err("Mailgun is asked for the events of a domain: name it".to_owned());
        }
        None => {
            let domain = utf8_percent_encode(account.name, PLAIN);
            let (begin, end) = (cursor.from.timestamp(), (cursor.until.timestamp_millis() + 999) / 1_000);
            format!("{}/v3/{domain}/events?begin={begin}&end={end}&ascending=yes&limit={LIMIT}", account.base)
        }
    };
    let key = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("api:{}", account.key))));
    let mut key = key.map_err(|_| "The API key is not one of Mailgun's".to_owned())?;
    key.set_sensitive(true);
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, key)]);
    Ok(Ask { method: Method::GET, url, headers, body: None })
}

fn page(mut answer: Value, cursor: &Cursor) -> Result<Page, String> {
    let Some(Value::Array(records)) = answer.get_mut("items").map(Value::take) else {
        return Err("Mailgun's answer has no list of events".to_owned());
    };
    if records.is_empty() {
        return Ok(Page { records, next: cursor.following() });
    }
    let next = answer.pointer("/paging/next").and_then(Value::as_str);
    if next.is_some() && next == cursor.page.as_deref() {
        return Err("Mailgun names a page as the one that follows it".to_owned());
    }
    Ok(Page { records, next: next.map_or_else(|| cursor.following(), |next| Some(cursor.at_page(next))) })
}

fn reports(record: &Value) -> Reports {
    if !record.is_object() {
        return vec![Err("The record is not a JSON object".to_owned())];
    }
    reading::only(report(record))
}

fn report(record: &Value) -> Result<Option<EventReport>, String> {
    // What Mailgun received and passes on is none of the team's messages.
    if record.pointer("/flags/is-routed").and_then(Value::as_bool) == Some(true) {
        return Ok(None);
    }
    let nested = match record.get("message") {
        Some(Value::Object(_)) => timed(record),
        _ => nested(record),
    };
    Event::deserialize(&nested).map_err(|_| "The event is not a JSON object as documented".to_owned())?.report()
}

/// The event, with its time where the Events API has it.
fn timed(record: &Value) -> Value {
    let mut event = record.clone();
    if event.get("timestamp").is_none()
        && let Some(at) = record.get("@timestamp")
    {
        event["timestamp"] = at.clone();
    }
    event
}

/// The event of a line of a file, whose members have no members.
fn nested(line: &Value) -> Value {
    let text = |names: &[&str]| names.iter().find_map(|name| Text::of(line.get(*name)).owned());
    let at = text(&["timestamp", "@timestamp", "date", "time", "event_time"]);
    json!({
        "event": text(&["event", "event_type"]).map(|event| event.to_ascii_lowercase()),
        "id": text(&["id", "event_id"]),
        "timestamp": at.map(|at| time(&at).map_or(at, |at| at.to_rfc3339())),
        "recipient": text(&["recipient"]),
        "severity": text(&["severity"]),
        "reason": text(&["reason"]),
        "url": text(&["url"]),
        "ip": text(&["ip"]),
        "message": { "headers": {
            "message-id": text(&["message_id", "message_headers_message_id"]),
            "from": text(&["from", "sender", "message_headers_from"]),
            "to": text(&["to", "message_headers_to"]),
            "subject": text(&["subject", "message_headers_subject"]),
        } },
        "delivery-status": {
            "code": text(&["delivery_status_code", "code"]),
            "enhanced-code": text(&["delivery_status_enhanced_code"]),
            "message": text(&["delivery_status_message"]),
            "description": text(&["delivery_status_description"]),
            "mx-host": text(&["delivery_status_mx_host"]),
            "bounce-type": text(&["delivery_status_bounce_type"]),
        },
        "client-info": { "user-agent": text(&["client_info_user_agent"]), "bot": text(&["client_info_bot"]) },
    })
}

/// A time of a file, which may have no offset and is then in UTC.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let plain = || {
        let text = text.trim_end_matches("UTC").trim_end().replacen('T', " ", 1);
        NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()
    };
    reading::time(text).or_else(|| plain().map(|at| at.and_utc()))
}

#[cfg(test)]
mod tests;
