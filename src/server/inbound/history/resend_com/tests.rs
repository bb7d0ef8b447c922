//! Answers as Resend documents them, and as Sendlog answers in Resend's words.

use serde_json::json;

use super::*;
use crate::server::inbound::testing::{NOW_S, at, with};

const ACCOUNT: Account<'_> = Account { base: "https://api.resend.com", name: "", key: "re_key" };

fn cursor() -> Cursor {
    Cursor::new(at(NOW_S), at(NOW_S + 3_600))
}

fn email(changes: Value) -> Value {
    let email = json!({
        "id": "4ef9a417-02e9-4d39-ad75-9611e0fcc33c", "to": ["Wren <wren@finch.example>"],
        "from": "Finch <hello@finch.example>", "created_at": "2026-03-20T09:46:40.674981+00:00", "subject": "Welcome",
        "bcc": null, "cc": null, "reply_to": null, "last_event": "delivered", "scheduled_at": null,
    });
    with(&email, changes)
}

fn all(record: &Value) -> Vec<EventReport> {
    reports(record).into_iter().map(Result::unwrap).collect()
}

fn answer(emails: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "has_more": has_more, "data": emails })
}

#[test]
fn pages_are_asked_for_with_a_secret_key_and_a_user_agent() {
    let first = list(&ACCOUNT, &cursor()).unwrap();
    assert_eq!((first.method, first.url.as_str()), (Method::GET, "https://api.resend.com/emails?limit=100"));
    let key = &first.headers["authorization"];
    assert!(key == "Bearer re_key" && key.is_sensitive() && first.headers.contains_key("user-agent"));
    let next = list(&ACCOUNT, &cursor().at_page("a&b")).unwrap();
    assert_eq!(next.url, "https://api.resend.com/emails?limit=100&after=a%26b");
    assert!(list(&Account { key: "a\nb", ..ACCOUNT }, &cursor()).is_err());
}

#[test]
fn pages_follow_until_they_are_older_than_what_is_wanted() {
    let older = email(json!({ "created_at": "2026-03-20 09:46:39.9+00" }));
    let newer = email(json!({ "created_at": "2026-03-20 10:46:40+00" }));
    let first = page(answer(vec![newer.clone(), email(json!({}))], true), &cursor()).unwrap();
    assert_eq!(first.records, [email(json!({}))]);
    assert_eq!(first.next, Some(cursor().at_page("4ef9a417-02e9-4d39-ad75-9611e0fcc33c")));
    let only_newer = page(answer(vec![newer], true), &cursor()).unwrap();
    assert!(only_newer.records.is_empty() && only_newer.next.is_some());
    let last = page(answer(vec![email(json!({})), older], true), &cursor()).unwrap();
    assert_eq!((last.records.len(), last.next), (1, None));
    assert_eq!(page(answer(vec![email(json!({}))], false), &cursor()).unwrap().next, None);
}

#[test]
fn an_answer_without_a_list_or_a_way_on_is_an_error() {
    for odd in [json!({}), json!([]), json!({ "data": {} }), answer(vec![json!({})], true), answer(vec![], true)] {
        assert!(page(odd, &cursor()).is_err());
    }
}

#[test]
fn an_email_begins_and_its_last_event_follows_with_a_word_about_the_time() {
    let read = all(&email(json!({})));
    let kinds: Vec<EventKind> = read.iter().map(|report| report.kind).collect();
    assert_eq!(kinds, [EventKind::Processed, EventKind::Delivered]);
    assert_eq!(read[0].provider_message_id.as_deref(), Some("4ef9a417-02e9-4d39-ad75-9611e0fcc33c"));
    assert_eq!(read[0].recipient.as_deref(), Some("wren@finch.example"));
    assert_eq!(read[0].from.as_deref(), Some("Finch <hello@finch.example>"));
    assert_eq!((read[0].subject.as_deref(), read[0].at.timestamp()), (Some("Welcome"), NOW_S));
    assert_eq!((read[1].at, read[1].detail.message.as_deref()), (read[0].at, Some(UNTIMED)));
    let own = all(&email(json!({ "tags": [{ "name": "sendlog_id", "value": "eml_0000000000013" }] })));
    assert_eq!(own[0].email_id, "eml_0000000000013".parse().ok());
}

#[test]
fn every_last_event_means_what_the_webhook_says() {
    for (word, kind, cause) in [
        ("sent", EventKind::Sent, None),
        ("delivered", EventKind::Delivered, None),
        ("delivery_delayed", EventKind::Deferred, None),
        ("bounced", EventKind::Bounced, Some(EventCause::Hard)),
        ("complained", EventKind::ReportedAsSpam, None),
        ("opened", EventKind::Opened, None),
        ("clicked", EventKind::Clicked, None),
        ("failed", EventKind::Failed, None),
        ("suppressed", EventKind::Dropped, Some(EventCause::Expected)),
        ("canceled", EventKind::Dropped, Some(EventCause::Expected)),
    ] {
        let read = all(&email(json!({ "last_event": word })));
        assert_eq!((read.len(), read[1].kind, read[1].detail.cause), (2, kind, cause), "{word}");
    }
    for word in ["queued", "scheduled"] {
        let read = all(&email(json!({ "last_event": word })));
        assert_eq!((read.len(), read[0].kind), (1, EventKind::Queued), "{word}");
    }
    let unknown = reports(&email(json!({ "last_event": "sang" })));
    assert!(unknown[0].is_ok() && unknown[1].is_err());
}

#[test]
fn what_happened_to_one_of_several_is_told_of_nobody() {
    let several = |word: &str| {
        let changes = json!({ "to": ["wren@finch.example"], "cc": ["jay@finch.example"], "last_event": word });
        all(&email(changes)).into_iter().map(|report| report.recipient).collect::<Vec<Option<String>>>()
    };
    let (wren, jay) = (Some("wren@finch.example".to_owned()), Some("jay@finch.example".to_owned()));
    assert_eq!(several("bounced"), [wren.clone(), jay.clone(), None]);
    assert_eq!(several("sent"), [wren.clone(), jay.clone(), wren, jay]);
}

#[test]
fn a_line_of_a_file_is_the_same_email() {
    let line = json!({
        "id": "4ef9a417-02e9-4d39-ad75-9611e0fcc33c", "to": "wren@finch.example", "from": "Finch <hello@finch.example>",
        "created_at": "2026-03-20 09:46:40.674981+00", "subject": "Welcome", "last_event": "delivered",
    });
    assert_eq!(all(&line), all(&email(json!({}))));
}

#[test]
fn the_same_email_gives_the_same_ids_and_an_odd_one_an_error() {
    let ids = |record: &Value| reports(record).into_iter().flatten().map(|report| report.id).collect::<Vec<String>>();
    assert_eq!(ids(&email(json!({}))), ids(&email(json!({}))));
    assert_ne!(ids(&email(json!({})))[0], ids(&email(json!({})))[1]);
    for odd in [json!(null), json!("m"), json!([1]), json!({}), email(json!({ "created_at": "noon" }))] {
        assert!(reports(&odd).iter().all(Result::is_err) && !reports(&odd).is_empty(), "{odd}");
    }
    let odd_values = [json!(null), json!(7), json!(true), json!([[1]]), json!({ "a": 1 }), json!("\u{0}:")];
    for name in ["id", "to", "cc", "from", "subject", "created_at", "last_event", "tags"] {
        for value in &odd_values {
            let mut odd = email(json!({}));
            odd[name] = value.clone();
            assert!(ids(&odd).iter().all(|id| id.len() <= 200), "{name}");
        }
    }
}
