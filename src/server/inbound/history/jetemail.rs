//! JetEmail's log of outgoing mail, of JetEmail or of another Sendlog: a message with its attempts, openings and clicks.
//! Sources: JetEmail, "Get outbound email logs". A message's name is its `uid`, as in the webhooks.
//!
//! The document knows `ACCEPTED` and `DELIVERED`. Where a message counts as delivered and no attempt says so, the accepted
//! ones were the deliveries. What happened without an attempt, a complaint or the finding of a virus, has the time of the
//! last change.

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::Value;

use super::{Account, Ask, Cursor, Page, Source};
use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::inbound::Reports;
use crate::server::inbound::reading::{self, Flag, News, Text};
use crate::server::services::events::EventReport;

/// How JetEmail is asked and read.
pub(super) const SOURCE: Source = Source { list, page, detail: None, records_at: &["data"], reports };

/// The most messages of a page.
const LIMIT: usize = 100;
/// The message of an event whose time is not told.
const UNTIMED: &str = "JetEmail tells no time of it but that of the message's last change";

fn list(account: &Account<'_>, cursor: &Cursor) -> Result<Ask, String> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("limit", &LIMIT.to_string())
        .append_pair("page", &number(cursor).to_string())
        .append_pair("sort_by", "date")
        .append_pair("sort_order", "ASC")
        .append_pair("date_from", &cursor.from.timestamp().to_string())
        .append_pair("date_to", &((cursor.until.timestamp_millis() + 999) / 1_000).to_string())
        .finish();
    let key = HeaderValue::try_from(format!("Bearer {}", account.key));
    let mut key = key.map_err(|_| "The API key is not one of JetEmail's".to_owned())?;
    key.set_sensitive(true);
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, key)]);
    Ok(Ask { method: Method::GET, url: format!("{}/outbound/logs?{query}", account.base), headers, body: None })
}

/// The page's number, from 1.
fn number(cursor: &Cursor) -> u64 {
    cursor.page.as_deref().and_then(|page| page.parse().ok()).unwrap_or(1)
}

fn page(mut answer: Value, cursor: &Cursor) -> Result<Page, String> {
    let has_next = answer.pointer("/pagination/has_next_page").and_then(Value::as_bool) == Some(true);
    let Some(Value::Array(records)) = answer.get_mut("data").map(Value::take) else {
        return Err("JetEmail's answer has no list of messages".to_owned());
    };
    let next = if has_next && !records.is_empty() {
        Some(cursor.at_page(number(cursor).saturating_add(1).to_string()))
    } else {
        cursor.following()
    };
    Ok(Page { records, next })
}

fn reports(record: &Value) -> Reports {
    match record.is_object().then(|| Message::deserialize(record)) {
        Some(Ok(message)) => message.reports().unwrap_or_else(|words| vec![Err(words)]),
        _ => vec![Err("The record is not a message as documented".to_owned())],
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    uid: Text,
    id: Text,
    from_address: Text,
    #[serde(rename = "headerFrom")]
    header_from: Text,
    headerfrom: Text,
    to_address: Text,
    receiver: Text,
    subject: Text,
    first_seen: Text,
    last_updated: Text,
    delivery_status: Text,
    was_delivered: Flag,
    was_spam: Flag,
    was_virus: Flag,
    final_response: Text,
    bounce_reason: Text,
    #[serde(deserialize_with = "reading::lenient_list")]
    delivery_attempts: Vec<Attempt>,
    #[serde(deserialize_with = "reading::lenient_list")]
    opens: Vec<Visit>,
    #[serde(deserialize_with = "reading::lenient_list")]
    clicks: Vec<Visit>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attempt {
    action: Text,
    receiver: Text,
    mx: Text,
    host: Text,
    ip: Text,
    response: Text,
    protocol: Text,
    date: Text,
    timestamp: Text,
}

/// An opening or a click.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Visit {
    date: Text,
    country: Text,
    email_client: Text,
    original_url: Text,
}

impl Message {
    fn reports(&self) -> Result<Reports, String> {
        let first = reading::event_time(&self.first_seen)?;
        let last = reading::event_time(&self.last_updated).unwrap_or(first);
        let everybody = addresses(self.receiver.or(&self.to_address));
        let only = if let [only] = everybody.as_slice() { Some(*only) } else { None };
        let begun = everybody.iter().map(|to| self.event(News::new(EventKind::Processed), first, Some(to), ""));
        let mut reports: Reports = begun.collect();
        for attempt in &self.delivery_attempts {
            match self.attempted(attempt) {
                Ok(Some((news, at))) => {
                    let whom = addresses(attempt.receiver.or(&self.receiver).or(&self.to_address));
                    reports.extend(whom.into_iter().map(|to| self.event(news.clone(), at, Some(to), "")));
                }
                Ok(None) => {}
                Err(words) => reports.push(Err(words)),
            }
        }
        let opens = self.opens.iter().map(|visit| (visit, EventKind::Opened));
        let clicks = self.clicks.iter().map(|visit| (visit, EventKind::Clicked));
        for (visit, kind) in opens.chain(clicks) {
            let at = reading::event_time(&visit.date);
            reports.push(at.and_then(|at| self.event(visit.news(kind), at, only, visit.original_url.or_empty())));
        }
        match self.untimed() {
            Ok(untimed) => reports.extend(untimed.into_iter().map(|news| {
                let message = news.detail.message.clone().or_else(|| Some(UNTIMED.to_owned()));
                self.event(news.message(message), last, only, "untimed")
            })),
            Err(words) => reports.push(Err(words)),
        }
        Ok(reports)
    }

    /// What an attempt came to; `None` where that says nothing new.
    fn attempted(&self, attempt: &Attempt) -> Result<Option<(News, DateTime<Utc>)>, String> {
        let action = attempt.action.or_empty().to_ascii_uppercase();
        let (kind, cause) = match action.as_str() {
            "QUEUED" | "UNKNOWN" => return Ok(None),
            "ACCEPTED" if self.accepted_is_delivered() => (EventKind::Delivered, None),
            "ACCEPTED" => (EventKind::Sent, None),
            "DELIVERED" => (EventKind::Delivered, None),
            "DEFERRED" => (EventKind::Deferred, None),
            "REJECTED" => (EventKind::Failed, None),
            "BOUNCED_HARD" => (EventKind::Bounced, Some(EventCause::Hard)),
            "BOUNCED_SOFT" => (EventKind::Bounced, Some(EventCause::Soft)),
            "BOUNCED_UNKNOWN" => (EventKind::Bounced, None),
            "VIRUS" => (EventKind::Dropped, Some(EventCause::Virus)),
            "DROPPED" if self.was_virus.is_set() => (EventKind::Dropped, Some(EventCause::Virus)),
            "DROPPED" | "SPAM" => (EventKind::Dropped, None),
            // It was taken back.
            "DROP" => (EventKind::Dropped, Some(EventCause::Expected)),
            _ => return Err(reading::unknown_type(&attempt.action)),
        };
        let detail = EventDetail {
            reply: attempt.response.owned(),
            server: attempt.host.owned(),
            server_ip: attempt.ip.owned(),
            mx: attempt.mx.owned(),
            protocol: attempt.protocol.owned(),
            ..EventDetail::default()
        };
        let at = reading::event_time(attempt.date.or(&attempt.timestamp))?;
        Ok(Some((News { kind, detail }.cause(cause), at)))
    }

    fn has_attempt(&self, actions: &[&str]) -> bool {
        let is_one =
            |attempt: &Attempt| actions.iter().any(|action| attempt.action.or_empty().eq_ignore_ascii_case(action));
        self.delivery_attempts.iter().any(is_one)
    }

    fn accepted_is_delivered(&self) -> bool {
        let counts = matches!(self.delivery_status.or_empty(), "delivered" | "opened" | "clicked");
        (counts || self.was_delivered.is_set()) && !self.has_attempt(&["DELIVERED"])
    }

    /// What the message's status says, where nothing with a time does.
    fn untimed(&self) -> Result<Vec<News>, String> {
        let went_out = self.has_attempt(&["ACCEPTED", "DELIVERED"]);
        let has_told = !self.delivery_attempts.is_empty();
        let status = self.delivery_status.or_empty();
        let is_spam = self.was_spam.is_set() || status == "spam";
        let mut news = Vec::new();
        if is_spam && went_out {
            news.push(News::new(EventKind::ReportedAsSpam));
        } else if is_spam && !self.has_attempt(&["SPAM", "DROPPED"]) {
            news.push(News::new(EventKind::Dropped).message(Some(format!("Taken for spam. {UNTIMED}"))));
        }
        let is_virus = self.was_virus.is_set() || status == "virus_detected";
        if is_virus && !self.has_attempt(&["VIRUS", "DROPPED"]) {
            news.push(News::new(EventKind::Dropped).cause(EventCause::Virus));
        }
        let reply = self.bounce_reason.or(&self.final_response).owned();
        let alone = match status {
            "" | "unknown" | "queued_pending" | "spam" | "virus_detected" => None,
            "deferred" => Some(News::new(EventKind::Deferred).reply(reply)),
            "delivered" => Some(News::new(EventKind::Delivered).reply(reply)),
            "opened" if self.opens.is_empty() => Some(News::new(EventKind::Opened)),
            "clicked" if self.clicks.is_empty() => Some(News::new(EventKind::Clicked)),
            "opened" | "clicked" => None,
            "bounced" => Some(News::new(EventKind::Bounced).reply(reply)),
            "rejected" => Some(News::new(EventKind::Failed).reply(reply)),
            "dropped" => Some(News::new(EventKind::Dropped).reply(reply)),
            _ => return Err(reading::unknown_type(&self.delivery_status)),
        };
        news.extend(alone.filter(|_| !has_told));
        Ok(news)
    }

    /// The event; `part` tells it apart from others of its kind and time.
    fn event(&self, news: News, at: DateTime<Utc>, to: Option<&str>, part: &str) -> Result<EventReport, String> {
        let name = self.uid.or(&self.id);
        // The time of the last change moves on, and what happened then stays one event.
        let time = if part == "untimed" { String::new() } else { at.timestamp_millis().to_string() };
        let recipient = to.unwrap_or_default();
        let id = reading::event_id("jetemail", &[name.or_empty(), news.kind.as_str(), &time, recipient, part]);
        reading::named(EventReport {
            provider_message_id: reading::provider_message_id(name.get()),
            recipient: to.map(str::to_owned),
            from: self.header_from.or(&self.headerfrom).or(&self.from_address).owned(),
            subject: self.subject.owned(),
            ..reading::report(id, news, at)
        })
    }
}

/// The addresses of a list with commas.
fn addresses(list: &Text) -> Vec<&str> {
    list.or_empty().split(',').map(reading::address).filter(|address| !address.is_empty()).collect()
}

impl Visit {
    fn news(&self, kind: EventKind) -> News {
        let detail = EventDetail {
            url: self.original_url.owned(),
            user_agent: self.email_client.owned(),
            country: self.country.owned(),
            ..EventDetail::default()
        };
        News { kind, detail }
    }
}

#[cfg(test)]
mod tests;
