//! Resend's list of sent emails, newest first, each with the last thing that happened to it.
//! Sources: Resend, "List Emails", "Pagination", "List Sent Emails Endpoint"; resend-openapi, `Email`.
//!
//! The list tells no time but that of an email's creation and can be asked for no time, so it is followed until it is older
//! than what is wanted. How the file of the Emails page names its columns is not documented: the members' own names are
//! read. Resend answers nobody without a `User-Agent`.

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::Value;

use super::{Account, Ask, Cursor, Page, Source};
use crate::domain::event::{EventCause, EventKind};
use crate::server::inbound::Reports;
use crate::server::inbound::reading::{self, News, Text, Texts};
use crate::server::inbound::resend_com::Data;
use crate::server::services::events::EventReport;

/// How Resend is asked and read.
pub(super) const SOURCE: Source = Source { list, page, detail: None, records_at: &["data"], reports };

/// The most emails of a page.
const LIMIT: usize = 100;
/// The message of an event whose time is not told.
const UNTIMED: &str = "Resend lists no other time than that of the email's creation";

fn list(account: &Account<'_>, cursor: &Cursor) -> Result<Ask, String> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &LIMIT.to_string());
    if let Some(after) = &cursor.page {
        query.append_pair("after", after);
    }
    let key = HeaderValue::try_from(format!("Bearer {}", account.key));
    let mut key = key.map_err(|_| "The API key is not one of Resend's".to_owned())?;
    key.set_sensitive(true);
    let agent = HeaderValue::from_static(concat!("Sendlog/", env!("CARGO_PKG_VERSION")));
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, key), (header::USER_AGENT, agent)]);
    Ok(Ask { method: Method::GET, url: format!("{}/emails?{}", account.base, query.finish()), headers, body: None })
}

fn page(mut answer: Value, cursor: &Cursor) -> Result<Page, String> {
    let has_more = answer.get("has_more").and_then(Value::as_bool) == Some(true);
    let Some(Value::Array(mut records)) = answer.get_mut("data").map(Value::take) else {
        return Err("Resend's answer has no list of emails".to_owned());
    };
    let is_older = records.iter().filter_map(created_at).any(|at| at < cursor.from);
    let last = records.last().and_then(|record| Text::of(record.get("id")).owned());
    if has_more && !is_older && last.is_none() {
        return Err("Resend's list goes on behind an email without an id".to_owned());
    }
    let is_in_part = |at: DateTime<Utc>| (cursor.from..cursor.until).contains(&at);
    records.retain(|record| created_at(record).is_none_or(is_in_part));
    let next = last.filter(|_| has_more && !is_older).map(|last| cursor.at_page(last));
    Ok(Page { records, next: next.or_else(|| cursor.following()) })
}

fn created_at(record: &Value) -> Option<DateTime<Utc>> {
    time(Text::of(record.get("created_at")).get()?)
}

fn reports(record: &Value) -> Reports {
    match record.is_object().then(|| Email::deserialize(record)) {
        Some(Ok(email)) => email.reports(record).unwrap_or_else(|words| vec![Err(words)]),
        _ => vec![Err("The record is not an email as documented".to_owned())],
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Email {
    id: Text,
    from: Text,
    to: Texts,
    cc: Texts,
    bcc: Texts,
    subject: Text,
    created_at: Text,
    sent_at: Text,
    last_event: Text,
    status: Text,
}

impl Email {
    fn reports(&self, record: &Value) -> Result<Reports, String> {
        let at = reading::event_time_by(self.created_at.or(&self.sent_at), time)?;
        let recipients = self.recipients();
        let only = if let [only] = recipients.as_slice() { Some(*only) } else { None };
        let said = self.last_event.or(&self.status).or_empty().to_ascii_lowercase();
        let is_waiting = matches!(said.as_str(), "queued" | "scheduled");
        let first = if is_waiting { EventKind::Queued } else { EventKind::Processed };
        let mut reports: Reports = recipients
            .iter()
            .map(|recipient| self.report(record, News::new(first), at, first.as_str(), Some(recipient)))
            .collect();
        if is_waiting || said.is_empty() {
            return Ok(reports);
        }
        let Some(news) = news(&said) else {
            reports.push(Err(reading::UNKNOWN_TYPE.to_owned()));
            return Ok(reports);
        };
        let message = news.detail.message.clone().unwrap_or_else(|| UNTIMED.to_owned());
        let news = news.message(Some(message));
        // What happened to one of several is told of nobody alone, as the webhook reader does.
        let whom: Vec<Option<&str>> = match (said.as_str(), only) {
            ("sent" | "failed" | "canceled", _) => recipients.iter().map(|recipient| Some(*recipient)).collect(),
            (_, only) => vec![only],
        };
        reports.extend(whom.into_iter().map(|recipient| self.report(record, news.clone(), at, &said, recipient)));
        Ok(reports)
    }

    /// All addresses. A file has them in one text.
    fn recipients(&self) -> Vec<&str> {
        let lists = [&self.to, &self.cc, &self.bcc].into_iter().flat_map(Texts::as_slice);
        let texts = lists.flat_map(|text| text.split(',')).map(reading::address);
        texts.filter(|address| address.contains('@')).collect()
    }

    /// The event. Its time is no part of its id: it is always the creation's.
    fn report(
        &self,
        record: &Value,
        news: News,
        at: DateTime<Utc>,
        word: &str,
        recipient: Option<&str>,
    ) -> Result<EventReport, String> {
        let id = reading::event_id("resend", &[self.id.or_empty(), "list", word, recipient.unwrap_or_default()]);
        reading::named(EventReport {
            email_id: Data::deserialize(record).ok().and_then(|data| data.own_id()),
            provider_message_id: reading::provider_message_id(self.id.get()),
            recipient: recipient.map(str::to_owned),
            from: self.from.owned(),
            subject: self.subject.owned(),
            ..reading::report(id, news, at)
        })
    }
}

/// What the last event was.
fn news(said: &str) -> Option<News> {
    Some(match said {
        "sent" => News::new(EventKind::Sent),
        "delivered" => News::new(EventKind::Delivered),
        "delivery_delayed" => News::new(EventKind::Deferred),
        "bounced" => News::new(EventKind::Bounced).cause(EventCause::Hard),
        "complained" => News::new(EventKind::ReportedAsSpam),
        "opened" => News::new(EventKind::Opened),
        "clicked" => News::new(EventKind::Clicked),
        "failed" => News::new(EventKind::Failed),
        "suppressed" => News::new(EventKind::Dropped).cause(EventCause::Expected),
        "canceled" => {
            let words = format!("Canceled before it was sent. {UNTIMED}");
            News::new(EventKind::Dropped).cause(EventCause::Expected).message(Some(words))
        }
        _ => return None,
    })
}

/// `2023-04-03T22:13:42.674981+00:00` or `2023-04-03 22:13:42.674981+00`.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let spaced = || DateTime::parse_from_str(&text.replacen('T', " ", 1), "%Y-%m-%d %H:%M:%S%.f%#z").ok();
    reading::time(text).or_else(|| spaced().map(|at| at.to_utc()))
}

#[cfg(test)]
mod tests;
