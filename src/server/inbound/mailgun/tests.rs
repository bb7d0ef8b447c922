use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::domain::ids::EmailId;
use crate::server::inbound::testing::{NOW_S, assert_lenient, posted, read_all, read_error, read_one, with};

const KEY: &str = "key-of-the-wren";
const TOKEN: &str = "8f1d3c0b6a5e49728f1d3c0b6a5e49728f1d3c0b6a5e497281";

fn hmac_of(key: &str, signed: &str) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes()))
}

/// Signs as Mailgun does.
fn signature(key: &str, timestamp: &str, token: &str) -> Value {
    json!({"timestamp": timestamp, "token": token, "signature": hmac_of(key, &format!("{timestamp}{token}"))})
}

fn signed_at(offset_s: i64) -> Value {
    signature(KEY, &(NOW_S + offset_s).to_string(), TOKEN)
}

fn verified(signature: Value, secret: &str) -> Result<Genuine, Refusal> {
    let body = json!({"signature": signature, "event-data": {"event": "delivered"}}).to_string();
    verify(&posted(&HeaderMap::new(), body.as_bytes()), secret)
}

fn event(changes: Value) -> Value {
    let event = json!({
        "event": "delivered",
        "id": "kPq7-wren",
        "timestamp": 1772366390.153125,
        "recipient": "wren@finch.example",
        "message": {"headers": {
            "message-id": "20260301115950.1.77AA@mail.finch.example",
            "from": "Finch <nest@finch.example>",
            "to": "wren@finch.example",
            "subject": "Seeds",
        }, "size": 809},
        "envelope": {"transport": "smtp", "sending-ip": "192.0.2.1"},
        "user-variables": {"sendlog_id": "eml_0000000000034"},
    });
    json!({"signature": {}, "event-data": with(&event, changes)})
}

fn one(changes: Value) -> EventReport {
    read_one(read, &event(changes))
}

#[test]
fn a_webhook_that_mailgun_signed_is_genuine_and_its_token_serves_once() {
    assert_eq!(verified(signed_at(0), KEY), Ok(Genuine { nonce: Some(TOKEN.to_owned()) }));
}

#[test]
fn another_key_token_or_time_is_forged() {
    assert_eq!(verified(signed_at(0), "another key"), Err(Refusal::Forged));
    assert_eq!(verified(signed_at(0), ""), Err(Refusal::Forged));
    assert_eq!(verified(with(&signed_at(0), json!({"token": "9f"})), KEY), Err(Refusal::Forged));
    let moved = (NOW_S + 1).to_string();
    assert_eq!(verified(with(&signed_at(0), json!({"timestamp": moved})), KEY), Err(Refusal::Forged));
}

#[test]
fn a_missing_part_of_the_signature_is_unsigned() {
    for name in ["timestamp", "token", "signature"] {
        let mut partial = signed_at(0);
        partial[name] = Value::Null;
        assert_eq!(verified(partial, KEY), Err(Refusal::Unsigned), "{name}");
    }
    assert_eq!(verified(json!(null), KEY), Err(Refusal::Unsigned));
    assert_eq!(verified(json!("signed"), KEY), Err(Refusal::Unsigned));
}

#[test]
fn a_malformed_signature_is_forged() {
    for malformed in ["zz", "00", "0", &"00".repeat(64)] {
        assert_eq!(verified(with(&signed_at(0), json!({"signature": malformed})), KEY), Err(Refusal::Forged));
    }
}

#[test]
fn a_part_of_the_signature_is_forged() {
    let genuine = signed_at(0);
    let whole = genuine["signature"].as_str().unwrap();
    for length in (2..whole.len()).step_by(2) {
        let shortened = with(&genuine, json!({"signature": &whole[..length]}));
        assert_eq!(verified(shortened, KEY), Err(Refusal::Forged), "{length}");
    }
}

#[test]
fn digits_moved_between_time_and_token_are_refused() {
    let (timestamp, token) = (NOW_S.to_string(), "123456789f");
    let genuine = signature(KEY, &timestamp, token);
    assert!(verified(genuine.clone(), KEY).is_ok());
    let all = format!("{timestamp}{token}");
    for cut in (1..all.len()).filter(|cut| *cut != timestamp.len()) {
        let (timestamp, token) = all.split_at(cut);
        let moved = with(&genuine, json!({"timestamp": timestamp, "token": token}));
        assert!(verified(moved, KEY).is_err(), "{timestamp} {token}");
    }
}

#[test]
fn a_retry_of_eight_hours_is_fresh_and_a_later_one_is_stale() {
    assert!(verified(signed_at(-(8 * 3600 + 300)), KEY).is_ok());
    assert_eq!(verified(signed_at(-(8 * 3600 + 301)), KEY), Err(Refusal::Stale));
    assert!(verified(signed_at(300), KEY).is_ok());
    assert_eq!(verified(signed_at(301), KEY), Err(Refusal::Stale));
}

#[test]
fn the_key_of_the_account_above_signs_too_and_any_of_several_keys_is_right() {
    let timestamp = NOW_S.to_string();
    let own = signature("key of the child", &timestamp, TOKEN);
    let both = with(&own, json!({"parent-signature": hmac_of(KEY, &format!("{timestamp}{TOKEN}"))}));
    assert!(verified(both.clone(), KEY).is_ok());
    assert_eq!(verified(own, KEY), Err(Refusal::Forged));
    assert!(verified(both, "first\nkey of the child").is_ok());
}

#[test]
fn a_body_that_is_no_object_is_unreadable() {
    for body in [&b""[..], b"[]", b"event=delivered&token=x", b"{\"event-data\":"] {
        assert!(matches!(verify(&posted(&HeaderMap::new(), body), KEY), Err(Refusal::Unreadable(_))));
        assert!(matches!(read(&posted(&HeaderMap::new(), body)), Err(Refusal::Unreadable(_))));
    }
    for body in [&b"{}"[..], b"{\"event-data\":null}"] {
        assert!(matches!(read(&posted(&HeaderMap::new(), body)), Err(Refusal::Unreadable(_))));
    }
}

#[test]
fn a_delivered_message_tells_everything_about_it() {
    let report = one(json!({"delivery-status": {"code": 250, "message": "OK", "mx-host": "mx.finch.example",
        "enhanced-code": null, "description": null}}));
    assert_eq!(report.kind, EventKind::Delivered);
    assert_eq!(report.id, "mailgun:2026-03-01:kPq7-wren");
    assert_eq!(report.at.timestamp_micros(), 1_772_366_390_153_125);
    assert_eq!(report.email_id, Some(EmailId(100)));
    assert_eq!(report.provider_message_id.as_deref(), Some("20260301115950.1.77AA@mail.finch.example"));
    assert_eq!(report.recipient.as_deref(), Some("wren@finch.example"));
    assert_eq!(report.from.as_deref(), Some("Finch <nest@finch.example>"));
    assert_eq!(report.subject.as_deref(), Some("Seeds"));
    let detail = EventDetail {
        reply: Some("250 OK".to_owned()),
        mx: Some("mx.finch.example".to_owned()),
        protocol: Some("smtp".to_owned()),
        ..EventDetail::default()
    };
    assert_eq!(report.detail, detail);
}

#[test]
fn an_accepted_message_is_processed() {
    let report = one(json!({"event": "accepted", "user-variables": []}));
    assert_eq!((report.kind, report.email_id), (EventKind::Processed, None));
}

#[test]
fn a_temporary_failure_is_deferred() {
    let report = one(json!({"event": "failed", "severity": "temporary", "reason": "greylisted", "delivery-status":
        {"code": 451, "message": "4.7.1 Greylisted", "retry-seconds": 600, "mx-host": "mx.finch.example"}}));
    assert_eq!((report.kind, report.detail.cause), (EventKind::Deferred, None));
    assert_eq!(report.detail.reply.as_deref(), Some("451 4.7.1 Greylisted"));
    assert_eq!(report.detail.message.as_deref(), Some("Mailgun tries again in 600 seconds"));
}

#[test]
fn mailguns_own_words_are_no_reply_of_a_server() {
    let report = one(json!({"event": "failed", "severity": "temporary", "reason": "generic", "delivery-status":
        {"code": 498, "message": "No MX for finch.example", "retry-seconds": 1800}}));
    assert_eq!(report.detail.message.as_deref(), Some("No MX for finch.example"));
    assert_eq!(report.detail.reply, None);
}

#[test]
fn a_reply_has_each_code_once() {
    for (code, enhanced, words, reply) in [
        (json!(550), json!("5.1.1"), "no such user", "550 5.1.1 no such user"),
        (json!("550"), json!("5.1.1"), "5.1.1 no such user", "550 5.1.1 no such user"),
        (json!(550), json!("5.1.1"), "550 5.1.1 no such user", "550 5.1.1 no such user"),
        (json!(550), json!(null), "", "550"),
    ] {
        let status = json!({"code": code, "enhanced-code": enhanced, "message": words});
        let report = one(json!({"event": "failed", "severity": "permanent", "delivery-status": status}));
        assert_eq!(report.detail.reply.as_deref(), Some(reply));
    }
}

#[test]
fn a_permanent_failure_bounces_hard_or_soft() {
    for (reason, status, cause) in [
        ("bounce", json!({"code": 550, "bounce-type": "hard"}), EventCause::Hard),
        ("bounce", json!({"code": 552, "bounce-type": "soft"}), EventCause::Soft),
        ("bounce", json!({"code": 550}), EventCause::Hard),
        ("generic", json!({"code": 421}), EventCause::Soft),
        ("generic", json!({"code": 498}), EventCause::Soft),
        ("old", json!({"code": 602, "message": "Too old"}), EventCause::Soft),
        ("espblock", json!({"code": 554}), EventCause::Soft),
        ("bounce", json!(null), EventCause::Hard),
    ] {
        let changes = json!({"event": "failed", "severity": "permanent", "reason": reason, "delivery-status": status});
        let report = one(changes.clone());
        assert_eq!((report.kind, report.detail.cause), (EventKind::Bounced, Some(cause)), "{changes}");
    }
}

#[test]
fn a_suppressed_address_is_dropped_as_expected() {
    for (reason, code) in [("suppress-bounce", 605), ("suppress-unsubscribe", 606), ("suppress-complaint", 607)] {
        let status = json!({"code": code, "message": "", "description": "Not delivering to a suppressed address"});
        for changes in [json!({"reason": reason, "delivery-status": status}), json!({"delivery-status": status})] {
            let failed = json!({"event": "failed", "severity": "permanent"});
            let report = one(with(&failed, changes));
            assert_eq!((report.kind, report.detail.cause), (EventKind::Dropped, Some(EventCause::Expected)));
            assert_eq!(report.detail.message.as_deref(), Some("Not delivering to a suppressed address"));
            assert_eq!(report.detail.reply, None);
        }
    }
    let bare = one(json!({"event": "failed", "severity": "permanent", "reason": "suppress-bounce"}));
    assert_eq!(bare.detail.message.as_deref(), Some("suppress-bounce"));
}

#[test]
fn a_rejected_message_is_dropped_and_names_the_recipient_of_its_header() {
    let headers = |to: &str| json!({"headers": {"message-id": "1@finch.example", "to": to}});
    let rejected = json!({"event": "rejected", "recipient": null, "message": headers("Wren <wren@finch.example>"),
        "reject": {"reason": "Sandbox domains are for tests", "description": ""}});
    let report = one(rejected.clone());
    assert_eq!((report.kind, report.detail.cause), (EventKind::Dropped, None));
    assert_eq!(report.detail.message.as_deref(), Some("Sandbox domains are for tests"));
    assert_eq!(report.recipient.as_deref(), Some("wren@finch.example"));
    let two = one(with(&rejected, json!({"message": headers("wren@finch.example, tit@finch.example")})));
    assert_eq!(two.recipient, None);
    let virus = one(with(&rejected, json!({"reject": {"reason": "Virus found"}})));
    assert_eq!(virus.detail.cause, Some(EventCause::Virus));
}

#[test]
fn openings_and_clicks_tell_the_reader() {
    let reader = json!({"event": "clicked", "url": "https://finch.example/a", "ip": "198.51.100.7",
        "client-info": {"user-agent": "Wren/1.0", "bot": ""},
        "geolocation": {"city": "Brisbane", "region": "QLD", "country": "AU"}});
    let report = one(reader.clone());
    let detail = EventDetail {
        url: Some("https://finch.example/a".to_owned()),
        user_agent: Some("Wren/1.0".to_owned()),
        ip: Some("198.51.100.7".to_owned()),
        country: Some("Brisbane, QLD, AU".to_owned()),
        ..EventDetail::default()
    };
    assert_eq!((report.kind, report.detail), (EventKind::Clicked, detail));
    let geolocation = json!({"city": "Unknown", "region": "Unknown", "country": "GB"});
    let opened = one(with(&reader, json!({"event": "opened", "geolocation": geolocation})));
    assert_eq!((opened.kind, opened.detail.country.as_deref()), (EventKind::Opened, Some("GB")));
}

#[test]
fn a_machine_is_told_from_a_person() {
    for bot in ["apple", "gmail", "generic"] {
        let by_bot = |event: &str| one(json!({"event": event, "client-info": {"bot": bot}})).detail.message;
        assert_eq!(by_bot("opened").as_deref(), Some("Opened by a machine, not by a person"));
        assert_eq!(by_bot("clicked").as_deref(), Some("Clicked by a machine, not by a person"));
    }
    assert_eq!(one(json!({"event": "opened", "client-info": {"bot": null}})).detail.message, None);
}

#[test]
fn complaints_and_unsubscribes_are_told() {
    assert_eq!(one(json!({"event": "complained"})).kind, EventKind::ReportedAsSpam);
    let report = one(json!({"event": "unsubscribed", "tags": ["*"], "ip": "198.51.100.7"}));
    assert_eq!((report.kind, report.detail.ip.as_deref()), (EventKind::Unsubscribed, Some("198.51.100.7")));
}

#[test]
fn what_is_no_news_of_a_message_is_left_out() {
    assert_eq!(read_all(read, &event(json!({"event": "stored"}))), []);
    assert_eq!(read_all(read, &event(json!({"event": "list_member_uploaded"}))), []);
}

#[test]
fn odd_events_are_errors_of_their_own() {
    assert_eq!(
        read_error(read, &event(json!({"event": "molted"}))),
        "The event is of a type that Sendlog does not know"
    );
    assert_eq!(read_error(read, &event(json!({"timestamp": "soon"}))), "The event's time is not a time");
    let nameless = json!({"message": {"headers": null}, "user-variables": [1]});
    assert_eq!(read_error(read, &event(nameless)), "The event names no message");
    assert!(read_error(read, &json!({"event-data": [1]})).contains("not a JSON object"));
}

#[test]
fn the_same_id_on_another_day_is_another_event_and_without_one_the_contents_tell() {
    assert_ne!(one(json!({})).id, one(json!({"timestamp": 1772466390})).id);
    let id = |changes| one(with(&json!({"id": null}), changes)).id;
    assert_eq!(id(json!({})), id(json!({"ip": "198.51.100.7"})));
    assert_ne!(id(json!({})), id(json!({"recipient": "tit@finch.example"})));
    assert_ne!(id(json!({})), id(json!({"timestamp": 1772366391})));
}

#[test]
fn no_member_is_relied_on() {
    let status = json!({"code": 550, "enhanced-code": "5.1.1", "message": "no such user", "description": "no",
        "mx-host": "mx.finch.example", "bounce-type": "hard", "retry-seconds": 600});
    let failed = json!({"event": "failed", "severity": "permanent", "reason": "bounce", "delivery-status": status});
    let clicked = json!({"event": "clicked", "url": "https://finch.example/a", "ip": "198.51.100.7",
        "client-info": {"bot": "apple", "user-agent": "Wren/1.0"},
        "geolocation": {"city": "Brisbane", "country": "AU"}});
    for changes in [failed, clicked, json!({"event": "rejected", "reject": {"reason": "Sandbox"}})] {
        assert_lenient(read, &event(changes)["event-data"], |event| json!({"event-data": event}));
    }
}

#[test]
fn no_part_of_a_signature_is_relied_on() {
    let body = json!({"signature": signed_at(0), "event-data": {}}).to_string().into_bytes();
    for at in 0..body.len() {
        assert!(verify(&posted(&HeaderMap::new(), &body[..at]), KEY).is_err());
        let mut body = body.clone();
        body[at] = 0xff;
        assert!(verify(&posted(&HeaderMap::new(), &body), KEY).is_err());
    }
}
