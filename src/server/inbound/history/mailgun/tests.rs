//! Answers as Mailgun documents them.

use super::*;
use crate::domain::event::{EventCause, EventKind};
use crate::server::inbound::testing::{NOW_S, at, posted, with, with_at};

const ACCOUNT: Account<'_> = Account { base: "https://api.eu.mailgun.net", name: "mg.finch.example", key: "key-1" };
const NEXT: &str = "https://api.eu.mailgun.net/v3/mg.finch.example/events/W3siYSI6ICJiIn1d";

fn cursor() -> Cursor {
    Cursor::new(at(NOW_S), at(NOW_S + 3_600))
}

fn delivered() -> Value {
    json!({
        "event": "delivered", "id": "W3X4JOhFT-OZidZGKKr9iA", "timestamp": 1_774_000_000.25, "log-level": "info",
        "recipient": "wren@finch.example", "recipient-domain": "finch.example", "method": "HTTP",
        "flags": { "is-routed": false, "is-authenticated": true, "is-test-mode": false },
        "envelope": { "transport": "smtp", "sender": "hello@finch.example", "targets": "wren@finch.example" },
        "delivery-status": { "code": 250, "message": "OK", "description": "", "mx-host": "mx.finch.example", "attempt-no": 1 },
        "message": { "headers": {
            "to": "wren@finch.example", "from": "Finch <hello@finch.example>", "subject": "Welcome",
            "message-id": "20260320094640.1.A2@mg.finch.example"
        }, "attachments": [], "size": 1041 },
        "user-variables": { "sendlog_id": "eml_0000000000013" }, "tags": ["welcome"],
    })
}

fn one(record: &Value) -> EventReport {
    let mut reports = reports(record);
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.remove(0).unwrap()
}

#[test]
fn a_domains_events_are_asked_for_oldest_first() {
    let ask = list(&ACCOUNT, &Cursor { until: at(NOW_S) + chrono::TimeDelta::milliseconds(1), ..cursor() }).unwrap();
    let begun = "https://api.eu.mailgun.net/v3/mg.finch.example/events?begin=1774000000&end=1774000001";
    assert_eq!((ask.method, ask.url), (Method::GET, format!("{begun}&ascending=yes&limit=300")));
    let key = &ask.headers["authorization"];
    assert!(key == "Basic YXBpOmtleS0x" && key.is_sensitive());
    let domain = list(&Account { name: "../x?y", ..ACCOUNT }, &cursor()).unwrap().url;
    assert!(domain.starts_with("https://api.eu.mailgun.net/v3/..%2Fx%3Fy/events?"), "{domain}");
    assert!(list(&Account { name: "", ..ACCOUNT }, &cursor()).is_err());
}

#[test]
fn the_next_page_is_followed_at_the_apis_own_address_and_nowhere_else() {
    assert_eq!(list(&ACCOUNT, &cursor().at_page(NEXT)).unwrap().url, NEXT);
    for elsewhere in
        ["https://mallet.example/v3/x", "https://api.eu.mailgun.net.mallet.example/v3/x", "/v3/x", "http://localhost"]
    {
        let words = list(&ACCOUNT, &cursor().at_page(elsewhere)).unwrap_err();
        assert!(!words.contains("mallet"), "{words}");
    }
}

#[test]
fn pages_follow_until_one_is_empty() {
    let full = json!({ "items": [delivered()], "paging": { "next": NEXT, "previous": NEXT } });
    let first = page(full.clone(), &cursor()).unwrap();
    assert_eq!((first.records.len(), first.next.as_ref().unwrap().page.as_deref()), (1, Some(NEXT)));
    let last = page(json!({ "items": [], "paging": { "next": NEXT } }), &first.next.unwrap()).unwrap();
    assert!(last.records.is_empty() && last.next.is_none());
    assert!(page(full, &cursor().at_page(NEXT)).is_err(), "a page that follows itself never ends");
    assert_eq!(page(json!({ "items": [delivered()] }), &cursor()).unwrap().next, None);
    for odd in [json!({}), json!([]), json!({ "items": 7 }), json!(null)] {
        assert!(page(odd, &cursor()).is_err());
    }
}

#[test]
fn an_event_is_the_one_that_the_webhook_posts() {
    let read = one(&delivered());
    let body = json!({ "signature": {}, "event-data": delivered() }).to_string();
    let headers = HeaderMap::new();
    let by_webhook = crate::server::inbound::mailgun::read(&posted(&headers, body.as_bytes())).unwrap();
    assert_eq!(by_webhook, [Ok(read.clone())]);
    assert_eq!(read.kind, EventKind::Delivered);
    assert_eq!(read.provider_message_id.as_deref(), Some("20260320094640.1.A2@mg.finch.example"));
    assert_eq!(read.subject.as_deref(), Some("Welcome"));
    assert_eq!(read.email_id, "eml_0000000000013".parse().ok());
}

#[test]
fn every_type_means_what_the_webhook_says() {
    let kind = |event: &str| {
        let mut read = reports(&with(&delivered(), json!({ "event": event })));
        read.pop().map(|report| report.map(|report| report.kind))
    };
    for (event, expected) in [
        ("accepted", EventKind::Processed),
        ("delivered", EventKind::Delivered),
        ("failed", EventKind::Bounced),
        ("rejected", EventKind::Dropped),
        ("opened", EventKind::Opened),
        ("clicked", EventKind::Clicked),
        ("unsubscribed", EventKind::Unsubscribed),
        ("complained", EventKind::ReportedAsSpam),
    ] {
        assert_eq!(kind(event), Some(Ok(expected)), "{event}");
    }
    assert_eq!(kind("stored"), None);
    assert!(matches!(kind("sang"), Some(Err(_))));
    let temporary = one(&with(&delivered(), json!({ "event": "failed", "severity": "temporary" })));
    assert_eq!(temporary.kind, EventKind::Deferred);
}

#[test]
fn what_mailgun_received_and_routes_is_no_message_of_the_teams() {
    assert!(reports(&with_at(delivered(), "/flags/is-routed", json!(true))).is_empty());
}

#[test]
fn items_of_the_logs_and_lines_of_a_file_are_the_same_events() {
    let log = with(&delivered(), json!({ "timestamp": null, "@timestamp": "2026-03-20T09:46:40.25Z" }));
    assert_eq!(one(&log), one(&delivered()));
    let line = json!({
        "event": "Failed", "id": "W3X4JOhFT-OZidZGKKr9iA", "timestamp": "2026-03-20 09:46:40", "severity": "permanent",
        "recipient": "wren@finch.example", "message_id": "20260320094640.1.A2@mg.finch.example", "subject": "Welcome",
        "from": "Finch <hello@finch.example>", "delivery_status_code": "550", "delivery_status_message": "5.1.1 No such user",
    });
    let read = one(&line);
    assert_eq!((read.kind, read.detail.cause, read.at), (EventKind::Bounced, Some(EventCause::Hard), at(NOW_S)));
    assert_eq!((read.id, read.detail.reply.as_deref()), (one(&delivered()).id, Some("550 5.1.1 No such user")));
    assert_eq!(read.provider_message_id, one(&delivered()).provider_message_id);
}

#[test]
fn an_odd_record_is_an_error_and_never_a_panic() {
    for odd in [json!(null), json!("x"), json!([1]), json!({}), json!({ "message": [] })] {
        assert!(reports(&odd).iter().all(Result::is_err) && !reports(&odd).is_empty(), "{odd}");
    }
    let names = ["event", "id", "timestamp", "recipient", "message", "flags", "delivery-status", "user-variables"];
    let odd_values = [json!(null), json!(7), json!(-0.5), json!([[1]]), json!({ "a": { "b": 1 } }), json!("\u{0}:")];
    for (name, value) in names.iter().flat_map(|name| odd_values.iter().map(move |value| (name, value))) {
        let mut odd = delivered();
        odd[*name] = value.clone();
        assert_eq!(reports(&odd), reports(&odd));
        assert!(reports(&odd).into_iter().flatten().all(|report| report.id.len() <= 200), "{name}");
    }
}
