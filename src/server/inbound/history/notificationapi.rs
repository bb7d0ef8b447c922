//! NotificationAPI's logs, of NotificationAPI or of another Sendlog: a notification with its channels, each a message of its
//! own. Sources: NotificationAPI, Logs, "Tracked Events"; its endpoint is not documented, and published clients name its
//! filters alone. Where a notification's events are one list, those of a channel are its message.

use std::collections::{BTreeMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Account, Ask, Cursor, PLAIN, Page, Source};
use crate::domain::channel::Channel;
use crate::domain::event::{EventCause, EventKind};
use crate::server::inbound::Reports;
use crate::server::inbound::reading::{self, News, Text, Texts};
use crate::server::services::events::EventReport;

/// How NotificationAPI is asked and read.
pub(super) const SOURCE: Source = Source { list, page, detail: None, records_at: &["logs"], reports };

fn list(account: &Account<'_>, cursor: &Cursor) -> Result<Ask, String> {
    if account.name.is_empty() {
        return Err("NotificationAPI is asked for the logs of a client ID: name it".to_owned());
    }
    let key = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{}:{}", account.name, account.key))));
    let mut key = key.map_err(|_| "The client secret is not one of NotificationAPI's".to_owned())?;
    key.set_sensitive(true);
    let (from, until) = (cursor.from.timestamp_millis(), cursor.until.timestamp_millis() - 1);
    let mut body = json!({ "dateRangeFilter": { "startTime": from, "endTime": until } });
    if let Some(page) = cursor.page.as_deref().and_then(|page| serde_json::from_str::<Value>(page).ok()) {
        body["cursor"] = page;
    }
    let url = format!("{}/{}/logs/query", account.base, utf8_percent_encode(account.name, PLAIN));
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, key)]);
    Ok(Ask { method: Method::POST, url, headers, body: Some(body) })
}

fn page(mut answer: Value, cursor: &Cursor) -> Result<Page, String> {
    let Some(Value::Array(records)) = answer.get_mut("logs").map(Value::take) else {
        return Err("NotificationAPI's answer has no list of logs".to_owned());
    };
    let next = answer.get("cursor").filter(|next| !next.is_null()).map(Value::to_string);
    if next.is_some() && next == cursor.page {
        return Err("NotificationAPI names a page as the one that follows it".to_owned());
    }
    Ok(Page { records, next: next.map_or_else(|| cursor.following(), |next| Some(cursor.at_page(next))) })
}

fn reports(record: &Value) -> Reports {
    let tracking_id = Text::of(record.get("trackingId").or_else(|| record.get("tracking_id")));
    let Some(tracking_id) = tracking_id.get() else {
        return vec![Err(reading::NO_MESSAGE.to_owned())];
    };
    let channels = record.get("channels").and_then(Value::as_array);
    let messages: Vec<Message> = match channels {
        Some(channels) => channels.iter().map(|channel| Message::of_channel(record, tracking_id, channel)).collect(),
        None if Text::of(record.get("event")).get().is_some() => vec![Message::of_line(record, tracking_id)],
        None => Message::of_events(record, tracking_id),
    };
    messages.iter().flat_map(Message::reports).collect()
}

/// What went by one channel.
struct Message<'a> {
    name: String,
    channel: Option<Channel>,
    to: Vec<String>,
    subject: Text,
    /// Whether it came through, or may: what failed then were tries that others followed. Sendlog calls those `Failed`, too.
    may_succeed: bool,
    events: Vec<&'a Value>,
}

impl<'a> Message<'a> {
    fn of_channel(record: &'a Value, tracking_id: &str, channel: &'a Value) -> Self {
        let word = Text::of(channel.get("channel"));
        let id = Text::of(channel.get("messageId"));
        let to = channel.get("to").and_then(|to| Texts::deserialize(to).ok()).unwrap_or_default();
        let events = channel.get("events").and_then(Value::as_array).into_iter().flatten().collect();
        let name = id.owned().unwrap_or_else(|| format!("{tracking_id}:{}", word.or_empty()));
        let subject = Text::of(channel.get("subject")).or(&Text::of(record.get("notificationId"))).clone();
        let may_succeed = may_succeed(channel);
        Self { name, channel: channel_of(word.or_empty()), to: to.as_slice().to_vec(), subject, may_succeed, events }
    }

    /// A line of a file, which tells one event.
    fn of_line(line: &'a Value, tracking_id: &str) -> Self {
        let text = |names: [&str; 2]| {
            let texts = names.into_iter().map(|name| Text::of(line.get(name)));
            texts.reduce(|first, second| first.or(&second).clone()).unwrap_or_default()
        };
        let word = Text::of(line.get("channel"));
        let name = text(["message_id", "messageId"]).owned();
        Self {
            name: name.unwrap_or_else(|| format!("{tracking_id}:{}", word.or_empty())),
            channel: channel_of(word.or_empty()),
            to: text(["to", "user_id"]).owned().into_iter().collect(),
            subject: text(["subject", "notification_id"]),
            may_succeed: may_succeed(line),
            events: vec![line],
        }
    }

    fn of_events(record: &'a Value, tracking_id: &str) -> Vec<Self> {
        let mut by_channel: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for event in record.get("events").and_then(Value::as_array).into_iter().flatten() {
            by_channel.entry(Text::of(event.get("channel")).or_empty().to_owned()).or_default().push(event);
        }
        let to = Text::of(record.get("userId").or_else(|| record.get("user_id")));
        let subject = Text::of(record.get("notificationId").or_else(|| record.get("notification_id")));
        let message = |(word, events): (String, Vec<&'a Value>)| Self {
            name: format!("{tracking_id}:{word}"),
            channel: channel_of(&word),
            to: to.owned().into_iter().collect(),
            subject: subject.clone(),
            may_succeed: false,
            events,
        };
        by_channel.into_iter().map(message).collect()
    }

    fn reports(&self) -> Reports {
        let mut seen = HashSet::new();
        let mut reports = Reports::new();
        let whose = if let [only] = self.to.as_slice() { Some(only.as_str()) } else { None };
        for event in &self.events {
            let is_first = reports.is_empty();
            let own = Text::of(event.get("recipient"));
            let named: Vec<Option<&str>> = match own.get() {
                Some(own) => vec![Some(own)],
                // The first event names everybody, so that the message is for all of them.
                None if is_first && self.to.len() > 1 => self.to.iter().map(|to| Some(to.as_str())).collect(),
                None => vec![whose],
            };
            for to in named {
                match self.report(event, to) {
                    Ok(told) if !seen.insert(told.id.clone()) => {}
                    told => reports.push(told),
                }
            }
        }
        if reports.is_empty() {
            reports.push(Err("The log has no events".to_owned()));
        }
        reports
    }

    fn report(&self, event: &Value, to: Option<&str>) -> Result<EventReport, String> {
        let word = Text::of(event.get("event"));
        let date = Text::of(event.get("date"));
        let at = reading::event_time(&date)?;
        let mut news = news_of(&word, self.channel)?.message(Text::of(event.get("reason")).owned());
        if self.may_succeed && news.kind == EventKind::Failed {
            news.kind = EventKind::FailedToSend;
        }
        let id = [self.name.as_str(), news.kind.as_str(), date.or_empty(), to.unwrap_or_default()];
        reading::named(EventReport {
            provider_message_id: reading::provider_message_id(Some(&self.name)),
            recipient: to.map(str::to_owned),
            subject: self.subject.owned(),
            channel: self.channel.filter(|channel| *channel != Channel::Email),
            ..reading::report(reading::event_id("notificationapi", &id), news, at)
        })
    }
}

fn may_succeed(told: &Value) -> bool {
    let state = Text::of(told.get("state"));
    ["success", "received"].iter().any(|name| state.or_empty().eq_ignore_ascii_case(name))
}

fn channel_of(word: &str) -> Option<Channel> {
    match word.to_ascii_uppercase().as_str() {
        "EMAIL" => Some(Channel::Email),
        "SMS" => Some(Channel::Sms),
        "CALL" => Some(Channel::Call),
        "PUSH" | "WEB_PUSH" | "MOBILE_PUSH" => Some(Channel::Push),
        "INAPP_WEB" | "IN_APP" | "INAPP" => Some(Channel::InApp),
        _ => None,
    }
}

fn news_of(word: &Text, channel: Option<Channel>) -> Result<News, String> {
    let plain: String = word.or_empty().to_ascii_lowercase().replace('\u{2013}', "-");
    let plain: String = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let of = |kind, cause| Ok(News::new(kind).cause(cause));
    match plain.as_str() {
        "received" => of(EventKind::Queued, None),
        "ignored" => of(EventKind::Dropped, Some(EventCause::Expected)),
        "sending" => of(EventKind::Processed, None),
        "sent" => of(EventKind::Sent, None),
        "delivered" => of(EventKind::Delivered, None),
        "delivered - completed" => of(EventKind::Delivered, Some(EventCause::Completed)),
        "delivered - busy" => of(EventKind::Delivered, Some(EventCause::Busy)),
        "delivered - no answer" => of(EventKind::Delivered, Some(EventCause::NoAnswer)),
        "failed" => of(EventKind::Failed, None),
        "failed - bounce" => of(EventKind::Bounced, Some(EventCause::Hard)),
        "failed - delivery delay" => of(EventKind::Deferred, None),
        "failed - undelivered" => of(EventKind::Bounced, Some(EventCause::Undelivered)),
        "failed - infrastructure" => of(EventKind::Failed, Some(EventCause::Infrastructure)),
        "failed - cannot reach" if channel == Some(Channel::Call) => {
            of(EventKind::Failed, Some(EventCause::CannotReach))
        }
        "failed - cannot reach" => of(EventKind::Bounced, Some(EventCause::CannotReach)),
        _ => Err(reading::unknown_type(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Account<'_> = Account { base: "https://api.notificationapi.com", name: "client", key: "the-secret" };

    fn cursor() -> Cursor {
        let at = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        Cursor::new(at(1_000), at(2_000))
    }

    fn event(word: &str, channel: &str, second: u32) -> Value {
        json!({ "event": word, "channel": channel, "date": format!("2024-01-20T12:00:{second:02}.000Z") })
    }

    #[test]
    fn a_page_is_asked_for_by_times_in_milliseconds_and_by_the_cursor_of_the_one_before() {
        let ask = list(&ACCOUNT, &cursor()).unwrap();
        assert_eq!((ask.method, ask.url.as_str()), (Method::POST, "https://api.notificationapi.com/client/logs/query"));
        let times = json!({ "dateRangeFilter": { "startTime": 1_000_000, "endTime": 1_999_999 } });
        assert_eq!(ask.body, Some(times));
        assert_eq!(ask.headers[header::AUTHORIZATION], "Basic Y2xpZW50OnRoZS1zZWNyZXQ=");
        assert!(ask.headers[header::AUTHORIZATION].is_sensitive());
        for token in [json!("next"), json!({ "id": 7 })] {
            let next = page(json!({ "logs": [{}], "cursor": token }), &cursor()).unwrap().next.unwrap();
            assert_eq!(list(&ACCOUNT, &next).unwrap().body.unwrap()["cursor"], token);
            assert!(page(json!({ "logs": [{}], "cursor": token }), &next).is_err(), "it would never end");
            assert_eq!(page(json!({ "logs": [{}], "cursor": null }), &next).unwrap().next, None);
        }
        assert!(page(json!({ "error": "no" }), &cursor()).is_err());
        assert!(list(&Account { name: "", ..ACCOUNT }, &cursor()).is_err());
    }

    #[test]
    fn every_channel_is_a_message_of_its_own() {
        let record = json!({
            "trackingId": "t1", "notificationId": "order_shipped", "userId": "ada",
            "channels": [
                { "channel": "EMAIL", "messageId": "m1", "to": ["ada@finch.example"], "subject": "Order 7", "events": [
                    event("Received", "EMAIL", 0), event("Received", "EMAIL", 0), event("Sent", "EMAIL", 1),
                    event("Failed - Bounce", "EMAIL", 2),
                ] },
                { "channel": "SMS", "to": ["+15005550006"], "events": [event("Received", "SMS", 0), event("Delivered", "SMS", 3)] },
            ],
        });
        let told: Vec<EventReport> = reports(&record).into_iter().map(|told| told.unwrap()).collect();
        let said: Vec<(&str, EventKind, Option<Channel>)> =
            told.iter().map(|told| (told.provider_message_id.as_deref().unwrap(), told.kind, told.channel)).collect();
        use EventKind::*;
        assert_eq!(
            said,
            [
                ("m1", Queued, None),
                ("m1", Sent, None),
                ("m1", Bounced, None),
                ("t1:SMS", Queued, Some(Channel::Sms)),
                ("t1:SMS", Delivered, Some(Channel::Sms)),
            ]
        );
        assert_eq!(told[0].recipient.as_deref(), Some("ada@finch.example"));
        assert_eq!(told[0].subject.as_deref(), Some("Order 7"));
        assert_eq!(told[3].subject.as_deref(), Some("order_shipped"));
    }

    #[test]
    fn an_event_is_about_the_recipient_that_it_names() {
        let told_of = |to: &str| {
            let mut told = event("Failed - Bounce", "EMAIL", 2);
            told["recipient"] = json!(to);
            told
        };
        let (ada, bob) = ("ada@finch.example", "bob@finch.example");
        let events = [event("Received", "EMAIL", 0), told_of(ada), told_of(bob), event("Sent", "EMAIL", 3)];
        let record =
            json!({ "trackingId": "t5", "channels": [{ "channel": "EMAIL", "to": [ada, bob], "events": events }] });
        let told: Vec<EventReport> = reports(&record).into_iter().map(|told| told.unwrap()).collect();
        let said: Vec<(EventKind, Option<&str>)> =
            told.iter().map(|told| (told.kind, told.recipient.as_deref())).collect();
        use EventKind::*;
        let expected =
            [(Queued, Some(ada)), (Queued, Some(bob)), (Bounced, Some(ada)), (Bounced, Some(bob)), (Sent, None)];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_failure_of_what_came_through_was_a_try() {
        let kinds = |state: &str| {
            let events = [event("Failed - Infrastructure", "SMS", 1), event("Delivered", "SMS", 2)];
            let channel = json!({ "channel": "SMS", "to": ["+15005550006"], "state": state, "events": events });
            let told = reports(&json!({ "trackingId": "t6", "channels": [channel] }));
            told.into_iter().map(|told| told.unwrap().kind).collect::<Vec<EventKind>>()
        };
        assert_eq!(kinds("success"), [EventKind::FailedToSend, EventKind::Delivered]);
        assert_eq!(kinds("failure"), [EventKind::Failed, EventKind::Delivered]);
    }

    #[test]
    fn a_line_of_a_file_is_the_same_event_as_the_answers() {
        let told = event("Sent", "SMS", 1);
        let channel =
            json!({ "channel": "SMS", "messageId": "m7", "to": ["+15005550006"], "subject": "Hi", "events": [told] });
        let line = json!({
            "tracking_id": "t7", "channel": "SMS", "message_id": "m7", "to": "+15005550006", "subject": "Hi",
            "event": "Sent", "date": "2024-01-20T12:00:01.000Z", "state": "success",
        });
        assert_eq!(reports(&line), reports(&json!({ "trackingId": "t7", "channels": [channel] })));
    }

    #[test]
    fn events_in_one_list_are_told_apart_by_their_channels_and_every_word_is_known() {
        let words = [
            "Received",
            "Ignored",
            "Sending",
            "Sent",
            "Delivered",
            "Failed",
            "Failed - Bounce",
            "Failed - Delivery Delay",
            "Failed \u{2013} Undelivered",
            "Failed - Infrastructure",
            "Delivered - Completed",
            "Delivered - Busy",
            "Delivered - No Answer",
            "Failed - Cannot Reach",
        ];
        let events: Vec<Value> = (0..).zip(words).map(|(second, word)| event(word, "CALL", second)).collect();
        let record = json!({ "trackingId": "t2", "userId": "+15005550006", "events": events });
        let told = reports(&record);
        assert_eq!(told.iter().filter(|told| told.is_ok()).count(), words.len(), "{told:?}");
        let two = json!({ "trackingId": "t3", "userId": "ada", "events": [event("Sent", "EMAIL", 1), event("Sent", "SMS", 1)] });
        let names: Vec<Option<String>> =
            reports(&two).into_iter().map(|told| told.unwrap().provider_message_id).collect();
        assert_eq!(names, [Some("t3:EMAIL".to_owned()), Some("t3:SMS".to_owned())]);
        for odd in [json!({}), json!([]), json!({ "trackingId": "t4", "channels": [7, {}] })] {
            assert!(reports(&odd).iter().all(Result::is_err), "{odd}");
        }
    }
}
