//! Canary's log of emails, of Canary or of another Sendlog: a message with its status and three times.
//! Sources: Canary, "Email Logs API". A message's name is its `id`; the mail provider's id, which only a message asked for
//! alone has, is none of Canary's.
//!
//! What has no time of its own, such as an opening, has the last one that is known. Canary's document asks for a session
//! where Sendlog takes a key, so a key that is written `session=…` goes as the cookie.

use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::Value;

use super::{Account, Ask, Cursor, Detail, PLAIN, Page, Source};
use crate::domain::event::EventKind;
use crate::server::inbound::Reports;
use crate::server::inbound::reading::{self, News, Text, Texts};
use crate::server::services::events::EventReport;

/// How Canary is asked and read.
pub(super) const SOURCE: Source =
    Source { list, page, detail: Some(Detail { ask: ask_detail, join }), records_at: &["data", "items"], reports };

/// The most messages of a page.
const LIMIT: usize = 100;
/// The message of an event whose time is not told.
const UNTIMED: &str = "Canary tells no time of it";

fn list(account: &Account<'_>, cursor: &Cursor) -> Result<Ask, String> {
    let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("page", &number(cursor).to_string())
        .append_pair("pageSize", &LIMIT.to_string())
        .append_pair("from", &instant(cursor.from))
        .append_pair("to", &instant(cursor.until))
        .finish();
    ask(account, &format!("/api/logs?{query}"))
}

fn ask(account: &Account<'_>, path: &str) -> Result<Ask, String> {
    let (name, key) = match account.key.strip_prefix("session=") {
        Some(_) => (header::COOKIE, account.key.to_owned()),
        None => (header::AUTHORIZATION, format!("Bearer {}", account.key)),
    };
    let mut key = HeaderValue::try_from(key).map_err(|_| "The API key is not one of Canary's".to_owned())?;
    key.set_sensitive(true);
    let headers = HeaderMap::from_iter([(name, key)]);
    Ok(Ask { method: Method::GET, url: format!("{}{path}", account.base), headers, body: None })
}

/// The page's number, from 1.
fn number(cursor: &Cursor) -> u64 {
    cursor.page.as_deref().and_then(|page| page.parse().ok()).unwrap_or(1)
}

fn page(mut answer: Value, cursor: &Cursor) -> Result<Page, String> {
    let Some(Value::Array(records)) = answer.pointer_mut("/data/items").map(Value::take) else {
        return Err("Canary's answer has no list of messages".to_owned());
    };
    // Counting stops somewhere, so that the number of pages says less than that this one is full.
    let next = if records.len() >= LIMIT {
        Some(cursor.at_page(number(cursor).saturating_add(1).to_string()))
    } else {
        cursor.following()
    };
    Ok(Page { records, next })
}

fn ask_detail(account: &Account<'_>, record: &Value) -> Result<Ask, String> {
    let id = Text::of(record.get("id"));
    let id = id.get().ok_or(reading::NO_MESSAGE)?;
    ask(account, &format!("/api/logs/{}", utf8_percent_encode(id, PLAIN)))
}

/// Takes what is told of; the variables are left.
fn join(record: &mut Value, mut detail: Value) {
    let (Value::Object(record), Some(detail)) = (record, detail.get_mut("data")) else { return };
    for name in
        ["toAddresses", "fromAddress", "subject", "status", "errorMessage", "createdAt", "sentAt", "deliveredAt"]
    {
        if let Some(value) = detail.get_mut(name) {
            record.insert(name.to_owned(), value.take());
        }
    }
}

fn reports(record: &Value) -> Reports {
    let record = record.get("data").filter(|data| data.is_object()).unwrap_or(record);
    let message = record.is_object().then(|| Message::of(record));
    match message {
        Some(message) => message.reports().unwrap_or_else(|words| vec![Err(words)]),
        None => vec![Err("The record is not a message as documented".to_owned())],
    }
}

struct Message {
    id: Text,
    to: Vec<String>,
    from: Text,
    subject: Text,
    status: Text,
    error: Text,
    created_at: Text,
    sent_at: Text,
    delivered_at: Text,
}

impl Message {
    /// Reads the document's names, and how a file may write them.
    fn of(record: &Value) -> Self {
        let value = |names: [&str; 3]| names.into_iter().find_map(|name| record.get(name));
        let text = |names: [&str; 3]| Text::of(value(names));
        let to = value(["toAddresses", "to_addresses", "toaddresses"]).and_then(|to| Texts::deserialize(to).ok());
        let to = to.unwrap_or_default();
        let addresses = to.as_slice().iter().flat_map(|text| text.split([',', ';'])).map(reading::address);
        Self {
            id: Text::of(record.get("id")),
            to: addresses.filter(|address| !address.is_empty()).map(str::to_owned).collect(),
            from: text(["fromAddress", "from_address", "fromaddress"]),
            subject: Text::of(record.get("subject")),
            status: Text::of(record.get("status")),
            error: text(["errorMessage", "error_message", "errormessage"]),
            created_at: text(["createdAt", "created_at", "createdat"]),
            sent_at: text(["sentAt", "sent_at", "sentat"]),
            delivered_at: text(["deliveredAt", "delivered_at", "deliveredat"]),
        }
    }

    fn reports(&self) -> Result<Reports, String> {
        let created = reading::event_time(&self.created_at)?;
        let known = |text: &Text| text.get().and_then(reading::time);
        let (sent, delivered) = (known(&self.sent_at), known(&self.delivered_at));
        let last = delivered.or(sent).unwrap_or(created);
        let everybody: Vec<Option<&str>> = self.to.iter().map(|to| Some(to.as_str())).collect();
        let whose = if everybody.len() == 1 { everybody.clone() } else { vec![None] };
        let status = self.status.or_empty().to_ascii_lowercase();
        let first = if status == "queued" { EventKind::Queued } else { EventKind::Processed };
        let mut told = vec![(News::new(first), created, &everybody)];
        if let Some(sent) = sent {
            told.push((News::new(EventKind::Sent), sent, &everybody));
        }
        if let Some(delivered) = delivered {
            told.push((News::new(EventKind::Delivered), delivered, &whose));
        }
        let untimed = |kind| News::new(kind).message(Some(UNTIMED.to_owned()));
        let failed = |kind| News::new(kind).message(self.error.owned().or_else(|| Some(UNTIMED.to_owned())));
        let rest = match status.as_str() {
            "" | "queued" => Ok(None),
            "sent" if sent.is_some() => Ok(None),
            "delivered" if delivered.is_some() => Ok(None),
            "sent" => Ok(Some((untimed(EventKind::Sent), last, &everybody))),
            "delivered" => Ok(Some((untimed(EventKind::Delivered), last, &whose))),
            "opened" => Ok(Some((untimed(EventKind::Opened), last, &whose))),
            "clicked" => Ok(Some((untimed(EventKind::Clicked), last, &whose))),
            "bounced" => Ok(Some((failed(EventKind::Bounced), last, &whose))),
            "failed" => Ok(Some((failed(EventKind::Failed), last, &whose))),
            "spam" => Ok(Some((untimed(EventKind::ReportedAsSpam), last, &whose))),
            _ => Err(reading::UNKNOWN_TYPE.to_owned()),
        };
        let error = match rest {
            Ok(rest) => {
                told.extend(rest);
                None
            }
            Err(words) => Some(Err(words)),
        };
        let mut reports = Reports::new();
        for (news, at, whom) in told {
            reports.extend(whom.iter().map(|to| self.event(news.clone(), at, *to)));
        }
        reports.extend(error);
        Ok(reports)
    }

    /// The event. A message has one of each kind, so that a time that moves makes no other.
    fn event(&self, news: News, at: DateTime<Utc>, to: Option<&str>) -> Result<EventReport, String> {
        let id = [self.id.or_empty(), news.kind.as_str(), to.unwrap_or_default()];
        reading::named(EventReport {
            provider_message_id: reading::provider_message_id(self.id.get()),
            recipient: to.map(str::to_owned),
            from: self.from.owned(),
            subject: self.subject.owned(),
            ..reading::report(reading::event_id("canary", &id), news, at)
        })
    }
}

#[cfg(test)]
mod tests;
