//! Answers as JetEmail documents them.

use serde_json::json;

use super::*;
use crate::server::inbound::testing::{NOW_S, at, with};

const ACCOUNT: Account<'_> = Account { base: "http://log.finch.example/jetemail", name: "", key: "api_key" };
const NOW_MS: i64 = NOW_S * 1_000;

fn cursor() -> Cursor {
    Cursor::new(at(NOW_S), at(NOW_S + 3_600))
}

fn attempt(action: &str, receiver: &str, after_ms: i64) -> Value {
    json!({
        "action": action, "receiver": receiver, "mx": "mx.finch.example", "host": "in.finch.example", "ip": "192.0.2.7",
        "response": "250 2.0.0 Ok", "protocol": "smtp", "date": NOW_MS + after_ms, "timestamp": "2026-03-20T09:46:41.000Z",
    })
}

fn message(changes: Value) -> Value {
    let message = json!({
        "uid": "abc123", "id": "1", "message_id": "<a@finch.example>", "subject": "Welcome",
        "from_address": "hello@finch.example", "headerFrom": "Finch <hello@finch.example>",
        "to_address": "wren@finch.example", "receiver": "wren@finch.example", "first_seen": NOW_MS,
        "last_updated": NOW_MS + 9_000, "action_count": 2, "delivery_status": "queued_pending",
        "was_delivered": 0, "was_spam": 0, "was_virus": 0, "bounce_reason": null, "delivery_attempts": [],
    });
    with(&message, changes)
}

fn all(record: &Value) -> Vec<EventReport> {
    reports(record).into_iter().map(Result::unwrap).collect()
}

fn kinds(record: &Value) -> Vec<EventKind> {
    all(record).into_iter().map(|report| report.kind).collect()
}

#[test]
fn pages_are_asked_for_oldest_first_with_a_secret_key() {
    let ask = list(&ACCOUNT, &cursor().at_page("2")).unwrap();
    let expected = "http://log.finch.example/jetemail/outbound/logs?limit=100&page=2&sort_by=date&sort_order=ASC\
        &date_from=1774000000&date_to=1774003600";
    assert_eq!((ask.method, ask.url.as_str()), (Method::GET, expected));
    let key = &ask.headers["authorization"];
    assert!(key == "Bearer api_key" && key.is_sensitive());
    assert!(list(&Account { key: "a\nb", ..ACCOUNT }, &cursor()).is_err());
}

#[test]
fn pages_follow_while_there_is_one() {
    let answer = |has_next: bool, data: Value| json!({ "pagination": { "has_next_page": has_next }, "data": data });
    let first = page(answer(true, json!([message(json!({}))])), &cursor()).unwrap();
    assert_eq!((first.records.len(), first.next), (1, Some(cursor().at_page("2"))));
    let last = page(answer(false, json!([message(json!({}))])), &cursor().at_page("2")).unwrap();
    assert_eq!((last.records.len(), last.next), (1, None));
    assert_eq!(page(answer(true, json!([])), &cursor()).unwrap().next, None, "an empty page ends it");
    for odd in [json!({}), json!([]), json!({ "data": 7 }), json!(null)] {
        assert!(page(odd, &cursor()).is_err());
    }
}

#[test]
fn a_message_begins_and_its_attempts_follow_for_each_receiver() {
    let both = "wren@finch.example, jay@finch.example";
    let record = message(json!({
        "receiver": both,
        "delivery_attempts": [attempt("ACCEPTED", both, 1_000), attempt("DELIVERED", "jay@finch.example", 2_000)],
    }));
    let read = all(&record);
    let told: Vec<(EventKind, &str)> =
        read.iter().map(|report| (report.kind, report.recipient.as_deref().unwrap())).collect();
    let (wren, jay) = ("wren@finch.example", "jay@finch.example");
    let expected = [
        (EventKind::Processed, wren),
        (EventKind::Processed, jay),
        (EventKind::Sent, wren),
        (EventKind::Sent, jay),
        (EventKind::Delivered, jay),
    ];
    assert_eq!(told, expected);
    assert_eq!((read[0].at, read[0].provider_message_id.as_deref()), (at(NOW_S), Some("abc123")));
    assert_eq!(read[0].from.as_deref(), Some("Finch <hello@finch.example>"));
    assert_eq!((read[0].subject.as_deref(), read[0].email_id), (Some("Welcome"), None));
    let detail = &read[4].detail;
    assert_eq!((detail.mx.as_deref(), detail.server_ip.as_deref()), (Some("mx.finch.example"), Some("192.0.2.7")));
    assert_eq!((detail.reply.as_deref(), detail.protocol.as_deref()), (Some("250 2.0.0 Ok"), Some("smtp")));
}

#[test]
fn every_action_means_what_the_webhook_says() {
    for (action, kind, cause) in [
        ("ACCEPTED", EventKind::Sent, None),
        ("DELIVERED", EventKind::Delivered, None),
        ("DEFERRED", EventKind::Deferred, None),
        ("REJECTED", EventKind::Failed, None),
        ("BOUNCED_HARD", EventKind::Bounced, Some(EventCause::Hard)),
        ("BOUNCED_SOFT", EventKind::Bounced, Some(EventCause::Soft)),
        ("BOUNCED_UNKNOWN", EventKind::Bounced, None),
        ("VIRUS", EventKind::Dropped, Some(EventCause::Virus)),
        ("SPAM", EventKind::Dropped, None),
        ("DROPPED", EventKind::Dropped, None),
        ("DROP", EventKind::Dropped, Some(EventCause::Expected)),
    ] {
        let record = message(json!({ "delivery_attempts": [attempt(action, "wren@finch.example", 0)] }));
        let read = all(&record);
        assert_eq!((read.len(), read[1].kind, read[1].detail.cause), (2, kind, cause), "{action}");
    }
    for quiet in ["QUEUED", "UNKNOWN"] {
        let record = message(json!({ "delivery_attempts": [attempt(quiet, "wren@finch.example", 0)] }));
        assert_eq!(kinds(&record), [EventKind::Processed]);
    }
    let unknown = reports(&message(json!({ "delivery_attempts": [attempt("SANG", "", 0)] })));
    assert!(unknown[0].is_ok() && unknown[1].is_err());
}

#[test]
fn accepted_is_delivered_where_nothing_else_says_so() {
    let accepted = attempt("ACCEPTED", "wren@finch.example", 0);
    let changes = json!({ "delivery_status": "delivered", "was_delivered": 1, "delivery_attempts": [accepted] });
    assert_eq!(kinds(&message(changes)), [EventKind::Processed, EventKind::Delivered]);
}

#[test]
fn openings_and_clicks_are_the_only_receivers() {
    let record = message(json!({
        "opens": [{ "date": NOW_MS + 1, "country": "Brisbane, QLD, AU", "email_client": "Gmail" }],
        "clicks": [{ "date": NOW_MS + 2, "original_url": "https://finch.example/" }],
    }));
    let read = all(&record);
    assert_eq!(kinds(&record), [EventKind::Processed, EventKind::Opened, EventKind::Clicked]);
    assert_eq!(read[1].recipient.as_deref(), Some("wren@finch.example"));
    assert_eq!(read[1].detail.country.as_deref(), Some("Brisbane, QLD, AU"));
    assert_eq!(read[2].detail.url.as_deref(), Some("https://finch.example/"));
    let several = all(&with(&record, json!({ "receiver": "wren@finch.example,jay@finch.example" })));
    assert_eq!(several[2].recipient, None);
}

#[test]
fn spam_is_a_complaint_about_what_went_out_and_a_finding_before() {
    let accepted = attempt("ACCEPTED", "wren@finch.example", 0);
    let complaint = message(json!({ "was_spam": 1, "delivery_status": "spam", "delivery_attempts": [accepted] }));
    assert_eq!(kinds(&complaint), [EventKind::Processed, EventKind::Sent, EventKind::ReportedAsSpam]);
    let found = all(&message(json!({ "was_spam": 1, "delivery_status": "spam" })));
    assert_eq!((found.len(), found[1].kind, found[1].at), (2, EventKind::Dropped, at(NOW_S + 9)));
    let virus = all(&message(json!({ "was_virus": 1, "delivery_status": "virus_detected" })));
    assert_eq!((virus.len(), virus[1].detail.cause), (2, Some(EventCause::Virus)));
    let dropped = json!([attempt("DROPPED", "wren@finch.example", 0)]);
    let virus = all(&message(json!({ "was_virus": 1, "delivery_attempts": dropped })));
    assert_eq!((virus.len(), virus[1].detail.cause), (2, Some(EventCause::Virus)));
}

#[test]
fn a_line_of_a_file_tells_its_status_at_the_last_change() {
    for (status, kind) in [
        ("deferred", EventKind::Deferred),
        ("delivered", EventKind::Delivered),
        ("opened", EventKind::Opened),
        ("clicked", EventKind::Clicked),
        ("bounced", EventKind::Bounced),
        ("rejected", EventKind::Failed),
        ("dropped", EventKind::Dropped),
    ] {
        let line = json!({
            "uid": "abc123", "first_seen": "1774000000000", "last_updated": "1774000009000", "delivery_status": status,
            "to_address": "wren@finch.example", "from_address": "hello@finch.example", "headerfrom": "", "was_spam": "0",
            "delivery_attempts": "", "opens": "",
        });
        let read = all(&line);
        assert_eq!((read.len(), read[1].kind, read[1].at), (2, kind, at(NOW_S + 9)), "{status}");
        assert_eq!(read[1].detail.message.as_deref(), Some(UNTIMED));
    }
    let unknown = reports(&message(json!({ "delivery_status": "sang" })));
    assert!(unknown[0].is_ok() && unknown[1].is_err());
}

#[test]
fn the_same_message_gives_the_same_ids_and_an_odd_one_an_error() {
    let record = message(json!({
        "delivery_attempts": [attempt("DEFERRED", "wren@finch.example", 0), attempt("DEFERRED", "wren@finch.example", 5)],
        "opens": [{ "date": NOW_MS }], "was_virus": 1,
    }));
    let ids = |record: &Value| reports(record).into_iter().flatten().map(|report| report.id).collect::<Vec<String>>();
    let later = with(&record, json!({ "last_updated": NOW_MS + 99_000 }));
    assert_eq!((ids(&record).len(), ids(&record)), (5, ids(&later)));
    for odd in [json!(null), json!("m"), json!([1]), json!({}), message(json!({ "first_seen": "noon" }))] {
        assert!(reports(&odd).iter().all(Result::is_err) && !reports(&odd).is_empty(), "{odd}");
    }
    let odd_values = [json!(null), json!(7), json!(true), json!([[1]]), json!({ "a": 1 }), json!("\u{0}:")];
    for name in
        ["uid", "receiver", "to_address", "first_seen", "delivery_status", "delivery_attempts", "opens", "was_spam"]
    {
        for value in &odd_values {
            let mut odd = record.clone();
            odd[name] = value.clone();
            assert!(ids(&odd).iter().all(|id| id.len() <= 200), "{name}");
        }
    }
}
