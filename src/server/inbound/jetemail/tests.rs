use serde_json::{Value, json};

use super::*;
use crate::domain::ids::EmailId;
use crate::server::inbound::testing::{NOW_S, assert_survives, at, headers, only, posted, with_at};

const SECRET: &str = "whsec_finch";
const BODY: &str = concat!(
    r#"{"id":"evt_finch1","service":"outbound","type":"outbound.delivered","#,
    r#""created_at":1774000000,"data":{"uid":"u-1"}}"#
);
/// Node's own HMAC of [BODY] with [SECRET], in the form that JetEmail's documents show.
const SIGNATURE: &str = "sha256=74a62e7a71c66a7ed4536c89f98775c36ec80b526cf2449725db6fcf327e5db0";

fn sign(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body.as_bytes())))
}

fn verdict(time: i64, signature: &str, body: &str, secret: &str) -> Result<Genuine, Refusal> {
    let time = time.to_string();
    let pairs =
        [("x-webhook-id", "evt_finch1"), ("x-webhook-timestamp", time.as_str()), ("x-webhook-signature", signature)];
    verify(&posted(&headers(&pairs), body.as_bytes()), secret)
}

fn event(kind: &str, extra: Value) -> Value {
    let mut event = json!({
        "id": "evt_finch1", "service": "outbound", "type": format!("outbound.{kind}"), "created_at": NOW_S - 5,
        "data": {"uid": "u-1", "from": "news@finch.example", "to": "ada@finch.example", "subject": "Spring"}
    });
    event["data"].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    event
}

fn read_json(event: &Value) -> Result<Reports, Refusal> {
    read(&posted(&headers(&[]), event.to_string().as_bytes()))
}

fn one(kind: &str, extra: Value) -> EventReport {
    only(read_json(&event(kind, extra)))
}

#[test]
fn the_documented_signature_is_genuine_and_the_signed_id_its_nonce() {
    assert_eq!(sign(SECRET, BODY), SIGNATURE);
    let genuine = Ok(Genuine { nonce: Some("evt_finch1".to_owned()) });
    assert_eq!(verdict(NOW_S, SIGNATURE, BODY, SECRET), genuine);
    assert_eq!(verdict(NOW_S, SIGNATURE, BODY, "whsec_new\nwhsec_finch"), genuine);
}

#[test]
fn another_secret_body_or_form_is_forged() {
    assert_eq!(verdict(NOW_S, SIGNATURE, BODY, "whsec_other"), Err(Refusal::Forged));
    assert_eq!(verdict(NOW_S, SIGNATURE, BODY, ""), Err(Refusal::Forged));
    assert_eq!(verdict(NOW_S, SIGNATURE, &BODY.replace("u-1", "u-2"), SECRET), Err(Refusal::Forged));
    for signature in ["sha256=", "sha256=zz", "sha1=00", &SIGNATURE[7..], &SIGNATURE[..40], "sha256=é"] {
        assert_eq!(verdict(NOW_S, signature, BODY, SECRET).err(), Some(expected_for(signature)), "{signature}");
    }
}

/// A header that is no text counts as missing.
fn expected_for(signature: &str) -> Refusal {
    if signature.is_ascii() { Refusal::Forged } else { Refusal::Unsigned }
}

#[test]
fn both_headers_are_needed() {
    let time = NOW_S.to_string();
    for pairs in [vec![("x-webhook-timestamp", time.as_str())], vec![("x-webhook-signature", SIGNATURE)], vec![]] {
        let headers = headers(&pairs);
        assert_eq!(verify(&posted(&headers, BODY.as_bytes()), SECRET), Err(Refusal::Unsigned));
    }
}

#[test]
fn a_try_is_fresh_for_five_minutes_however_old_its_event_is() {
    let old = BODY.replace("1774000000", "1773900000");
    assert!(verdict(NOW_S - 300, &sign(SECRET, &old), &old, SECRET).is_ok());
    assert_eq!(verdict(NOW_S - 301, SIGNATURE, BODY, SECRET), Err(Refusal::Stale));
    assert_eq!(verdict(NOW_S + 301, SIGNATURE, BODY, SECRET), Err(Refusal::Stale));
}

#[test]
fn a_delivery_is_read_with_all_its_details() {
    let report = one(
        "delivered",
        json!({"mx": "mx1.finch.example", "host": "mail.finch.example", "ip": "192.0.2.25",
        "protocol": "smtp", "response": "250 2.0.0 Ok"}),
    );
    assert_eq!(
        (report.id.as_str(), report.kind, report.at),
        ("jetemail:evt_finch1", EventKind::Delivered, at(NOW_S - 5))
    );
    assert_eq!(report.email_id, Some(EmailId(35)));
    assert_eq!(report.provider_message_id.as_deref(), Some("u-1"));
    assert_eq!(report.recipient.as_deref(), Some("ada@finch.example"));
    assert_eq!(report.from.as_deref(), Some("news@finch.example"));
    assert_eq!(report.subject.as_deref(), Some("Spring"));
    let expected = EventDetail {
        reply: Some("250 2.0.0 Ok".to_owned()),
        server: Some("mail.finch.example".to_owned()),
        server_ip: Some("192.0.2.25".to_owned()),
        mx: Some("mx1.finch.example".to_owned()),
        protocol: Some("smtp".to_owned()),
        ..EventDetail::default()
    };
    assert_eq!(report.detail, expected);
}

#[test]
fn each_kind_is_read() {
    for (word, kind, cause) in [
        ("queued", EventKind::Processed, None),
        ("delivered", EventKind::Delivered, None),
        ("deferred", EventKind::Deferred, None),
        ("rejected", EventKind::Failed, None),
        ("spam", EventKind::Dropped, None),
        ("dropped", EventKind::Dropped, None),
        ("virus", EventKind::Dropped, Some(EventCause::Virus)),
        ("opened", EventKind::Opened, None),
        ("clicked", EventKind::Clicked, None),
        ("complaint", EventKind::ReportedAsSpam, None),
    ] {
        let report = one(word, json!({}));
        assert_eq!((report.kind, report.detail.cause), (kind, cause), "{word}");
    }
}

#[test]
fn a_bounce_is_hard_unless_something_says_soft() {
    let cause = |extra: Value| one("bounced", extra).detail.cause.unwrap();
    assert_eq!(cause(json!({"action": "BOUNCED_SOFT", "response": "550 no"})), EventCause::Soft);
    assert_eq!(cause(json!({"bounce_type": "soft"})), EventCause::Soft);
    assert_eq!(cause(json!({"bounce_type": "hard", "response": "452 full"})), EventCause::Hard);
    assert_eq!(cause(json!({"response": "452 4.2.2 full"})), EventCause::Soft);
    assert_eq!(cause(json!({"response": "550 5.1.1 nobody"})), EventCause::Hard);
    assert_eq!(cause(json!({})), EventCause::Hard);
}

#[test]
fn a_click_tells_the_reader_and_not_the_server() {
    let report = one(
        "clicked",
        json!({"original_url": "https://finch.example/a", "country": "Brisbane, QLD, AU",
        "email_client": "Feather", "ip": "192.0.2.7"}),
    );
    assert_eq!(report.detail.url.as_deref(), Some("https://finch.example/a"));
    assert_eq!(report.detail.country.as_deref(), Some("Brisbane, QLD, AU"));
    assert_eq!(report.detail.user_agent.as_deref(), Some("Feather"));
    assert_eq!((report.detail.ip.as_deref(), report.detail.server_ip), (Some("192.0.2.7"), None));
}

#[test]
fn odd_fields_are_survived() {
    let report = one("delivered", json!({"uid": 7, "to": null, "subject": {}, "mx": ["x"], "response": true}));
    assert_eq!(report.provider_message_id.as_deref(), Some("7"));
    assert_eq!((report.recipient, report.subject, report.detail.mx), (None, None, None));
    let text = with_at(event("opened", json!({})), "/created_at", json!("1774000000000"));
    assert_eq!(only(read_json(&text)).at, at(NOW_S));
}

#[test]
fn inbound_mail_is_left_out_and_the_unknown_an_error() {
    let inbound = with_at(event("x", json!({})), "/type", json!("inbound.received"));
    assert_eq!(read_json(&inbound), Ok(Vec::new()));
    for event in [event("hatched", json!({})), with_at(event("opened", json!({})), "/created_at", json!(null))] {
        assert!(matches!(read_json(&event).unwrap().as_slice(), [Err(_)]));
    }
    let nameless = with_at(event("opened", json!({})), "/data", json!(null));
    let (headers, body) = (headers(&[]), nameless.to_string());
    let elsewhere = Posted { url: "https://log.finch.example/h", ..posted(&headers, body.as_bytes()) };
    assert!(matches!(read(&elsewhere).unwrap().as_slice(), [Err(_)]));
    for body in ["", "[]", "x=y", "{}"] {
        assert!(matches!(read(&posted(&headers, body.as_bytes())), Err(Refusal::Unreadable(_))), "{body}");
    }
}

#[test]
fn news_without_an_id_is_told_apart_by_what_it_says() {
    let id = |kind: &str, url: &str| only(read_json(&with_at(event(kind, json!({"url": url})), "/id", json!(null)))).id;
    assert_eq!(id("clicked", "a"), id("clicked", "a"));
    assert_ne!(id("clicked", "a"), id("clicked", "b"));
    assert_ne!(id("clicked", "a"), id("opened", "a"));
}

#[test]
fn no_damaged_body_breaks_the_reader() {
    let body = event("bounced", json!({"bounce_type": "hard"})).to_string();
    assert_survives(read, body.as_bytes());
}
