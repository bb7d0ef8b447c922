//! SendGrid's Email Activity: the messages of a time with their events, and the CSV file of it, which has an event a line.
//! Sources: Twilio SendGrid, "Email Activity", "Filter all messages", "Filter messages by message ID", "Getting Started with
//! the Email Activity Feed API"; the columns of the file are those that recidiviz's `upload_sendgrid_csv_to_gcs_and_bq` loads.
//!
//! A list has at most 1,000 messages and no further page, so the time is halved until fewer come. It is looked for by the
//! last thing that happened to a message. The events have no ids here, and two names differ from the webhook's: `bounced`
//! is hard or soft, where the webhook has `bounce` and `blocked`.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Account, Ask, Cursor, Detail, PLAIN, Page, Source};
use crate::domain::event::EventKind;
use crate::domain::ids::EmailId;
use crate::server::inbound::Reports;
use crate::server::inbound::reading::{self, Metadata, News, Text};
use crate::server::inbound::sendgrid::Event;
use crate::server::services::events::EventReport;

/// How SendGrid is asked and read.
pub(super) const SOURCE: Source =
    Source { list, page, detail: Some(Detail { ask: ask_detail, join }), records_at: &["messages"], reports };

/// The most messages of a list.
const LIMIT: usize = 1_000;
/// The message of an event that is known from a list alone.
const UNTIMED: &str = "SendGrid's list tells the time of the last event only";

fn list(account: &Account<'_>, cursor: &Cursor) -> Result<Ask, String> {
    let second = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let (from, until) = (second(cursor.from), second(cursor.until));
    let query = format!("last_event_time BETWEEN TIMESTAMP \"{from}\" AND TIMESTAMP \"{until}\"");
    ask(account, &format!("/v3/messages?limit={LIMIT}&query={}", utf8_percent_encode(&query, NON_ALPHANUMERIC)))
}

fn ask(account: &Account<'_>, path: &str) -> Result<Ask, String> {
    let key = HeaderValue::try_from(format!("Bearer {}", account.key));
    let mut key = key.map_err(|_| "The API key has characters that no key of SendGrid's has".to_owned())?;
    key.set_sensitive(true);
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, key)]);
    Ok(Ask { method: Method::GET, url: format!("{}{path}", account.base), headers, body: None })
}

fn page(mut answer: Value, cursor: &Cursor) -> Result<Page, String> {
    let Some(Value::Array(mut records)) = answer.get_mut("messages").map(Value::take) else {
        return Err("SendGrid's answer has no list of messages".to_owned());
    };
    if records.len() >= LIMIT
        && let Some(narrowed) = cursor.narrowed()
    {
        return Ok(Page { records: Vec::new(), next: Some(narrowed) });
    }
    records.sort_by_cached_key(|record| Text::of(record.get("msg_id")).owned());
    Ok(Page { records, next: cursor.following() })
}

fn ask_detail(account: &Account<'_>, record: &Value) -> Result<Ask, String> {
    let id = Text::of(record.get("msg_id"));
    let id = id.get().ok_or(reading::NO_MESSAGE)?;
    ask(account, &format!("/v3/messages/{}", utf8_percent_encode(id, PLAIN)))
}

fn join(record: &mut Value, detail: Value) {
    if let (Value::Object(record), Value::Object(detail)) = (record, detail) {
        record.extend(detail);
    }
}

fn reports(record: &Value) -> Reports {
    let (Some(message), Some(line)) = (object::<Message>(record), object::<Told>(record)) else {
        return vec![Err("The record is not a JSON object".to_owned())];
    };
    if line.event.get().is_some() {
        return reading::only(message.report(&line));
    }
    let mut events: Vec<&Told> = message.events.iter().collect();
    events.sort_by_key(|told| told.processed.get().and_then(time));
    if events.is_empty() {
        return message.summary();
    }
    events.into_iter().filter_map(|told| message.report(told).transpose()).collect()
}

fn object<T: DeserializeOwned>(record: &Value) -> Option<T> {
    if record.is_object() { T::deserialize(record).ok() } else { None }
}

/// A message of the API, or what a line of the file says of one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    msg_id: Text,
    message_id: Text,
    from_email: Text,
    from: Text,
    to_email: Text,
    email: Text,
    subject: Text,
    status: Text,
    last_event_time: Text,
    opens_count: Text,
    clicks_count: Text,
    unique_args: Value,
    #[serde(deserialize_with = "reading::lenient_list")]
    events: Vec<Told>,
}

/// What happened: in the API's names and, where they differ, in the file's.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    event_name: Text,
    event: Text,
    processed: Text,
    reason: Text,
    attempt_num: Text,
    attempt: Text,
    url: Text,
    bounce_type: Text,
    #[serde(rename = "type")]
    kind: Text,
    http_user_agent: Text,
    user_agent: Text,
    mx_server: Text,
    mx: Text,
    asm_group_id: Text,
}

impl Message {
    fn report(&self, told: &Told) -> Result<Option<EventReport>, String> {
        let Some(mut news) = told.news()? else { return Ok(None) };
        news.detail.mx = told.mx_server.or(&told.mx).owned();
        let at = reading::event_time_by(&told.processed, time)?;
        self.event(told.word(), news, at, &[&at.to_rfc3339(), told.url.or_empty()]).map(Some)
    }

    /// The event; `parts` tell it apart from others of its kind.
    fn event(&self, word: &str, news: News, at: DateTime<Utc>, parts: &[&str]) -> Result<EventReport, String> {
        let name = self.msg_id.or(&self.message_id).get().and_then(|id| id.split('.').next());
        let recipient = self.to_email.or(&self.email);
        let mut all = vec![name.unwrap_or_default(), word, recipient.or_empty()];
        all.extend(parts);
        reading::named(EventReport {
            email_id: own_id(&self.unique_args),
            provider_message_id: reading::provider_message_id(name),
            recipient: recipient.owned(),
            from: self.from_email.or(&self.from).owned(),
            subject: self.subject.owned(),
            ..reading::report(reading::event_id("sendgrid", &all), news, at)
        })
    }

    /// What a list alone says of a message.
    fn summary(&self) -> Reports {
        let mut told = vec![("processed", EventKind::Processed)];
        match self.status.or_empty() {
            "processed" | "processing" => {}
            "delivered" => told.push(("delivered", EventKind::Delivered)),
            "not_delivered" | "not delivered" => told.push(("not_delivered", EventKind::Failed)),
            _ => return vec![Err(reading::unknown_type(&self.status))],
        }
        let is_counted = |count: &Text| !matches!(count.or_empty(), "" | "0");
        if is_counted(&self.opens_count) {
            told.push(("open", EventKind::Opened));
        }
        if is_counted(&self.clicks_count) {
            told.push(("click", EventKind::Clicked));
        }
        let at = match reading::event_time_by(&self.last_event_time, time) {
            Ok(at) => at,
            Err(words) => return vec![Err(words)],
        };
        let news = |kind| News::new(kind).message(Some(UNTIMED.to_owned()));
        told.into_iter().map(|(word, kind)| self.event(word, news(kind), at, &["list"])).collect()
    }
}

impl Told {
    /// The webhook's word for it.
    fn word(&self) -> &str {
        match self.event_name.or(&self.event).or_empty() {
            "bounced" | "blocked" => "bounce",
            "opened" => "open",
            "clicked" => "click",
            "spam_report" => "spamreport",
            word => word,
        }
    }

    /// What it means, as the webhook reader says.
    fn news(&self) -> Result<Option<News>, String> {
        let kind = match self.bounce_type.or(&self.kind).or_empty() {
            "hard" => "bounce",
            "soft" => "blocked",
            kind => kind,
        };
        let event = json!({
            "event": self.word(),
            "type": kind,
            "reason": self.reason.get(),
            "attempt": self.attempt_num.or(&self.attempt).get(),
            "url": self.url.get(),
            "useragent": self.http_user_agent.or(&self.user_agent).get(),
            "asm_group_id": self.asm_group_id.get(),
        });
        Event::deserialize(&event).map_err(|_| reading::UNKNOWN_TYPE.to_owned())?.news()
    }
}

/// Sendlog's id among the sender's own arguments, which SendGrid shows as a text: JSON, or with `'` for `"`.
fn own_id(arguments: &Value) -> Option<EmailId> {
    match arguments {
        Value::Object(_) => Metadata::deserialize(arguments).ok()?.email_id(),
        Value::String(text) => {
            let read = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
            own_id(&read(text).or_else(|| read(&text.replace('\'', "\"")))?)
        }
        _ => None,
    }
}

/// A time of the API, or one of a file, which may have no offset and is then in UTC.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let plain = || {
        let text = text.trim_end_matches("UTC").trim_end().replacen('T', " ", 1);
        NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()
    };
    reading::time(text).or_else(|| plain().map(|at| at.and_utc()))
}

#[cfg(test)]
mod tests;
