//! Sendwithus's logs, of Sendwithus or of another Sendlog: a message with its status, and its events one by one.
//! Source: Sendwithus, "Logs API". A log names its template and neither subject nor sender: the template's name is the
//! subject here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::{Account, Ask, Cursor, Detail, PLAIN, Page, Source};
use crate::domain::event::EventKind;
use crate::server::inbound::Reports;
use crate::server::inbound::reading::{self, News, Text};
use crate::server::services::events::EventReport;

/// How Sendwithus is asked and read.
pub(super) const SOURCE: Source =
    Source { list, page, detail: Some(Detail { ask: ask_events, join }), records_at: &["logs"], reports };

/// The most logs of a page.
const COUNT: usize = 100;

fn list(account: &Account<'_>, cursor: &Cursor) -> Result<Ask, String> {
    let (from, until) = (cursor.from.timestamp(), (cursor.until.timestamp_millis() + 999) / 1_000);
    let offset = offset(cursor);
    ask(account, &format!("/logs?count={COUNT}&offset={offset}&created_gte={from}&created_lt={until}"))
}

/// How many logs come before the page.
fn offset(cursor: &Cursor) -> usize {
    cursor.page.as_deref().and_then(|page| page.parse().ok()).unwrap_or(0)
}

fn ask(account: &Account<'_>, path: &str) -> Result<Ask, String> {
    let key = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{}:", account.key))));
    let mut key = key.map_err(|_| "The API key is not one of Sendwithus's".to_owned())?;
    key.set_sensitive(true);
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, key)]);
    Ok(Ask { method: Method::GET, url: format!("{}{path}", account.base), headers, body: None })
}

fn page(answer: Value, cursor: &Cursor) -> Result<Page, String> {
    let Value::Array(records) = answer else {
        return Err("Sendwithus's answer is not a list of logs".to_owned());
    };
    let next = if records.len() < COUNT {
        cursor.following()
    } else {
        Some(cursor.at_page(offset(cursor).saturating_add(COUNT).to_string()))
    };
    Ok(Page { records, next })
}

fn ask_events(account: &Account<'_>, record: &Value) -> Result<Ask, String> {
    let id = Text::of(record.get("id"));
    let id = id.get().ok_or(reading::NO_MESSAGE)?;
    ask(account, &format!("/logs/{}/events", utf8_percent_encode(id, PLAIN)))
}

fn join(record: &mut Value, events: Value) {
    if let (Value::Object(record), true) = (record, events.is_array()) {
        record.insert("events".to_owned(), events);
    }
}

fn reports(record: &Value) -> Reports {
    if !record.is_object() {
        return vec![Err("The record is not a log as documented".to_owned())];
    }
    let log = Log(record);
    let first = log.event("created", &Value::Null, Some(EventKind::Queued));
    let events: Vec<&Value> = record.get("events").and_then(Value::as_array).into_iter().flatten().collect();
    let rest: Reports = if events.is_empty() {
        // A log alone tells its status, and no other time than its own.
        vec![log.event("status", &Value::Null, None)]
    } else {
        // The words that a log begins with are one event here.
        let tells = |event: &&&Value| {
            let kind = log.text_of(event, "type");
            !matches!(kind.or_empty(), "requested" | "triggered" | "queued")
        };
        events.iter().filter(tells).map(|event| log.event("type", event, None)).collect()
    };
    if first.is_err() {
        return vec![first];
    }
    let queued = |told: &Result<EventReport, String>| told.as_ref().is_ok_and(|told| told.kind == EventKind::Queued);
    std::iter::once(first).chain(rest.into_iter().filter(|told| !queued(told))).collect()
}

/// A log, as it is.
struct Log<'a>(&'a Value);

impl Log<'_> {
    fn text(&self, names: &[&str]) -> Text {
        names.iter().map(|name| Text::of(self.0.get(*name))).find(|text| text.get().is_some()).unwrap_or_default()
    }

    fn text_of(&self, event: &Value, name: &str) -> Text {
        Text::of(event.get(name))
    }

    /// What `event` tells under the name `kind`, or the log itself where that is nothing.
    fn event(&self, kind: &str, event: &Value, known: Option<EventKind>) -> Result<EventReport, String> {
        let of = if event.is_null() { self.0 } else { event };
        let word = Text::of(of.get(kind));
        let told = match known {
            Some(known) => known,
            None => kind_of(&word)?,
        };
        let created = Text::of(of.get("created"));
        let at = reading::event_time(&created)?;
        let message = Text::of(of.get("message")).owned().filter(|_| known.is_none());
        let name = self.text(&["id", "log_id"]);
        let recipient = self.text(&["recipient_address", "recipient"]);
        let news = match told {
            EventKind::Bounced | EventKind::Dropped | EventKind::Deferred => News::new(told).reply(message),
            _ => News::new(told).message(message),
        };
        let id = [name.or_empty(), told.as_str(), &at.timestamp().to_string()];
        reading::named(EventReport {
            provider_message_id: reading::provider_message_id(name.get()),
            recipient: recipient.owned(),
            subject: self.text(&["subject", "email_name"]).owned(),
            ..reading::report(reading::event_id("sendwithus", &id), news, at)
        })
    }
}

/// What a type of event, or a status, is here: they have the same words.
fn kind_of(word: &Text) -> Result<EventKind, String> {
    let kind: Option<EventKind> = word.or_empty().parse().ok();
    kind.filter(|kind| kind.can_be_reported()).ok_or_else(|| reading::unknown_type(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: Account<'_> = Account { base: "https://api.sendwithus.com/api/v1", name: "", key: "live_key" };

    fn cursor() -> Cursor {
        let at = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        Cursor::new(at(1_000), at(2_000))
    }

    fn log() -> Value {
        json!({
            "object": "log", "id": "log_asdf1234qwerty", "created": 1234567890, "recipient_name": "Brad",
            "recipient_address": "brad@email.com", "status": "opened", "message": "SendGrid: Message has been opened",
            "email_id": "as8dfjha8dap", "email_name": "Order Confirmation", "email_version": "Version A",
        })
    }

    fn told(record: &Value) -> Vec<(EventKind, i64)> {
        reports(record).into_iter().map(|told| told.unwrap()).map(|told| (told.kind, told.at.timestamp())).collect()
    }

    #[test]
    fn a_page_is_asked_for_by_its_offset_with_the_key_as_the_user() {
        let ask = list(&ACCOUNT, &cursor()).unwrap();
        let url = "https://api.sendwithus.com/api/v1/logs?count=100&offset=0&created_gte=1000&created_lt=2000";
        assert_eq!((ask.method, ask.url.as_str()), (Method::GET, url));
        assert_eq!(ask.headers[header::AUTHORIZATION], "Basic bGl2ZV9rZXk6");
        assert!(ask.headers[header::AUTHORIZATION].is_sensitive());
        let full = page(json!(vec![log(); 100]), &cursor()).unwrap();
        assert_eq!(full.records.len(), 100);
        let next = full.next.unwrap();
        assert!(list(&ACCOUNT, &next).unwrap().url.contains("offset=100&"));
        assert_eq!(page(json!([log()]), &next).unwrap().next, None);
        assert!(page(json!({ "success": false }), &next).is_err());
        let ask = ask_events(&ACCOUNT, &log()).unwrap();
        assert!(ask.url.ends_with("/logs/log_asdf1234qwerty/events"));
        assert!(ask_events(&ACCOUNT, &json!({})).is_err());
    }

    #[test]
    fn events_tell_what_the_document_says() {
        let mut record = log();
        let events = [
            (1234567890, "requested"),
            (1234567891, "queued"),
            (1234567892, "failed_to_send"),
            (1234567893, "sent"),
            (1234567894, "opened"),
            (1234567895, "clicked"),
        ];
        let event = |(created, kind)| json!({ "object": "event", "created": created, "type": kind, "message": kind });
        join(&mut record, Value::from(events.map(event).to_vec()));
        use EventKind::*;
        let expected = [
            (Queued, 1234567890),
            (FailedToSend, 1234567892),
            (Sent, 1234567893),
            (Opened, 1234567894),
            (Clicked, 1234567895),
        ];
        assert_eq!(told(&record), expected);
        let first = reports(&record).remove(0).unwrap();
        assert_eq!(first.provider_message_id.as_deref(), Some("log_asdf1234qwerty"));
        assert_eq!(first.recipient.as_deref(), Some("brad@email.com"));
        assert_eq!(first.subject.as_deref(), Some("Order Confirmation"));
        let ids = |record: &Value| reports(record).into_iter().map(|told| told.unwrap().id).collect::<Vec<String>>();
        assert_eq!(ids(&record), ids(&record));
    }

    #[test]
    fn a_log_alone_tells_its_status_and_every_status_is_known() {
        assert_eq!(told(&log()), [(EventKind::Queued, 1234567890), (EventKind::Opened, 1234567890)]);
        for status in [
            "requested",
            "triggered",
            "queued",
            "sent",
            "clicked",
            "re_clicked",
            "opened",
            "re_opened",
            "failed_to_queue",
            "failed_to_send",
            "processed",
            "dropped",
            "delivered",
            "deferred",
            "bounced",
            "reported_as_spam",
            "unsubscribed",
        ] {
            let mut record = log();
            record["status"] = json!(status);
            assert!(reports(&record).iter().all(Result::is_ok), "{status}");
        }
        let mut odd = log();
        odd["status"] = json!("exploded");
        assert_eq!(reports(&odd).iter().filter(|told| told.is_err()).count(), 1);
        for nothing in [json!({}), json!({ "id": "a" }), json!({ "created": 5 }), json!([log()]), json!(7)] {
            assert!(reports(&nothing).iter().all(Result::is_err), "{nothing}");
        }
    }
}
