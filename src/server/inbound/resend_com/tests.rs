use chrono::DateTime;
use serde_json::json;

use super::*;
use crate::server::inbound::Genuine;
use crate::server::inbound::testing::{NOW_S, assert_survives, at, headers, only, posted, with_at};

fn event(kind: &str, extra: Value) -> Value {
    let mut event = json!({
        "type": format!("email.{kind}"),
        "created_at": "2026-03-20T09:46:40.126Z",
        "data": {
            "created_at": "2026-03-20T09:46:00.894719+00:00",
            "email_id": "4f2c0000-0000-4000-8000-000000000001",
            "message_id": "<4f2c@finch.example>",
            "from": "Finch <news@finch.example>",
            "to": ["Ada <ada@finch.example>"],
            "subject": "Spring",
            "tags": {"sendlog_id": "eml_0000000000013", "season": "spring"}
        }
    });
    let data = event["data"].as_object_mut().unwrap();
    data.extend(extra.as_object().unwrap().clone());
    event
}

fn read_json(event: &Value) -> Result<Reports, Refusal> {
    let headers = headers(&[("svix-id", "msg_finch1")]);
    read(&posted(&headers, event.to_string().as_bytes()))
}

fn one(kind: &str, extra: Value) -> EventReport {
    only(read_json(&event(kind, extra)))
}

#[test]
fn a_signature_by_svix_is_taken_and_another_not() {
    let body = event("sent", json!({})).to_string();
    let secret = "whsec_ZmluY2hlcyBzaW5nIGF0IGRhd24=";
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"finches sing at dawn");
    let tag = ring::hmac::sign(&key, format!("msg_finch1.{NOW_S}.{body}").as_bytes());
    let signature = format!("v1,{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag));
    let time = NOW_S.to_string();
    let headers = headers(&[("svix-id", "msg_finch1"), ("svix-timestamp", &time), ("svix-signature", &signature)]);
    let verdict = |body: &str| verify(&posted(&headers, body.as_bytes()), secret);
    assert_eq!(verdict(&body), Ok(Genuine { nonce: Some("msg_finch1".to_owned()) }));
    assert_eq!(verdict(&body.replace("sent", "bounced")), Err(Refusal::Forged));
}

#[test]
fn each_report_names_message_recipient_sender_and_subject() {
    let report = one("sent", json!({}));
    assert_eq!(report.id, "resend:msg_finch1");
    assert_eq!(report.kind, EventKind::Sent);
    assert_eq!(report.at, DateTime::parse_from_rfc3339("2026-03-20T09:46:40.126Z").unwrap());
    assert_eq!(report.email_id, Some(EmailId(35)));
    assert_eq!(report.provider_message_id.as_deref(), Some("4f2c0000-0000-4000-8000-000000000001"));
    assert_eq!(report.recipient.as_deref(), Some("ada@finch.example"));
    assert_eq!(report.from.as_deref(), Some("Finch <news@finch.example>"));
    assert_eq!(report.subject.as_deref(), Some("Spring"));
}

#[test]
fn each_kind_is_read() {
    let plain = [
        ("scheduled", EventKind::Queued),
        ("sent", EventKind::Sent),
        ("delivered", EventKind::Delivered),
        ("delivery_delayed", EventKind::Deferred),
        ("complained", EventKind::ReportedAsSpam),
        ("opened", EventKind::Opened),
        ("clicked", EventKind::Clicked),
        ("failed", EventKind::Failed),
        ("suppressed", EventKind::Dropped),
        ("bounced", EventKind::Bounced),
    ];
    for (word, kind) in plain {
        assert_eq!(one(word, json!({})).kind, kind, "{word}");
    }
}

#[test]
fn a_permanent_bounce_is_hard_and_any_other_soft() {
    let bounce = |kind: &str, sub: &str| {
        let report = one(
            "bounced",
            json!({"bounce": {"type": kind, "subType": sub, "message": "Not taken",
            "diagnosticCode": ["smtp; 550 5.1.1 nobody here"]}}),
        );
        assert_eq!(report.detail.message.as_deref(), Some("Not taken"));
        assert_eq!(report.detail.reply.as_deref(), Some("550 5.1.1 nobody here"));
        (report.kind, report.detail.cause)
    };
    assert_eq!(bounce("Permanent", "General"), (EventKind::Bounced, Some(EventCause::Hard)));
    assert_eq!(bounce("Transient", "MailboxFull"), (EventKind::Bounced, Some(EventCause::Soft)));
    assert_eq!(bounce("Undetermined", ""), (EventKind::Bounced, Some(EventCause::Soft)));
    assert_eq!(bounce("Permanent", "Suppressed"), (EventKind::Dropped, Some(EventCause::Expected)));
    assert_eq!(one("bounced", json!({"bounce": null})).detail.cause, Some(EventCause::Hard));
}

#[test]
fn a_click_has_its_own_time_and_place() {
    let click = json!({"click": {"ipAddress": "192.0.2.7", "link": "https://finch.example/a?b=c",
        "timestamp": "2026-03-20T09:46:39Z", "userAgent": "Feather/1.0"}});
    let report = one("clicked", click);
    assert_eq!(report.at, at(NOW_S - 1));
    let expected = EventDetail {
        url: Some("https://finch.example/a?b=c".to_owned()),
        ip: Some("192.0.2.7".to_owned()),
        user_agent: Some("Feather/1.0".to_owned()),
        ..EventDetail::default()
    };
    assert_eq!(report.detail, expected);
    let open = one("opened", json!({"open": {"ipAddress": "192.0.2.8", "userAgent": "Feather/1.0"}}));
    assert_eq!(open.detail.ip.as_deref(), Some("192.0.2.8"));
}

#[test]
fn why_a_message_failed_or_was_suppressed_is_told() {
    let failed = one("failed", json!({"failed": {"reason": "reached_daily_quota"}}));
    assert_eq!(failed.detail.message.as_deref(), Some("reached_daily_quota"));
    let suppressed =
        one("suppressed", json!({"suppressed": {"message": "On the list", "type": "OnAccountSuppressionList"}}));
    assert_eq!(suppressed.detail.message.as_deref(), Some("On the list"));
    assert_eq!(suppressed.detail.cause, Some(EventCause::Expected));
}

#[test]
fn what_happened_to_the_whole_message_happened_to_every_recipient() {
    let to = json!({"to": ["ada@finch.example", "ben@finch.example"]});
    let reports: Vec<_> = read_json(&event("sent", to)).unwrap().into_iter().map(Result::unwrap).collect();
    let told: Vec<_> = reports.iter().map(|report| (report.id.as_str(), report.recipient.as_deref())).collect();
    let expected = [
        ("resend:msg_finch1:ada@finch.example", Some("ada@finch.example")),
        ("resend:msg_finch1:ben@finch.example", Some("ben@finch.example")),
    ];
    assert_eq!(told, expected);
}

#[test]
fn nobody_is_blamed_for_the_bounce_of_one_of_several() {
    for kind in ["bounced", "complained", "delivered", "suppressed", "opened"] {
        let report = one(kind, json!({"to": ["ada@finch.example", "ben@finch.example"]}));
        assert_eq!((report.recipient, report.id.as_str()), (None, "resend:msg_finch1"), "{kind}");
    }
}

#[test]
fn tags_may_be_a_list() {
    let listed = json!({"tags": [{"name": "a", "value": "b"}, {"name": "sendlog_id", "value": "eml_0000000000014"}]});
    assert_eq!(one("sent", listed).email_id, Some(EmailId(36)));
    for odd in [
        json!(null),
        json!("eml_0000000000013"),
        json!({"sendlog_id": 7}),
        json!([null, 3]),
        json!({"sendlog_id": "x"}),
    ] {
        assert_eq!(one("sent", json!({"tags": odd})).email_id, None);
    }
}

#[test]
fn what_is_no_news_of_a_message_is_left_out() {
    for kind in ["email.received", "contact.created", "domain.updated", "suppression.added"] {
        let body = with_at(event("sent", json!({})), "/type", json!(kind));
        assert_eq!(read_json(&body), Ok(Vec::new()), "{kind}");
    }
}

#[test]
fn an_event_without_time_message_or_known_kind_is_an_error() {
    for (pointer, value) in [
        ("/created_at", json!(null)),
        ("/created_at", json!("soon")),
        ("/data", json!([])),
        ("/type", json!("email.hatched")),
    ] {
        let reports = read_json(&with_at(event("sent", json!({})), pointer, value)).unwrap();
        assert!(matches!(reports.as_slice(), [Err(_)]), "{pointer}");
    }
    assert!(matches!(read_json(&with_at(event("sent", json!({})), "/type", json!(null))), Err(Refusal::Unreadable(_))));
}

#[test]
fn the_same_news_has_the_same_id_without_the_header_too() {
    let read = |event: &Value| only(read(&posted(&headers(&[]), event.to_string().as_bytes()))).id;
    let click = |link: &str| event("clicked", json!({"click": {"link": link}}));
    assert_eq!(read(&click("https://finch.example/a")), read(&click("https://finch.example/a")));
    assert_ne!(read(&click("https://finch.example/a")), read(&click("https://finch.example/b")));
    assert_ne!(read(&event("opened", json!({}))), read(&event("clicked", json!({}))));
}

#[test]
fn no_damaged_body_breaks_the_reader() {
    let body = event("bounced", json!({"bounce": {"type": "Permanent"}})).to_string();
    assert_survives(read, body.as_bytes());
}
