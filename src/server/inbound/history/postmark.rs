//! Postmark's messages: a list of a time, and what happened to each.
//! Sources: Postmark, "Messages API" ("Outbound message search", "Outbound message details"), "MessageEvents: Every message
//! event in one API call", "Bounce API"; postmark.js and Postmark's Python library, their models of messages.
//!
//! A search reaches 10,000 messages, so the time is halved where it found more. Its times are of US Eastern time. It finds
//! what the message stream `outbound` sent. A bounce has the webhook's id and not its type: the mail server's code decides.
//! How the file of Activity names its columns is not documented: the members' own names are read.

use chrono::offset::LocalResult;
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::America::New_York;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Account, Ask, Cursor, Detail, PLAIN, Page, Source};
use crate::domain::event::EventKind;
use crate::server::inbound::Reports;
use crate::server::inbound::postmark::Record;
use crate::server::inbound::reading::{self, Metadata, News, Text, Texts};
use crate::server::services::events::EventReport;

/// How Postmark is asked and read.
pub(super) const SOURCE: Source =
    Source { list, page, detail: Some(Detail { ask: ask_detail, join }), records_at: &["Messages"], reports };

/// The most messages of a page.
const COUNT: usize = 500;
/// How far a search reaches.
const REACH: usize = 10_000;

fn list(account: &Account<'_>, cursor: &Cursor) -> Result<Ask, String> {
    let (from, until) = (eastern(cursor.from, -TimeDelta::hours(1)), eastern(cursor.until, TimeDelta::hours(1)));
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("count", &COUNT.to_string())
        .append_pair("offset", &offset(cursor).to_string())
        .append_pair("fromdate", &from)
        .append_pair("todate", &until)
        .finish();
    ask(account, &format!("/messages/outbound?{query}"))
}

fn ask(account: &Account<'_>, path: &str) -> Result<Ask, String> {
    let token = HeaderValue::try_from(account.key);
    let mut token = token.map_err(|_| "The server API token is not one of Postmark's".to_owned())?;
    token.set_sensitive(true);
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-postmark-server-token"), token),
        (header::ACCEPT, HeaderValue::from_static("application/json")),
    ]);
    Ok(Ask { method: Method::GET, url: format!("{}{path}", account.base), headers, body: None })
}

/// What Postmark's clock shows then. In autumn it shows an hour twice: then it is moved away, and what is found outside
/// of the time is left out.
fn eastern(at: DateTime<Utc>, away: TimeDelta) -> String {
    let shown = at.with_timezone(&New_York).naive_local();
    let shown = match New_York.from_local_datetime(&shown) {
        LocalResult::Ambiguous(..) => shown + away,
        LocalResult::Single(_) | LocalResult::None => shown,
    };
    shown.format("%Y-%m-%dT%H:%M:%S").to_string()
}

fn offset(cursor: &Cursor) -> usize {
    cursor.page.as_deref().and_then(|page| page.parse().ok()).unwrap_or_default()
}

fn page(mut answer: Value, cursor: &Cursor) -> Result<Page, String> {
    let total = answer.get("TotalCount").and_then(Value::as_u64).and_then(|total| usize::try_from(total).ok());
    let Some(Value::Array(mut records)) = answer.get_mut("Messages").map(Value::take) else {
        return Err("Postmark's answer has no list of messages".to_owned());
    };
    if total.is_some_and(|total| total > REACH)
        && let Some(narrowed) = cursor.narrowed()
    {
        return Ok(Page { records: Vec::new(), next: Some(narrowed) });
    }
    let following = offset(cursor) + COUNT;
    let is_last = records.len() < COUNT || following + COUNT > REACH;
    let is_in_part = |at: DateTime<Utc>| (cursor.from..cursor.until).contains(&at);
    records.retain(|record| received_at(record).is_none_or(is_in_part));
    let next = if is_last { cursor.following() } else { Some(cursor.at_page(following.to_string())) };
    Ok(Page { records, next })
}

fn received_at(record: &Value) -> Option<DateTime<Utc>> {
    reading::time(Text::of(record.get("ReceivedAt")).get()?)
}

fn ask_detail(account: &Account<'_>, record: &Value) -> Result<Ask, String> {
    let id = Text::of(record.get("MessageID"));
    let id = id.get().ok_or(reading::NO_MESSAGE)?;
    ask(account, &format!("/messages/outbound/{}/details", utf8_percent_encode(id, PLAIN)))
}

/// Takes the events; the bodies are left.
fn join(record: &mut Value, mut detail: Value) {
    if let (Value::Object(record), Some(events)) = (record, detail.get_mut("MessageEvents")) {
        record.insert("MessageEvents".to_owned(), events.take());
    }
}

fn reports(record: &Value) -> Reports {
    if !record.is_object() {
        return vec![Err("The record is not a JSON object".to_owned())];
    }
    let nested = line(record);
    match Message::deserialize(nested.as_ref().unwrap_or(record)) {
        Ok(message) => message.reports(nested.is_none()),
        Err(_) => vec![Err("The record is not a message as documented".to_owned())],
    }
}

/// The message of a line of a file, with the one event that it tells; `None` for a message of the API.
fn line(record: &Value) -> Option<Value> {
    let text = |names: &[&str]| names.iter().find_map(|name| Text::of(record.get(*name)).owned());
    let id = text(&["message_id", "messageid"])?;
    let at = text(&["received_at", "receivedat", "date", "timestamp", "time"]);
    let recipient = text(&["recipient", "to", "email"]);
    let told = text(&["details", "description", "summary"]);
    let link = text(&["link", "original_link"]);
    let details = json!({
        "DeliveryMessage": told, "Summary": told, "Link": link,
        "BounceID": text(&["bounce_id", "bounceid"]),
    });
    let kind = text(&["event", "event_type", "type", "status"]);
    Some(json!({
        "MessageID": id, "ReceivedAt": at, "Recipients": recipient, "From": text(&["from"]), "Subject": text(&["subject"]),
        "MessageEvents": [{ "Type": kind, "ReceivedAt": at, "Recipient": recipient, "Details": details }],
    }))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Message {
    #[serde(rename = "MessageID")]
    message_id: Text,
    received_at: Text,
    recipients: Texts,
    from: Text,
    subject: Text,
    #[serde(deserialize_with = "reading::lenient")]
    metadata: Metadata,
    #[serde(deserialize_with = "reading::lenient_list")]
    message_events: Vec<Told>,
}

/// What happened.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Told {
    #[serde(rename = "Type")]
    kind: Text,
    recipient: Text,
    received_at: Text,
    #[serde(deserialize_with = "reading::lenient")]
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Details {
    summary: Text,
    delivery_message: Text,
    destination_server: Text,
    #[serde(rename = "DestinationIP")]
    destination_ip: Text,
    link: Text,
    #[serde(rename = "BounceID")]
    bounce_id: Text,
    origin: Text,
    suppress_sending: Text,
}

impl Message {
    /// `is_whole` where it is a message, not a line about one event.
    fn reports(&self, is_whole: bool) -> Reports {
        let events = self.message_events.iter().filter_map(|told| self.report(told).transpose());
        if !is_whole {
            return events.collect();
        }
        let at = match reading::event_time(&self.received_at) {
            Ok(at) => at,
            Err(words) => return vec![Err(words)],
        };
        let processed = |recipient: &String| {
            let id = reading::event_id("postmark", &[self.message_id.or_empty(), "Processed", recipient]);
            self.event(reading::report(id, News::new(EventKind::Processed), at), Some(recipient))
        };
        self.recipients.as_slice().iter().map(processed).chain(events).collect()
    }

    fn report(&self, told: &Told) -> Result<Option<EventReport>, String> {
        let Some(mut news) = told.news(self.message_id.or_empty())? else { return Ok(None) };
        news.detail.server = told.details.destination_server.owned();
        news.detail.server_ip = told.details.destination_ip.owned();
        news.detail.user_agent = told.details.user_agent();
        let at = reading::event_time(&told.received_at)?;
        let id = match told.details.bounce_id.get() {
            Some(id) => reading::event_id("postmark", &[id]),
            None => {
                let (message, recipient) = (self.message_id.or_empty(), told.recipient.or_empty());
                let (time, link) = (at.to_rfc3339(), told.details.link.or_empty());
                reading::event_id("postmark", &[message, told.kind(), recipient, &time, link])
            }
        };
        self.event(reading::report(id, news, at), told.recipient.get()).map(Some)
    }

    fn event(&self, report: EventReport, recipient: Option<&str>) -> Result<EventReport, String> {
        reading::named(EventReport {
            email_id: self.metadata.email_id(),
            provider_message_id: reading::provider_message_id(self.message_id.get()),
            recipient: recipient.map(str::to_owned),
            from: self.from.owned(),
            subject: self.subject.owned(),
            ..report
        })
    }
}

impl Told {
    /// The API's word for it, where the file has another.
    fn kind(&self) -> &str {
        match self.kind.or_empty() {
            "Clicked" | "Click" => "LinkClicked",
            "Open" => "Opened",
            "Delivery" => "Delivered",
            "Bounce" => "Bounced",
            kind => kind,
        }
    }

    /// What it means, as the webhook reader says.
    fn news(&self, message: &str) -> Result<Option<News>, String> {
        let details = &self.details;
        let told = details.delivery_message.or(&details.summary).get();
        let record = match self.kind() {
            "Sent" | "Processed" => return Ok(Some(News::new(EventKind::Processed))),
            "Queued" => return Ok(Some(News::new(EventKind::Queued))),
            "Delivered" => json!({ "RecordType": "Delivery", "Details": told }),
            "Transient" => json!({ "RecordType": "Bounce", "Type": "Transient", "Details": told }),
            "Bounced" => json!({ "RecordType": "Bounce", "Type": bounce_type(told), "Details": told }),
            "SpamComplaint" => json!({ "RecordType": "SpamComplaint", "Details": told }),
            "Opened" => json!({ "RecordType": "Open" }),
            "LinkClicked" => json!({ "RecordType": "Click", "OriginalLink": details.link.get() }),
            "SubscriptionChanged" => json!({
                "RecordType": "SubscriptionChange", "MessageID": message, "Origin": details.origin.get(),
                "SuppressSending": details.suppress_sending.get(), "SuppressionReason": "ManualSuppression",
            }),
            _ => return Err(reading::unknown_type(&self.kind)),
        };
        Record::deserialize(&record).map_err(|_| reading::UNKNOWN_TYPE.to_owned())?.news()
    }
}

/// Whether the mail server refused the address for good: its answer begins with its code, `smtp;550 5.1.1 …`.
fn bounce_type(told: Option<&str>) -> &'static str {
    match told.unwrap_or_default().trim_start_matches("smtp;").trim_start().chars().next() {
        Some('5') => "HardBounce",
        _ => "SoftBounce",
    }
}

impl Details {
    /// The reader's program: `Email opened with Mozilla/5.0 …`.
    fn user_agent(&self) -> Option<String> {
        self.summary.get()?.strip_prefix("Email opened with ").map(str::to_owned)
    }
}

#[cfg(test)]
mod tests;
