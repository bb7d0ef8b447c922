//! Answers as Canary documents them.

use serde_json::json;

use super::*;
use crate::server::inbound::testing::{NOW_S, at, with};

const ACCOUNT: Account<'_> = Account { base: "https://canary.finch.example", name: "", key: "sk_key" };

fn cursor() -> Cursor {
    Cursor::new(at(NOW_S), at(NOW_S + 3_600))
}

fn message(changes: Value) -> Value {
    let message = json!({
        "id": "eml_abc123", "teamId": "team_xyz", "templateId": "tpl_xyz789", "toAddresses": ["wren@finch.example"],
        "fromAddress": "hello@finch.example", "subject": "Welcome", "status": "delivered",
        "providerMessageId": "msg_provider_123", "errorMessage": null, "createdAt": "2026-03-20T09:46:40.000Z",
        "sentAt": "2026-03-20T09:46:45.000Z", "deliveredAt": "2026-03-20T09:46:50.000Z",
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
fn pages_are_asked_for_with_a_secret_key_or_session() {
    let ask = list(&ACCOUNT, &cursor().at_page("2")).unwrap();
    let expected = "https://canary.finch.example/api/logs?page=2&pageSize=100\
        &from=2026-03-20T09%3A46%3A40.000Z&to=2026-03-20T10%3A46%3A40.000Z";
    assert_eq!((ask.method, ask.url.as_str()), (Method::GET, expected));
    let key = &ask.headers["authorization"];
    assert!(key == "Bearer sk_key" && key.is_sensitive());
    let session = list(&Account { key: "session=abc", ..ACCOUNT }, &cursor()).unwrap();
    let cookie = &session.headers["cookie"];
    assert!(cookie == "session=abc" && cookie.is_sensitive() && !session.headers.contains_key("authorization"));
    assert!(list(&Account { key: "a\nb", ..ACCOUNT }, &cursor()).is_err());
}

#[test]
fn pages_follow_until_one_is_short() {
    let answer =
        |count: usize| json!({ "success": true, "data": { "items": vec![message(json!({})); count], "page": 1 } });
    let first = page(answer(LIMIT), &cursor()).unwrap();
    assert_eq!((first.records.len(), first.next), (LIMIT, Some(cursor().at_page("2"))));
    let last = page(answer(1), &cursor().at_page("2")).unwrap();
    assert_eq!((last.records.len(), last.next), (1, None));
    for odd in [json!({}), json!([]), json!({ "data": [] }), json!({ "data": { "items": 7 } }), json!(null)] {
        assert!(page(odd, &cursor()).is_err());
    }
}

#[test]
fn a_message_is_asked_for_by_its_id_and_its_variables_are_left() {
    let ask = ask_detail(&ACCOUNT, &json!({ "id": "eml/abc" })).unwrap();
    assert_eq!(ask.url, "https://canary.finch.example/api/logs/eml%2Fabc");
    assert!(ask_detail(&ACCOUNT, &json!({})).is_err());
    let mut record = json!({ "id": "eml_abc123", "status": "sent", "createdAt": "2026-03-20T09:46:40.000Z" });
    let detail = with(&message(json!({})), json!({ "variables": { "name": "Wren" } }));
    join(&mut record, json!({ "success": true, "data": detail }));
    assert_eq!((record.get("variables"), kinds(&record)), (None, kinds(&message(json!({})))));
    join(&mut record, json!({ "success": false }));
    join(&mut record, json!(null));
}

#[test]
fn a_message_has_the_times_that_it_names() {
    let read = all(&message(json!({})));
    let told: Vec<(EventKind, i64)> = read.iter().map(|report| (report.kind, report.at.timestamp() - NOW_S)).collect();
    assert_eq!(told, [(EventKind::Processed, 0), (EventKind::Sent, 5), (EventKind::Delivered, 10)]);
    assert_eq!(read[0].provider_message_id.as_deref(), Some("eml_abc123"));
    assert_eq!(read[0].recipient.as_deref(), Some("wren@finch.example"));
    assert_eq!(read[0].from.as_deref(), Some("hello@finch.example"));
    assert_eq!((read[0].subject.as_deref(), read[0].email_id), (Some("Welcome"), None));
    assert!(read.iter().all(|report| report.detail.message.is_none()));
}

#[test]
fn every_status_is_told_and_what_has_no_time_says_so() {
    for (status, kind) in [
        ("sent", EventKind::Sent),
        ("delivered", EventKind::Delivered),
        ("opened", EventKind::Opened),
        ("clicked", EventKind::Clicked),
        ("bounced", EventKind::Bounced),
        ("failed", EventKind::Failed),
        ("spam", EventKind::ReportedAsSpam),
    ] {
        let read = all(&message(json!({ "status": status, "sentAt": null, "deliveredAt": null })));
        assert_eq!((read.len(), read[1].kind, read[1].at), (2, kind, at(NOW_S)), "{status}");
        assert_eq!(read[1].detail.message.as_deref(), Some(UNTIMED), "{status}");
    }
    let queued = message(json!({ "status": "queued", "sentAt": null, "deliveredAt": null }));
    assert_eq!(kinds(&queued), [EventKind::Queued]);
    let opened = all(&message(json!({ "status": "opened" })));
    assert_eq!((opened.len(), opened[3].kind, opened[3].at), (4, EventKind::Opened, at(NOW_S + 10)));
    let failed = all(&message(json!({ "status": "failed", "errorMessage": "550 no", "deliveredAt": null })));
    assert_eq!(failed[2].detail.message.as_deref(), Some("550 no"));
    let unknown = reports(&message(json!({ "status": "sang" })));
    assert!(unknown[0].is_ok() && unknown[3].is_err());
}

#[test]
fn what_happened_to_one_of_several_is_told_of_nobody() {
    let record = message(json!({ "toAddresses": ["wren@finch.example", "jay@finch.example"] }));
    let told: Vec<Option<String>> = all(&record).into_iter().map(|report| report.recipient).collect();
    let (wren, jay) = (Some("wren@finch.example".to_owned()), Some("jay@finch.example".to_owned()));
    assert_eq!(told, [wren.clone(), jay.clone(), wren, jay, None]);
}

#[test]
fn whole_answers_and_lines_of_a_file_are_the_same_message() {
    let whole = json!({ "success": true, "data": message(json!({})) });
    assert_eq!(all(&whole), all(&message(json!({}))));
    let line = json!({
        "id": "eml_abc123", "to_addresses": "wren@finch.example", "from_address": "hello@finch.example",
        "subject": "Welcome", "status": "delivered", "created_at": "2026-03-20T09:46:40.000Z",
        "sent_at": "2026-03-20T09:46:45.000Z", "delivered_at": "2026-03-20T09:46:50.000Z", "error_message": "",
    });
    assert_eq!(all(&line), all(&message(json!({}))));
}

#[test]
fn the_same_message_gives_the_same_ids_and_an_odd_one_an_error() {
    let ids = |record: &Value| reports(record).into_iter().flatten().map(|report| report.id).collect::<Vec<String>>();
    let moved = message(json!({ "deliveredAt": "2026-03-20T09:47:00.000Z" }));
    assert_eq!((ids(&moved).len(), ids(&moved)), (3, ids(&message(json!({})))));
    for odd in [json!(null), json!("m"), json!([1]), json!({}), message(json!({ "createdAt": "noon" }))] {
        assert!(reports(&odd).iter().all(Result::is_err) && !reports(&odd).is_empty(), "{odd}");
    }
    let odd_values = [json!(null), json!(7), json!(true), json!([[1]]), json!({ "a": 1 }), json!("\u{0}:")];
    for name in ["id", "toAddresses", "fromAddress", "subject", "status", "createdAt", "sentAt", "deliveredAt"] {
        for value in &odd_values {
            let mut odd = message(json!({}));
            odd[name] = value.clone();
            assert!(ids(&odd).iter().all(|id| id.len() <= 200), "{name}");
        }
    }
}
