//! Answers as Postmark documents them.

use super::*;
use crate::domain::event::EventCause;
use crate::server::inbound::testing::{NOW_S, at, with};

const ACCOUNT: Account<'_> = Account { base: "https://api.postmarkapp.com", name: "", key: "server-token" };

fn cursor() -> Cursor {
    Cursor::new(at(NOW_S), at(NOW_S + 3_600))
}

fn message() -> Value {
    json!({
        "Tag": "welcome", "MessageID": "0ac29aee-e1cd-480d-b08d-4f48548ff48d", "MessageStream": "outbound",
        "To": [{ "Email": "wren@finch.example", "Name": null }], "Cc": [], "Bcc": [], "Recipients": ["wren@finch.example"],
        "ReceivedAt": "2026-03-20T05:46:40.0000000-04:00", "From": "\"Finch\" <hello@finch.example>", "Subject": "Welcome",
        "Attachments": [], "Status": "Sent", "TrackOpens": true, "Metadata": { "sendlog_id": "eml_0000000000013" },
    })
}

fn event(kind: &str, details: Value) -> Value {
    let at = "2026-03-20T05:47:10.8054242-04:00";
    json!({ "Recipient": "wren@finch.example", "Type": kind, "ReceivedAt": at, "Details": details })
}

/// What comes of a message to which this happened, after its beginning.
fn told(kind: &str, details: Value) -> Reports {
    let mut record = message();
    join(&mut record, json!({ "MessageEvents": [event(kind, details)], "TextBody": "secret" }));
    assert!(record.get("TextBody").is_none());
    let mut read = reports(&record);
    let first = read.remove(0).unwrap();
    assert_eq!((first.kind, first.at), (EventKind::Processed, at(NOW_S)));
    read
}

fn one(kind: &str, details: Value) -> EventReport {
    let mut read = told(kind, details);
    assert_eq!(read.len(), 1, "{read:?}");
    read.remove(0).unwrap()
}

#[test]
fn a_time_is_asked_for_in_eastern_time_with_a_secret_token() {
    let ask = list(&ACCOUNT, &cursor().at_page("500")).unwrap();
    let expected = "https://api.postmarkapp.com/messages/outbound?count=500&offset=500\
        &fromdate=2026-03-20T05%3A46%3A40&todate=2026-03-20T06%3A46%3A40";
    assert_eq!((ask.method, ask.url.as_str()), (Method::GET, expected));
    let token = &ask.headers["x-postmark-server-token"];
    assert!(token == "server-token" && token.is_sensitive());
    assert!(list(&Account { key: "a\nb", ..ACCOUNT }, &cursor()).is_err());
    let winter: DateTime<Utc> = "2026-01-15T12:00:00Z".parse().unwrap();
    assert_eq!(eastern(winter, TimeDelta::hours(1)), "2026-01-15T07:00:00");
}

#[test]
fn the_hour_that_autumn_has_twice_is_asked_for_with_those_around_it() {
    let twice: DateTime<Utc> = "2026-11-01T05:30:00Z".parse().unwrap();
    for twice in [twice, twice + TimeDelta::hours(1)] {
        assert_eq!(eastern(twice, -TimeDelta::hours(1)), "2026-11-01T00:30:00");
        assert_eq!(eastern(twice, TimeDelta::hours(1)), "2026-11-01T02:30:00");
    }
}

#[test]
fn pages_follow_until_one_is_short_and_more_than_a_search_reaches_is_halved() {
    let full = |total: usize| json!({ "TotalCount": total, "Messages": vec![message(); COUNT] });
    let first = page(full(1_200), &cursor()).unwrap();
    assert_eq!((first.records.len(), first.next), (COUNT, Some(cursor().at_page("500"))));
    let last = page(json!({ "TotalCount": 1_200, "Messages": [message()] }), &cursor().at_page("1000")).unwrap();
    assert_eq!((last.records.len(), last.next), (1, None));
    let narrowed = page(full(10_001), &cursor()).unwrap();
    assert_eq!((narrowed.records.len(), narrowed.next), (0, cursor().narrowed()));
    let second = Cursor { until: at(NOW_S + 1), ..cursor() };
    let end = page(full(10_001), &second.at_page("9500")).unwrap();
    assert_eq!((end.records.len(), end.next), (COUNT, second.following()));
    for odd in [json!({}), json!([]), json!({ "Messages": "x" }), json!(null)] {
        assert!(page(odd, &cursor()).is_err());
    }
}

#[test]
fn what_is_not_of_the_time_is_left_out() {
    let before = with(&message(), json!({ "ReceivedAt": "2026-03-20T05:46:39-04:00" }));
    let timeless = with(&message(), json!({ "ReceivedAt": null }));
    let read = page(json!({ "Messages": [before, timeless, message()] }), &cursor()).unwrap();
    assert_eq!(read.records, [timeless, message()]);
}

#[test]
fn a_message_is_asked_for_by_its_id() {
    let ask = ask_detail(&ACCOUNT, &json!({ "MessageID": "0ac/29" })).unwrap();
    assert_eq!(ask.url, "https://api.postmarkapp.com/messages/outbound/0ac%2F29/details");
    assert!(ask.headers["x-postmark-server-token"].is_sensitive());
    assert!(ask_detail(&ACCOUNT, &json!({})).is_err());
}

#[test]
fn the_message_begins_with_each_recipient() {
    let record = with(&message(), json!({ "Recipients": ["wren@finch.example", "jay@finch.example"] }));
    let read: Vec<EventReport> = reports(&record).into_iter().map(Result::unwrap).collect();
    let recipients: Vec<Option<&str>> = read.iter().map(|report| report.recipient.as_deref()).collect();
    assert_eq!(recipients, [Some("wren@finch.example"), Some("jay@finch.example")]);
    assert_eq!(read[0].provider_message_id.as_deref(), Some("0ac29aee-e1cd-480d-b08d-4f48548ff48d"));
    assert_eq!(read[0].from.as_deref(), Some("\"Finch\" <hello@finch.example>"));
    assert_eq!((read[0].subject.as_deref(), read[0].email_id), (Some("Welcome"), "eml_0000000000013".parse().ok()));
    assert_ne!(read[0].id, read[1].id);
}

#[test]
fn every_event_means_what_the_webhook_says() {
    let taken = json!({
        "DeliveryMessage": "smtp;250 2.0.0 OK", "DestinationServer": "mx.finch.example", "DestinationIP": "192.0.2.7",
    });
    let delivered = one("Delivered", taken);
    assert_eq!((delivered.kind, delivered.detail.reply.as_deref()), (EventKind::Delivered, Some("250 2.0.0 OK")));
    assert_eq!(delivered.detail.server.as_deref(), Some("mx.finch.example"));
    assert_eq!(delivered.detail.server_ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(one("Transient", json!({ "DeliveryMessage": "smtp;400 later" })).kind, EventKind::Deferred);
    let opened = one("Opened", json!({ "Summary": "Email opened with Thunderbird 140" }));
    assert_eq!((opened.kind, opened.detail.user_agent.as_deref()), (EventKind::Opened, Some("Thunderbird 140")));
    let clicked = one("LinkClicked", json!({ "Summary": "Tracked link clicked.", "Link": "https://finch.example/" }));
    assert_eq!((clicked.kind, clicked.detail.url.as_deref()), (EventKind::Clicked, Some("https://finch.example/")));
    let changed = |origin: &str, suppress: &str| {
        told("SubscriptionChanged", json!({ "Origin": origin, "SuppressSending": suppress }))
    };
    assert_eq!(changed("Recipient", "True").remove(0).unwrap().kind, EventKind::Unsubscribed);
    assert!(changed("Admin", "True").is_empty() && changed("Recipient", "False").is_empty());
    assert!(told("Sang", json!({}))[0].is_err());
}

#[test]
fn a_bounce_has_the_webhooks_id_and_the_servers_code_tells_its_cause() {
    let bounced = |summary: &str| one("Bounced", json!({ "Summary": summary, "BounceID": "374814878" }));
    let hard = bounced("smtp;550 5.1.1 The email account does not exist");
    assert_eq!((hard.kind, hard.detail.cause), (EventKind::Bounced, Some(EventCause::Hard)));
    assert_eq!(hard.detail.reply.as_deref(), Some("550 5.1.1 The email account does not exist"));
    assert_eq!(hard.id, "postmark:374814878");
    assert_eq!(bounced("smtp;452 full").detail.cause, Some(EventCause::Soft));
    assert_eq!(bounced("").detail.cause, Some(EventCause::Soft));
}

#[test]
fn a_line_of_a_file_is_the_same_event_as_the_apis() {
    let line = json!({
        "message_id": "0ac29aee-e1cd-480d-b08d-4f48548ff48d", "recipient": "wren@finch.example", "event": "Delivered",
        "received_at": "2026-03-20T09:47:10.8054242Z", "subject": "Welcome", "details": "smtp;250 2.0.0 OK",
    });
    let mut read = reports(&line);
    assert_eq!(read.len(), 1, "{read:?}");
    let read = read.remove(0).unwrap();
    assert_eq!(read.id, one("Delivered", json!({ "DeliveryMessage": "smtp;250 2.0.0 OK" })).id);
    assert_eq!((read.kind, read.detail.reply.as_deref()), (EventKind::Delivered, Some("250 2.0.0 OK")));
}

#[test]
fn the_same_record_gives_the_same_ids_and_an_odd_one_an_error() {
    let mut record = message();
    record["MessageEvents"] = json!([event("Delivered", json!({})), event("Opened", json!({}))]);
    let ids = |record: &Value| reports(record).into_iter().flatten().map(|report| report.id).collect::<Vec<String>>();
    assert_eq!((ids(&record).len(), ids(&record)), (3, ids(&record)));
    for odd in [json!(null), json!("m"), json!([1]), json!({}), with(&message(), json!({ "ReceivedAt": "noon" }))] {
        assert!(reports(&odd).iter().all(Result::is_err) && !reports(&odd).is_empty(), "{odd}");
    }
    let odd_values = [json!(null), json!(7), json!(true), json!([[1]]), json!({ "a": 1 }), json!("\u{0}:")];
    for name in ["MessageID", "Recipients", "From", "Subject", "Metadata", "MessageEvents", "ReceivedAt"] {
        for value in &odd_values {
            let mut odd = record.clone();
            odd[name] = value.clone();
            assert!(ids(&odd).iter().all(|id| id.len() <= 200), "{name}");
        }
    }
}
