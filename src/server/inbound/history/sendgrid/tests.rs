//! Answers and lines as SendGrid documents them.

use chrono::TimeDelta;

use super::*;
use crate::domain::event::EventCause;
use crate::server::inbound::testing::{NOW_S, at, with};

const ACCOUNT: Account<'_> = Account { base: "https://api.sendgrid.com", name: "", key: "SG.key" };

fn cursor() -> Cursor {
    Cursor::new(at(NOW_S), at(NOW_S + 3_600))
}

fn record(events: Value) -> Value {
    let mut record = json!({
        "from_email": "hello@finch.example", "msg_id": "Qn3vT8aRQ0mGk1.recvd-7d4c-1-69A42B00-3.0", "subject": "Welcome",
        "to_email": "wren@finch.example", "status": "delivered", "opens_count": 1, "clicks_count": 0,
        "last_event_time": "2026-03-20T10:00:00Z",
    });
    join(&mut record, json!({ "events": events, "unique_args": "{'sendlog_id': 'eml_0000000000013'}" }));
    record
}

fn line(changes: Value) -> Value {
    let line = json!({
        "processed": "2026-03-20 09:46:40", "message_id": "Qn3vT8aRQ0mGk1.recvd-7d4c-1-69A42B00-3.0", "event": "delivered",
        "subject": "Welcome", "from": "hello@finch.example", "email": "wren@finch.example", "reason": "", "mx": "", "url": "",
        "attempt": "", "user_agent": "", "type": "", "unique_args": "",
    });
    with(&line, changes)
}

fn all(record: &Value) -> Vec<EventReport> {
    reports(record).into_iter().map(|report| report.unwrap()).collect()
}

fn one(record: &Value) -> EventReport {
    let mut reports = all(record);
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.remove(0)
}

#[test]
fn a_time_is_asked_for_with_a_secret_key() {
    let ask = list(&ACCOUNT, &cursor()).unwrap();
    let (address, query) = ask.url.split_once("&query=").unwrap();
    assert_eq!((ask.method, address), (Method::GET, "https://api.sendgrid.com/v3/messages?limit=1000"));
    let query = percent_encoding::percent_decode_str(query).decode_utf8().unwrap();
    let expected = "last_event_time BETWEEN TIMESTAMP \"2026-03-20T09:46:40Z\" AND TIMESTAMP \"2026-03-20T10:46:40Z\"";
    assert_eq!(query, expected);
    let key = &ask.headers["authorization"];
    assert!(key == "Bearer SG.key" && key.is_sensitive());
    let wrong = list(&Account { key: "SG\nkey", ..ACCOUNT }, &cursor()).unwrap_err();
    assert!(!wrong.contains("SG\nkey"));
}

#[test]
fn a_full_list_is_asked_for_again_in_halves_until_a_second_is_left() {
    let full = || json!({ "messages": vec![json!({ "msg_id": "m" }); LIMIT] });
    let first = page(full(), &cursor()).unwrap();
    assert!(first.records.is_empty());
    let half = first.next.unwrap();
    assert_eq!((half.from, half.until - half.from), (at(NOW_S), TimeDelta::seconds(1_800)));
    let second = Cursor { until: at(NOW_S + 1), ..cursor() };
    let left = page(full(), &second).unwrap();
    assert_eq!(left.records.len(), LIMIT);
    assert_eq!(left.next.unwrap().from, at(NOW_S + 1));
}

#[test]
fn a_list_is_in_the_order_of_its_ids_and_the_last_part_ends_it() {
    let page = page(json!({ "messages": [{ "msg_id": "b" }, { "msg_id": "a" }, 7] }), &cursor()).unwrap();
    assert_eq!(page.records, [json!(7), json!({ "msg_id": "a" }), json!({ "msg_id": "b" })]);
    assert_eq!(page.next, None);
    for odd in [json!({}), json!([]), json!({ "messages": {} }), json!(null)] {
        assert!(super::page(odd, &cursor()).is_err());
    }
}

#[test]
fn a_message_is_asked_for_by_its_whole_id() {
    let ask = ask_detail(&ACCOUNT, &json!({ "msg_id": "a.b-1/../x" })).unwrap();
    assert_eq!(ask.url, "https://api.sendgrid.com/v3/messages/a.b-1%2F..%2Fx");
    assert!(ask_detail(&ACCOUNT, &json!({})).is_err());
}

#[test]
fn events_come_in_their_order_and_the_first_starts_the_message() {
    let read = all(&record(json!([
        { "event_name": "opened", "processed": "2026-03-20T10:00:00Z", "http_user_agent": "Thunderbird" },
        { "event_name": "delivered", "processed": "2026-03-20T09:46:42Z", "mx_server": "mx.finch.example" },
        { "event_name": "processed", "processed": "2026-03-20T09:46:40Z" },
    ])));
    let kinds: Vec<EventKind> = read.iter().map(|report| report.kind).collect();
    assert_eq!(kinds, [EventKind::Processed, EventKind::Delivered, EventKind::Opened]);
    let first = &read[0];
    assert_eq!(first.provider_message_id.as_deref(), Some("Qn3vT8aRQ0mGk1"));
    assert_eq!(first.recipient.as_deref(), Some("wren@finch.example"));
    assert_eq!(first.from.as_deref(), Some("hello@finch.example"));
    assert_eq!((first.subject.as_deref(), first.at), (Some("Welcome"), at(NOW_S)));
    assert_eq!(first.email_id, "eml_0000000000013".parse().ok());
    assert_eq!(read[1].detail.mx.as_deref(), Some("mx.finch.example"));
    assert_eq!(read[2].detail.user_agent.as_deref(), Some("Thunderbird"));
}

#[test]
fn every_event_means_what_the_webhook_says() {
    let kind = |event: Value| {
        let event = with(&json!({ "processed": "2026-03-20T09:46:40Z", "reason": "550 5.1.1 unknown" }), event);
        reports(&record(json!([event]))).pop().map(|report| report.map(|report| (report.kind, report.detail.cause)))
    };
    let named = |name: &str| kind(json!({ "event_name": name }));
    for (name, expected) in [
        ("processed", EventKind::Processed),
        ("deferred", EventKind::Deferred),
        ("delivered", EventKind::Delivered),
        ("dropped", EventKind::Dropped),
        ("opened", EventKind::Opened),
        ("clicked", EventKind::Clicked),
        ("spam_report", EventKind::ReportedAsSpam),
        ("unsubscribe", EventKind::Unsubscribed),
        ("group_unsubscribe", EventKind::Unsubscribed),
    ] {
        assert_eq!(named(name), Some(Ok((expected, None))), "{name}");
    }
    let bounced = |kind_of: &str| kind(json!({ "event_name": "bounced", "bounce_type": kind_of }));
    assert_eq!(bounced("hard"), Some(Ok((EventKind::Bounced, Some(EventCause::Hard)))));
    assert_eq!(bounced("soft"), Some(Ok((EventKind::Bounced, Some(EventCause::Soft)))));
    assert_eq!(named("group_resubscribe"), None);
    assert!(matches!(named("sang"), Some(Err(words)) if words == reading::UNKNOWN_TYPE));
}

#[test]
fn a_line_of_the_file_and_the_same_event_of_the_api_are_one() {
    let line = one(&line(json!({ "event": "click", "url": "https://finch.example/a:b" })));
    let told =
        json!({ "event_name": "clicked", "processed": "2026-03-20T09:46:40Z", "url": "https://finch.example/a:b" });
    let event = one(&record(json!([told])));
    assert_eq!((&line.id, line.kind, line.at), (&event.id, event.kind, event.at));
    assert_eq!(line.provider_message_id, event.provider_message_id);
}

#[test]
fn lines_have_times_of_several_forms() {
    for form in ["2026-03-20T09:46:40Z", "2026-03-20 09:46:40 UTC", "2026-03-20T09:46:40", "1774000000"] {
        assert_eq!(one(&line(json!({ "processed": form }))).at, at(NOW_S), "{form}");
    }
    assert!(reports(&line(json!({ "processed": "yesterday" })))[0].is_err());
}

#[test]
fn a_list_alone_tells_its_status_and_says_that_times_are_missing() {
    let read = all(&with(&record(json!([])), json!({ "events": null })));
    let kinds: Vec<EventKind> = read.iter().map(|report| report.kind).collect();
    assert_eq!(kinds, [EventKind::Processed, EventKind::Delivered, EventKind::Opened]);
    assert!(read.iter().all(|report| report.detail.message.as_deref() == Some(UNTIMED)));
    let failed = all(&with(&record(json!([])), json!({ "status": "not_delivered", "opens_count": 0 })));
    assert_eq!(failed[1].kind, EventKind::Failed);
}

#[test]
fn the_same_record_gives_the_same_ids_and_an_odd_one_an_error() {
    let told = record(json!([
        { "event_name": "processed", "processed": "2026-03-20T09:46:40Z" },
        { "event_name": "opened", "processed": "2026-03-20T09:50:00Z" },
        { "event_name": "opened", "processed": "2026-03-20T09:51:00Z" },
    ]));
    let ids = |record: &Value| all(record).into_iter().map(|report| report.id).collect::<Vec<String>>();
    let (first, mut unique) = (ids(&told), ids(&told));
    unique.sort();
    unique.dedup();
    assert_eq!((ids(&told), unique.len()), (first, 3));
    let odd_values = [json!(null), json!(7), json!([[1]]), json!({ "a": 1 }), json!("\u{0}:"), json!(true)];
    for (sample, names) in [(told, "msg_id to_email subject events unique_args"), (line(json!({})), "event type url")] {
        for (name, value) in names.split(' ').flat_map(|name| odd_values.iter().map(move |value| (name, value))) {
            let mut odd = sample.clone();
            odd[name] = value.clone();
            for report in reports(&odd) {
                assert!(report.is_ok_and(|report| report.id.len() <= 200) || name != "subject", "{name}");
            }
        }
    }
    for odd in [json!(null), json!("m"), json!([1, 2]), json!({})] {
        assert!(reports(&odd).iter().all(Result::is_err) && !reports(&odd).is_empty(), "{odd}");
    }
}
